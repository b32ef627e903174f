package device

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"unsafe"

	"golang.org/x/sys/unix"
)

// OpenCamera opens a V4L2 camera and starts it. The path is a device such as
// /dev/video0 or a link to one, or "auto" for the first usable camera. It gives a
// *RawCamera, or a *H264Camera where H.264 comes from the camera. Where nobody
// asked for H.264 it is tried until its first key frame, up to 2 s or the end of
// ctx, and pictures are taken instead if browsers could not show it.
//
// Errors are *CameraError of kind ErrNotFound, ErrPermission, ErrBusy,
// ErrNotCapture or ErrUnplugged wherever they can be sorted.
func OpenCamera(ctx context.Context, path string, options CameraOptions) (io.Closer, error) {
	return openCamera(ctx, linux{}, path, "/dev", options)
}

func openCamera(ctx context.Context, k kernel, path, nodes string, options CameraOptions) (io.Closer, error) {
	camera, err := openOnce(k, path, nodes, options)
	own, ok := camera.(*H264Camera)
	if err != nil || !ok || options.Format != "" {
		return camera, err
	}
	why := own.try(ctx)
	if why == nil {
		return own, nil
	}
	if err := errors.Join(own.Close(), ctx.Err()); err != nil {
		return nil, err
	}
	options.Format = "pictures"
	instead, err := openOnce(k, path, nodes, options)
	if raw, ok := instead.(*RawCamera); ok {
		raw.about = why.Error()
	}
	if errors.Is(err, ErrNotCapture) { // it has no pictures: what was wrong with its H.264 says more
		return nil, &CameraError{Camera: path, Kind: ErrNotCapture, Cause: why, Hint: "set it to H.264 Constrained Baseline, or use another camera"}
	}
	return instead, err
}

// openOnce opens the camera with one choice of format.
func openOnce(k kernel, path, nodes string, options CameraOptions) (io.Closer, error) {
	options, err := options.withDefaults()
	if err != nil {
		return nil, err
	}
	if path == "auto" {
		if path, err = firstUsable(k, videoNodes(nodes)); err != nil {
			return nil, err
		}
	}
	fd, err := k.Open(path)
	if err != nil {
		return nil, cameraError(path, "opening it", err)
	}
	wait, err := newWaiter()
	if err != nil {
		return nil, errors.Join(err, k.Close(fd))
	}
	s := &v4l2Stream{v4l2Device: v4l2Device{k: k, fd: fd, path: path}, wait: wait, stall: stallTimeout}
	camera, err := s.open(options)
	if err != nil {
		_ = s.release() // the error that led here says more
		return nil, err
	}
	return camera, nil
}

// open chooses a format, sets it, and starts the stream.
func (s *v4l2Stream) open(options CameraOptions) (io.Closer, error) {
	info := s.info()
	if info.Problem != nil {
		return nil, info.Problem
	}
	choices := candidates(info.Formats, options)
	if len(choices) == 0 {
		return nil, &CameraError{Camera: s.path, Kind: ErrNotCapture, Cause: fmt.Errorf("it offers %s, not %s", formatNames(info.Formats), options.Format),
			Hint: "choose another format"}
	}
	if err := s.setFormat(choices, options); err != nil {
		return nil, err
	}
	s.setRate(options.FrameRate)
	s.controls = s.setImage(options.Image)
	camera, err := s.wrap(options)
	if err != nil {
		return nil, err
	}
	return camera, s.start()
}

