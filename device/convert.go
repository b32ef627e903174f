package device

import (
	"fmt"
	"image"
)

// layout says how a driver put a raw picture into memory.
type layout struct {
	format        fourCC
	width, height int // pixels
	stride        int // bytes from row to row of the first plane
	fullRange     bool
}

// newLayout reads what the driver set, and repairs what drivers leave out.
func newLayout(p *v4l2PixFormat) (layout, error) {
	l := layout{format: p.PixelFormat, width: int(p.Width), height: int(p.Height), stride: int(p.BytesPerLine)}
	quantization := uint32(v4l2QuantizationDefault)
	if p.Priv == v4l2PrivMagic {
		quantization = p.Quantization
	}
	l.fullRange = quantization == v4l2QuantizationFullRange ||
		quantization == v4l2QuantizationDefault && p.Colorspace == v4l2ColorspaceJPEG
	if l.width < 16 || l.height < 16 || l.width > maxPictureSide || l.height > maxPictureSide {
		return l, fmt.Errorf("driver set a size of %dx%d", l.width, l.height)
	}
	l.stride = max(l.stride, l.leastStride())
	return l, nil
}

// leastStride is how many bytes a row of the first plane takes.
func (l layout) leastStride() int {
	switch l.format {
	case pixYUYV, pixUYVY:
		return (l.width + 1) / 2 * 4
	case pixYU12, pixYV12:
		return (l.width + 1) &^ 1
	}
	return l.width
}

// size is how many bytes a whole picture takes at least. The last row of a
// plane needn't be padded.
func (l layout) size() int {
	chromaRows := (l.height + 1) / 2
	switch l.format {
	case pixYUYV, pixUYVY:
		return planeLen(l.stride, (l.width+1)/2*4, l.height)
	case pixNV12, pixNV21:
		return l.stride*l.height + planeLen(l.stride, (l.width+1)&^1, chromaRows)
	default:
		return l.stride*l.height + l.stride/2*chromaRows + planeLen(l.stride/2, (l.width+1)/2, chromaRows)
	}
}

// check tells whether a whole picture has come.
func (l layout) check(src []byte) error {
	if len(src) < l.size() {
		return fmt.Errorf("picture of %d bytes is shorter than the %d of %s %dx%d", len(src), l.size(), l.format, l.width, l.height)
	}
	return nil
}

// convert writes a raw picture of this layout into dst, which newPicture made
// for its size. Source rows and columns beyond an even size are cropped.
func (l layout) convert(dst *image.YCbCr, src []byte) error {
	if err := l.check(src); err != nil {
		return err
	}
	chroma := l.stride * l.height // where the second plane begins
	switch l.format {
	case pixYUYV:
		packedTo420(dst, src, l.stride, 0, 1, 3)
	case pixUYVY:
		packedTo420(dst, src, l.stride, 1, 0, 2)
	case pixNV12:
		copyPlane(dst.Y, dst.YStride, src, l.stride, dst.Rect.Dx(), dst.Rect.Dy())
		splitPlane(dst, dst.Cb, dst.Cr, src[chroma:], l.stride)
	case pixNV21:
		copyPlane(dst.Y, dst.YStride, src, l.stride, dst.Rect.Dx(), dst.Rect.Dy())
		splitPlane(dst, dst.Cr, dst.Cb, src[chroma:], l.stride)
	case pixYU12, pixYV12:
		first, second := dst.Cb, dst.Cr
		if l.format == pixYV12 {
			first, second = second, first
		}
		copyPlane(dst.Y, dst.YStride, src, l.stride, dst.Rect.Dx(), dst.Rect.Dy())
		w, h := dst.Rect.Dx()/2, dst.Rect.Dy()/2
		copyPlane(first, dst.CStride, src[chroma:], l.stride/2, w, h)
		copyPlane(second, dst.CStride, src[chroma+l.stride/2*((l.height+1)/2):], l.stride/2, w, h)
	default:
		return fmt.Errorf("format %s can't be converted", l.format)
	}
	return nil
}

// fill is the other way round: it writes a 4:2:0 picture in this layout, whose
// height may be more than the picture's, into dst.
func (l layout) fill(dst []byte, p *image.YCbCr) {
	width, height := p.Rect.Dx(), p.Rect.Dy()
	copyPlane(dst, l.stride, p.Y, p.YStride, width, height)
	chroma := dst[l.stride*l.height:]
	first, second := p.Cb, p.Cr
	if l.format == pixYV12 || l.format == pixNV21 {
		first, second = second, first
	}
	if l.format == pixYU12 || l.format == pixYV12 {
		copyPlane(chroma, l.stride/2, first, p.CStride, width/2, height/2)
		copyPlane(chroma[l.stride/2*((l.height+1)/2):], l.stride/2, second, p.CStride, width/2, height/2)
		return
	}
	for y := range height / 2 {
		row := chroma[y*l.stride:][:width]
		a, b := first[y*p.CStride:][:width/2], second[y*p.CStride:][:width/2]
		for x := range a {
			row[2*x], row[2*x+1] = a[x], b[x]
		}
	}
}

// copyTo writes a picture of this layout into dst, laid out as another of the same
// format, which may have more bytes in a row and more rows.
func (l layout) copyTo(dst []byte, to layout, src []byte) {
	chroma, toChroma, rows := l.stride*l.height, to.stride*to.height, l.height/2
	switch l.format {
	case pixYUYV, pixUYVY:
		copyPlane(dst, to.stride, src, l.stride, 2*l.width, l.height)
		return
	case pixNV12, pixNV21:
		copyPlane(dst[toChroma:], to.stride, src[chroma:], l.stride, l.width, rows)
	default:
		copyPlane(dst[toChroma:], to.stride/2, src[chroma:], l.stride/2, l.width/2, rows)
		chroma, toChroma = chroma+l.stride/2*rows, toChroma+to.stride/2*((to.height+1)/2)
		copyPlane(dst[toChroma:], to.stride/2, src[chroma:], l.stride/2, l.width/2, rows)
	}
	copyPlane(dst, to.stride, src, l.stride, l.width, l.height)
}

