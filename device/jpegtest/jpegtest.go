// Package jpegtest makes JPEG pictures with any subsampling, as cameras do;
// image/jpeg writes 4:2:0 alone. It is for tests only.
package jpegtest

// #cgo pkg-config: libturbojpeg
// #include <turbojpeg.h>
import "C"

import (
	"fmt"
	"image"
	"unsafe"
)

// Encode compresses a picture whose planes are as large as image.NewYCbCr makes
// them, with the quality given, 1 to 100.
func Encode(p *image.YCbCr, quality int) ([]byte, error) {
	subsampling, ok := map[image.YCbCrSubsampleRatio]C.int{
		image.YCbCrSubsampleRatio420: C.TJSAMP_420, image.YCbCrSubsampleRatio422: C.TJSAMP_422, image.YCbCrSubsampleRatio444: C.TJSAMP_444,
		image.YCbCrSubsampleRatio440: C.TJSAMP_440, image.YCbCrSubsampleRatio411: C.TJSAMP_411,
	}[p.SubsampleRatio]
	if !ok {
		return nil, fmt.Errorf("jpegtest: no subsampling of %v", p.SubsampleRatio)
	}
	handle := C.tjInitCompress()
	defer C.tjDestroy(handle)
	width, height := C.int(p.Rect.Dx()), C.int(p.Rect.Dy())
	planes := [3]*C.uchar{} // in C's memory: Go's may not be handed over within an array
	strides := [3]C.int{}
	for i, source := range []struct {
		data   []byte
		stride int
	}{{p.Y, p.YStride}, {p.Cb, p.CStride}, {p.Cr, p.CStride}} {
		w, h := int(C.tjPlaneWidth(C.int(i), width, subsampling)), int(C.tjPlaneHeight(C.int(i), height, subsampling))
		plane := C.tjAlloc(C.int(w * h))
		defer C.tjFree(plane)
		to := unsafe.Slice((*byte)(plane), w*h)
		rows := len(source.data) / source.stride
		for y := range h {
			row := source.data[min(y, rows-1)*source.stride:][:source.stride]
			for x := range w {
				to[y*w+x] = row[min(x, source.stride-1)]
			}
		}
		planes[i], strides[i] = plane, C.int(w)
	}
	var out *C.uchar
	var size C.ulong
	if C.tjCompressFromYUVPlanes(handle, &planes[0], width, &strides[0], height, subsampling, &out, &size, C.int(quality), 0) != 0 {
		return nil, fmt.Errorf("jpegtest: %s", C.GoString(C.tjGetErrorStr2(handle)))
	}
	defer C.tjFree(out)
	return C.GoBytes(unsafe.Pointer(out), C.int(size)), nil
}
