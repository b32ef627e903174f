package device

import (
	"context"
	"errors"
	"image"
	"io"
	"testing"
	"time"

	"doorbell/device/h264test"
)

func TestQualitySteps(t *testing.T) {
	var q quality
	at := time.Unix(0, 0)
	choose := func(share float64, seconds int) int {
		at = at.Add(time.Duration(seconds) * time.Second)
		return q.choose(share, at)
	}
	for i, c := range []struct {
		share   float64
		seconds int // since the one before
		want    int
	}{
		{1, 0, 0}, {0.5, 1, 0}, {0.39, 1, 1}, {0.45, 10, 1}, {0.53, 1, 1}, {0.53, 4, 1}, {0.53, 2, 0}, // a step back takes its time
		{0.1, 1, 2}, {0.27, 1, 2}, {0.1, 4, 2}, {0.27, 9, 2}, {0.27, 6, 1}, {1, 1, 1}, {1, 6, 0},
	} {
		if got := choose(c.share, c.seconds); got != c.want {
			t.Errorf("%d: step %d at %.2f of the bit rate, want %d", i, got, c.share, c.want)
		}
	}
}

// The bit rate follows its limit down and up again; the picture becomes slower, then smaller, and comes back; whatever
// comes can be decoded.
func TestVideoKeepsItsLimit(t *testing.T) {
	if testing.Short() {
		t.Skip("encodes a minute of video")
	}
	const full = 800e3
	camera := takePictures(30*50, 640, 360)
	v := mustVideo(t, VideoOptions{Open: func(context.Context) (io.Closer, error) { return camera, nil }, BitRate: full, Encoder: EncoderSoftware})
	d, err := h264test.New()
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	phases := []struct {
		until time.Duration
		limit int
		size  image.Point
		rate  float64
	}{
		{10 * time.Second, 0, image.Pt(640, 360), 30}, {20 * time.Second, 250e3, image.Pt(640, 360), 15},
		{30 * time.Second, 120e3, image.Pt(320, 180), 15}, {50 * time.Second, 0, image.Pt(640, 360), 30},
	}
	begin := time.Unix(1e9, 0)
	phase, bits, frames := 0, 0, 0
	var size image.Point
	err = v.Stream(t.Context(), func(unit []byte, _ bool, captured time.Time) {
		p := phases[phase]
		if captured.Sub(begin) > p.until && phase+1 < len(phases) {
			phase++
			v.SetBitRate(phases[phase].limit)
			bits, frames = 0, 0
			return
		}
		decoded, err := d.Decode(unit)
		if err != nil || decoded == nil {
			t.Fatalf("%v %v", decoded, err)
		}
		// The last half of each phase counts.
		last := time.Duration(0)
		if phase > 0 {
			last = phases[phase-1].until
		}
		if half := last + (p.until-last)*3/4; captured.Sub(begin) > half {
			bits, frames, size = bits+8*len(unit), frames+1, decoded.Rect.Size()
			if captured.Sub(begin) > p.until-400*time.Millisecond && frames > 0 {
				seconds := (captured.Sub(begin) - half).Seconds()
				limit := p.limit
				if limit == 0 {
					limit = full
				}
				t.Logf("limit %d: %v at %.1f, %.0f bit/s", p.limit, size, float64(frames)/seconds, float64(bits)/seconds)
				if size != p.size || float64(frames)/seconds < 0.7*p.rate || float64(frames)/seconds > 1.1*p.rate || float64(bits)/seconds > 1.25*float64(limit) {
					t.Errorf("limit %d: %v at %.1f, %.0f bit/s; want %v at %.0f", p.limit, size, float64(frames)/seconds, float64(bits)/seconds, p.size, p.rate)
				}
				frames = -1 << 30 // once
			}
		}
	})
	if !errors.Is(err, io.EOF) || phase != len(phases)-1 {
		t.Errorf("ended in phase %d with %v", phase, err)
	}
}
