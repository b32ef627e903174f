package device

import (
	"bytes"
	"context"
	"errors"
	"image"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"doorbell/device/sim"
)

// vp8Frame is what a VP8's Stream gave.
type vp8Frame struct {
	data     []byte
	key      bool
	captured time.Time
}

// startVP8 streams a Video's picture in VP8 until stop is called, which returns the
// Stream's error.
func startVP8(t *testing.T, v *Video) (frames chan vp8Frame, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	frames = make(chan vp8Frame, 1000)
	done := make(chan error, 1)
	go func() {
		done <- v.VP8().Stream(ctx, func(frame []byte, key bool, captured time.Time) {
			frames <- vp8Frame{append([]byte(nil), frame...), key, captured}
		})
	}()
	stop = sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() { _ = stop() })
	return frames, stop
}

func receive(t *testing.T, frames chan vp8Frame) vp8Frame {
	t.Helper()
	select {
	case f := <-frames:
		return f
	case <-time.After(20 * time.Second):
		t.Fatal("no frame came")
		panic("unreachable")
	}
}

// simulatedVideo streams a simulated camera until the test ends.
func simulatedVideo(t *testing.T, o VideoOptions, camera sim.CameraOptions) (v *Video, opened *int) {
	t.Helper()
	opened = new(int)
	o.Open = func(context.Context) (io.Closer, error) { *opened++; return sim.NewCamera(camera) }
	v = mustVideo(t, o)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- v.Stream(ctx, func([]byte, bool, time.Time) {}) }()
	t.Cleanup(func() { cancel(); <-done })
	return v, opened
}

// TestVP8ShowsTheSamePicture reads the test card's time from key frames, of pictures
// that are larger than VP8's, in each shape.
func TestVP8ShowsTheSamePicture(t *testing.T) {
	for _, c := range []struct {
		from, want image.Point
	}{{image.Pt(1280, 720), image.Pt(640, 360)}, {image.Pt(800, 600), image.Pt(640, 480)}, {image.Pt(320, 240), image.Pt(320, 240)}} {
		v, opened := simulatedVideo(t, VideoOptions{}, sim.CameraOptions{Width: c.from.X, Height: c.from.Y, FrameRate: 20})
		frames, _ := startVP8(t, v)
		var last sim.TimeCode
		for i := range 3 {
			f := receive(t, frames)
			for !f.key {
				f = receive(t, frames)
			}
			p := decodeVP8(t, f.data)
			if p.Rect.Size() != c.want {
				t.Fatalf("%v became %v, not %v", c.from, p.Rect.Size(), c.want)
			}
			code, err := sim.ReadTimeCode(p)
			if err != nil {
				t.Fatalf("%v, key frame %d: %v", c.from, i, err)
			}
			if off := code.Time(f.captured).Sub(f.captured); off.Abs() > 5*time.Millisecond {
				t.Errorf("%v: the picture's time is %v off its capture", c.from, off)
			}
			if i > 0 && code.Frame == last.Frame {
				t.Errorf("%v: the same picture twice", c.from)
			}
			last = code
			v.VP8().RequestKeyFrame()
		}
		if *opened != 1 {
			t.Errorf("the camera was opened %d times", *opened)
		}
	}
}

// TestVP8OnlyWhileWanted sees that nothing is made before and after.
func TestVP8OnlyWhileWanted(t *testing.T) {
	v, _ := simulatedVideo(t, VideoOptions{}, sim.CameraOptions{Width: 320, Height: 240, FrameRate: 30})
	for range 2 {
		if s := v.State(); s.VP8 != "" {
			t.Errorf("nobody wants VP8, and the state says %q", s.VP8)
		}
		frames, stop := startVP8(t, v)
		if f := receive(t, frames); !f.key {
			t.Error("the first frame is no key frame")
		}
		if s := v.State(); s.VP8 == "" {
			t.Error("the state says nothing of VP8")
		}
		if err := v.VP8().Stream(t.Context(), nil); !errors.Is(err, ErrStreaming) {
			t.Errorf("a second Stream: %v", err)
		}
		if err := stop(); !errors.Is(err, context.Canceled) {
			t.Errorf("the Stream ended with %v", err)
		}
		for len(frames) > 0 {
			<-frames
		}
		if v.vp8.tap.Load() != nil {
			t.Error("pictures are still taken")
		}
	}
}

// TestVP8Alone lets H.264 rest while VP8 goes on, and sees it come back with a key frame.
func TestVP8Alone(t *testing.T) {
	v := mustVideo(t, VideoOptions{Open: func(context.Context) (io.Closer, error) {
		return sim.NewCamera(sim.CameraOptions{Width: 320, Height: 240, FrameRate: 30})
	}})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	units := make(chan vp8Frame, 1000)
	go func() {
		done <- v.Stream(ctx, func(unit []byte, key bool, captured time.Time) {
			units <- vp8Frame{bytes.Clone(unit), key, captured}
		})
	}()
	defer func() { cancel(); <-done }()
	frames, _ := startVP8(t, v)
	for range 3 {
		first := receive(t, units)
		for len(first.data) == 0 {
			first = receive(t, units)
		}
		if !first.key {
			t.Error("H.264 begins without a key frame")
		}
		v.Rest(true)
		for len(receive(t, units).data) > 0 {
		}
		for len(frames) > 0 {
			<-frames
		}
		before := v.State()
		for range 5 {
			receive(t, frames)
			if f := receive(t, units); len(f.data) > 0 || f.key {
				t.Fatalf("nobody takes H.264, and there are %d bytes of it", len(f.data))
			}
		}
		if s := v.State(); s.Progress <= before.Progress || s.FrameRate < 5 || strings.Contains(s.Path, "OpenH264") {
			t.Errorf("the state says %+v", s)
		}
		v.Rest(false)
	}
}

