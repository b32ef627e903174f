package device

import (
	"bytes"
	"fmt"
	"image"
	"testing"
	"time"

	"golang.org/x/image/vp8"
)

func testVP8Encoder(t testing.TB, s encoderSettings) *vp8Encoder {
	t.Helper()
	if s.keyInterval == 0 {
		s.keyInterval = 10 * time.Second
	}
	e, err := newVP8Encoder(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.close)
	return e
}

// decodeVP8 decodes a key frame with a decoder that is not libvpx.
func decodeVP8(t *testing.T, frame []byte) *image.YCbCr {
	t.Helper()
	d := vp8.NewDecoder()
	d.Init(bytes.NewReader(frame), len(frame))
	if _, err := d.DecodeFrameHeader(); err != nil {
		t.Fatal(err)
	}
	p, err := d.DecodeFrame()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestVP8EncoderDecodes(t *testing.T) {
	for _, size := range []image.Point{{640, 360}, {640, 480}, {162, 122}, {16, 16}} {
		e := testVP8Encoder(t, encoderSettings{width: size.X, height: size.Y, rate: 15, bitRate: 800e3})
		pictures, at := newScene(size.X, size.Y), time.Now()
		for i := range 12 {
			p := pictures.next(i)
			frame, key, err := e.encode(p, at.Add(time.Duration(i)*time.Second/15), i == 9)
			if err != nil || frame == nil {
				t.Fatalf("%v, picture %d: %v", size, i, err)
			}
			if key != (i == 0 || i == 9) {
				t.Errorf("%v, picture %d: key %t", size, i, key)
			}
			if !key {
				continue
			}
			got := decodeVP8(t, frame)
			if got.Rect.Size() != size {
				t.Fatalf("%v came out as %v", size, got.Rect.Size())
			}
			for y := range size.Y {
				if off := meanDifference(p.Y[y*p.YStride:][:size.X], got.Y[y*got.YStride:][:size.X]); off > 24 {
					t.Fatalf("%v, picture %d, row %d is %.1f from what was encoded", size, i, y, off)
				}
			}
		}
	}
}

func TestVP8EncoderKeepsItsBitRate(t *testing.T) {
	if testing.Short() {
		t.Skip("encodes some seconds of video")
	}
	e := testVP8Encoder(t, encoderSettings{width: 640, height: 360, rate: 15, bitRate: 500e3})
	pictures, at := newScene(640, 360), time.Now()
	for n, bitRate := range []int{500e3, 200e3, 800e3} {
		if err := e.setBitRate(bitRate); err != nil {
			t.Fatal(err)
		}
		const seconds = 6
		bits, skipped := 0, 0
		for i := range 15 * seconds {
			frame, _, err := e.encode(pictures.next(i), at.Add(time.Duration(n*15*seconds+i)*time.Second/15), false)
			if err != nil {
				t.Fatal(err)
			}
			if frame == nil {
				skipped++
			}
			if i >= 15 { // the first second brings the change
				bits += 8 * len(frame)
			}
		}
		got := float64(bits) / (seconds - 1)
		t.Logf("%.0f bit/s of %d, %d pictures left out", got, bitRate, skipped)
		if got < 0.7*float64(bitRate) || got > 1.25*float64(bitRate) {
			t.Errorf("%.0f bit/s instead of %d", got, bitRate)
		}
	}
}

func TestVP8EncoderRefuses(t *testing.T) {
	if _, err := newVP8Encoder(encoderSettings{width: 20000, height: 20000, rate: 15, bitRate: 1e6, keyInterval: time.Second}); err == nil {
		t.Error("20000x20000 was taken")
	}
	e := testVP8Encoder(t, encoderSettings{width: 64, height: 64, rate: 15, bitRate: 1e5})
	if _, _, err := e.encode(newPicture(32, 32), time.Now(), false); err == nil {
		t.Error("a picture of another size was taken")
	}
}

func BenchmarkEncodeVP8(b *testing.B) {
	for _, size := range []image.Point{{640, 360}, {640, 480}} {
		b.Run(fmt.Sprintf("%dx%d", size.X, size.Y), func(b *testing.B) {
			e := testVP8Encoder(b, encoderSettings{width: size.X, height: size.Y, rate: vp8Rate, bitRate: vp8BitRate(size)})
			pictures := newScene(size.X, size.Y)
			var p *image.YCbCr
			at := time.Now()
			laps(b, func(i int) { p = pictures.next(i) }, func(i int) {
				if _, _, err := e.encode(p, at.Add(time.Duration(i)*time.Second/vp8Rate), false); err != nil {
					b.Fatal(err)
				}
			})
		})
	}
}

func BenchmarkScaleDown(b *testing.B) {
	for _, from := range []image.Point{{1280, 720}, {1920, 1080}, {800, 600}} {
		b.Run(from.String(), func(b *testing.B) {
			p, size := newScene(from.X, from.Y).next(0), fitted(from, vp8Most())
			to := newPicture(size.X, size.Y)
			for b.Loop() {
				scaleDown(to, p)
			}
		})
	}
}
