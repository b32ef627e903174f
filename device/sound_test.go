package device

import (
	"context"
	"errors"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"doorbell/device/soundtest"
)

// The suite on a real card, where one is named.
func TestRealMicrophone(t *testing.T) {
	name := os.Getenv("DOORBELL_TEST_MICROPHONE")
	if name == "" {
		t.Skip("DOORBELL_TEST_MICROPHONE names no microphone")
	}
	soundtest.Microphone(t, func(ctx context.Context) (io.Closer, error) { return OpenMicrophone(ctx, name, SoundOptions{}) })
}

// The suite on a real card, where one is named.
func TestRealSpeaker(t *testing.T) {
	name := os.Getenv("DOORBELL_TEST_SPEAKER")
	if name == "" {
		t.Skip("DOORBELL_TEST_SPEAKER names no loudspeaker")
	}
	soundtest.Speaker(t, func(ctx context.Context) (io.Closer, error) { return OpenSpeaker(ctx, name, SoundOptions{}) })
}

func TestOpenWithoutASoundCard(t *testing.T) {
	if _, err := ListSpeakers(); !errors.Is(err, ErrNoSoundCard) {
		t.Skip("this machine has a sound card")
	}
	for _, name := range []string{"", "default", "hw:0,0", "plughw:1", "Loopback"} {
		if _, err := OpenMicrophone(t.Context(), name, SoundOptions{}); !errors.Is(err, ErrNoSoundCard) {
			t.Errorf("microphone %q: %v", name, err)
		}
		if _, err := OpenSpeaker(t.Context(), name, SoundOptions{}); !errors.Is(err, ErrNoSoundCard) {
			t.Errorf("loudspeaker %q: %v", name, err)
		}
	}
	for _, name := range []string{"null", "plug:null", "plug:'null'", "plug:SLAVE=null"} {
		if _, err := OpenSpeaker(t.Context(), name, SoundOptions{}); !errors.Is(err, ErrNullSound) {
			t.Errorf("loudspeaker %q: %v", name, err)
		}
	}
}

