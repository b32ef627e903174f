package device

import (
	"errors"
	"fmt"
	"image"
	"time"
)

// Transform is what is done to pictures before they are encoded, in this order:
// they are turned, mirrored, parts of them are blacked out, and a clock is drawn.
type Transform struct {
	// Rotate is by how much they are turned clockwise: 0, 90, 180 or 270 degrees.
	Rotate int
	// Mirror swaps left and right.
	Mirror bool
	// Masks are blacked out, for the privacy of others: in percent of the picture as
	// it is seen, from its upper left corner.
	Masks []image.Rectangle
	// Clock is drawn over all that.
	Clock Clock
}

// None tells whether pictures stay as they are.
func (t Transform) None() bool {
	return t.Rotate == 0 && !t.Mirror && len(t.Masks) == 0 && t.Clock.Place == ""
}

func (t Transform) check() error {
	switch t.Rotate {
	case 0, 90, 180, 270:
	default:
		return fmt.Errorf("video turned by %d degrees: must be 0, 90, 180 or 270", t.Rotate)
	}
	for _, m := range t.Masks {
		if m.Empty() || !m.In(image.Rect(0, 0, 100, 100)) {
			return fmt.Errorf("video mask %v: must be a part of the picture, in percent", m)
		}
	}
	return t.Clock.check()
}

// errNotPictures is what turning H.264 that a camera makes fails with.
var errNotPictures = errors.New("the camera gives H.264, which can't be turned, mirrored, masked or given a clock: set camera.format to auto or raw")

// transformer does it for one stream.
type transformer struct {
	Transform
	picture *image.YCbCr
	clock   clockPainter
}

// apply returns the picture, captured at that time, changed; it is valid until the
// next call. p stays as it is.
func (t *transformer) apply(p *image.YCbCr, captured time.Time) *image.YCbCr {
	if t.None() {
		return p
	}
	size := p.Rect.Size()
	if t.Rotate%180 != 0 {
		size = image.Pt(size.Y, size.X)
	}
	if t.picture == nil || t.picture.Rect.Size() != size {
		t.picture = newPicture(size.X, size.Y)
	}
	to := t.picture
	t.plane(to.Y, to.YStride, p.Y, p.YStride, size.X, size.Y)
	t.plane(to.Cb, to.CStride, p.Cb, p.CStride, size.X/2, size.Y/2)
	t.plane(to.Cr, to.CStride, p.Cr, p.CStride, size.X/2, size.Y/2)
	for _, m := range t.Masks {
		blackOut(to, m)
	}
	if t.Clock.Place != "" {
		t.clock.Clock = t.Clock
		t.clock.draw(to, captured)
	}
	return to
}

// plane writes a plane of width by height, turned and mirrored.
func (t *transformer) plane(dst []byte, dstStride int, src []byte, srcStride, width, height int) {
	// Sample x, y of the result is at from + x*across + y*down.
	from, across, down := 0, 1, srcStride
	switch t.Rotate {
	case 90:
		from, across, down = (width-1)*srcStride, -srcStride, 1
	case 180:
		from, across, down = (height-1)*srcStride+width-1, -1, -srcStride
	case 270:
		from, across, down = height-1, srcStride, -1
	}
	if t.Mirror {
		from, across = from+(width-1)*across, -across
	}
	for y := range height {
		row, at := dst[y*dstStride:][:width], from+y*down
		if across == 1 {
			copy(row, src[at:])
			continue
		}
		for x := range row {
			row[x] = src[at]
			at += across
		}
	}
}

// blackOut fills a part of the picture, in percent, with black; it takes in every
// sample that it touches.
func blackOut(p *image.YCbCr, percent image.Rectangle) {
	size := p.Rect.Size()
	out := image.Rect(percent.Min.X*size.X/100&^1, percent.Min.Y*size.Y/100&^1,
		(percent.Max.X*size.X+99)/100, (percent.Max.Y*size.Y+99)/100)
	out.Max = image.Pt(min((out.Max.X+1)&^1, size.X), min((out.Max.Y+1)&^1, size.Y))
	fill := func(plane []byte, stride int, r image.Rectangle, value byte) {
		for y := r.Min.Y; y < r.Max.Y; y++ {
			row := plane[y*stride+r.Min.X : y*stride+r.Max.X]
			for x := range row {
				row[x] = value
			}
		}
	}
	half := image.Rect(out.Min.X/2, out.Min.Y/2, out.Max.X/2, out.Max.Y/2)
	fill(p.Y, p.YStride, out, 16)
	fill(p.Cb, p.CStride, half, 128)
	fill(p.Cr, p.CStride, half, 128)
}
