package sim_test

import (
	"context"
	"io"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"doorbell/device/buttontest"
	"doorbell/device/sim"
	"doorbell/device/soundtest"
)

const frame = 960

func TestMicrophoneSuite(t *testing.T) {
	t.Parallel()
	soundtest.Microphone(t, func(context.Context) (io.Closer, error) { return sim.NewMicrophone(), nil })
}

func TestSpeakerSuite(t *testing.T) {
	t.Parallel()
	soundtest.Speaker(t, func(context.Context) (io.Closer, error) { return sim.NewSpeaker(), nil })
}

func TestButtonSuite(t *testing.T) {
	t.Parallel()
	var button *sim.Button
	buttontest.Run(t, func(*testing.T) buttontest.Button {
		button = sim.NewButton()
		return button
	}, func(*testing.T) { button.Press() }, func(*testing.T) {})
}

func TestMicrophoneDoesNotDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := sim.NewMicrophone()
		defer m.Close()
		begin := time.Now()
		pcm := make([]int16, frame)
		for i := range 3000 { // a minute
			at, err := m.ReadSamples(t.Context(), pcm)
			if err != nil {
				t.Fatal(err)
			}
			if want := begin.Add(time.Duration(i) * 20 * time.Millisecond); !at.Equal(want) {
				t.Fatalf("block %d is from %v, want %v", i, at.Sub(begin), want.Sub(begin))
			}
			time.Sleep(3 * time.Millisecond) // the reader works; that must not add up
		}
		if took := time.Since(begin); took != time.Minute+3*time.Millisecond {
			t.Errorf("a minute of sound took %v", took)
		}
	})
}

func TestSpeakerHearsTheMelody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, s := sim.NewMicrophone(), sim.NewSpeaker()
		defer m.Close()
		defer s.Close()
		begin := time.Now()
		pcm := make([]int16, frame)
		for time.Since(begin) < 4*time.Second {
			if _, err := m.ReadSamples(t.Context(), pcm); err != nil {
				t.Fatal(err)
			}
			if err := s.WriteSamples(t.Context(), pcm); err != nil {
				t.Fatal(err)
			}
			// The window of 0.5 s holds one note alone when that note has just ended.
			since := time.Since(begin)
			if since%(500*time.Millisecond) != 20*time.Millisecond || since < 600*time.Millisecond {
				continue
			}
			want := sim.NoteAt(since - 40*time.Millisecond)
			level, pitch := s.Heard()
			if math.Abs(pitch-want.Frequency) > 1 {
				t.Errorf("at %v: heard %.1f Hz, want %.1f", since, pitch, want.Frequency)
			}
			if math.Abs(level-sim.MelodyDBFS) > 0.5 {
				t.Errorf("at %v: heard %.1f dBFS, want %.1f", since, level, sim.MelodyDBFS)
			}
		}
	})
}

// The notes keep to the clock, whenever the microphone is opened.
func TestMelodyKeepsToTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(1234567 * time.Microsecond)
		m := sim.NewMicrophone()
		defer m.Close()
		pcm := make([]int16, frame)
		quiet := func(at time.Time) bool { // between two notes
			return at.Sub(at.Truncate(500*time.Millisecond)) < time.Millisecond
		}
		for range 100 {
			at, err := m.ReadSamples(t.Context(), pcm)
			if err != nil {
				t.Fatal(err)
			}
			for i, sample := range pcm {
				when := at.Add(time.Duration(i) * time.Second / 48000)
				if quiet(when) && (sample > 400 || sample < -400) {
					t.Fatalf("%v after a note's begin it is loud: %d", when.Sub(when.Truncate(500*time.Millisecond)), sample)
				}
			}
		}
	})
}

