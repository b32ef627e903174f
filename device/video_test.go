package device

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"doorbell/device/h264test"
	"doorbell/device/sim"
)

// play streams frames through a Video until the camera's end, and returns units.
func play(t *testing.T, o VideoOptions, frames ...Frame) (units []Frame, v *Video, err error) {
	t.Helper()
	camera := &script{frames: make(chan Frame, len(frames)), err: io.EOF}
	for _, f := range frames {
		camera.frames <- f
	}
	close(camera.frames)
	o.Open = func(context.Context) (io.Closer, error) { return camera, nil }
	v = mustVideo(t, o)
	err = v.Stream(t.Context(), func(unit []byte, key bool, captured time.Time) {
		units = append(units, Frame{Unit: append([]byte(nil), unit...), Key: key, Captured: captured})
	})
	if camera.closed != 1 {
		t.Errorf("the camera was closed %d times", camera.closed)
	}
	return units, v, err
}

func mustVideo(t testing.TB, o VideoOptions) *Video {
	t.Helper()
	v, err := NewVideo(o)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func openSimAt(width, height int, rate float64) func(context.Context) (io.Closer, error) {
	return func(context.Context) (io.Closer, error) {
		return sim.NewCamera(sim.CameraOptions{Width: width, Height: height, FrameRate: rate})
	}
}

// The time code comes through encoder and decoder, at the default bit rate and
// at a poor one, whole and scaled down by two.
func TestVideoCarriesTheTimeCode(t *testing.T) {
	for _, bitRate := range []int{0, 200e3} {
		synctest.Test(t, func(t *testing.T) {
			v := mustVideo(t, VideoOptions{Open: openSimAt(640, 360, 30), BitRate: bitRate})
			d, err := h264test.New()
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			ctx, cancel := context.WithCancel(t.Context())
			n, bytes := 0, 0
			err = v.Stream(ctx, func(unit []byte, key bool, captured time.Time) {
				bytes += len(unit)
				p, err := d.Decode(unit)
				if err != nil || p == nil {
					t.Errorf("unit %d: %v %v", n, p, err)
					return
				}
				for name, p := range map[string]image.Image{"whole": p, "half": half(p)} {
					code, err := sim.ReadTimeCode(p)
					if err != nil || code.Millis != uint32(captured.UnixMilli()) {
						t.Errorf("unit %d, %s, shows %d, %v; captured %d", n, name, code.Millis, err, uint32(captured.UnixMilli()))
					}
				}
				if n++; n == 90 {
					cancel()
				}
			})
			if !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			t.Logf("%d bit/s", bytes*8*30/n)
		})
	}
}

// half is the luma at half the size.
func half(p *image.YCbCr) *image.Gray {
	g := image.NewGray(image.Rect(0, 0, p.Rect.Dx()/2, p.Rect.Dy()/2))
	for y := range g.Rect.Dy() {
		for x := range g.Rect.Dx() {
			a, b := 2*y*p.YStride+2*x, (2*y+1)*p.YStride+2*x
			g.Pix[y*g.Stride+x] = byte((int(p.Y[a]) + int(p.Y[a+1]) + int(p.Y[b]) + int(p.Y[b+1]) + 2) / 4)
		}
	}
	return g
}

func TestVideoKeyFramesOnDemand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := mustVideo(t, VideoOptions{Open: openSimAt(320, 240, 30), KeyFrameInterval: time.Minute})
		ctx, cancel := context.WithCancel(t.Context())
		var keys []int
		n := 0
		err := v.Stream(ctx, func(unit []byte, key bool, _ time.Time) {
			if key {
				keys = append(keys, n)
			}
			if n == 10 || n == 11 { // two requests, one after the other
				v.RequestKeyFrame()
				v.RequestKeyFrame()
			}
			if n++; n == 30 {
				cancel()
			}
		})
		if !errors.Is(err, context.Canceled) || fmt.Sprint(keys) != "[0 11 12]" {
			t.Errorf("key frames %v, %v", keys, err)
		}
		v.RequestKeyFrame() // when nothing streams
		if err := v.Stream(canceled(t), nil); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

func canceled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

func TestVideoNewSizeNewEncoder(t *testing.T) {
	start := time.Now()
	var frames []Frame
	for i, size := range []image.Point{{320, 240}, {320, 240}, {161, 121}, {160, 120}, {320, 240}} {
		p := image.NewYCbCr(image.Rect(0, 0, size.X, size.Y), image.YCbCrSubsampleRatio420)
		frames = append(frames, Frame{Picture: p, Captured: start.Add(time.Duration(i) * 100 * time.Millisecond)})
	}
	units, v, err := play(t, VideoOptions{}, frames...)
	if !errors.Is(err, io.EOF) || len(units) != 5 {
		t.Fatalf("%d units, %v", len(units), err)
	}
	var n unitNormalizer
	for i, want := range []struct {
		key    bool
		height int
	}{{true, 240}, {false, 240}, {true, 120}, {false, 120}, {true, 240}} {
		if _, _, err := n.normalize(units[i].Unit); err != nil || units[i].Key != want.key || n.info.height != want.height {
			t.Errorf("unit %d: key %v, height %d, %v", i, units[i].Key, n.info.height, err)
		}
	}
	if s := v.State(); s.Open || s.Width != 320 || s.Frames != 5 || s.Error != "EOF" {
		t.Errorf("%+v", s)
	}
}

func TestVideoPassesH264Through(t *testing.T) {
	start := time.Now()
	key, slice := []byte(sc4+"\x67s"+sc4+"\x68p"+sc4+"\x65\x88i"), []byte(sc4+"\x41\x9ax")
	units, _, err := play(t, VideoOptions{},
		Frame{Unit: slice, Captured: start}, Frame{Unit: key, Key: true, Captured: start},
		Frame{Unit: slice, Captured: start.Add(-time.Hour)}, Frame{Unit: nil, Captured: start}, Frame{Unit: slice, Captured: start.Add(time.Second)})
	if !errors.Is(err, io.EOF) || len(units) != 3 || !units[0].Key || string(units[1].Unit) != string(slice) {
		t.Fatalf("%d units, %v", len(units), err)
	}
	for i := 1; i < len(units); i++ {
		if !units[i].Captured.After(units[i-1].Captured) {
			t.Errorf("unit %d was captured %v after the one before", i, units[i].Captured.Sub(units[i-1].Captured))
		}
	}
}

func TestVideoAsksTheCameraForKeyFrames(t *testing.T) {
	camera := &script{frames: make(chan Frame, 2), err: io.EOF}
	v := mustVideo(t, VideoOptions{Open: func(context.Context) (io.Closer, error) { return camera, nil }})
	v.RequestKeyFrame()
	for _, key := range []bool{true, false} {
		camera.frames <- Frame{Unit: []byte(sc4 + "\x65\x88i"), Key: key}
	}
	close(camera.frames)
	_ = v.Stream(t.Context(), func(_ []byte, key bool, _ time.Time) {
		if key {
			v.RequestKeyFrame()
		}
	})
	if camera.keyFrames != 1 {
		t.Errorf("asked %d times; the request before the first key frame is met by that", camera.keyFrames)
	}
}

func TestVideoThinsOut(t *testing.T) {
	for _, c := range []struct{ from, to, low, high int }{{60, 30, 29, 32}, {30, 30, 30, 30}, {25, 30, 25, 25}, {30, 10, 10, 12}, {50, 30, 25, 34}} {
		start, taken := time.Now(), 0
		var thin thinner
		for i := range c.from {
			jitter := time.Duration(i%3-1) * 2 * time.Millisecond
			if thin.take(start.Add(time.Duration(i)*time.Second/time.Duration(c.from)+jitter), float64(c.to)) {
				taken++
			}
		}
		if taken < c.low || taken > c.high {
			t.Errorf("of %d a second %d were taken for %d", c.from, taken, c.to)
		}
	}
}

func TestVideoState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := mustVideo(t, VideoOptions{Open: openSimAt(320, 240, 15), BitRate: 200e3})
		if s := v.State(); s != (VideoState{}) {
			t.Errorf("before: %+v", s)
		}
		ctx, cancel := context.WithCancel(t.Context())
		n := 0
		err := v.Stream(ctx, func([]byte, bool, time.Time) {
			if n++; n == 40 {
				time.Sleep(400 * time.Millisecond) // five pictures are missed
			}
			if n == 70 {
				s := v.State()
				if !s.Open || s.Source != "sim 320x240 at 15" || s.Width != 320 || s.Height != 240 || s.Frames != 69 || s.Drops != 5 {
					t.Errorf("%+v", s)
				}
				if s.FrameRate < 12 || s.FrameRate > 16 || s.BitRate < 1000 {
					t.Errorf("%g pictures a second, %g bit/s", s.FrameRate, s.BitRate)
				}
				if err := v.Stream(ctx, nil); !errors.Is(err, ErrStreaming) {
					t.Errorf("a second stream: %v", err)
				}
				cancel()
			}
		})
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if s := v.State(); s.Open || s.Error != "" || s.FrameRate != 0 {
			t.Errorf("after: %+v", s)
		}
	})
}