// ALSA's null device moves samples as fast as it can: enough to see that they get
// through, that the ring stays bounded, and that closing works.
func TestALSAThroughTheNullDevice(t *testing.T) {
	for _, direction := range []soundDirection{soundCapture, soundPlayback} {
		t.Run(direction.String(), func(t *testing.T) {
			port := newSoundPort("null", 40*time.Millisecond, nil)
			moved := map[soundDirection]func([]int16){soundCapture: captureInto(port), soundPlayback: playFrom(port)}[direction]
			if err := openALSA(direction, "null", port, moved); err != nil {
				t.Skipf("no ALSA here: %v", err)
			}
			pcm := make([]int16, FrameSamples)
			for range 20 {
				var err error
				if direction == soundCapture {
					_, err = port.read(t.Context(), pcm)
				} else {
					err = port.write(t.Context(), pcm)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if err := port.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestALSANoSuchDevice(t *testing.T) {
	port := newSoundPort("no such", 40*time.Millisecond, nil)
	err := openALSA(soundPlayback, "hw:NoSuchCard,0", port, playFrom(port))
	if err == nil {
		t.Fatal("opened a card that doesn't exist")
	}
	if !errors.Is(err, ErrNoSuchSound) {
		t.Skipf("no ALSA here: %v", err)
	}
	if err := openALSA(soundPlayback, strings.Repeat("x", 300), port, playFrom(port)); !errors.Is(err, ErrNoSuchSound) {
		t.Errorf("too long a name: %v", err)
	}
}

// twoCards is a /proc with a USB sound card, whose loudspeaker is taken, and a loopback.
func twoCards() fstest.MapFS {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	return fstest.MapFS{
		"asound/cards": file(" 0 [Device         ]: USB-Audio - USB PnP Sound Device\n                      C-Media USB PnP Sound Device at usb-0000:01:00.0-1.2\n" +
			" 2 [Loopback       ]: Loopback - Loopback\n                      Loopback 1\n"),
		"asound/pcm":                      file("00-00: USB Audio : USB Audio : playback 1 : capture 1\n02-00: Loopback PCM : Loopback PCM : playback 8 : capture 8\n02-01: Loopback PCM : Loopback PCM : playback 8 : capture 8\n"),
		"asound/card0/pcm0p/sub0/status":  file("state: RUNNING\nowner_pid   : 812\ntrigger_time: 1.2\n"),
		"asound/card0/pcm0c/sub0/status":  file("closed\n"),
		"asound/card2/pcm0p/sub0/status":  file("state: RUNNING\nowner_pid   : 812\n"),
		"asound/card2/pcm0p/sub1/status":  file("closed\n"),
		"812/comm":                        file("aplay\n"),
		"asound/card2/pcm1c/sub0/status":  file("closed\n"),
		"asound/card2/pcm1c/sub0/hw_info": file(""),
	}
}

func TestListSounds(t *testing.T) {
	system := soundSystem{proc: twoCards(), access: func(string) error { return nil }}
	for direction, want := range map[soundDirection][]string{
		soundCapture:  {"hw:Device,0 ok", "hw:Loopback,0 ok", "hw:Loopback,1 ok"},
		soundPlayback: {"hw:Device,0 busy", "hw:Loopback,0 ok", "hw:Loopback,1 ok"},
	} {
		list, err := system.list(direction)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range list {
			problem := " ok"
			if s.Problem != nil {
				problem = " " + map[bool]string{true: "busy", false: s.Problem.Error()}[errors.Is(s.Problem, ErrSoundBusy)]
			}
			got = append(got, s.ID+problem)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%vs: %q, want %q", direction, got, want)
		}
	}
}

func TestListSoundsWithNothing(t *testing.T) {
	empty := fstest.MapFS{"asound/cards": {Data: []byte("--- no soundcards ---\n")}}
	for name, proc := range map[string]fstest.MapFS{"no driver": {}, "no card": empty} {
		if _, err := (soundSystem{proc: proc}).list(soundCapture); !errors.Is(err, ErrNoSoundCard) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestResolveSound(t *testing.T) {
	system := soundSystem{proc: twoCards(), access: func(string) error { return nil }}
	tests := []struct {
		name, want string
		err        error
	}{
		{"", "default", nil},
		{"default", "default", nil},
		{"hw:2,1", "hw:2,1", nil},
		{"plughw:Device", "plughw:Device", nil},
		{"usb pnp", "hw:Device,0", nil},
		{"Loopback", "", ErrNoSuchSound}, // two of them
		{"doorphone", "doorphone", nil},  // of /etc/asound.conf, perhaps
		{"null", "", ErrNullSound},
		{"nullmodem", "nullmodem", nil},
	}
	for _, test := range tests {
		got, err := system.resolve(soundPlayback, test.name)
		if got != test.want || !errors.Is(err, test.err) {
			t.Errorf("%q: %q, %v; want %q, %v", test.name, got, err, test.want, test.err)
		}
	}
}

func TestExplainSound(t *testing.T) {
	allowed := func(string) error { return nil }
	denied := func(string) error { return os.ErrPermission }
	onlySpeakers := twoCards()
	onlySpeakers["asound/pcm"] = &fstest.MapFile{Data: []byte("00-00: USB Audio : USB Audio : playback 1\n")}
	tests := []struct {
		name      string
		system    soundSystem
		direction soundDirection
		id        string
		cause     error
		want      error
		words     []string
	}{
		{"permission, which ALSA calls no such file", soundSystem{twoCards(), denied}, soundCapture, "plughw:Device", ErrNoSuchSound, ErrSoundPermission, []string{"usermod -aG audio", "pcmC0D0c"}},
		{"busy", soundSystem{twoCards(), allowed}, soundPlayback, "hw:CARD=Device,DEV=0", ErrSoundBusy, ErrSoundBusy, []string{"812 (aplay)", "default"}},
		{"busy without an owner", soundSystem{twoCards(), allowed}, soundCapture, "hw:0", ErrSoundBusy, ErrSoundBusy, []string{"stop that program"}},
		{"misspelt", soundSystem{twoCards(), allowed}, soundCapture, "hw:Lopback,1", ErrNoSuchSound, ErrNoSuchSound, []string{"there is `hw:Loopback,1` (Loopback, Loopback PCM), `hw:Loopback,0`"}},
		{"no microphone", soundSystem{onlySpeakers, allowed}, soundCapture, "default", ErrNoSuchSound, ErrNoSuchSound, []string{"have no microphone"}},
		{"no card", soundSystem{fstest.MapFS{}, allowed}, soundCapture, "default", ErrNoSuchSound, ErrNoSoundCard, []string{"USB sound card"}},
		{"something else", soundSystem{twoCards(), allowed}, soundCapture, "hw:0", io.ErrUnexpectedEOF, io.ErrUnexpectedEOF, []string{`microphone "hw:0": opening it`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := test.system.explain(test.direction, test.id, test.id, test.cause)
			if !errors.Is(err, test.want) {
				t.Errorf("%v is not %v", err, test.want)
			}
			for _, words := range test.words {
				if !strings.Contains(err.Error(), words) {
					t.Errorf("%q lacks %q", err, words)
				}
			}
		})
	}
}

func TestPortWatchdog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		port := newSoundPort("card", 60*time.Millisecond, nil)
		go func() { // a card that works for a second
			for range 100 {
				time.Sleep(10 * time.Millisecond)
				port.ring.force(make([]int16, 480), time.Now())
			}
		}()
		begin := time.Now()
		pcm := make([]int16, FrameSamples)
		for {
			if _, err := port.read(t.Context(), pcm); err != nil {
				if !errors.Is(err, ErrSoundGone) {
					t.Errorf("got %v", err)
				}
				break
			}
		}
		if took := time.Since(begin); took != 2*time.Second {
			t.Errorf("noticed after %v, want 1 s after the card stopped", took)
		}
		if _, err := port.read(t.Context(), pcm); !errors.Is(err, ErrSoundGone) {
			t.Errorf("again: %v", err)
		}
		if err := port.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestPortWriterWatchdogAndDisconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		port := newSoundPort("card", 40*time.Millisecond, nil)
		defer port.Close()
		begin := time.Now()
		if err := port.write(t.Context(), make([]int16, 4*FrameSamples)); !errors.Is(err, ErrSoundGone) || time.Since(begin) != time.Second {
			t.Errorf("after %v: %v", time.Since(begin), err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		port := newSoundPort("card", 40*time.Millisecond, nil)
		defer port.Close()
		begin := time.Now()
		log := alsaLog(port)
		time.AfterFunc(100*time.Millisecond, func() {
			log("[ALSA] POLLERR detected. status = 3\n")
			for range 3 {
				log("[ALSA] POLLERR detected. status = 8\n")
			}
		})
		if err := port.write(t.Context(), make([]int16, 4*FrameSamples)); !errors.Is(err, ErrSoundGone) || time.Since(begin) != 100*time.Millisecond {
			t.Errorf("after %v: %v", time.Since(begin), err)
		}
	})
}

func TestPortThatDoesNotClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		port := newSoundPort("card", 40*time.Millisecond, nil)
		end := make(chan struct{})
		port.shut = func() { <-end }
		begin := time.Now()
		for range 2 {
			if err := port.Close(); !errors.Is(err, ErrSoundStuck) {
				t.Errorf("got %v", err)
			}
		}
		if took := time.Since(begin); took != soundCloseWait {
			t.Errorf("took %v", took)
		}
		close(end)
	})
}

func TestRingKeepsTheNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ring := newSoundRing(60 * time.Millisecond)
		begin := time.Now()
		count := int16(0)
		for range 10 { // 100 ms
			time.Sleep(10 * time.Millisecond)
			pcm := make([]int16, 480)
			for i := range pcm {
				pcm[i] = count
				count++
			}
			ring.force(pcm, time.Now())
		}
		got := make([]int16, 4800)
		n, first := ring.get(got)
		if n != 2880 || got[0] != 1920 || got[n-1] != 4799 {
			t.Errorf("%d samples, %d to %d", n, got[0], got[n-1])
		}
		if at := first.Sub(begin); at != 40*time.Millisecond {
			t.Errorf("from %v", at)
		}
		if dropped, _ := ring.losses(); dropped != 1920 {
			t.Errorf("dropped %d", dropped)
		}
		ring.force(make([]int16, 5000), time.Now())
		if dropped, _ := ring.losses(); dropped != 1920+5000-2880 {
			t.Errorf("dropped %d", dropped)
		}
	})
}

func TestRingPlaysSilenceWhenEmpty(t *testing.T) {
	ring := newSoundRing(40 * time.Millisecond)
	if n := ring.put(slices.Repeat([]int16{7}, 3000)); n != 1920 {
		t.Errorf("took %d", n)
	}
	got := make([]int16, 2400)
	ring.drain(got, time.Now())
	if want := append(slices.Repeat([]int16{7}, 1920), make([]int16, 480)...); !slices.Equal(got, want) {
		t.Error("not the samples and then silence")
	}
	if _, missed := ring.losses(); missed != 480 {
		t.Errorf("missed %d", missed)
	}
}

func TestLevelDBFS(t *testing.T) {
	sine := make([]int16, 4800)
	for i := range sine {
		sine[i] = int16(math.MaxInt16 * math.Sin(2*math.Pi*float64(i)/48))
	}
	for _, test := range []struct {
		pcm  []int16
		want float64
	}{{nil, SilenceDBFS}, {make([]int16, 10), SilenceDBFS}, {[]int16{-32768, -32768}, 0}, {sine, -3.01}} {
		if got := LevelDBFS(test.pcm); math.Abs(got-test.want) > 0.01 {
			t.Errorf("got %v, want %v", got, test.want)
		}
	}
}
