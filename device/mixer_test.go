package device

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"doorbell/device/sim"
)

// say sends a tone's packets in real time, through a network that change stands for: it
// returns each packet's delay, or a negative number for a lost one.
func say(t *testing.T, talker *Talker, packets [][]byte, change func(i int) time.Duration) {
	var wait sync.WaitGroup
	for i, packet := range packets {
		if delay := change(i); delay >= 0 {
			wait.Go(func() {
				time.Sleep(delay)
				talker.Receive(uint16(65530+i), uint32(i*FrameSamples)-5000, packet)
			})
		}
		time.Sleep(FrameDuration)
	}
	wait.Wait()
}

// mixing runs a mixer in a bubble with a recording loudspeaker.
func mixing(t *testing.T, test func(m *Mixer, speaker *recordingSpeaker)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		speaker := &recordingSpeaker{}
		m := NewMixer(MixerOptions{Open: func(context.Context) (io.Closer, error) { return speaker, nil }})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- m.Run(ctx) }()
		test(m, speaker)
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run returned %v", err)
		}
	})
}

// How much of the sound is still the tone, through networks good and bad.
func TestMixerThroughBadNetworks(t *testing.T) {
	tests := []struct {
		name    string
		lost    int           // percent
		jitter  time.Duration // of each packet
		least   float64       // share of the energy that is at the tone's frequency
		softest float64       // level, dBFS; the tone has -13.5
	}{
		{"perfect", 0, 0, 0.98, -14.5},
		{"5 % lost", 5, 0, 0.85, -15},
		{"20 % lost", 20, 0, 0.6, -17},
		{"30 ms of jitter", 0, 30 * time.Millisecond, 0.85, -15},
		{"60 ms of jitter, 5 % lost", 5, 60 * time.Millisecond, 0.6, -17},
	}
	packets := tonePackets(500, 0.3, 200)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			mixing(t, func(m *Mixer, speaker *recordingSpeaker) {
				random := rand.New(rand.NewPCG(7, 8))
				talker := m.Join()
				defer talker.Leave()
				say(t, talker, packets, func(int) time.Duration {
					if random.IntN(100) < test.lost {
						return -1
					}
					return time.Duration(random.Int64N(int64(test.jitter) + 1))
				})
				heard := speaker.recorded(time.Second, 4*time.Second)
				// Each 100 ms for itself: concealment may shift the phase.
				var pure float64
				parts := slices.Collect(slices.Chunk(heard, 4800))
				for _, part := range parts {
					pure += strength(part, 500) / float64(len(parts))
				}
				level := LevelDBFS(heard)
				t.Logf("%.3f of the sound is the tone, %.1f dBFS, delay %v, %+v", pure, level, talker.Delay(), talker.Counts())
				if pure < test.least || level < test.softest {
					t.Errorf("%.2f of the sound is the tone and its level %.1f dBFS; want %.2f and %.1f", pure, level, test.least, test.softest)
				}
			})
		})
	}
}

func TestMixerMixesTwo(t *testing.T) {
	mixing(t, func(m *Mixer, speaker *recordingSpeaker) {
		var wait sync.WaitGroup
		for _, frequency := range []float64{500, 800} {
			talker := m.Join()
			wait.Go(func() {
				defer talker.Leave()
				say(t, talker, tonePackets(frequency, 0.9, 100), func(int) time.Duration { return 0 })
			})
		}
		wait.Wait()
		heard := speaker.recorded(time.Second, 1900*time.Millisecond)
		for _, frequency := range []float64{500, 800} {
			if got := strength(heard, frequency); got < 0.4 || got > 0.6 {
				t.Errorf("%.2f of the sound is at %v Hz", got, frequency)
			}
		}
		if loudest := slices.Max(heard); loudest < 20000 || loudest > 32500 {
			t.Errorf("the loudest sample is %d", loudest)
		}
	})
}