func TestSpeakerHears(t *testing.T) {
	tone := func(frequency, amplitude float64, on, every int) func(i int) float64 {
		return func(i int) float64 {
			if i%every >= on {
				return 0
			}
			return amplitude * math.Sin(2*math.Pi*frequency*float64(i)/48000)
		}
	}
	square := func(i int) float64 {
		return math.Copysign(0.5, tone(400, 1, 960, 24000)(i)) * math.Ceil(math.Abs(tone(400, 1, 960, 24000)(i)))
	}
	tests := []struct {
		name      string
		sound     func(i int) float64
		pitch     float64
		tolerance float64
		level     float64
	}{
		{"silence", func(int) float64 { return 0 }, 0, 0, sim.SilenceDBFS},
		{"low", tone(100, 0.5, 1, 1), 100, 3, -9},
		{"high", tone(7000, 0.5, 1, 1), 7000, 1, -9},
		{"soft", tone(1000, 0.001, 1, 1), 1000, 2, -63},
		{"too soft for a pitch", tone(1000, 0.0001, 1, 1), 0, 0, -83},
		{"the stronger of two", func(i int) float64 { return tone(500, 0.1, 1, 1)(i) + tone(900, 0.3, 1, 1)(i) }, 900, 2, -13},
		{"beeps of 20 ms every 500 ms", tone(400, 0.5, 960, 24000), 400, 8, -23},
		{"square beeps", square, 400, 8, -20},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := sim.NewSpeaker()
				defer s.Close()
				pcm := make([]int16, frame)
				for block := range 60 {
					for i := range pcm {
						pcm[i] = int16(math.MaxInt16 * test.sound(block*frame+i))
					}
					if err := s.WriteSamples(t.Context(), pcm); err != nil {
						t.Fatal(err)
					}
				}
				level, pitch := s.Heard()
				if math.Abs(pitch-test.pitch) > test.tolerance {
					t.Errorf("pitch %.1f Hz, want %.1f", pitch, test.pitch)
				}
				if math.Abs(level-test.level) > 2 {
					t.Errorf("level %.1f dBFS, want %.1f", level, test.level)
				}
			})
		})
	}
}

func TestSpeakerForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sim.NewSpeaker()
		loud := make([]int16, frame)
		for i := range loud {
			loud[i] = 10000
		}
		for range 50 {
			if err := s.WriteSamples(t.Context(), loud); err != nil {
				t.Fatal(err)
			}
		}
		full, _ := s.Heard()
		time.Sleep(290 * time.Millisecond) // 250 ms after its last sound
		half, _ := s.Heard()
		if math.Abs(full-half-3) > 0.3 {
			t.Errorf("half a window of silence changed %.1f dBFS to %.1f, want 3 less", full, half)
		}
		time.Sleep(time.Second)
		if none, _ := s.Heard(); none != sim.SilenceDBFS {
			t.Errorf("long after, heard %.1f dBFS", none)
		}
		if err := s.WriteSamples(t.Context(), loud); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
		if level, _ := s.Heard(); math.Abs(level-(full-14)) > 0.5 { // 20 of 500 ms
			t.Errorf("after a pause heard %.1f dBFS, want %.1f", level, full-14)
		}
		s.Close()
		if want := 51*20*time.Millisecond + 1250*time.Millisecond; s.Played() < time.Second || s.Played() > want {
			t.Errorf("played %v", s.Played())
		}
	})
}

func TestButtonKeepsEarlyPresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := sim.NewButton()
		for i := range 10 {
			if kept := b.Press(); kept != (i < 8) {
				t.Errorf("press %d kept: %v", i, kept)
			}
		}
		begin := time.Now()
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		n := 0
		b.Run(ctx, func(at time.Time) {
			n++
			if !at.Equal(begin) {
				t.Errorf("pressed %v late", at.Sub(begin))
			}
		})
		if n != 8 {
			t.Errorf("%d presses, want 8", n)
		}
	})
}

func TestLight(t *testing.T) {
	l := sim.NewLight()
	for _, on := range []bool{false, true, true, false, true} {
		if err := l.Set(on); err != nil || l.On() != on {
			t.Errorf("Set(%v): on %v, error %v", on, l.On(), err)
		}
	}
	if err := l.Close(); err != nil || l.On() || l.Changes() != 4 {
		t.Errorf("closed: on %v, %d changes, error %v", l.On(), l.Changes(), err)
	}
}
