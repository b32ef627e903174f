package device

// #cgo pkg-config: speexdsp
// #include <speex/speex_echo.h>
// #include <speex/speex_preprocess.h>
//
// static int set_int(SpeexPreprocessState *s, int what, int value) { return speex_preprocess_ctl(s, what, &value); }
// static int set_rate(SpeexEchoState *s, int rate) { return speex_echo_ctl(s, SPEEX_ECHO_SET_SAMPLING_RATE, &rate); }
// static int set_echo(SpeexPreprocessState *s, SpeexEchoState *echo) { return speex_preprocess_ctl(s, SPEEX_PREPROCESS_SET_ECHO_STATE, echo); }
import "C"

import (
	"errors"
	"unsafe"
)

// speexCleaner is libspeexdsp's echo canceller and the noise suppression
// and the suppression of what echo is left that follow it. It belongs to one
// goroutine, which also frees it.
type speexCleaner struct {
	frame int // samples that it takes at once
	echo  *C.SpeexEchoState
	after *C.SpeexPreprocessState
}

// speexSettings say what the cleaner does.
type speexSettings struct {
	rate, frame, tail int  // Hz, samples, samples
	noise             bool // suppress steady noise
}

func newSpeexCleaner(s speexSettings) (*speexCleaner, error) {
	c := &speexCleaner{frame: s.frame}
	c.echo = C.speex_echo_state_init(C.int(s.frame), C.int(s.tail))
	c.after = C.speex_preprocess_state_init(C.int(s.frame), C.int(s.rate))
	if c.echo == nil || c.after == nil {
		c.free()
		return nil, errors.New("echo canceller: out of memory")
	}
	C.set_rate(c.echo, C.int(s.rate))
	for _, setting := range []struct{ what, value int }{
		{C.SPEEX_PREPROCESS_SET_DENOISE, number(s.noise)}, {C.SPEEX_PREPROCESS_SET_NOISE_SUPPRESS, -15},
		{C.SPEEX_PREPROCESS_SET_AGC, 0}, {C.SPEEX_PREPROCESS_SET_DEREVERB, 0},
		{C.SPEEX_PREPROCESS_SET_ECHO_SUPPRESS, -45}, {C.SPEEX_PREPROCESS_SET_ECHO_SUPPRESS_ACTIVE, -15},
	} {
		C.set_int(c.after, C.int(setting.what), C.int(setting.value))
	}
	return c, nil
}

func number(on bool) int {
	if on {
		return 1
	}
	return 0
}

// cancel takes the echo of far out of near.
func (c *speexCleaner) cancel(near, far, out []int16) {
	C.speex_echo_cancellation(c.echo, samplePointer(near[:c.frame]), samplePointer(far[:c.frame]), samplePointer(out[:c.frame]))
}

// clean takes noise and what is left of the echo out of what cancel gave, in place.
func (c *speexCleaner) clean(pcm []int16) {
	C.speex_preprocess_run(c.after, samplePointer(pcm[:c.frame]))
}

// listen says whether the loudspeaker plays: whether there is an echo to be cleaned of.
func (c *speexCleaner) listen(playing bool) {
	var echo *C.SpeexEchoState
	if playing {
		echo = c.echo
	}
	C.set_echo(c.after, echo)
}

// reset forgets the room.
func (c *speexCleaner) reset() { C.speex_echo_state_reset(c.echo) }

// free frees the cleaner; nothing else may be called then.
func (c *speexCleaner) free() {
	if c.after != nil {
		C.speex_preprocess_state_destroy(c.after)
	}
	if c.echo != nil {
		C.speex_echo_state_destroy(c.echo)
	}
	c.after, c.echo = nil, nil
}

func samplePointer(pcm []int16) *C.spx_int16_t {
	return (*C.spx_int16_t)(unsafe.Pointer(unsafe.SliceData(pcm)))
}
