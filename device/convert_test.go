package device

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"testing"
)

// colourAt is a picture with different samples everywhere, chroma in blocks of
// two by two, so that every format can hold it exactly.
func colourAt(x, y int) color.YCbCr {
	return color.YCbCr{Y: byte(16 + (3*x+7*y)%220), Cb: byte(16 + (5*(x/2)+3*(y/2))%224), Cr: byte(16 + (2*(x/2)+11*(y/2))%224)}
}

// rawPicture lays that picture out as a driver would.
func rawPicture(f fourCC, width, height, stride int) []byte {
	chromaRows := (height + 1) / 2
	size := map[fourCC]int{pixYUYV: stride * height, pixUYVY: stride * height, pixNV12: stride * (height + chromaRows), pixNV21: stride * (height + chromaRows)}[f]
	if size == 0 {
		size = stride*height + stride/2*chromaRows*2
	}
	data := bytes.Repeat([]byte{0xee}, size) // what is padding
	for y := range height {
		for x := range width {
			c := colourAt(x, y)
			first, second := stride*height, stride*height+stride/2*chromaRows
			switch f {
			case pixYUYV:
				data[y*stride+2*x], data[y*stride+x/2*4+1], data[y*stride+x/2*4+3] = c.Y, c.Cb, c.Cr
			case pixUYVY:
				data[y*stride+2*x+1], data[y*stride+x/2*4], data[y*stride+x/2*4+2] = c.Y, c.Cb, c.Cr
			case pixNV21:
				c.Cb, c.Cr = c.Cr, c.Cb
				fallthrough
			case pixNV12:
				data[y*stride+x], data[first+y/2*stride+x&^1], data[first+y/2*stride+x|1] = c.Y, c.Cb, c.Cr
			case pixYV12:
				first, second = second, first
				fallthrough
			case pixYU12:
				data[y*stride+x], data[first+y/2*(stride/2)+x/2], data[second+y/2*(stride/2)+x/2] = c.Y, c.Cb, c.Cr
			}
		}
	}
	return data
}

func checkColours(t *testing.T, name string, p *image.YCbCr, width, height int) {
	t.Helper()
	if p.Rect != image.Rect(0, 0, width&^1, height&^1) {
		t.Fatalf("%s: picture is %v", name, p.Rect)
	}
	for y := range p.Rect.Dy() {
		for x := range p.Rect.Dx() {
			if got := p.YCbCrAt(x, y); got != colourAt(x, y) {
				t.Fatalf("%s: at %d,%d is %v, not %v", name, x, y, got, colourAt(x, y))
			}
		}
	}
}

func TestConvertEveryFormat(t *testing.T) {
	for _, f := range []fourCC{pixYUYV, pixUYVY, pixYU12, pixYV12, pixNV12, pixNV21} {
		for _, size := range []image.Point{{16, 16}, {64, 48}, {66, 50}, {33, 17}, {18, 19}} {
			for _, padding := range []int{0, 2, 30, 64} {
				least := (size.X + 1) &^ 1
				if f == pixYUYV || f == pixUYVY {
					least *= 2
				}
				stride := least + padding
				name := fmt.Sprintf("%v %v stride %d", f, size, stride)
				l, err := newLayout(&v4l2PixFormat{Width: uint32(size.X), Height: uint32(size.Y), PixelFormat: f, BytesPerLine: uint32(stride)})
				if err != nil {
					t.Fatal(err)
				}
				data := rawPicture(f, size.X, size.Y, stride)[:l.size()] // without the last row's padding
				p := newPicture(size.X, size.Y)
				if err := l.convert(p, data); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				checkColours(t, name, p, size.X, size.Y)
				if err := l.convert(p, data[:len(data)-1]); err == nil {
					t.Errorf("%s: a picture one byte short was taken", name)
				}
			}
		}
	}
}

func TestConvertMeansTheChromaOfTwoRows(t *testing.T) {
	l, err := newLayout(&v4l2PixFormat{Width: 16, Height: 16, PixelFormat: pixYUYV})
	if err != nil {
		t.Fatal(err)
	}
	data := append(bytes.Repeat([]byte{9, 100, 9, 51}, 8), bytes.Repeat([]byte{9, 200, 9, 52}, 8)...)
	p := newPicture(16, 16)
	if err := l.convert(p, bytes.Repeat(data, 8)); err != nil {
		t.Fatal(err)
	}
	if p.Cb[5] != 150 || p.Cr[5] != 52 {
		t.Errorf("chroma %d %d, not 150 52", p.Cb[5], p.Cr[5])
	}
}

