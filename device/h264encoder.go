package device

import (
	"errors"
	"fmt"
	"image"
	"math"
	"time"

	"github.com/pion/mediadevices/pkg/codec"
	"github.com/pion/mediadevices/pkg/codec/openh264"
	"github.com/pion/mediadevices/pkg/io/video"
	"github.com/pion/mediadevices/pkg/prop"
)

// mostMacroblocks is MaxFS of H.264 level 5.2, table A-1. Refusing larger
// pictures here matters: openh264's binding leaks what it made before it fails.
const mostMacroblocks = 36864

// fittedBitRate is 1.5 Mbit/s at 1280x720 and 30 pictures a second; larger
// pictures need less for each pixel, and faster ones less for each picture.
func fittedBitRate(width, height int, rate float64) int {
	size := math.Pow(float64(width*height)/(1280*720), 0.75)
	return int(max(1.5e6*size*math.Sqrt(rate/30), 150e3))
}

// h264Encoder encodes pictures of one size as H.264 Constrained Baseline. It
// belongs to one goroutine, which also closes it: the codec frees its memory in
// Close and would use it in ForceKeyFrame afterwards.
type h264Encoder struct {
	settings encoderSettings
	codec    codec.ReadCloser
	keys     codec.KeyFrameController
	picture  *image.YCbCr // what the codec takes next
	wantKey  bool
	units    unitNormalizer
}

func newH264Encoder(s encoderSettings) (*h264Encoder, error) {
	if (s.width+15)/16*((s.height+15)/16) > mostMacroblocks {
		return nil, fmt.Errorf("video encoder: pictures of %dx%d are too large for H.264; choose a smaller camera size", s.width, s.height)
	}
	if s.bitRate == 0 {
		s.bitRate = fittedBitRate(s.width, s.height, s.rate)
	}
	params, err := openh264.NewParams()
	if err != nil {
		return nil, fmt.Errorf("video encoder: %w", err)
	}
	params.BitRate = s.bitRate
	params.UsageType = openh264.CameraVideoRealTime
	params.RCMode = openh264.RCBitrateMode
	params.EnableFrameSkip = true
	params.IntraPeriod = uint(max(s.keyInterval.Seconds()*s.rate, 1)) // its KeyFrameInterval is not looked at
	// One slice and one thread: the encoder shares the machine with the camera,
	// the sound and the network, and takes a few milliseconds for a picture.
	params.MultipleThreadIdc, params.SliceNum, params.SliceMode = 1, 1, openh264.SMSingleSlice
	e := &h264Encoder{settings: s}
	// Without a frame rate it takes the bit rate for that of another one and
	// exceeds it twentyfold.
	e.codec, err = params.BuildVideoEncoder(video.ReaderFunc(e.hand), prop.Media{
		Video: prop.Video{Width: s.width, Height: s.height, FrameRate: float32(min(s.rate, 60))},
	})
	if err != nil {
		return nil, fmt.Errorf("video encoder: starting with %dx%d at %.4g, %d bit/s: %w", s.width, s.height, s.rate, s.bitRate, err)
	}
	keys, ok := e.codec.Controller().(codec.KeyFrameController)
	if !ok {
		return nil, errors.Join(errors.New("video encoder: it can't make key frames on demand"), e.close())
	}
	e.keys = keys
	return e, nil
}

// hand gives the codec the picture that encode was called with.
func (e *h264Encoder) hand() (image.Image, func(), error) { return e.picture, func() {}, nil }

var _ pictureEncoder = (*h264Encoder)(nil)

// encode is as pictureEncoder says; pictures are left out to keep the bit rate.
func (e *h264Encoder) encode(p *image.YCbCr, captured time.Time, key bool, emit func(Frame) error) error {
	unit, key, err := e.encodeOne(p, key)
	if err != nil || unit == nil {
		return err
	}
	return emit(Frame{Unit: unit, Key: key, Captured: captured})
}

// drain does nothing: no picture stays inside.
func (e *h264Encoder) drain(func(Frame) error) error { return nil }

// encodeOne returns the picture's access unit, valid until the next call, or nil
// where the encoder left the picture out. The picture must be of the encoder's
// size.
func (e *h264Encoder) encodeOne(p *image.YCbCr, key bool) (unit []byte, isKey bool, err error) {
	e.wantKey = e.wantKey || key
	if e.wantKey { // until one comes: the picture may be one that is left out
		if err := e.keys.ForceKeyFrame(); err != nil {
			return nil, false, fmt.Errorf("video encoder: asking for a key frame: %w", err)
		}
	}
	e.picture = p
	encoded, release, err := e.codec.Read()
	e.picture = nil
	if err != nil {
		return nil, false, fmt.Errorf("video encoder: %w", err)
	}
	defer release()
	if len(encoded) == 0 {
		return nil, false, nil
	}
	if unit, isKey, err = e.units.normalize(encoded); err != nil {
		return nil, false, fmt.Errorf("video encoder: %w", err)
	}
	e.wantKey = e.wantKey && !isKey
	return unit, isKey, nil
}

// setBitRate changes what is aimed at, bit/s, from the next picture on.
func (e *h264Encoder) setBitRate(rate int) {
	if c, ok := e.codec.Controller().(codec.BitRateController); ok {
		_ = c.SetBitRate(rate) // it never fails
	}
}

// close frees the encoder; nothing else may be called afterwards.
func (e *h264Encoder) close() error { return e.codec.Close() }
