package device

// #cgo pkg-config: vpx
// #include "vp8encoder.h"
import "C"

import (
	"fmt"
	"image"
	"time"
	"unsafe"
)

// vp8Speed is libvpx's cpu-used, 0 to 16: how much quality is given up for time. Past
// it, a picture takes hardly less.
const vp8Speed = 10

// vp8Encoder makes VP8 (RFC 6386) of pictures of one size with libvpx, of which the
// encoder alone is used. It belongs to one goroutine, which also closes it.
type vp8Encoder struct {
	codec   *C.vp8encoder
	size    image.Point
	bitRate int
	begin   time.Time // that the encoder's time counts from
	wantKey bool      // until one comes: the picture may be one that is left out
}

func newVP8Encoder(s encoderSettings) (*vp8Encoder, error) {
	var wrong *C.char
	codec := C.vp8encoder_new(C.vp8encoder_settings{
		width: C.int(s.width), height: C.int(s.height), bit_rate: C.int(s.bitRate), rate: C.int(s.rate),
		key_interval: C.int(max(s.keyInterval.Seconds()*s.rate, 1)), speed: vp8Speed,
	}, &wrong)
	if codec == nil {
		return nil, fmt.Errorf("VP8 encoder: starting with %dx%d at %.4g, %d bit/s: %s", s.width, s.height, s.rate, s.bitRate, C.GoString(wrong))
	}
	return &vp8Encoder{codec: codec, size: image.Pt(s.width, s.height), bitRate: s.bitRate}, nil
}

// encode returns the picture's frame, or nil where the encoder left the picture out
// to keep its bit rate. The picture must be of the encoder's size.
func (e *vp8Encoder) encode(p *image.YCbCr, captured time.Time, key bool) (frame []byte, isKey bool, err error) {
	if p.Rect.Size() != e.size {
		return nil, false, fmt.Errorf("VP8 encoder: a picture of %v, not %v", p.Rect.Size(), e.size)
	}
	if e.begin.IsZero() {
		e.begin = captured
	}
	e.wantKey = e.wantKey || key
	var out C.vp8encoder_frame
	wrong := C.vp8encoder_encode(e.codec, bytePointer(p.Y), bytePointer(p.Cb), bytePointer(p.Cr), C.int(p.YStride), C.int(p.CStride),
		C.int64_t(captured.Sub(e.begin).Microseconds()), C.int(number(e.wantKey)), &out)
	if wrong != nil {
		return nil, false, fmt.Errorf("VP8 encoder: %s", C.GoString(wrong))
	}
	if out.size == 0 {
		return nil, false, nil
	}
	isKey = out.key != 0
	e.wantKey = e.wantKey && !isKey
	return C.GoBytes(unsafe.Pointer(out.data), C.int(out.size)), isKey, nil
}

// setBitRate changes what is aimed at, bit/s, from the next picture on.
func (e *vp8Encoder) setBitRate(rate int) error {
	if rate == e.bitRate {
		return nil
	}
	e.bitRate = rate
	if wrong := C.vp8encoder_bit_rate(e.codec, C.int(rate)); wrong != nil {
		return fmt.Errorf("VP8 encoder: %d bit/s: %s", rate, C.GoString(wrong))
	}
	return nil
}

// close frees the encoder, which can't be used then.
func (e *vp8Encoder) close() {
	if e.codec != nil {
		C.vp8encoder_free(e.codec)
		e.codec = nil
	}
}
