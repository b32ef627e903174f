package device

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"log/slog"
	"sync/atomic"
	"time"
)

// ErrStreaming is what a second Stream fails with while the first is on.
var ErrStreaming = errors.New("video is streaming already")

// VideoOptions say what a Video gives.
type VideoOptions struct {
	// Open opens the camera for one Stream. It gives one that has ReadPicture,
	// ReadAccessUnit or ReadFrame (see RawCamera, H264Camera and PipeCamera), and
	// is closed when the Stream ends. Required.
	Open func(ctx context.Context) (io.Closer, error)
	// FrameRate bounds the pictures per second; faster cameras are thinned out
	// unless they encode themselves. Default 30, at most 60.
	FrameRate float64
	// BitRate is what the encoder aims at, bit/s. The default fits the size:
	// 1.5 Mbit/s at 1280x720. Cameras that encode themselves have their own.
	BitRate int
	// KeyFrameInterval is the time between key frames that nobody asked for.
	// Short ones cost bit rate. Default 5 s.
	KeyFrameInterval time.Duration
	// Logger hears what a householder may want to know. Default: none.
	Logger *slog.Logger
}

// Video is the camera's picture as H.264, encoded once however many watch it.
type Video struct {
	// Fixed after NewVideo.
	options VideoOptions

	keyWanted atomic.Bool
	status    videoStatus
}

