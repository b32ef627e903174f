package device

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"log/slog"
	"strings"
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
	// Transform is done to pictures before they are encoded. It can't be done to
	// H.264 of a camera's own.
	Transform Transform
	// Encoder is what encodes pictures. Default EncoderAuto.
	Encoder Encoder
	// Logger hears what a householder may want to know. Default: none.
	Logger *slog.Logger
}

// Video is the camera's picture as H.264, encoded once however many watch it.
type Video struct {
	// Fixed after NewVideo.
	options VideoOptions

	keyWanted atomic.Bool
	limit     atomic.Int64   // of the bit rate, bit/s; 0: none
	chooser   encoderChooser // owned by the Stream that runs
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
	if err := options.Transform.check(); err != nil {
		return nil, err
	}
	switch options.Encoder {
	case "":
		options.Encoder = EncoderAuto
	case EncoderAuto, EncoderHardware, EncoderSoftware:
	default:
		return nil, fmt.Errorf("video encoder %q: must be auto, hardware or software", options.Encoder)
	}
	chooser := encoderChooser{choice: options.Encoder, kernel: linux{}, nodes: "/dev", failed: map[string]error{}}
	return &Video{options: options, chooser: chooser}, nil
}

// RequestKeyFrame makes the next picture a key frame where pictures are encoded
// here or the camera can be asked. It never blocks; requests before the next
// picture are one.
func (v *Video) RequestKeyFrame() { v.keyWanted.Store(true) }

// SetBitRate bounds the bit rate (bit/s), below what the options say; 0 is no bound.
// Where pictures are encoded here, their rate and then their size go down with it;
// a camera that encodes by itself is told where it can be. It never blocks.
func (v *Video) SetBitRate(limit int) { v.limit.Store(int64(max(limit, 0))) }

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
	s := &videoStream{video: v, camera: camera, sink: sink, turn: transformer{Transform: v.options.Transform}}
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
	encoder pictureEncoder // nil until there is a raw picture
	size    image.Point    // of what the encoder takes
	slow    int            // one of so many pictures is encoded
	full    int            // bit rate without a limit, bit/s
	bitRate int            // that the encoder aims at
	quality quality
	halver  halver
	turn    transformer
	thin    thinner
	last    time.Time // capture time of the last unit
	keyed   bool      // a key frame has come
}

func (s *videoStream) close() error { return errors.Join(s.drop(), s.camera.Close()) }

// drop closes the encoder, if there is one.
func (s *videoStream) drop() error {
	e := s.encoder
	s.encoder = nil
	if e == nil {
		return nil
	}
	if err := e.close(); err != nil {
		return fmt.Errorf("video encoder: closing: %w", err)
	}
	return nil
}

// handle encodes or passes on one frame.
func (s *videoStream) handle(f Frame) error {
	if f.Picture == nil {
		if !s.turn.None() {
			return errNotPictures
		}
		if s.video.keyWanted.Swap(false) && !f.Key {
			if c, ok := s.camera.(keyFramer); ok {
				c.RequestKeyFrame()
			}
		}
		s.limitCamera()
		return s.deliver(f)
	}
	if !s.thin.take(f.Captured, s.video.options.FrameRate/float64(max(s.slow, 1))) {
		return nil
	}
	return s.encode(f)
}

// limitCamera tells a camera that encodes by itself of a new limit.
func (s *videoStream) limitCamera() {
	c, ok := s.camera.(bitRater)
	if !ok {
		return
	}
	full := s.video.options.BitRate
	if limit := int(s.video.limit.Load()); full == 0 || limit > 0 && limit < full {
		full = limit
	}
	if full != s.bitRate && full > 0 {
		s.bitRate = full
		c.setBitRate(full)
	}
}

// deliver hands an access unit to the sink.
func (s *videoStream) deliver(f Frame) error {
	if s.keyed = s.keyed || f.Key; !s.keyed || len(f.Unit) == 0 {
		return nil
	}
	if !f.Captured.After(s.last) {
		f.Captured = s.last.Add(time.Millisecond)
	}
	if s.last.IsZero() && s.encoder == nil {
		s.video.status.path(cmp.Or(pathOf(s.camera), "H.264 as it comes, passed on"))
	}
	s.last = f.Captured
	s.sink(f.Unit, f.Key, f.Captured)
	s.video.status.delivered(len(f.Unit))
	return nil
}

