// Package devicetest has the conformance suite that every camera has to pass,
// the simulated ones and those of the kernel alike.
package devicetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"testing"
	"time"
)

// Pictures is a camera that gives raw pictures.
type Pictures interface {
	ReadPicture(ctx context.Context) (*image.YCbCr, time.Time, error)
	Close() error
}

// AccessUnits is a camera that gives H.264.
type AccessUnits interface {
	ReadAccessUnit(ctx context.Context) (unit []byte, key bool, captured time.Time, err error)
	Close() error
}

const (
	patience   = 10 * time.Second       // for a picture; the first takes a while with some cameras
	promptness = 500 * time.Millisecond // for the end of a read
	oldest     = 2 * time.Second        // of what is called newest
)

// Camera runs the suite. open opens the camera anew; it is closed before it is
// opened again.
func Camera(t *testing.T, open func(t *testing.T) io.Closer) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, c *camera)
	}{
		{"delivers", delivers},
		{"keeps its pace", keepsPace},
		{"gives up when told to", givesUp},
		{"closes while it is read", closesWhileRead},
		{"opens again", func(t *testing.T, c *camera) { c.mustRead(t) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := &camera{Closer: open(t)}
			defer func() {
				if err := errors.Join(c.Close(), c.Close()); err != nil {
					t.Errorf("closing, twice: %v", err)
				}
			}()
			test.run(t, c)
		})
	}
}

// camera reads either kind.
type camera struct {
	io.Closer
	begun bool
}

// read reads one picture or unit and checks its form.
func (c *camera) read(ctx context.Context) (bounds image.Rectangle, captured time.Time, err error) {
	switch source := c.Closer.(type) {
	case Pictures:
		p, captured, err := source.ReadPicture(ctx)
		if err != nil {
			return bounds, captured, err
		}
		return p.Rect, captured, checkPicture(p)
	case AccessUnits:
		unit, key, captured, err := source.ReadAccessUnit(ctx)
		if err != nil {
			return bounds, captured, err
		}
		err = checkUnit(unit, key, !c.begun)
		c.begun = true
		return bounds, captured, err
	}
	return bounds, captured, fmt.Errorf("%T is neither Pictures nor AccessUnits", c.Closer)
}

func (c *camera) mustRead(t *testing.T) (image.Rectangle, time.Time) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	bounds, captured, err := c.read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return bounds, captured
}

func checkPicture(p *image.YCbCr) error {
	width, height := p.Rect.Dx(), p.Rect.Dy()
	switch {
	case p.SubsampleRatio != image.YCbCrSubsampleRatio420:
		return fmt.Errorf("picture is %v, not 4:2:0", p.SubsampleRatio)
	case p.Rect.Min != image.Point{} || width < 16 || height < 16 || width%2 != 0 || height%2 != 0:
		return fmt.Errorf("picture is %v: not of an even size from 0,0", p.Rect)
	case p.YStride < width || len(p.Y) < p.YStride*(height-1)+width:
		return fmt.Errorf("picture of %v has %d bytes of luma, stride %d", p.Rect, len(p.Y), p.YStride)
	case p.CStride < width/2 || min(len(p.Cb), len(p.Cr)) < p.CStride*(height/2-1)+width/2:
		return fmt.Errorf("picture of %v has %d and %d bytes of chroma, stride %d", p.Rect, len(p.Cb), len(p.Cr), p.CStride)
	}
	return nil
}

// checkUnit looks at an access unit's NAL units.
func checkUnit(unit []byte, key, first bool) error {
	kinds := map[byte]bool{}
	parts := bytes.Split(unit, []byte{0, 0, 0, 1})
	if len(parts) < 2 || len(parts[0]) != 0 {
		return fmt.Errorf("access unit begins with % x, not with a start code of 4 bytes", unit[:min(len(unit), 8)])
	}
	for _, nal := range parts[1:] {
		if len(nal) == 0 {
			return errors.New("access unit has an empty NAL unit")
		}
		kinds[nal[0]&0x1f] = true
	}
	switch {
	case first && !key:
		return errors.New("the first access unit is no key frame")
	case key != kinds[5]:
		return fmt.Errorf("access unit is called key %v; its NAL units are %v", key, kinds)
	case key && !(kinds[7] && kinds[8]):
		return fmt.Errorf("key frame without SPS or PPS: its NAL units are %v", kinds)
	case !kinds[1] && !kinds[5]:
		return fmt.Errorf("access unit without a slice: its NAL units are %v", kinds)
	}
	return nil
}

// delivers: pictures of one size come, with the times of their capture.
func delivers(t *testing.T, c *camera) {
	if s, ok := c.Closer.(fmt.Stringer); !ok || s.String() == "" {
		t.Error("the camera doesn't say what it is")
	} else {
		t.Log(s)
	}
	size, last := c.mustRead(t)
	for range 9 {
		bounds, captured := c.mustRead(t)
		now := time.Now()
		if bounds != size {
			t.Errorf("picture of %v after one of %v", bounds, size)
		}
		if captured.After(now) || now.Sub(captured) > oldest {
			t.Errorf("captured %v before it was read", now.Sub(captured))
		}
		if captured.Before(last) {
			t.Errorf("captured %v before the one read before", last.Sub(captured))
		}
		last = captured
	}
}

// keepsPace: a camera doesn't give more pictures than it says, nor hardly any.
func keepsPace(t *testing.T, c *camera) {
	c.mustRead(t)
	const span = time.Second
	rate := 60.0
	if r, ok := c.Closer.(interface{ FrameRate() float64 }); ok && r.FrameRate() > 0 {
		rate = r.FrameRate()
	}
	ctx, cancel := context.WithTimeout(t.Context(), span)
	defer cancel()
	n := 0
	for ; ; n++ {
		if _, _, err := c.read(ctx); err != nil {
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
			break
		}
	}
	t.Logf("%d in %v at %.4g", n, span, rate)
	if most := rate*span.Seconds()*1.25 + 6; float64(n) > most {
		t.Errorf("%d in %v: more than the %.0f of its rate", n, span, most)
	}
	if n == 0 {
		t.Errorf("none in %v", span)
	}
}

// givesUp: the context's end ends a read at once, and the camera can be read on.
func givesUp(t *testing.T, c *camera) {
	c.mustRead(t)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := c.read(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
	for range 3 {
		c.mustRead(t) // so that the next is not there yet
		ctx, cancel := context.WithCancel(t.Context())
		at := make(chan time.Time, 1)
		stop := time.AfterFunc(2*time.Millisecond, func() { at <- time.Now(); cancel() })
		_, _, err := c.read(ctx)
		returned := time.Now()
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		if !stop.Stop() {
			if late := returned.Sub(<-at); late > promptness {
				t.Errorf("returned %v after it was cancelled", late)
			}
		}
		cancel()
	}
	c.mustRead(t)
}

// closesWhileRead: Close ends a read, and none succeeds afterwards.
func closesWhileRead(t *testing.T, c *camera) {
	c.mustRead(t)
	failed := make(chan error, 1)
	go func() {
		for {
			if _, _, err := c.read(t.Context()); err != nil {
				failed <- err
				return
			}
		}
	}()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	select {
	case <-failed:
	case <-time.After(promptness):
		t.Fatalf("still reading %v after Close", promptness)
	}
	if _, _, err := c.read(t.Context()); err == nil {
		t.Error("a closed camera was read")
	}
}