// NewVideo checks the options. It opens nothing: Stream does.
func NewVideo(options VideoOptions) (*Video, error) {
	if options.Open == nil {
		return nil, errors.New("video: no camera to open")
	}
	if options.FrameRate == 0 {
		options.FrameRate = 30
	}
	if options.KeyFrameInterval == 0 {
		options.KeyFrameInterval = 5 * time.Second
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	if !(options.FrameRate >= 1 && options.FrameRate <= 60) {
		return nil, fmt.Errorf("video frame rate %g: must be 1 to 60 pictures a second", options.FrameRate)
	}
	if options.BitRate != 0 && (options.BitRate < 50e3 || options.BitRate > 50e6) {
		return nil, fmt.Errorf("video bit rate %d: must be 50000 to 50000000 bit/s", options.BitRate)
	}
	if options.KeyFrameInterval < 100*time.Millisecond || options.KeyFrameInterval > time.Hour {
		return nil, fmt.Errorf("video key frame interval %v: must be 100ms to 1h", options.KeyFrameInterval)
	}
	return &Video{options: options}, nil
}

// RequestKeyFrame makes the next picture a key frame where pictures are encoded
// here or the camera can be asked. It never blocks; requests before the next
// picture are one.
func (v *Video) RequestKeyFrame() { v.keyWanted.Store(true) }

// Stream opens the camera and calls sink with each access unit (Annex B, 4-byte
// start codes, SPS and PPS before each key frame) until ctx ends, whose error it
// then returns, or the camera fails. The first unit is a key frame. The slice is
// valid only during the call; sink should not block. Capture times only grow.
//
// It may be called again when it has returned; while it runs, another call fails
// with ErrStreaming.
func (v *Video) Stream(ctx context.Context, sink func(accessUnit []byte, key bool, captured time.Time)) error {
	if !v.status.begin() {
		return ErrStreaming
	}
	err := v.stream(ctx, sink)
	if ctx.Err() != nil {
		v.status.end(nil)
		return ctx.Err()
	}
	v.status.end(err)
	return err
}

func (v *Video) stream(ctx context.Context, sink func([]byte, bool, time.Time)) (err error) {
	camera, err := v.options.Open(ctx)
	if err != nil {
		return err
	}
	read, unreadable := readerOf(camera)
	if camera == nil {
		return unreadable
	}
	s := &videoStream{video: v, camera: camera, sink: sink}
	defer func() {
		if closing := s.close(); closing != nil {
			v.options.Logger.Warn("camera did not close well", "camera", describe(camera), "error", closing)
		}
	}()
	if unreadable != nil {
		return unreadable
	}
	v.status.opened(camera)
	v.options.Logger.Info("camera opened", "camera", describe(camera))
	for {
		frame, err := read(ctx)
		if err == nil {
			err = s.handle(frame)
		}
		if err != nil {
			return err
		}
	}
}

// videoStream is one run of Stream. It belongs to its goroutine.
type videoStream struct {
	video   *Video
	camera  io.Closer
	sink    func([]byte, bool, time.Time)
	encoder *h264Encoder // nil until there is a raw picture
	thin    thinner
	last    time.Time // capture time of the last unit
	keyed   bool      // a key frame has come
}

func (s *videoStream) close() error {
	var err error
	if s.encoder != nil {
		err = s.encoder.close()
		s.encoder = nil
	}
	return errors.Join(err, s.camera.Close())
}

// handle encodes or passes on one frame.
func (s *videoStream) handle(f Frame) error {
	unit, key := f.Unit, f.Key
	switch {
	case f.Picture != nil:
		if !s.thin.take(f.Captured, s.video.options.FrameRate) {
			return nil
		}
		var err error
		if unit, key, err = s.encode(f.Picture); err != nil {
			return err
		}
		if unit == nil {
			s.video.status.skipped()
			return nil
		}
	case s.video.keyWanted.Swap(false) && !key:
		if c, ok := s.camera.(keyFramer); ok {
			c.RequestKeyFrame()
		}
	}
	if s.keyed = s.keyed || key; !s.keyed || len(unit) == 0 {
		return nil
	}
	if !f.Captured.After(s.last) {
		f.Captured = s.last.Add(time.Millisecond)
	}
	s.last = f.Captured
	s.sink(unit, key, f.Captured)
	s.video.status.delivered(len(unit))
	return nil
}

// encode encodes one picture, with a new encoder where its size is new.
func (s *videoStream) encode(p *image.YCbCr) (unit []byte, key bool, err error) {
	p, err = evenPicture(p)
	if err != nil {
		return nil, false, fmt.Errorf("camera %s: %w", describe(s.camera), err)
	}
	width, height := p.Rect.Dx(), p.Rect.Dy()
	if e := s.encoder; e != nil && (e.settings.width != width || e.settings.height != height) {
		s.encoder = nil
		if err := e.close(); err != nil {
			return nil, false, fmt.Errorf("video encoder: closing: %w", err)
		}
	}
	if s.encoder == nil {
		options := s.video.options
		s.encoder, err = newH264Encoder(encoderSettings{
			width: width, height: height, rate: s.rate(), bitRate: options.BitRate, keyInterval: options.KeyFrameInterval,
		})
		if err != nil {
			return nil, false, err
		}
		s.video.status.sized(width, height)
		options.Logger.Debug("video encoder started", "width", width, "height", height, "bit_rate", s.encoder.settings.bitRate)
	}
	return s.encoder.encode(p, s.video.keyWanted.Swap(false))
}

// rate is what the encoder can expect: no more than the camera gives.
func (s *videoStream) rate() float64 {
	rate := s.video.options.FrameRate
	if c, ok := s.camera.(interface{ FrameRate() float64 }); ok && c.FrameRate() >= 1 {
		rate = min(rate, c.FrameRate())
	}
	return rate
}

// describe is a camera's own description, or its type.
func describe(camera io.Closer) string {
	if c, ok := camera.(fmt.Stringer); ok {
		return c.String()
	}
	return fmt.Sprintf("%T", camera)
}

// thinner leaves pictures out where a camera gives more than are wanted.
type thinner struct{ next time.Time }

// take tells whether a picture captured then is to be used. Pictures may come a
// quarter of an interval early: cameras aren't that regular.
func (t *thinner) take(captured time.Time, rate float64) bool {
	interval := time.Duration(float64(time.Second) / rate)
	if captured.Before(t.next.Add(-interval / 4)) {
		return false
	}
	t.next = t.next.Add(interval)
	if t.next.Before(captured) {
		t.next = captured.Add(interval * 3 / 4)
	}
	return true
}