// Sound must be heard soon after it was said, also after the loudspeaker was away.
func TestMixerLatency(t *testing.T) {
	mixing(t, func(m *Mixer, speaker *recordingSpeaker) {
		talker := m.Join()
		defer talker.Leave()
		synctest.Wait()
		say(t, talker, tonePackets(500, 0.5, 25), func(int) time.Duration { return 0 })
		heard := speaker.recorded(0, 10*time.Second)
		first := slices.IndexFunc(heard, func(s int16) bool { return s > 1000 || s < -1000 })
		if at := durationOf(first); first < 0 || at > 70*time.Millisecond {
			t.Errorf("first heard after %v", at)
		}
	})
}

func TestMixerOpensAndCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var opened []*recordingSpeaker
		m := NewMixer(MixerOptions{Open: func(context.Context) (io.Closer, error) {
			opened = append(opened, &recordingSpeaker{})
			return opened[len(opened)-1], nil
		}})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- m.Run(ctx) }()
		state := func(want SoundState, talkers, opens int, closed bool) {
			t.Helper()
			synctest.Wait()
			s := m.State()
			if s.State != want || s.Talkers != talkers || len(opened) != opens || opens > 0 && opened[opens-1].closed != closed {
				t.Errorf("%+v, opened %d times; want %s with %d talkers, %d times", s, len(opened), want, talkers, opens)
			}
		}
		state(SoundIdle, 0, 0, false)
		anna := m.Join()
		state(SoundOpen, 1, 1, false)
		if s := m.State(); s.Description != "recorder" {
			t.Errorf("described as %q", s.Description)
		}
		otto := m.Join()
		anna.Leave()
		anna.Leave()
		anna.Receive(1, 1, opusSilence)
		state(SoundOpen, 1, 1, false)
		otto.Leave()
		time.Sleep(2 * FrameDuration)
		state(SoundIdle, 0, 1, true)
		m.Join()
		time.Sleep(time.Second)
		state(SoundOpen, 1, 2, false)
		if err := m.Run(ctx); !errors.Is(err, ErrSoundInUse) {
			t.Errorf("a second Run returned %v", err)
		}
		cancel()
		<-done
		state(SoundIdle, 1, 2, true)
	})
}

func TestMixerTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		broken := errors.New("broken")
		var mu sync.Mutex
		var tries []time.Duration // guarded by mu
		speakers := []*recordingSpeaker{{}, {}}
		m := NewMixer(MixerOptions{Open: func(context.Context) (io.Closer, error) {
			mu.Lock()
			defer mu.Unlock()
			tries = append(tries, time.Since(begin))
			if len(tries) < 6 {
				return nil, broken
			}
			return speakers[len(tries)-6], nil
		}})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- m.Run(ctx) }()
		talker := m.Join()
		synctest.Wait()
		if s := m.State(); s.State != SoundLost || !errors.Is(s.Err, broken) {
			t.Errorf("%+v", s)
		}
		packets := tonePackets(500, 0.5, 250) // 5 s: said while there is no loudspeaker, too
		go say(t, talker, packets, func(int) time.Duration { return 0 })
		time.Sleep(6 * time.Second)
		ms, speaker := time.Millisecond, speakers[0]
		mu.Lock()
		if want := []time.Duration{0, 500 * ms, 1500 * ms, 2500 * ms, 3500 * ms, 4500 * ms}; !slices.Equal(tries, want) {
			t.Errorf("tried at %v, want %v", tries, want)
		}
		mu.Unlock()
		if s := m.State(); s.State != SoundOpen || s.Err != nil {
			t.Errorf("%+v", s)
		}
		// The talker ended at 5 s: 0.5 s of it is to be heard and no more.
		if level := LevelDBFS(speaker.recorded(100*time.Millisecond, 400*time.Millisecond)); level < -12 {
			t.Errorf("the end of the talk: %.0f dBFS", level)
		}
		if level := LevelDBFS(speaker.recorded(700*time.Millisecond, time.Second)); level > SilenceDBFS {
			t.Errorf("stale sound after it: %.0f dBFS", level)
		}
		speaker.breakDown(broken)
		time.Sleep(FrameDuration * 2)
		synctest.Wait()
		if s := m.State(); s.State != SoundLost || !speaker.closed {
			t.Errorf("%+v", s)
		}
		time.Sleep(3 * time.Second)
		if s := m.State(); s.State != SoundOpen {
			t.Errorf("%+v", s)
		}
		speakers[1].breakDown(broken)
		time.Sleep(FrameDuration * 2)
		talker.Leave()
		synctest.Wait()
		if s := m.State(); s.State != SoundIdle {
			t.Errorf("%+v", s)
		}
		cancel()
		<-done
	})
}