func TestVideoErrors(t *testing.T) {
	unplugged := &CameraError{Camera: "/dev/video0", Kind: ErrUnplugged}
	for name, open := range map[string]func(context.Context) (io.Closer, error){
		"can't be opened": func(context.Context) (io.Closer, error) { return nil, unplugged },
		"is unplugged": func(context.Context) (io.Closer, error) {
			c := &script{frames: make(chan Frame), err: unplugged}
			close(c.frames)
			return c, nil
		},
	} {
		v := mustVideo(t, VideoOptions{Open: open})
		for range 2 { // it may be tried again
			if err := v.Stream(t.Context(), nil); !errors.Is(err, ErrUnplugged) {
				t.Errorf("%s: %v", name, err)
			}
			if s := v.State(); s.Open || !strings.Contains(s.Error, "unplugged") {
				t.Errorf("%s: %+v", name, s)
			}
		}
	}
	for name, camera := range map[string]io.Closer{"nothing": nil, "no camera": io.NopCloser(nil)} {
		v := mustVideo(t, VideoOptions{Open: func(context.Context) (io.Closer, error) { return camera, nil }})
		if err := v.Stream(t.Context(), nil); err == nil {
			t.Errorf("%s was streamed", name)
		}
	}
	bad := image.NewYCbCr(image.Rect(0, 0, 64, 48), image.YCbCrSubsampleRatio444)
	if _, _, err := play(t, VideoOptions{}, Frame{Picture: bad, Captured: time.Now()}); err == nil || !strings.Contains(err.Error(), "camera script: picture is not 4:2:0") {
		t.Errorf("a 4:4:4 picture: %v", err)
	}
}