// setFormat asks for each choice in turn until the driver sets one that is of
// use. What it really set is read again: some echo the request and do other things.
func (s *v4l2Stream) setFormat(choices []candidate, options CameraOptions) error {
	var last error
	for _, c := range choices {
		f := v4l2Format{Type: v4l2BufTypeVideoCapture}
		f.Pix = v4l2PixFormat{Width: uint32(c.width), Height: uint32(c.height), PixelFormat: c.format, Field: v4l2FieldNone}
		if err := s.ioctl(vidiocSetFmt, unsafe.Pointer(&f)); err != nil {
			last = cameraError(s.path, fmt.Sprintf("setting %s", c), err)
			if errors.Is(err, unix.EBUSY) || gone(err) {
				return last
			}
			continue
		}
		again := v4l2Format{Type: v4l2BufTypeVideoCapture}
		if err := s.ioctl(vidiocGetFmt, unsafe.Pointer(&again)); err == nil {
			f = again
		}
		if formatRank(f.Pix.PixelFormat) < 0 || !options.allows(f.Pix.PixelFormat) {
			last = &CameraError{Camera: s.path, Kind: ErrNotCapture, Cause: fmt.Errorf("it set %s when asked for %s", f.Pix.PixelFormat, c.format)}
			continue
		}
		s.format = f.Pix
		return nil
	}
	return last
}

// setRate asks for a rate where the driver can be asked, and notes what it says.
func (s *v4l2Stream) setRate(rate float64) {
	p := v4l2StreamParm{Type: v4l2BufTypeVideoCapture}
	if s.ioctl(vidiocGetParm, unsafe.Pointer(&p)) != nil {
		return
	}
	if p.Capability&v4l2ParmTimePerFrame != 0 {
		p.TimePerFrame = v4l2Fract{Numerator: 1000, Denominator: uint32(rate*1000 + 0.5)}
		if s.ioctl(vidiocSetParm, unsafe.Pointer(&p)) != nil {
			p = v4l2StreamParm{Type: v4l2BufTypeVideoCapture}
			if s.ioctl(vidiocGetParm, unsafe.Pointer(&p)) != nil {
				return
			}
		}
	}
	s.rate = p.TimePerFrame.rate()
}

// wrap makes the camera of the kind that the format needs.
func (s *v4l2Stream) wrap(options CameraOptions) (io.Closer, error) {
	shape, err := newLayout(&s.format)
	if err != nil {
		return nil, &CameraError{Camera: s.path, Kind: ErrNotCapture, Cause: err}
	}
	switch s.format.PixelFormat {
	case pixH264:
		c := &H264Camera{v4l2Stream: s}
		c.configure(options)
		return c, nil
	case pixMJPG, pixJPEG:
		decoder, err := newMJPEGDecoder(shape.width, shape.height)
		if err != nil {
			return nil, err
		}
		s.free = decoder.free
		s.lends = shape.width%2 == 0 && shape.height%2 == 0
		return &RawCamera{v4l2Stream: s, layout: shape, jpeg: decoder, picture: newPicture(shape.width, shape.height), convert: decoder.decode}, nil
	}
	c := &RawCamera{v4l2Stream: s, layout: shape, picture: newPicture(shape.width, shape.height), convert: shape.convert}
	s.lends = !shape.fullRange && shape.width%2 == 0 && shape.height%2 == 0 // the others' are changed before all else
	if shape.fullRange {
		limited := newToLimited()
		c.convert = func(dst *image.YCbCr, src []byte) error {
			err := shape.convert(dst, src)
			limited.apply(dst)
			return err
		}
	}
	return c, nil
}

// String is what the camera gives, such as "/dev/video0 YUYV 1280x720 at 30".
func (s *v4l2Stream) String() string {
	text := fmt.Sprintf("%s %s %dx%d", s.path, s.format.PixelFormat, s.format.Width, s.format.Height)
	if s.rate > 0 {
		text += fmt.Sprintf(" at %.4g", s.rate)
	}
	return text
}

// ControlProblem says which of the wishes for its pictures the camera can't fulfil, and why.
func (s *v4l2Stream) ControlProblem() error { return s.controls }

// FrameRate is the driver's rate in pictures per second, 0 if it doesn't say.
func (s *v4l2Stream) FrameRate() float64 { return s.rate }

// Drops counts the pictures that were lost, damaged or too old to be used.
func (s *v4l2Stream) Drops() uint64 { return s.drops.Load() }
