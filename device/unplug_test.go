package device

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// These tests take real devices away, where they may. In a virtual machine:
//
//	DOORBELL_TEST_MICROPHONE=hw:Loopback,1 DOORBELL_TEST_SPEAKER=hw:Loopback,0
//	DOORBELL_TEST_SOUND_DRIVER=/sys/bus/platform/drivers/snd_aloop DOORBELL_TEST_SOUND_DEVICE=snd_aloop.0
//	DOORBELL_TEST_BUTTON=GPIO17 DOORBELL_TEST_BUTTON_PULL=/sys/devices/platform/gpio-sim.0/gpiochip0/sim_gpio0/pull
//	DOORBELL_TEST_BUTTON_CONFIG=/sys/kernel/config/gpio-sim/door DOORBELL_TEST_BUTTON_LIVE=/sys/kernel/config/gpio-sim/door/live

// environment returns the values of variables, or skips the test where one is unset.
func environment(t testing.TB, names ...string) []string {
	t.Helper()
	values := make([]string, len(names))
	for i, name := range names {
		if values[i] = os.Getenv(name); values[i] == "" {
			t.Skipf("%s is not set", name)
		}
	}
	return values
}

// sysfs writes to a file of the kernel's.
func sysfs(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0); err != nil {
		t.Fatal(err)
	}
}

// cpuTime is what this process has used up.
func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func TestRealSoundUnplugged(t *testing.T) {
	env := environment(t, "DOORBELL_TEST_MICROPHONE", "DOORBELL_TEST_SPEAKER", "DOORBELL_TEST_SOUND_DRIVER", "DOORBELL_TEST_SOUND_DEVICE")
	driver, device := env[2], env[3]
	microphone := func() (io.Closer, error) { return OpenMicrophone(t.Context(), env[0], SoundOptions{}) }
	speaker := func() (io.Closer, error) { return OpenSpeaker(t.Context(), env[1], SoundOptions{}) }
	for name, open := range map[string]func() (io.Closer, error){"microphone": microphone, "loudspeaker": speaker} {
		t.Run(name, func(t *testing.T) {
			opened, err := open()
			if err != nil {
				t.Fatal(err)
			}
			if err := moveFor(t, opened, 500*time.Millisecond); err != nil {
				t.Fatalf("before: %v", err)
			}
			// The driver takes the card away at once, and then waits until nobody has it open.
			unbound := make(chan error, 1)
			go func() { unbound <- os.WriteFile(filepath.Join(driver, "unbind"), []byte(device), 0) }()
			begin := time.Now()
			if err := moveFor(t, opened, 5*time.Second); !errors.Is(err, ErrSoundGone) {
				t.Errorf("unplugged: %v", err)
			}
			t.Logf("noticed after %v", time.Since(begin))
			begin = time.Now()
			if err := opened.Close(); err != nil {
				t.Errorf("closing: %v", err)
			}
			t.Logf("closed after %v", time.Since(begin))
			if err := <-unbound; err != nil {
				t.Fatal(err)
			}
			if _, err := open(); !errors.Is(err, ErrNoSoundCard) && !errors.Is(err, ErrNoSuchSound) {
				t.Errorf("opening what is unplugged: %v", err)
			}
			used := cpuTime(t)
			<-time.After(500 * time.Millisecond)
			if used = cpuTime(t) - used; used > 100*time.Millisecond {
				t.Errorf("%v of CPU time in 500 ms after closing: a thread is left", used)
			}
			sysfs(t, filepath.Join(driver, "bind"), device)
			opened, err = open()
			if err != nil {
				t.Fatalf("plugged in again: %v", err)
			}
			defer opened.Close()
			if err := moveFor(t, opened, 500*time.Millisecond); err != nil {
				t.Errorf("plugged in again: %v", err)
			}
		})
	}
}

