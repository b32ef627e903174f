package device

import (
	"image"
	"time"
)

// qualitySteps are what is given up when there is little bandwidth, one after the
// other: first every other picture, then half of the size.
var qualitySteps = [...]struct {
	share float64 // of the full bit rate below which the step is taken
	slow  int     // one of so many pictures is sent
	small bool    // with half the width and height
}{{share: 1, slow: 1}, {share: 0.4, slow: 2}, {share: 0.2, slow: 2, small: true}}

const (
	// qualityBack is by how much more there has to be to go a step back.
	qualityBack = 1.3
	// qualityPatience is how long that has to last.
	qualityPatience = 5 * time.Second
)

// quality chooses the step. The zero value begins with the best picture.
type quality struct {
	step int
	room time.Time // since when there is enough for a better one; zero: there isn't
}

// choose takes the share of the full bit rate that there is, and returns the step
// for pictures captured then.
func (q *quality) choose(share float64, now time.Time) int {
	for q.step+1 < len(qualitySteps) && share < qualitySteps[q.step+1].share {
		q.step++
		q.room = time.Time{}
	}
	if q.step == 0 || share < qualitySteps[q.step].share*qualityBack {
		q.room = time.Time{}
		return q.step
	}
	if q.room.IsZero() {
		q.room = now
	}
	if now.Sub(q.room) >= qualityPatience {
		q.step--
		q.room = time.Time{}
	}
	return q.step
}

// halver makes pictures of half the width and height.
type halver struct{ picture *image.YCbCr }

// halve returns the picture, each sample the mean of four, valid until the next call.
func (h *halver) halve(p *image.YCbCr) *image.YCbCr {
	width, height := p.Rect.Dx()/2&^1, p.Rect.Dy()/2&^1
	if h.picture == nil || h.picture.Rect.Dx() != width || h.picture.Rect.Dy() != height {
		h.picture = newPicture(width, height)
	}
	halvePlane(h.picture.Y, h.picture.YStride, p.Y, p.YStride, width, height)
	halvePlane(h.picture.Cb, h.picture.CStride, p.Cb, p.CStride, width/2, height/2)
	halvePlane(h.picture.Cr, h.picture.CStride, p.Cr, p.CStride, width/2, height/2)
	return h.picture
}

func halvePlane(dst []byte, dstStride int, src []byte, srcStride, width, height int) {
	for y := range height {
		a, b := src[2*y*srcStride:][:2*width], src[(2*y+1)*srcStride:][:2*width]
		row := dst[y*dstStride:][:width]
		for x := range row {
			row[x] = byte((int(a[2*x]) + int(a[2*x+1]) + int(b[2*x]) + int(b[2*x+1]) + 2) / 4)
		}
	}
}
