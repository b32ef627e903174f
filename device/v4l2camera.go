package device

import (
	"context"
	"image"
	"time"
	"unsafe"
)

// RawCamera is a V4L2 camera that gives raw or MJPEG pictures. ReadPicture and
// Close may be called by different goroutines, everything else by any.
type RawCamera struct {
	*v4l2Stream

	// Guarded by v4l2Stream.mu.
	picture *image.YCbCr
	convert func(dst *image.YCbCr, src []byte) error
}

// ReadPicture waits for a picture and returns the newest, which is valid until
// the next call, and when it was captured. Damaged pictures are passed over. It
// fails with ErrUnplugged, ErrStalled (no good picture for 3 s), ErrClosed or the
// context's error.
func (c *RawCamera) ReadPicture(ctx context.Context) (*image.YCbCr, time.Time, error) {
	var when time.Time
	err := c.read(ctx, true, func(data []byte, captured time.Time) error {
		when = captured
		return c.convert(c.picture, data)
	})
	if err != nil {
		return nil, time.Time{}, err
	}
	return c.picture, when, nil
}

// H264Camera is a V4L2 camera that encodes by itself.
type H264Camera struct {
	*v4l2Stream

	// Fixed after opening.
	keyFrameControl bool

	// Guarded by v4l2Stream.mu.
	units unitNormalizer
}

// configure sets what the camera lets itself be told, and finds out whether it
// makes key frames on demand. Constrained Baseline is what is offered to phones.
func (c *H264Camera) configure(options CameraOptions) {
	c.setControl(v4l2CIDH264Profile, v4l2ProfileConstrainedBaseline)
	c.setControl(v4l2CIDRepeatHeaders, 1)
	if options.BitRate > 0 {
		c.setControl(v4l2CIDBitRate, options.BitRate)
	}
	if options.KeyFrameInterval > 0 {
		c.setControl(v4l2CIDH264IPeriod, options.KeyFrameInterval)
		c.setControl(v4l2CIDGOPSize, options.KeyFrameInterval)
	}
	c.keyFrameControl = c.hasControl(v4l2CIDForceKeyFrame) != nil
}

func (s *v4l2Stream) hasControl(id uint32) *v4l2QueryCtrl {
	q := v4l2QueryCtrl{ID: id}
	if s.ioctl(vidiocQueryCtrl, unsafe.Pointer(&q)) != nil || q.Flags&v4l2CtrlUnusable != 0 {
		return nil
	}
	return &q
}

func (s *v4l2Stream) setControl(id uint32, value int) {
	q := s.hasControl(id)
	if q == nil {
		return
	}
	control := v4l2Control{ID: id, Value: min(max(int32(value), q.Minimum), q.Maximum)}
	_ = s.ioctl(vidiocSetCtrl, unsafe.Pointer(&control)) // a wish; the camera works without
}

// ReadAccessUnit waits for the next access unit, which is valid until the next
// call: 4-byte start codes, with SPS and PPS before each key frame. None is left
// out but those that the driver lost or marks as damaged; then the camera is asked
// for a key frame. Errors are as of ReadPicture.
func (c *H264Camera) ReadAccessUnit(ctx context.Context) (unit []byte, key bool, captured time.Time, err error) {
	lost := c.Drops()
	err = c.read(ctx, false, func(data []byte, when time.Time) error {
		unit, key, captured = nil, false, when
		var err error
		unit, key, err = c.units.normalize(data)
		return err
	})
	if err != nil {
		return nil, false, time.Time{}, err
	}
	if c.Drops() != lost && !key {
		c.RequestKeyFrame()
	}
	return unit, key, captured, nil
}

// RequestKeyFrame asks the camera for a key frame where it can be asked. It waits
// for a read that is under way.
func (c *H264Camera) RequestKeyFrame() {
	if !c.keyFrameControl {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	control := v4l2Control{ID: v4l2CIDForceKeyFrame, Value: 1}
	_ = c.ioctl(vidiocSetCtrl, unsafe.Pointer(&control))
}