// encode encodes one picture. Hardware that fails is left for software.
func (s *videoStream) encode(f Frame) error {
	p, err := evenPicture(f.Picture)
	if err != nil {
		return fmt.Errorf("camera %s: %w", describe(s.camera), err)
	}
	if p, err = s.adapt(s.turn.apply(p), f.Captured); err != nil {
		return err
	}
	came := false
	emit := func(f Frame) error {
		came = true
		return s.deliver(f)
	}
	err = s.encoder.encode(p, f.Captured, s.video.keyWanted.Swap(false), emit)
	if err != nil && s.video.chooser.giveUp(s.encoder, err) {
		s.video.options.Logger.Warn("the hardware encoder has failed; going on in software", "error", err)
		if err := errors.Join(s.drop(), s.fit(p.Rect.Size(), s.slow)); err != nil {
			return err
		}
		err = s.encoder.encode(p, f.Captured, true, emit)
	}
	if err == nil && !came {
		s.video.status.skipped()
	}
	return err
}

// adapt brings picture and encoder to the bit rate that there is, and returns the
// picture that is to be encoded.
func (s *videoStream) adapt(p *image.YCbCr, captured time.Time) (*image.YCbCr, error) {
	size := p.Rect.Size()
	s.full = s.video.options.BitRate
	if s.full == 0 {
		s.full = fittedBitRate(size.X, size.Y, s.rate())
	}
	wanted := s.full
	if limit := int(s.video.limit.Load()); limit > 0 {
		wanted = min(wanted, limit)
	}
	step := qualitySteps[s.quality.choose(float64(wanted)/float64(s.full), captured)]
	if step.small && min(size.X, size.Y) >= 2*smallestSide {
		p = s.halver.halve(p)
	}
	s.bitRate = cmp.Or(s.bitRate, wanted)
	if err := s.fit(p.Rect.Size(), step.slow); err != nil {
		return nil, err
	}
	if e, ok := s.encoder.(bitRater); ok && wanted != s.bitRate {
		s.bitRate = wanted
		e.setBitRate(wanted)
	}
	return p, nil
}

// smallestSide is the side of the smallest picture that is worth sending, pixels.
const smallestSide = 90

// bitRater is an encoder, or a camera with one, whose bit rate (bit/s) can be changed.
type bitRater interface{ setBitRate(rate int) }

// fit sees to it that there is an encoder for pictures of that size, of which one of
// so many is encoded.
func (s *videoStream) fit(size image.Point, slow int) error {
	if s.encoder != nil && s.size == size && s.slow == slow {
		return nil
	}
	if s.encoder != nil {
		if err := s.encoder.drain(s.deliver); err != nil {
			s.video.options.Logger.Warn("the last pictures of the size before are lost", "error", err)
		}
	}
	if err := s.drop(); err != nil {
		return err
	}
	options := s.video.options
	settings := encoderSettings{
		width: size.X, height: size.Y, rate: s.rate() / float64(slow), bitRate: s.bitRate, keyInterval: options.KeyFrameInterval,
	}
	encoder, words, err := s.video.chooser.open(settings)
	if err != nil {
		return err
	}
	s.encoder, s.size, s.slow = encoder, size, slow
	s.video.status.sized(size.X, size.Y)
	s.video.status.path(strings.TrimPrefix(pathOf(s.camera)+"; "+words, "; "))
	options.Logger.Debug("video encoder started", "width", size.X, "height", size.Y, "bit_rate", settings.bitRate, "path", words)
	return nil
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

// pathOf is what a camera says of how its pictures are encoded, or "".
func pathOf(camera any) string {
	if c, ok := camera.(interface{ EncodingPath() string }); ok {
		return c.EncodingPath()
	}
	return ""
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
