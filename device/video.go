package device

import (
	"context"
	"errors"
	"fmt"
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

// Video is the camera's picture as H.264, encoded once however many watch it, and
// with [Video.VP8] for those that don't take it.
type Video struct {
	// Fixed after NewVideo.
	options VideoOptions

	keyWanted atomic.Bool
	resting   atomic.Bool    // nobody takes H.264
	limit     atomic.Int64   // of the bit rate, bit/s; 0: none
	chooser   encoderChooser // owned by the Stream that runs
	warned    string         // of the camera's controls; owned by the Stream that runs
	status    videoStatus
	vp8       VP8
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
	chooser := encoderChooser{choice: options.Encoder, kernel: linux{}, nodes: "/dev", failed: map[string]error{}, copies: map[string]error{}}
	v := &Video{options: options, chooser: chooser}
	v.vp8.video = v
	return v, nil
}

// RequestKeyFrame makes the next picture a key frame where pictures are encoded
// here or the camera can be asked. It never blocks; requests before the next
// picture are one.
func (v *Video) RequestKeyFrame() { v.keyWanted.Store(true) }

// SetBitRate bounds the bit rate (bit/s), below what the options say; 0 is no bound.
// Where pictures are encoded here, their rate and then their size go down with it;
// a camera that encodes by itself is told where it can be. It never blocks.
func (v *Video) SetBitRate(limit int) { v.limit.Store(int64(max(limit, 0))) }

// Rest lets pictures not be encoded while on is set: nobody takes H.264, and they are
// needed for VP8 alone. Stream then calls sink with an empty unit for each, and the
// first one after that is a key frame. H.264 of a camera's own is passed on all the
// same. It never blocks.
func (v *Video) Rest(on bool) { v.resting.Store(on) }

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
	s := &videoStream{video: v, camera: camera, sink: sink, turn: transformer{Transform: v.options.Transform}, vp8: vp8Source{of: &v.vp8}}
	defer func() {
		if closing := s.close(); closing != nil {
			v.options.Logger.Warn("camera did not close well", "camera", describe(camera), "error", closing)
		}
	}()
	if unreadable != nil {
		return unreadable
	}
	v.status.opened(camera)
	v.warnOfControls(camera)
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

// warnOfControls says once what the camera can't do of what was asked for.
func (v *Video) warnOfControls(camera io.Closer) {
	c, ok := camera.(interface{ ControlProblem() error })
	if !ok {
		return
	}
	words := ""
	if err := c.ControlProblem(); err != nil {
		words = err.Error()
	}
	if words != "" && words != v.warned {
		v.options.Logger.Warn("the camera can't make its pictures as configured; they come without that", "camera", describe(camera), "error", strings.ReplaceAll(words, "\n", "; "))
	}
	v.warned = words
	v.status.controls(words)
}