// stuckSpeaker fails and never closes.
type stuckSpeaker struct{ recordingSpeaker }

func (s *stuckSpeaker) Close() error { return ErrSoundStuck }

func TestMixerGivesUpStuckLoudspeakers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opened := 0
		m := NewMixer(MixerOptions{Open: func(context.Context) (io.Closer, error) {
			opened++
			s := &stuckSpeaker{}
			s.fail = ErrSoundGone
			return s, nil
		}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		defer m.Join().Leave()
		_ = m.Run(ctx)
		if opened != maxStuckSound {
			t.Errorf("opened %d, want %d", opened, maxStuckSound)
		}
	})
}

func TestMixerWithoutALoudspeaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMixer(MixerOptions{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		talker := m.Join()
		talker.Receive(1, 1, opusSilence)
		if err := m.Run(ctx); !errors.Is(err, context.DeadlineExceeded) || m.State().State != SoundNone {
			t.Errorf("%v, %+v", err, m.State())
		}
		talker.Leave()
	})
	synctest.Test(t, func(t *testing.T) {
		m := NewMixer(MixerOptions{Open: func(context.Context) (io.Closer, error) { return io.NopCloser(nil), nil }})
		defer m.Join().Leave()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		go func() { _ = m.Run(ctx) }()
		synctest.Wait()
		if s := m.State(); s.State != SoundLost {
			t.Errorf("something without WriteSamples: %+v", s)
		}
	})
}

// The whole way with simulated devices: microphone, Opus, network, Opus, loudspeaker.
func TestVoiceToMixer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		speaker := sim.NewSpeaker()
		voice := NewVoice(VoiceOptions{Open: func(context.Context) (io.Closer, error) { return sim.NewMicrophone(), nil }})
		m := NewMixer(MixerOptions{Open: func(context.Context) (io.Closer, error) { return speaker, nil }})
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		var wait sync.WaitGroup
		wait.Go(func() { _ = m.Run(ctx) })
		talker := m.Join()
		time.Sleep(FrameDuration / 2) // so that no packet comes at the very instant at which it is mixed, or not
		begin, n := time.Now(), 0
		wait.Go(func() {
			_ = voice.Stream(ctx, func(packet []byte, duration time.Duration, captured time.Time) {
				if want := begin.Add(time.Duration(n) * duration); !captured.Equal(want) {
					t.Errorf("packet %d captured at %v", n, captured.Sub(begin))
				}
				talker.Receive(uint16(n), uint32(n*FrameSamples), packet)
				n++
			})
		})
		time.Sleep(2600 * time.Millisecond) // the end of the fifth note, and so the first again
		level, pitch := speaker.Heard()
		if pitch < 438 || pitch > 442 || level < sim.MelodyDBFS-1 || level > sim.MelodyDBFS+1 {
			t.Errorf("heard %.1f Hz at %.1f dBFS", pitch, level)
		}
		if s := voice.State(); s.State != SoundOpen || s.LevelDBFS < sim.MelodyDBFS-2 || s.Description != "simulated microphone" {
			t.Errorf("%+v", s)
		}
		wait.Wait()
		if c := talker.Counts(); c.Lost+c.Late+c.Bad+c.Concealed > 0 {
			t.Errorf("%+v", c)
		}
	})
}

func BenchmarkMix(b *testing.B) {
	for name, talkers := range map[string]int{"1 talker": 1, "4 talkers": 4} {
		b.Run(name, func(b *testing.B) {
			m := NewMixer(MixerOptions{})
			packets := tonePackets(500, 0.3, 50)
			for range talkers {
				m.Join()
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				for _, talker := range m.joined() {
					talker.Receive(uint16(i), uint32(i*FrameSamples), packets[i%len(packets)])
				}
				m.mix(m.joined(), false)
			}
		})
	}
}
