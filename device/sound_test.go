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
			moved := map[soundDirection]func([]int16){soundCapture: captureInto(port), soundPlayback: playFrom(port, nil)}[direction]
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
	err := openALSA(soundPlayback, "hw:NoSuchCard,0", port, playFrom(port, nil))
	if err == nil {
		t.Fatal("opened a card that doesn't exist")
	}
	if !errors.Is(err, ErrNoSuchSound) {
		t.Skipf("no ALSA here: %v", err)
	}
	if err := openALSA(soundPlayback, strings.Repeat("x", 300), port, playFrom(port, nil)); !errors.Is(err, ErrNoSuchSound) {
		t.Errorf("too long a name: %v", err)
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