// TestVP8FollowsItsBitRate sees the picture become smaller, and not that in H.264.
func TestVP8FollowsItsBitRate(t *testing.T) {
	v, _ := simulatedVideo(t, VideoOptions{}, sim.CameraOptions{Width: 640, Height: 360, FrameRate: 15})
	frames, _ := startVP8(t, v)
	receive(t, frames)
	v.VP8().SetBitRate(60e3)
	for {
		f := receive(t, frames)
		if f.key && decodeVP8(t, f.data).Rect.Size() == image.Pt(320, 180) {
			break
		}
	}
	if s := v.State(); s.Width != 640 || s.Height != 360 {
		t.Errorf("H.264 became %dx%d", s.Width, s.Height)
	}
}

// TestVP8OfACameraWithH264 is told at once that there is nothing to encode.
func TestVP8OfACameraWithH264(t *testing.T) {
	camera := &script{frames: make(chan Frame)}
	v := mustVideo(t, VideoOptions{Open: func(context.Context) (io.Closer, error) { return camera, nil }})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	done := make(chan error, 1)
	go func() { done <- v.Stream(ctx, func([]byte, bool, time.Time) {}) }()
	var running sync.WaitGroup
	running.Go(func() { // until the Stream has heard of it, and the test is over
		for ctx.Err() == nil {
			select {
			case camera.frames <- Frame{Unit: []byte{0, 0, 0, 1, 0x65}, Key: true, Captured: time.Now()}:
			case <-ctx.Done():
			}
		}
	})
	if err := v.VP8().Stream(ctx, func([]byte, bool, time.Time) { t.Error("a frame came") }); !errors.Is(err, ErrNoPictures) {
		t.Errorf("the Stream ended with %v", err)
	}
	cancel()
	<-done
	running.Wait()
}

// TestVP8BeginsAnewWithTheCamera sees a key frame first from each run of the camera.
func TestVP8BeginsAnewWithTheCamera(t *testing.T) {
	v := mustVideo(t, VideoOptions{Open: func(context.Context) (io.Closer, error) {
		return sim.NewCamera(sim.CameraOptions{Width: 320, Height: 240, FrameRate: 30})
	}})
	frames, _ := startVP8(t, v)
	for run := range 2 {
		ctx, cancel := context.WithCancel(t.Context())
		begin := time.Now()
		done := make(chan error, 1)
		go func() { done <- v.Stream(ctx, func([]byte, bool, time.Time) {}) }()
		f := receive(t, frames)
		for f.captured.Before(begin) {
			f = receive(t, frames)
		}
		if !f.key {
			t.Errorf("run %d begins without a key frame", run)
		}
		cancel()
		<-done
	}
}

func TestFitted(t *testing.T) {
	for from, want := range map[image.Point]image.Point{
		{1280, 720}: {640, 360}, {720, 1280}: {360, 640}, {1920, 1080}: {640, 360}, {640, 480}: {640, 480}, {480, 640}: {480, 640},
		{1600, 1200}: {640, 480}, {352, 288}: {352, 288}, {2000, 20}: {640, 6}, {1000, 1000}: {480, 480}, {4096, 16}: {640, 2},
	} {
		if got := fitted(from, vp8Most()); got != want {
			t.Errorf("%v is made %v, not %v", from, got, want)
		}
	}
}

// TestScaleDown compares with means that are worked out plainly.
func TestScaleDown(t *testing.T) {
	for _, c := range []struct{ from, to image.Point }{
		{image.Pt(64, 48), image.Pt(32, 24)}, {image.Pt(96, 54), image.Pt(32, 18)}, {image.Pt(80, 60), image.Pt(64, 48)}, {image.Pt(32, 24), image.Pt(32, 24)},
	} {
		p, to := newScene(c.from.X, c.from.Y).next(3), newPicture(c.to.X, c.to.Y)
		scaleDown(to, p)
		check := func(name string, got []byte, stride int, src []byte, srcStride int, w, h, fromW, fromH int) {
			for y := range h {
				for x := range w {
					sum, n := 0, 0
					for v := y * fromH / h; v < (y+1)*fromH/h; v++ {
						for u := x * fromW / w; u < (x+1)*fromW/w; u++ {
							sum, n = sum+int(src[v*srcStride+u]), n+1
						}
					}
					if want := byte((sum + n/2) / n); got[y*stride+x] != want {
						t.Fatalf("%v to %v: %s at %d,%d is %d, not %d", c.from, c.to, name, x, y, got[y*stride+x], want)
					}
				}
			}
		}
		check("luma", to.Y, to.YStride, p.Y, p.YStride, c.to.X, c.to.Y, c.from.X, c.from.Y)
		check("blue", to.Cb, to.CStride, p.Cb, p.CStride, c.to.X/2, c.to.Y/2, c.from.X/2, c.from.Y/2)
		check("red", to.Cr, to.CStride, p.Cr, p.CStride, c.to.X/2, c.to.Y/2, c.from.X/2, c.from.Y/2)
	}
}
