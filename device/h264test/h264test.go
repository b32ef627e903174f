// Package h264test decodes H.264 with the decoder of the openh264 library that
// mediadevices' encoder links anyway. It is for tests only.
package h264test

// #include "h264test.h"
import "C"

import (
	"fmt"
	"image"
	"unsafe"

	_ "github.com/pion/mediadevices/pkg/codec/openh264" // links the library
)

// Decoder decodes one stream. It belongs to one goroutine.
type Decoder struct{ c *C.h264test }

// New makes a decoder, to be closed.
func New() (*Decoder, error) {
	c := C.h264test_new()
	if c == nil {
		return nil, fmt.Errorf("h264test: openh264 made no decoder")
	}
	return &Decoder{c: c}, nil
}

// Decode decodes one access unit in Annex B form and returns its picture, or nil
// where there is none yet. Damage of any kind is an error.
func (d *Decoder) Decode(unit []byte) (*image.YCbCr, error) {
	if len(unit) == 0 {
		return nil, fmt.Errorf("h264test: access unit is empty")
	}
	var out C.h264test_picture
	state := C.h264test_decode(d.c, (*C.uchar)(unsafe.Pointer(&unit[0])), C.int(len(unit)), &out)
	if state != 0 {
		return nil, fmt.Errorf("h264test: decoding state %#x", int(state))
	}
	if out.ready == 0 {
		return nil, nil
	}
	width, height := int(out.width), int(out.height)
	p := image.NewYCbCr(image.Rect(0, 0, width, height), image.YCbCrSubsampleRatio420)
	copyRows(p.Y, p.YStride, unsafe.Pointer(out.y), int(out.y_stride), width, height)
	copyRows(p.Cb, p.CStride, unsafe.Pointer(out.cb), int(out.c_stride), width/2, height/2)
	copyRows(p.Cr, p.CStride, unsafe.Pointer(out.cr), int(out.c_stride), width/2, height/2)
	return p, nil
}

func copyRows(dst []byte, dstStride int, src unsafe.Pointer, srcStride, width, height int) {
	rows := unsafe.Slice((*byte)(src), srcStride*(height-1)+width)
	for y := range height {
		copy(dst[y*dstStride:y*dstStride+width], rows[y*srcStride:])
	}
}

// Close frees the decoder.
func (d *Decoder) Close() {
	if d.c != nil {
		C.h264test_free(d.c)
		d.c = nil
	}
}
