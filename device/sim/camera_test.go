package sim

import (
	"context"
	"errors"
	"image"
	"math"
	"testing"
	"testing/synctest"
	"time"
)

func mustCamera(t testing.TB, o CameraOptions) *Camera {
	t.Helper()
	c, err := NewCamera(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestCameraKeepsTimeWithoutDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := mustCamera(t, CameraOptions{Width: 320, Height: 240, FrameRate: 30})
		start := time.Now()
		for i := range 301 {
			if _, _, err := c.ReadPicture(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Duration(i%20) * time.Millisecond) // work, less than an interval
		}
		want := start.Add(10 * time.Second)
		if off := time.Since(want); off < 0 || off > 20*time.Millisecond {
			t.Errorf("picture 300 came %v away from 10 s", off)
		}
		if c.Drops() != 0 {
			t.Errorf("%d dropped", c.Drops())
		}
	})
}

func TestCameraLeavesLatePicturesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := mustCamera(t, CameraOptions{Width: 320, Height: 240, FrameRate: 10})
		read := func() TimeCode {
			p, at, err := c.ReadPicture(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			code, err := ReadTimeCode(p)
			if err != nil {
				t.Fatal(err)
			}
			if uint32(at.UnixMilli()) != code.Millis {
				t.Errorf("shows %d, captured %d", code.Millis, uint32(at.UnixMilli()))
			}
			return code
		}
		read()
		time.Sleep(1050 * time.Millisecond)
		if code := read(); code.Frame != 10 {
			t.Errorf("after 1.05 s comes picture %d, not 10", code.Frame)
		}
		before := time.Now()
		if code := read(); code.Frame != 11 || time.Since(before) != 50*time.Millisecond {
			t.Errorf("then comes picture %d after %v, not 11 after 50ms", code.Frame, time.Since(before))
		}
		if c.Drops() != 9 {
			t.Errorf("%d dropped, not 9", c.Drops())
		}
	})
}

func TestCameraEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := mustCamera(t, CameraOptions{FrameRate: 1})
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		if _, _, err := c.ReadPicture(ctx); err != nil {
			t.Fatal(err)
		}
		before := time.Now()
		if _, _, err := c.ReadPicture(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(before) != 300*time.Millisecond {
			t.Errorf("error %v after %v", err, time.Since(before))
		}
		time.AfterFunc(100*time.Millisecond, func() { _ = c.Close() })
		if _, _, err := c.ReadPicture(t.Context()); !errors.Is(err, ErrCameraClosed) {
			t.Errorf("error %v when closed while reading", err)
		}
		if _, _, err := c.ReadPicture(t.Context()); !errors.Is(err, ErrCameraClosed) {
			t.Errorf("error %v when closed", err)
		}
	})
}

func TestCameraOptions(t *testing.T) {
	for _, c := range []struct {
		options CameraOptions
		want    string // String(), empty for an error
	}{
		{CameraOptions{}, "sim 1280x720 at 30"},
		{CameraOptions{Width: 640, Height: 480, FrameRate: 12.5}, "sim 640x480 at 12.5"},
		{CameraOptions{Width: 641, Height: 480}, ""},
		{CameraOptions{Width: 640}, ""},
		{CameraOptions{Width: 64, Height: 64}, ""},
		{CameraOptions{Width: 8192, Height: 8192}, ""},
		{CameraOptions{FrameRate: 1000}, ""},
		{CameraOptions{FrameRate: math.NaN()}, ""},
	} {
		camera, err := NewCamera(c.options)
		if (err != nil) != (c.want == "") {
			t.Errorf("%+v: error %v", c.options, err)
			continue
		}
		if err == nil && camera.String() != c.want {
			t.Errorf("%+v is %q, want %q", c.options, camera, c.want)
		}
	}
}

func TestCardShowsTheTimeAndMoves(t *testing.T) {
	c := newCard(640, 360)
	at := time.Date(2031, 2, 3, 14, 25, 36, 789e6, time.Local)
	c.draw(at, 5)
	for i, want := range []byte("14:25:36.789") {
		glyph := fontGlyph(want)
		for row := range fontHeight {
			for column := range fontWidth {
				x := c.clock.Min.X + (i*(fontWidth+1)+column)*c.scale + c.scale/2
				y := c.clock.Min.Y + row*c.scale + c.scale/2
				lit := c.picture.Y[c.picture.YOffset(x, y)] == lumaWhite
				if lit != (glyph[row]>>(4-column)&1 == 1) {
					t.Fatalf("digit %d, %q: dot %d,%d is wrong", i, want, column, row)
				}
			}
		}
	}
	ball := c.ball
	c.draw(at.Add(time.Second), 35)
	if c.ball == ball {
		t.Error("the ball stands still")
	}
	centre := ball.Min.Add(ball.Size().Div(2))
	if y := c.picture.YCbCrAt(centre.X, centre.Y); y != c.still.YCbCrAt(centre.X, centre.Y) {
		t.Errorf("where the ball was is %v", y)
	}
}

// Drawing only what changed gives the same as drawing everything.
func TestCardLeavesNothingBehind(t *testing.T) {
	for _, size := range []image.Point{{160, 120}, {640, 480}, {1280, 720}} {
		at := time.Date(2031, 2, 3, 9, 59, 59, 990e6, time.Local)
		moving := newCard(size.X, size.Y)
		for i := range int64(200) {
			at = at.Add(33 * time.Millisecond)
			moving.draw(at, i)
		}
		fresh := newCard(size.X, size.Y)
		fresh.draw(at, 199)
		if string(fresh.picture.Y) != string(moving.picture.Y) || string(fresh.picture.Cb) != string(moving.picture.Cb) {
			t.Errorf("%v: a card drawn 200 times differs from one drawn once", size)
		}
		if !fresh.clock.In(fresh.picture.Rect) || !fresh.ball.In(fresh.picture.Rect) {
			t.Errorf("%v: clock %v or ball %v is outside", size, fresh.clock, fresh.ball)
		}
	}
}

func BenchmarkSimCamera720p(b *testing.B) {
	c := newCard(1280, 720)
	at := time.Now()
	b.ReportAllocs()
	for i := range int64(b.N) {
		c.draw(at.Add(time.Duration(i)*33*time.Millisecond), i)
	}
}