// view is the memory of a planar layout as a picture of so many rows.
func (l layout) view(memory []byte, height int) *image.YCbCr {
	first := memory[l.stride*l.height:]
	second := first[l.stride/2*((l.height+1)/2):]
	if l.format == pixYV12 {
		first, second = second, first
	}
	return &image.YCbCr{
		Y: memory, Cb: first, Cr: second, YStride: l.stride, CStride: l.stride / 2,
		SubsampleRatio: image.YCbCrSubsampleRatio420, Rect: image.Rect(0, 0, l.width, height),
	}
}

// copyPlane copies width bytes of each of height rows.
func copyPlane(dst []byte, dstStride int, src []byte, srcStride, width, height int) {
	if dstStride == srcStride && width == dstStride {
		copy(dst[:planeLen(dstStride, width, height)], src)
		return
	}
	for y := range height {
		copy(dst[y*dstStride:y*dstStride+width], src[y*srcStride:])
	}
}

// splitPlane parts the interleaved chroma plane of NV12 and NV21.
func splitPlane(p *image.YCbCr, first, second, src []byte, stride int) {
	width, height := p.Rect.Dx()/2, p.Rect.Dy()/2
	for y := range height {
		row := src[y*stride : y*stride+2*width]
		a, b := first[y*p.CStride:][:width], second[y*p.CStride:][:width]
		for x := range a {
			a[x], b[x] = row[2*x], row[2*x+1]
		}
	}
}

// packedTo420 parts packed 4:2:2, whose luma begins at yAt and whose chroma
// samples are at cbAt and crAt of each four bytes. Chroma is the mean of two rows.
func packedTo420(p *image.YCbCr, src []byte, stride, yAt, cbAt, crAt int) {
	width, height := p.Rect.Dx(), p.Rect.Dy()
	for y := 0; y < height; y += 2 {
		upper, lower := src[y*stride:][:2*width], src[(y+1)*stride:][:2*width]
		y0, y1 := p.Y[y*p.YStride:][:width], p.Y[(y+1)*p.YStride:][:width]
		cb, cr := p.Cb[y/2*p.CStride:][:width/2], p.Cr[y/2*p.CStride:][:width/2]
		for x := range cb {
			u, l := upper[4*x:4*x+4:4*x+4], lower[4*x:4*x+4:4*x+4]
			y0[2*x], y0[2*x+1] = u[yAt], u[yAt+2]
			y1[2*x], y1[2*x+1] = l[yAt], l[yAt+2]
			cb[x] = byte((int(u[cbAt]) + int(l[cbAt]) + 1) / 2)
			cr[x] = byte((int(u[crAt]) + int(l[crAt]) + 1) / 2)
		}
	}
}

// to420 writes any YCbCr picture, of whatever subsampling, into dst, which
// newPicture made for its size.
func to420(dst, src *image.YCbCr) {
	width, height := dst.Rect.Dx(), dst.Rect.Dy()
	copyPlane(dst.Y, dst.YStride, src.Y, src.YStride, width, height)
	if src.SubsampleRatio == image.YCbCrSubsampleRatio420 {
		copyPlane(dst.Cb, dst.CStride, src.Cb, src.CStride, width/2, height/2)
		copyPlane(dst.Cr, dst.CStride, src.Cr, src.CStride, width/2, height/2)
		return
	}
	for y := 0; y < height; y += 2 {
		upper, lower := src.COffset(src.Rect.Min.X, src.Rect.Min.Y+y), src.COffset(src.Rect.Min.X, src.Rect.Min.Y+y+1)
		cb, cr := dst.Cb[y/2*dst.CStride:][:width/2], dst.Cr[y/2*dst.CStride:][:width/2]
		switch src.SubsampleRatio {
		case image.YCbCrSubsampleRatio422:
			for x := range cb {
				cb[x] = byte((int(src.Cb[upper+x]) + int(src.Cb[lower+x]) + 1) / 2)
				cr[x] = byte((int(src.Cr[upper+x]) + int(src.Cr[lower+x]) + 1) / 2)
			}
		default: // 4:4:4, 4:4:0, 4:1:1, 4:1:0: the mean of the four samples it covers
			for x := range cb {
				cb[x] = mean4(src, src.Cb, 2*x, y)
				cr[x] = mean4(src, src.Cr, 2*x, y)
			}
		}
	}
}

func mean4(src *image.YCbCr, plane []byte, x, y int) byte {
	sum := 2
	for _, at := range [4][2]int{{0, 0}, {1, 0}, {0, 1}, {1, 1}} {
		sum += int(plane[src.COffset(src.Rect.Min.X+x+at[0], src.Rect.Min.Y+y+at[1])])
	}
	return byte(sum / 4)
}

// grey writes luma alone, with neutral chroma.
func grey(dst *image.YCbCr, y []byte, stride int) {
	copyPlane(dst.Y, dst.YStride, y, stride, dst.Rect.Dx(), dst.Rect.Dy())
	for i := range dst.Cb {
		dst.Cb[i] = 128
	}
	for i := range dst.Cr {
		dst.Cr[i] = 128
	}
}
