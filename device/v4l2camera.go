package device

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"time"
	"unsafe"
)

// RawCamera is a V4L2 camera that gives raw or MJPEG pictures. ReadPicture and
// Close may be called by different goroutines, everything else by any.
type RawCamera struct {
	*v4l2Stream

	// Fixed after opening.
	about string // why the camera's own H.264 is not used, where it has it

	layout layout        // of raw pictures
	jpeg   *mjpegDecoder // of those that come as JPEG; nil: none do

	// Guarded by v4l2Stream.mu.
	picture *image.YCbCr
	convert func(dst *image.YCbCr, src []byte) error
	lent    []cameraBuffer // by index
	newest  *cameraBuffer  // the last Frame's; nil: it had none
	left    bool           // JPEG is not decoded until somebody asks for what it shows
}

// EncodingPath says why the camera's own H.264 is not passed on.
func (c *RawCamera) EncodingPath() string {
	if c.about != "" {
		return "the camera's own H.264 is left alone: " + c.about
	}
	return "the camera gives no H.264 of that size and rate"
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

// readFrame is ReadPicture that leaves the picture in the driver's buffer where it may
// lie there until the next is read, and makes one of it only when that is asked for.
func (c *RawCamera) readFrame(ctx context.Context) (Frame, error) {
	if !c.lends {
		p, captured, err := c.ReadPicture(ctx)
		return Frame{Picture: p, Captured: captured}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if last := c.newest; last != nil {
		c.newest = nil
		last.drop()
	}
	used, when, shown := 0, time.Time{}, false
	index, err := c.take(ctx, true, func(data []byte, captured time.Time) (err error) {
		used, when = len(data), captured
		switch {
		case c.jpeg == nil:
			return c.layout.check(data)
		case c.left:
			_, err = c.jpeg.withTables(data)
			return err
		}
		shown = true
		return c.convert(c.picture, data)
	})
	if err != nil {
		return Frame{}, err
	}
	b := c.lend(index, used)
	b.shown = shown
	return Frame{Captured: when, buffer: b}, nil
}

// H264Camera is a V4L2 camera that encodes by itself.
type H264Camera struct {
	*v4l2Stream

	// Fixed after opening.
	keyFrameControl bool // of V4L2
	uvcxUnit        byte // that makes key frames; 0 for none
	bitRate         int  // without a limit, bit/s

	// Guarded by v4l2Stream.mu.
	units unitNormalizer
	first *Frame // read while it was opened
	told  int    // the bit rate that it was told last
}

// configure sets what the camera lets itself be told, and finds out whether it
// makes key frames on demand. Constrained Baseline is what is offered to phones.
func (c *H264Camera) configure(options CameraOptions) {
	c.setControl(v4l2CIDH264Profile, v4l2ProfileConstrainedBaseline)
	c.setControl(v4l2CIDRepeatHeaders, 1)
	// What a camera encodes by itself is less well fitted than what is encoded here.
	c.bitRate = 2 * fittedBitRate(int(c.format.Width), int(c.format.Height), options.FrameRate)
	if own := c.hasControl(v4l2CIDBitRate); own != nil && own.Default > 0 {
		c.bitRate = int(own.Default)
	}
	if options.BitRate > 0 {
		c.bitRate = options.BitRate
		c.setControl(v4l2CIDBitRate, options.BitRate)
	}
	c.told = c.bitRate
	if options.KeyFrameInterval > 0 {
		c.setControl(v4l2CIDH264IPeriod, options.KeyFrameInterval)
		c.setControl(v4l2CIDGOPSize, options.KeyFrameInterval)
	}
	c.keyFrameControl = c.hasControl(v4l2CIDForceKeyFrame) != nil
	unit := uvcxUnit(usbDescriptors(c.path))
	if unit == 0 {
		return
	}
	if c.uvcxHas(unit, uvcxPictureType, len(uvcxPicture())) {
		c.uvcxUnit = unit
	}
	if rate := uvcxBitRate(options.BitRate); options.BitRate > 0 && c.uvcxHas(unit, uvcxBitRateLayers, len(rate)) {
		_ = c.uvcxSet(unit, uvcxBitRateLayers, rate) // a wish, as above
	}
}

func (d *v4l2Device) hasControl(id uint32) *v4l2QueryCtrl {
	if q := d.queryControl(id); q != nil && q.Flags&v4l2CtrlInactive == 0 {
		return q
	}
	return nil
}

// queryControl also finds a control that another one overrides now.
func (d *v4l2Device) queryControl(id uint32) *v4l2QueryCtrl {
	q := v4l2QueryCtrl{ID: id}
	if d.ioctl(vidiocQueryCtrl, unsafe.Pointer(&q)) != nil || q.Flags&v4l2CtrlUnusable != 0 {
		return nil
	}
	return &q
}

func (d *v4l2Device) setControl(id uint32, value int) {
	q := d.hasControl(id)
	if q == nil {
		return
	}
	control := v4l2Control{ID: id, Value: min(max(int32(value), q.Minimum), q.Maximum)}
	_ = d.ioctl(vidiocSetCtrl, unsafe.Pointer(&control)) // a wish; the device works without
}

// menu reads the numbers of a menu. It may have gaps.
func (d *v4l2Device) menu(q *v4l2QueryCtrl) map[int32]int64 {
	const most = 1000 // so that a driver's nonsense ends
	items := map[int32]int64{}
	for i := max(q.Minimum, 0); i <= min(q.Maximum, most); i++ {
		m := v4l2QueryMenu{ID: q.ID, Index: uint32(i)}
		if d.ioctl(vidiocQueryMenu, unsafe.Pointer(&m)) == nil {
			items[i] = int64(binary.NativeEndian.Uint64(m.Value[:]))
		}
	}
	return items
}

// resetControl sets a control to the driver's default where it is something else.
func (d *v4l2Device) resetControl(id uint32) {
	q := d.hasControl(id)
	control := v4l2Control{ID: id}
	if q == nil || d.ioctl(vidiocGetCtrl, unsafe.Pointer(&control)) != nil || control.Value == q.Default {
		return
	}
	d.setControl(id, int(q.Default))
}

// try reads up to the first key frame, which it keeps, and says why phones could
// not show what comes.
func (c *H264Camera) try(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, trialTime)
	defer cancel()
	unit, key, captured, err := c.ReadAccessUnit(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("it has sent no key frame in %v", trialTime)
	}
	if err != nil {
		return err
	}
	c.first = &Frame{Unit: bytes.Clone(unit), Key: key, Captured: captured}
	return c.units.info.playable()
}

// trialTime is how long a camera that chose H.264 by itself has for its first key
// frame. They begin with one, so this is for those that don't work.
const trialTime = 2 * time.Second

// ReadAccessUnit waits for the next access unit, which is valid until the next
// call: 4-byte start codes, with SPS and PPS before each key frame. None is left
// out but those that the driver lost or marks as damaged; then the camera is asked
// for a key frame. Errors are as of ReadPicture.
func (c *H264Camera) ReadAccessUnit(ctx context.Context) (unit []byte, key bool, captured time.Time, err error) {
	if f := c.takeFirst(); f != nil && ctx.Err() == nil {
		return f.Unit, f.Key, f.Captured, nil
	}
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

// takeFirst gives what was read while the camera was opened, once.
func (c *H264Camera) takeFirst() *Frame {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.first
	c.first = nil
	if c.closed {
		return nil
	}
	return f
}

// RequestKeyFrame asks the camera for a key frame where it can be asked: by the
// control of V4L2, or as H.264 webcams are asked. It waits for a read that is
// under way.
func (c *H264Camera) RequestKeyFrame() {
	if !c.KeyFrames() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	if c.keyFrameControl {
		control := v4l2Control{ID: v4l2CIDForceKeyFrame, Value: 1}
		_ = c.ioctl(vidiocSetCtrl, unsafe.Pointer(&control))
		return
	}
	_ = c.uvcxSet(c.uvcxUnit, uvcxPictureType, uvcxPicture())
}

// EncodingPath says that nothing is encoded here.
func (c *H264Camera) EncodingPath() string {
	if c.KeyFrames() {
		return "the camera's own H.264, passed on; it makes key frames on demand"
	}
	return "the camera's own H.264, passed on; it makes key frames when it likes, so that a phone may see a still picture at first"
}

// limitBitRate asks the camera for no more than that, bit/s; 0 is for what it had
// when it was opened. It is a wish.
func (c *H264Camera) limitBitRate(most int) {
	rate := c.bitRate
	if most > 0 {
		rate = min(rate, most)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || rate == c.told {
		return
	}
	c.told = rate
	c.setControl(v4l2CIDBitRate, rate)
	if c.uvcxUnit != 0 {
		_ = c.uvcxSet(c.uvcxUnit, uvcxBitRateLayers, uvcxBitRate(rate))
	}
}

// KeyFrames tells whether the camera makes key frames on demand.
func (c *H264Camera) KeyFrames() bool { return c.keyFrameControl || c.uvcxUnit != 0 }