// moveFor reads or writes for a time, or until there is an error.
func moveFor(t *testing.T, device io.Closer, d time.Duration) error {
	pcm := make([]int16, FrameSamples)
	for begin := time.Now(); time.Since(begin) < d; {
		var err error
		if m, ok := device.(soundSource); ok {
			_, err = m.ReadSamples(t.Context(), pcm)
		} else {
			err = device.(soundSink).WriteSamples(t.Context(), pcm)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// What the loudspeaker plays the microphone hears, where the two are one loopback.
func TestRealLoopback(t *testing.T) {
	env := environment(t, "DOORBELL_TEST_MICROPHONE", "DOORBELL_TEST_SPEAKER", "DOORBELL_TEST_LOOPBACK")
	speaker, err := OpenSpeaker(t.Context(), env[1], SoundOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer speaker.Close()
	microphone, err := OpenMicrophone(t.Context(), env[0], SoundOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer microphone.Close()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for start := 0; speaker.WriteSamples(ctx, tone(660, 0.3, start, FrameSamples)) == nil; start += FrameSamples {
		}
	}()
	pcm := make([]int16, SampleRate)
	for range 2 {
		if _, err := microphone.ReadSamples(ctx, pcm); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	<-done
	_, missed := speaker.Losses()
	dropped, _ := microphone.Losses()
	pure, level := strength(pcm, 660), LevelDBFS(pcm)
	t.Logf("%.3f of the sound is the tone, %.1f dBFS; %d samples missed, %d dropped", pure, level, missed, dropped)
	least := 0.8
	if os.Getenv("DOORBELL_TEST_EMULATED") != "" {
		least = 0.4 // with holes in it
	}
	if pure < least || level < -20 || level > -12 {
		t.Error("the tone is not what is heard")
	}
}

// Another program's device is told as busy, with that program's number.
func TestRealSoundBusy(t *testing.T) {
	env := environment(t, "DOORBELL_TEST_SPEAKER")
	first, err := OpenSpeaker(t.Context(), env[0], SoundOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	second, err := OpenSpeaker(t.Context(), env[0], SoundOptions{})
	if err == nil {
		second.Close()
		t.Skip("this device can be shared")
	}
	if !errors.Is(err, ErrSoundBusy) {
		t.Errorf("got %v", err)
	}
	t.Log(err)
}

func TestRealLight(t *testing.T) {
	env := environment(t, "DOORBELL_TEST_LIGHT", "DOORBELL_TEST_LIGHT_VALUE")
	light, err := OpenLight(env[0], LightOptions{})
	if err != nil {
		t.Fatal(err)
	}
	value := func() string {
		text, err := os.ReadFile(env[1])
		if err != nil {
			t.Fatal(err)
		}
		return string(text[:1])
	}
	for _, on := range []bool{true, false, true} {
		if err := light.Set(on); err != nil {
			t.Error(err)
		}
		if want := map[bool]string{true: "1", false: "0"}[on]; value() != want {
			t.Errorf("set to %v, the line is %s", on, value())
		}
	}
	if _, err := OpenButton(env[0], ButtonOptions{}); !errors.Is(err, ErrLineBusy) {
		t.Errorf("the light's line as a button: %v", err)
	}
	if err := light.Close(); err != nil || value() != "0" {
		t.Errorf("closed: %v, the line is %s", err, value())
	}
}

// descriptors counts what this process has open.
func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestRealButtonUnplugged(t *testing.T) {
	env := environment(t, "DOORBELL_TEST_BUTTON", "DOORBELL_TEST_BUTTON_LIVE", "DOORBELL_TEST_BUTTON_CONFIG")
	name, live := env[0], env[1]
	if _, err := OpenButton("GPIO_THAT_IS_NOT", ButtonOptions{}); !errors.Is(err, ErrNoSuchLine) {
		t.Errorf("no such line: %v", err)
	}
	before := descriptors(t)
	for range 20 {
		// gpio-sim would take the request for a pull resistor as a finger.
		button, err := OpenButton(name, ButtonOptions{Pull: PullNone})
		if err != nil {
			t.Fatal(err)
		}
		pull := func(level string) { pullButton(t, env[2], level) }
		if err := pressesAndGoes(t, button, pull, func() { sysfs(t, live, "0") }); !errors.Is(err, ErrLineGone) {
			t.Errorf("unplugged: %v", err)
		}
		if _, err := OpenButton(name, ButtonOptions{}); !errors.Is(err, ErrLineGone) {
			t.Errorf("while it is away: %v", err)
		}
		sysfs(t, live, "1")
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors, %d before", after, before)
	}
}

// pullButton pulls line 17 of the chip of a gpio-sim configuration.
func pullButton(t *testing.T, config, level string) {
	t.Helper()
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(config, name))
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(text))
	}
	sysfs(t, filepath.Join("/sys/devices/platform", read("dev_name"), read("bank0/chip_name"), "sim_gpio17/pull"), level)
}

// pressesAndGoes runs a button, which reports a press, until its chip has gone.
func pressesAndGoes(t *testing.T, button *Button, pull func(level string), unplug func()) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	presses, done := make(chan time.Time, 16), make(chan error, 1)
	pull("pull-up")
	go func() { done <- button.Run(ctx, func(at time.Time) { presses <- at }) }()
	pull("pull-down")
	select {
	case <-presses:
	case <-ctx.Done():
		t.Error("a press is not reported")
	}
	pull("pull-up")
	<-time.After(100 * time.Millisecond)
	unplug()
	err := <-done
	if len(presses) > 0 {
		t.Error("a press too many is reported")
	}
	return err
}
