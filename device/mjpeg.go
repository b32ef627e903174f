package device

// #cgo pkg-config: libturbojpeg
// #cgo CFLAGS: -O3
// #include "jpeg420.h"
import "C"

import (
	"errors"
	"fmt"
	"image"
	"unsafe"
)

// JPEG markers, ITU-T T.81 table B.1.
const (
	jpegSOI = 0xd8
	jpegDHT = 0xc4
	jpegSOS = 0xda
)

// mjpegDecoder turns the pictures of an MJPEG camera into 4:2:0 ones, with
// libjpeg-turbo, which takes a fifth of the time of image/jpeg and makes no garbage.
// It belongs to one goroutine, which also frees it.
type mjpegDecoder struct {
	width, height int
	codec         *C.jpeg420
	whole         []byte // a picture with its Huffman tables put in
}

// newMJPEGDecoder makes a decoder for pictures of one size, to be freed.
func newMJPEGDecoder(width, height int) (*mjpegDecoder, error) {
	codec := C.jpeg420_new()
	if codec == nil {
		return nil, errors.New("jpeg decoder: out of memory")
	}
	return &mjpegDecoder{width: width, height: height, codec: codec}, nil
}

// free frees the decoder, which can't be used then.
func (d *mjpegDecoder) free() {
	if d.codec != nil {
		C.jpeg420_free(d.codec)
		d.codec = nil
	}
}

// errDamaged says that a picture did not come whole.
var errDamaged = errors.New("it is damaged")

// decode writes one JPEG picture into dst, in the range of video (JPEG is
// full-range). Any damage is an error, errDamaged; the decoder can be used further.
func (d *mjpegDecoder) decode(dst *image.YCbCr, data []byte) error {
	data, err := d.withTables(data)
	if err != nil {
		return err
	}
	to := C.jpeg420_picture{
		width: C.int(dst.Rect.Dx()), height: C.int(dst.Rect.Dy()), y_stride: C.int(dst.YStride), c_stride: C.int(dst.CStride),
	}
	wrong := C.jpeg420_decode(d.codec, bytePointer(data), C.size_t(len(data)), C.int(d.width), C.int(d.height),
		to, bytePointer(dst.Y), bytePointer(dst.Cb), bytePointer(dst.Cr))
	if wrong != nil {
		return fmt.Errorf("jpeg: %w: %s", errDamaged, C.GoString(wrong))
	}
	return nil
}

func bytePointer(b []byte) *C.uint8_t { return (*C.uint8_t)(unsafe.Pointer(unsafe.SliceData(b))) }

// withTables puts the Huffman tables of T.81 annex K.3 before the scan where the
// camera left them out, as UVC's MJPEG payload allows.
func (d *mjpegDecoder) withTables(data []byte) ([]byte, error) {
	if len(data) < 4 || data[0] != 0xff || data[1] != jpegSOI {
		return nil, fmt.Errorf("jpeg: %w: it doesn't begin with its marker", errDamaged)
	}
	for at := 2; at+4 <= len(data); {
		if data[at] != 0xff {
			return nil, fmt.Errorf("jpeg: %w: it has no marker where one should be", errDamaged)
		}
		switch data[at+1] {
		case 0xff: // fill byte
			at++
			continue
		case jpegDHT:
			return data, nil
		case jpegSOS:
			d.whole = append(d.whole[:0], data[:at]...)
			d.whole = append(d.whole, standardTables()...)
			d.whole = append(d.whole, data[at:]...)
			return d.whole, nil
		}
		at += 2 + int(data[at+2])<<8 + int(data[at+3])
	}
	return nil, fmt.Errorf("jpeg: %w: it has no scan", errDamaged)
}

// standardTables is the DHT segment with the tables K.3 to K.6 of T.81.
func standardTables() []byte {
	dc := "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b"
	segment := []byte{0xff, jpegDHT, 0x01, 0xa2}
	for _, part := range []string{
		"\x00", "\x00\x01\x05\x01\x01\x01\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00", dc,
		"\x10", "\x00\x02\x01\x03\x03\x02\x04\x03\x05\x05\x04\x04\x00\x00\x01\x7d", acLuminance,
		"\x01", "\x00\x03\x01\x01\x01\x01\x01\x01\x01\x01\x01\x00\x00\x00\x00\x00", dc,
		"\x11", "\x00\x02\x01\x02\x04\x04\x03\x04\x07\x05\x04\x04\x00\x01\x02\x77", acChrominance,
	} {
		segment = append(segment, part...)
	}
	return segment
}

// The values of tables K.5 and K.6.
const (
	acLuminance = "\x01\x02\x03\x00\x04\x11\x05\x12\x21\x31\x41\x06\x13\x51\x61\x07\x22\x71\x14\x32\x81\x91\xa1\x08\x23\x42\xb1\xc1\x15\x52\xd1\xf0" +
		"\x24\x33\x62\x72\x82\x09\x0a\x16\x17\x18\x19\x1a\x25\x26\x27\x28\x29\x2a\x34\x35\x36\x37\x38\x39\x3a\x43\x44\x45\x46\x47\x48\x49" +
		"\x4a\x53\x54\x55\x56\x57\x58\x59\x5a\x63\x64\x65\x66\x67\x68\x69\x6a\x73\x74\x75\x76\x77\x78\x79\x7a\x83\x84\x85\x86\x87\x88\x89" +
		"\x8a\x92\x93\x94\x95\x96\x97\x98\x99\x9a\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xb2\xb3\xb4\xb5\xb6\xb7\xb8\xb9\xba\xc2\xc3\xc4\xc5" +
		"\xc6\xc7\xc8\xc9\xca\xd2\xd3\xd4\xd5\xd6\xd7\xd8\xd9\xda\xe1\xe2\xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8" +
		"\xf9\xfa"
	acChrominance = "\x00\x01\x02\x03\x11\x04\x05\x21\x31\x06\x12\x41\x51\x07\x61\x71\x13\x22\x32\x81\x08\x14\x42\x91\xa1\xb1\xc1\x09\x23\x33\x52\xf0" +
		"\x15\x62\x72\xd1\x0a\x16\x24\x34\xe1\x25\xf1\x17\x18\x19\x1a\x26\x27\x28\x29\x2a\x35\x36\x37\x38\x39\x3a\x43\x44\x45\x46\x47\x48" +
		"\x49\x4a\x53\x54\x55\x56\x57\x58\x59\x5a\x63\x64\x65\x66\x67\x68\x69\x6a\x73\x74\x75\x76\x77\x78\x79\x7a\x82\x83\x84\x85\x86\x87" +
		"\x88\x89\x8a\x92\x93\x94\x95\x96\x97\x98\x99\x9a\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xb2\xb3\xb4\xb5\xb6\xb7\xb8\xb9\xba\xc2\xc3" +
		"\xc4\xc5\xc6\xc7\xc8\xc9\xca\xd2\xd3\xd4\xd5\xd6\xd7\xd8\xd9\xda\xe2\xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xf2\xf3\xf4\xf5\xf6\xf7\xf8" +
		"\xf9\xfa"
)
