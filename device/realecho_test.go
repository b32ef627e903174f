package device

import (
	"context"
	"io"
	"math"
	"os"
	"sync"
	"testing"
	"time"
)

// The doctor's chirp, and the canceller, through the kernel's loop sound card, whose loudspeaker is its own
// microphone: DOORBELL_TEST_LOOPBACK=1 DOORBELL_TEST_MICROPHONE=hw:Loopback,1 DOORBELL_TEST_SPEAKER=hw:Loopback,0.
func TestRealEcho(t *testing.T) {
	env := environment(t, "DOORBELL_TEST_LOOPBACK", "DOORBELL_TEST_MICROPHONE", "DOORBELL_TEST_SPEAKER")
	reference := NewEchoReference()
	microphone, err := OpenMicrophone(t.Context(), env[1], SoundOptions{})
	if err != nil {
		t.Fatal(err)
	}
	speaker, err := OpenSpeaker(t.Context(), env[2], SoundOptions{Echo: reference})
	if err != nil {
		t.Fatal(err)
	}
	report, err := MeasureEcho(t.Context(), microphone, speaker, reference)
	t.Log(report)
	_, _ = speaker.Close(), microphone.Close()
	if err != nil || !report.Heard || report.Delay > 300*time.Millisecond || math.Abs(report.ReturnLoss) > 3 {
		t.Errorf("%+v, %v", report, err)
	}

	// An emulated card stands still at times, and begins anew: then less is asked for, and more than once.
	least, tries := 30.0, 1
	if os.Getenv("DOORBELL_TEST_EMULATED") != "" {
		least, tries = 15, 4
	}
	for range tries {
		if reduction := echoReduction(t, env[1], env[2], reference); reduction >= least {
			return
		}
	}
	t.Errorf("the echo is not lowered by %.0f dB", least)
}

// echoReduction plays speech for 12 s, and returns by how many dB it is lower in what the microphone gives from the
// fifth second on; -Inf where it gives nothing.
func echoReduction(t *testing.T, microphone, speaker string, reference *EchoReference) float64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 12*time.Second)
	defer cancel()
	m := NewMixer(MixerOptions{Open: func(ctx context.Context) (io.Closer, error) {
		return OpenSpeaker(ctx, speaker, SoundOptions{Echo: reference})
	}})
	v := NewVoice(VoiceOptions{
		Open:  func(ctx context.Context) (io.Closer, error) { return OpenMicrophone(ctx, microphone, SoundOptions{}) },
		Clean: CleanOptions{Echo: reference, Noise: true},
	})
	var running sync.WaitGroup
	running.Go(func() { _ = m.Run(ctx) })
	m.Play(&Clip{samples: floats(speech(1, 110, 0.5, 12*time.Second))})
	decoder, err := newOpusDecoder()
	if err != nil {
		t.Fatal(err)
	}
	began, loud, blocks := time.Now(), 0.0, 0
	err = v.Stream(ctx, func(packet []byte, _ time.Duration, _ time.Time) {
		pcm, err := heardOf(decoder, packet, FrameSamples)
		if err != nil || time.Since(began) < 5*time.Second {
			return
		}
		blocks++
		for _, s := range pcm {
			loud += float64(s) * float64(s) / float64(len(pcm))
		}
	})
	cancel()
	running.Wait()
	played := LevelDBFS(speech(1, 110, 0.5, 12*time.Second))
	heard := 10 * math.Log10(loud/float64(max(blocks, 1))+1e-10)
	t.Logf("played with %.0f dBFS, heard with %.0f; %v; %v", played, heard, v.State().Echo, err)
	if blocks == 0 {
		return math.Inf(-1)
	}
	return played - heard
}