func TestVideoOptions(t *testing.T) {
	open := openSimAt(320, 240, 30)
	for _, o := range []VideoOptions{
		{}, {Open: open, FrameRate: 0.5}, {Open: open, FrameRate: 120}, {Open: open, BitRate: 10}, {Open: open, BitRate: -1}, {Open: open, BitRate: 1e9},
		{Open: open, KeyFrameInterval: time.Millisecond}, {Open: open, KeyFrameInterval: -1},
	} {
		if _, err := NewVideo(o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
}

// Encoders come and go with the phones; their memory is C's.
func TestVideoGivesItsMemoryBack(t *testing.T) {
	if testing.Short() {
		t.Skip("starts many encoders")
	}
	resident := func() (pages int) {
		data, err := os.ReadFile("/proc/self/statm")
		if err == nil {
			_, err = fmt.Sscan(string(data), new(int), &pages)
		}
		if err != nil {
			t.Fatal(err)
		}
		return pages
	}
	p := newPicture(640, 360)
	once := func() {
		if _, _, err := play(t, VideoOptions{}, Frame{Picture: p, Captured: time.Now()}); !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
	}
	once()
	before := resident()
	for range 40 {
		once()
	}
	grown := (resident() - before) * os.Getpagesize() >> 20
	t.Logf("%d MiB more after 40 encoders", grown)
	if grown > 60 {
		t.Errorf("%d MiB more after 40 encoders", grown)
	}
}

func TestRateMeter(t *testing.T) {
	var m rateMeter
	start := time.Now()
	if f, b := m.rates(start); f != 0 || b != 0 {
		t.Errorf("empty: %g %g", f, b)
	}
	for i := range 300 {
		m.add(start.Add(time.Duration(i)*40*time.Millisecond), 1000)
	}
	end := start.Add(299 * 40 * time.Millisecond)
	if f, b := m.rates(end); f < 24 || f > 26 || b < 195e3 || b > 210e3 {
		t.Errorf("at 25 a second of 8000 bits: %g %g", f, b)
	}
	if f, _ := m.rates(end.Add(5 * time.Second)); f != 0 {
		t.Errorf("long after: %g", f)
	}
}
