package device

import (
	"errors"
	"fmt"
	"image"
	"io"
)

// maxPictureSide bounds the width and height of pictures from outside, pixels.
const maxPictureSide = 4096

// newPicture makes a 4:2:0 picture of even width and height.
func newPicture(width, height int) *image.YCbCr {
	return image.NewYCbCr(image.Rect(0, 0, width&^1, height&^1), image.YCbCrSubsampleRatio420)
}

// evenPicture is p cropped to even width and height, with its origin at 0,0;
// it shares p's planes. H.264 encoders take nothing else.
func evenPicture(p *image.YCbCr) (*image.YCbCr, error) {
	if p == nil || p.SubsampleRatio != image.YCbCrSubsampleRatio420 {
		return nil, errors.New("picture is not 4:2:0")
	}
	width, height := p.Rect.Dx()&^1, p.Rect.Dy()&^1
	if width < 16 || height < 16 || width > maxPictureSide || height > maxPictureSide {
		return nil, fmt.Errorf("picture of %dx%d: sides must be 16 to %d pixels", p.Rect.Dx(), p.Rect.Dy(), maxPictureSide)
	}
	if p.YStride < width || p.CStride < width/2 || len(p.Y) < planeLen(p.YStride, width, height) ||
		min(len(p.Cb), len(p.Cr)) < planeLen(p.CStride, width/2, height/2) {
		return nil, fmt.Errorf("picture of %dx%d: %w of its planes", width, height, io.ErrUnexpectedEOF)
	}
	even := *p
	even.Rect = image.Rect(0, 0, width, height)
	return &even, nil
}

// planeLen is how many bytes a plane needs; its last row may end at width.
func planeLen(stride, width, height int) int { return stride*(height-1) + width }

// toLimited maps full-range samples to the range of video (BT.601): luma 16 to
// 235, chroma 16 to 240. Decoders expect that of a stream which doesn't say.
type toLimited struct{ luma, chroma [256]byte }

func newToLimited() *toLimited {
	var t toLimited
	for i := range 256 {
		t.luma[i] = byte(16 + (i*219+127)/255)
		t.chroma[i] = byte((16*255 + i*224 + 127) / 255)
	}
	return &t
}

// rangeOf tells whether a raw picture has the range of JPEG, by one in the range of
// video that shows the same, or that it shows something else.
func rangeOf(l layout, raw []byte, same *image.YCbCr) (full bool, err error) {
	p := newPicture(same.Rect.Dx(), same.Rect.Dy())
	if err := l.convert(p, raw); err != nil {
		return false, err
	}
	asVideo := difference(p, same)
	newToLimited().apply(p)
	asJPEG := difference(p, same)
	const most = 8 // rounding, and how colours are made coarser
	if off := min(asVideo, asJPEG); off > most {
		return false, fmt.Errorf("it makes another picture, %.0f off", off)
	}
	return asJPEG <= asVideo, nil
}

// difference is how far the samples of two pictures of one size are apart, in the plane
// where that is most.
func difference(a, b *image.YCbCr) float64 {
	most := 0.0
	for _, planes := range [...][2][]byte{{a.Y, b.Y}, {a.Cb, b.Cb}, {a.Cr, b.Cr}} {
		sum := 0
		for i, v := range planes[0] {
			sum += max(int(v), int(planes[1][i])) - min(int(v), int(planes[1][i]))
		}
		most = max(most, float64(sum)/float64(len(planes[0])))
	}
	return most
}

// apply maps a whole picture in place.
func (t *toLimited) apply(p *image.YCbCr) {
	for i, v := range p.Y {
		p.Y[i] = t.luma[v]
	}
	for i, v := range p.Cb {
		p.Cb[i] = t.chroma[v]
	}
	for i, v := range p.Cr {
		p.Cr[i] = t.chroma[v]
	}
}
