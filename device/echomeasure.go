package device

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

const (
	chirpLength = 1500 * time.Millisecond
	chirpLoud   = 0.3 // of full scale
	chirpLow    = 300.0
	chirpHigh   = 3400.0
)

// EchoReport is what a chirp has shown of the way from loudspeaker to microphone.
type EchoReport struct {
	// Heard: the microphone hears the loudspeaker. Without it the rest is 0.
	Heard bool
	// Delay is the time from the card through air to the microphone.
	Delay time.Duration
	// ReturnLoss is by how much the echo is softer than what was played, dB. Below
	// 0 dB it is louder, and cancelling it is hard.
	ReturnLoss float64
}

// String says it in words, and what to do.
func (r EchoReport) String() string {
	switch {
	case !r.Heard:
		return "the microphone does not hear the loudspeaker"
	case r.ReturnLoss < -1:
		return fmt.Sprintf("heard after %v, %.0f dB louder than played: turn the loudspeaker or the microphone's gain down, or move them apart",
			r.Delay.Round(time.Millisecond), -r.ReturnLoss)
	}
	return fmt.Sprintf("heard after %v, return loss %.0f dB", r.Delay.Round(time.Millisecond), r.ReturnLoss)
}

// MeasureEcho plays a chirp of 1.5 s and listens for it. The loudspeaker has
// WriteSamples and tells the reference what it plays, the microphone has
// ReadSamples (see Speaker and Microphone).
func MeasureEcho(ctx context.Context, microphone, loudspeaker any, reference *EchoReference) (EchoReport, error) {
	source, ok := microphone.(soundSource)
	sink, also := loudspeaker.(soundSink)
	if !ok || !also {
		return EchoReport{}, fmt.Errorf("measuring the echo: %T and %T are no microphone and loudspeaker", microphone, loudspeaker)
	}
	ctx, cancel := context.WithTimeout(ctx, 4*chirpLength)
	defer cancel()
	played := make(chan error, 1)
	go func() {
		silence := make([]int16, samplesIn(200*time.Millisecond))
		played <- errors.Join(sink.WriteSamples(ctx, silence), sink.WriteSamples(ctx, chirp()), sink.WriteSamples(ctx, make([]int16, 3*len(silence))))
	}()
	report, err := listenForEcho(ctx, source, reference)
	if err != nil {
		cancel()
	}
	return report, errors.Join(err, <-played)
}

// chirp is a sweep whose frequency grows by the same factor in the same time.
func chirp() []int16 {
	pcm := make([]int16, samplesIn(chirpLength))
	growth := math.Log(chirpHigh/chirpLow) / chirpLength.Seconds()
	for i := range pcm {
		t := float64(i) / SampleRate
		edge := min(1, float64(min(i, len(pcm)-i))/float64(samplesIn(20*time.Millisecond)))
		pcm[i] = int16(math.MaxInt16 * chirpLoud * edge * math.Sin(2*math.Pi*chirpLow*(math.Exp(growth*t)-1)/growth))
	}
	return pcm
}

// listenForEcho compares what is heard with what is played, until that is over.
func listenForEcho(ctx context.Context, source soundSource, reference *EchoReference) (EchoReport, error) {
	aligner, finder := newEchoAligner(reference), newDelayFinder()
	var report EchoReport
	surest, before, during := 0.0, SilenceDBFS, SilenceDBFS
	pcm, far := make([]int16, FrameSamples), make([]int16, FrameSamples)
	for heard := time.Duration(0); heard < chirpLength+500*time.Millisecond; {
		captured, err := source.ReadSamples(ctx, pcm)
		if err != nil {
			return report, fmt.Errorf("listening for the echo: %w", err)
		}
		playing, anew := aligner.take(captured, len(pcm))
		if !playing {
			before = max(before, LevelDBFS(pcm))
			continue
		}
		if heard += FrameDuration; anew {
			finder.reset()
		}
		during = max(during, LevelDBFS(pcm))
		aligner.earlier(far, samplesIn(finderEarly))
		finder.push(far, pcm, SampleRate)
		// Often, and with what there is: a card may stand still in between.
		if heard%(200*time.Millisecond) != 0 || levelOf(finder.played) < finderQuiet {
			continue
		}
		if delay, sure := finder.measure(); sure >= finderSure && sure > surest {
			surest, report.Heard, report.Delay = sure, true, max(delay, 0)
		}
	}
	if report.Heard {
		loud := during
		if noise := before; noise > SilenceDBFS && loud > noise+1 {
			loud = 10 * math.Log10(math.Pow(10, loud/10)-math.Pow(10, noise/10))
		}
		report.ReturnLoss = 20*math.Log10(chirpLoud) - 3.01 - loud
	}
	return report, nil
}
