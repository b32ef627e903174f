package device

import (
	"context"
	"errors"
	"image"
	"io"
	"slices"
	"testing"
	"time"
)

// small is a picture whose samples are all different, as far as bytes go.
func small(width, height int) *image.YCbCr {
	p := newPicture(width, height)
	for i, plane := range [][]byte{p.Y, p.Cb, p.Cr} {
		for at := range plane {
			plane[at] = byte(at*7 + 50*i)
		}
	}
	return p
}

func TestTransform(t *testing.T) {
	p := small(6, 4)
	for name, c := range map[string]struct {
		t Transform
		// at gives where in the source the sample x, y of a result of w by h comes from.
		at func(x, y, w, h int) (int, int)
	}{
		"none":            {Transform{}, func(x, y, _, _ int) (int, int) { return x, y }},
		"90":              {Transform{Rotate: 90}, func(x, y, w, _ int) (int, int) { return y, w - 1 - x }},
		"180":             {Transform{Rotate: 180}, func(x, y, w, h int) (int, int) { return w - 1 - x, h - 1 - y }},
		"270":             {Transform{Rotate: 270}, func(x, y, _, h int) (int, int) { return h - 1 - y, x }},
		"mirrored":        {Transform{Mirror: true}, func(x, y, w, _ int) (int, int) { return w - 1 - x, y }},
		"90 and mirrored": {Transform{Rotate: 90, Mirror: true}, func(x, y, _, _ int) (int, int) { return y, x }},
	} {
		got := (&transformer{Transform: c.t}).apply(p, quarterPast)
		w, h := got.Rect.Dx(), got.Rect.Dy()
		for y := range h {
			for x := range w {
				sx, sy := c.at(x, y, w, h)
				if got.Y[y*got.YStride+x] != p.Y[sy*p.YStride+sx] {
					t.Errorf("%s: luma at %d,%d is not that at %d,%d", name, x, y, sx, sy)
				}
			}
		}
		for y := range h / 2 {
			for x := range w / 2 {
				sx, sy := c.at(x, y, w/2, h/2)
				if at, from := y*got.CStride+x, sy*p.CStride+sx; got.Cb[at] != p.Cb[from] || got.Cr[at] != p.Cr[from] {
					t.Errorf("%s: chroma at %d,%d is not that at %d,%d", name, x, y, sx, sy)
				}
			}
		}
	}
}

// Nothing of what is masked is left, and nothing else is lost but the rest of a pair of samples.
func TestMask(t *testing.T) {
	p := small(100, 60)
	for i := range p.Y {
		p.Y[i] = 200
	}
	before := slices.Clone(p.Y)
	got := (&transformer{Transform: Transform{Masks: []image.Rectangle{image.Rect(25, 33, 51, 100)}}}).apply(p, quarterPast)
	for y := range 60 {
		for x := range 100 {
			masked := x >= 24 && x < 52 && y >= 18
			if c := got.YCbCrAt(x, y); masked != (c.Y == 16 && c.Cb == 128 && c.Cr == 128) {
				t.Fatalf("%d,%d is %v", x, y, c)
			}
		}
	}
	if !slices.Equal(p.Y, before) {
		t.Error("the camera's own picture was changed")
	}
}

func TestTransformIsChecked(t *testing.T) {
	open := func(context.Context) (io.Closer, error) { return takePictures(3, 320, 240), nil }
	for _, bad := range []Transform{{Rotate: 45}, {Rotate: -90}, {Masks: []image.Rectangle{{}}}, {Masks: []image.Rectangle{image.Rect(50, 50, 101, 60)}}} {
		if _, err := NewVideo(VideoOptions{Open: open, Transform: bad}); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
	// Both sides of a picture that is turned are as they come out.
	v := mustVideo(t, VideoOptions{Open: open, Transform: Transform{Rotate: 90}, Encoder: EncoderSoftware})
	if err := v.Stream(t.Context(), func([]byte, bool, time.Time) {}); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	if s := v.State(); s.Width != 240 || s.Height != 320 {
		t.Errorf("turned, it is %dx%d", s.Width, s.Height)
	}
	_, _, err := play(t, VideoOptions{Transform: Transform{Mirror: true}}, Frame{Unit: []byte{0, 0, 0, 1, 0x65}, Key: true, Captured: time.Now()})
	if !errors.Is(err, errNotPictures) {
		t.Errorf("H.264 that is to be mirrored: %v", err)
	}
}

func BenchmarkRotate720p(b *testing.B) {
	p := newScene(1280, 720).next(0)
	for name, t := range map[string]Transform{"90": {Rotate: 90}, "180": {Rotate: 180}, "mirror": {Mirror: true}} {
		b.Run(name, func(b *testing.B) {
			turn := &transformer{Transform: t}
			for b.Loop() {
				turn.apply(p, quarterPast)
			}
		})
	}
}