func TestLayoutOfWhatDriversLeaveOut(t *testing.T) {
	for _, c := range []struct {
		name string
		pix  v4l2PixFormat
		want layout // of an error: zero
	}{
		{"no stride", v4l2PixFormat{Width: 640, Height: 480, PixelFormat: pixYUYV}, layout{pixYUYV, 640, 480, 1280, false}},
		{"no stride, planes", v4l2PixFormat{Width: 33, Height: 17, PixelFormat: pixYU12}, layout{pixYU12, 33, 17, 34, false}},
		{"full range", v4l2PixFormat{Width: 64, Height: 64, PixelFormat: pixNV12, Priv: v4l2PrivMagic, Quantization: 1}, layout{pixNV12, 64, 64, 64, true}},
		{"full range, of an old driver", v4l2PixFormat{Width: 64, Height: 64, PixelFormat: pixNV12, Quantization: 1}, layout{pixNV12, 64, 64, 64, false}},
		{"JPEG colours", v4l2PixFormat{Width: 64, Height: 64, PixelFormat: pixNV12, Colorspace: 7}, layout{pixNV12, 64, 64, 64, true}},
		{"JPEG colours, limited", v4l2PixFormat{Width: 64, Height: 64, PixelFormat: pixNV12, Colorspace: 7, Priv: v4l2PrivMagic, Quantization: 2}, layout{pixNV12, 64, 64, 64, false}},
		{"no size", v4l2PixFormat{PixelFormat: pixYUYV}, layout{}},
		{"huge", v4l2PixFormat{Width: 1 << 30, Height: 1 << 30, PixelFormat: pixYUYV}, layout{}},
	} {
		got, err := newLayout(&c.pix)
		if (err != nil) != (c.want == layout{}) || err == nil && got != c.want {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
	}
}

func TestTo420(t *testing.T) {
	for _, ratio := range []image.YCbCrSubsampleRatio{
		image.YCbCrSubsampleRatio444, image.YCbCrSubsampleRatio422, image.YCbCrSubsampleRatio420, image.YCbCrSubsampleRatio440,
	} {
		for _, size := range []image.Point{{64, 48}, {33, 17}} {
			src := image.NewYCbCr(image.Rect(0, 0, size.X, size.Y), ratio)
			for y := range size.Y {
				for x := range size.X {
					c := colourAt(x, y)
					src.Y[src.YOffset(x, y)], src.Cb[src.COffset(x, y)], src.Cr[src.COffset(x, y)] = c.Y, c.Cb, c.Cr
				}
			}
			p := newPicture(size.X, size.Y)
			to420(p, src)
			checkColours(t, fmt.Sprintf("%v %v", ratio, size), p, size.X, size.Y)
		}
	}
	coarse := image.NewYCbCr(image.Rect(0, 0, 64, 48), image.YCbCrSubsampleRatio411)
	for i := range coarse.Cb {
		coarse.Cb[i], coarse.Cr[i] = 70, 170
	}
	p := newPicture(64, 48)
	to420(p, coarse)
	if p.Cb[100] != 70 || p.Cr[len(p.Cr)-1] != 170 {
		t.Errorf("4:1:1 gave %d %d", p.Cb[100], p.Cr[len(p.Cr)-1])
	}
}

func TestToLimited(t *testing.T) {
	l := newToLimited()
	for _, c := range []struct{ in, luma, chroma byte }{{0, 16, 16}, {255, 235, 240}, {128, 126, 128}} {
		if l.luma[c.in] != c.luma || l.chroma[c.in] != c.chroma {
			t.Errorf("%d is luma %d, chroma %d", c.in, l.luma[c.in], l.chroma[c.in])
		}
	}
}

func TestEvenPicture(t *testing.T) {
	for _, size := range []image.Point{{17, 16}, {64, 49}, {64, 48}} {
		p, err := evenPicture(image.NewYCbCr(image.Rect(0, 0, size.X, size.Y), image.YCbCrSubsampleRatio420))
		if err != nil || p.Rect != image.Rect(0, 0, size.X&^1, size.Y&^1) {
			t.Errorf("%v: %v, %v", size, p, err)
		}
	}
	whole := image.NewYCbCr(image.Rect(0, 0, 64, 48), image.YCbCrSubsampleRatio420)
	short := *whole
	short.Cr = short.Cr[:10]
	for name, p := range map[string]*image.YCbCr{
		"none": nil, "4:2:2": image.NewYCbCr(image.Rect(0, 0, 64, 48), image.YCbCrSubsampleRatio422), "short": &short,
		"tiny": image.NewYCbCr(image.Rect(0, 0, 8, 8), image.YCbCrSubsampleRatio420),
	} {
		if _, err := evenPicture(p); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	part := whole.SubImage(image.Rect(4, 4, 44, 44)).(*image.YCbCr)
	if p, err := evenPicture(part); err != nil || p.Rect != image.Rect(0, 0, 40, 40) {
		t.Errorf("a part: %v, %v", p, err)
	}
}

func BenchmarkConvert720p(b *testing.B) {
	for _, f := range []fourCC{pixYUYV, pixUYVY, pixYU12, pixNV12} {
		b.Run(f.String(), func(b *testing.B) {
			l, err := newLayout(&v4l2PixFormat{Width: 1280, Height: 720, PixelFormat: f})
			if err != nil {
				b.Fatal(err)
			}
			data, p := make([]byte, l.size()), newPicture(1280, 720)
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if err := l.convert(p, data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
