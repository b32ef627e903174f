package sim

import (
	"context"
	"errors"
	"fmt"
	"image"
	"sync"
	"sync/atomic"
	"time"
)

// ErrCameraClosed is what reading from a closed Camera fails with.
var ErrCameraClosed = errors.New("simulated camera is closed")

// CameraOptions say what the test card looks like.
type CameraOptions struct {
	Width, Height int     // pixels, even, 160x120 to 4096x4096; default 1280x720
	FrameRate     float64 // pictures per second, 1 to 120; default 30
}

// Camera draws a moving test card: colour bars, a bouncing ball, the time of day
// with milliseconds, and a TimeCode that programs read. Its pictures come at
// their times however long they were not asked for: late ones are left out.
type Camera struct {
	// Fixed after NewCamera.
	options CameraOptions
	end     context.CancelFunc
	closed  context.Context

	drops atomic.Uint64

	// Guarded by mu, which is held while reading.
	mu    sync.Mutex
	start time.Time // of the first picture
	count int64     // of the picture drawn last
	card  *card
}

// NewCamera checks the options and draws what doesn't move.
func NewCamera(options CameraOptions) (*Camera, error) {
	if options.Width == 0 && options.Height == 0 {
		options.Width, options.Height = 1280, 720
	}
	if options.FrameRate == 0 {
		options.FrameRate = 30
	}
	w, h := options.Width, options.Height
	if w < 160 || h < 120 || w > 4096 || h > 4096 || w%2 != 0 || h%2 != 0 {
		return nil, fmt.Errorf("simulated camera of %dx%d: sides must be even, 160x120 to 4096x4096", w, h)
	}
	if !(options.FrameRate >= 1 && options.FrameRate <= 120) {
		return nil, fmt.Errorf("simulated camera at %g pictures a second: must be 1 to 120", options.FrameRate)
	}
	c := &Camera{options: options, card: newCard(w, h)}
	c.closed, c.end = context.WithCancel(context.Background())
	return c, nil
}

// ReadPicture waits until the next picture is due, draws it and returns it with
// the time at which it was drawn, which is also the time that it shows. It is
// valid until the next call. It fails with the context's error or ErrCameraClosed.
func (c *Camera) ReadPicture(ctx context.Context) (*image.YCbCr, time.Time, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.wait(ctx); err != nil {
		return nil, time.Time{}, err
	}
	now := time.Now()
	c.card.draw(now, c.count)
	return &c.card.picture, now, nil
}

// wait waits until the next picture is due, counted from the first so that
// nothing adds up to drift.
func (c *Camera) wait(ctx context.Context) error {
	now := time.Now()
	if c.start.IsZero() {
		c.start = now
		return c.ended(ctx)
	}
	c.count++
	if behind := int64(now.Sub(c.due()).Seconds() * c.options.FrameRate); behind > 0 {
		c.drops.Add(uint64(behind))
		c.count += behind
	}
	left := time.Until(c.due())
	if left <= 0 {
		return c.ended(ctx)
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-c.closed.Done():
	case <-timer.C:
	}
	return c.ended(ctx)
}

func (c *Camera) due() time.Time {
	return c.start.Add(time.Duration(float64(c.count) / c.options.FrameRate * float64(time.Second)))
}

func (c *Camera) ended(ctx context.Context) error {
	if c.closed.Err() != nil {
		return ErrCameraClosed
	}
	return ctx.Err()
}

// Close ends a read that is under way and all later ones.
func (c *Camera) Close() error {
	c.end()
	return nil
}

// FrameRate is the camera's rate in pictures per second.
func (c *Camera) FrameRate() float64 { return c.options.FrameRate }

// Drops counts the pictures that were left out because they were late.
func (c *Camera) Drops() uint64 { return c.drops.Load() }

// String is such as "sim 1280x720 at 30".
func (c *Camera) String() string {
	return fmt.Sprintf("sim %dx%d at %.4g", c.options.Width, c.options.Height, c.options.FrameRate)
}
