package device

import (
	"context"
	"errors"
	"fmt"
	"image"
	"sync/atomic"
	"time"
)

// vp8Most is the largest picture in VP8, lying or standing, and vp8Rate the most
// pictures a second (Hz): what a Raspberry Pi can encode in software beside all else.
const vp8Rate = 15

func vp8Most() image.Point { return image.Pt(640, 480) }

// ErrNoPictures is what VP8's Stream fails with where the camera, or the program
// that reads it, gives H.264 and no pictures that could be encoded otherwise.
var ErrNoPictures = errors.New("the camera gives H.264 only, which is passed on as it is: set camera.format to raw or mjpeg for other codecs")

// VP8 is a Video's picture for those that don't take H.264: the same pictures, turned
// and masked like the others, made to fit 640x480 and 15 a second, in VP8 (RFC 6386).
// It costs nothing while no Stream of it runs, and never opens the camera: pictures
// come while a Stream of the Video runs.
type VP8 struct {
	// Fixed after NewVideo.
	video *Video

	keyWanted atomic.Bool
	limit     atomic.Int64           // of the bit rate, bit/s; 0: none
	tap       atomic.Pointer[vp8Tap] // nil: no Stream runs
}

// vp8Tap takes pictures from the Video's goroutine to that of the VP8's Stream: one
// at a time, and those that come while one is being encoded are left out.
type vp8Tap struct {
	busy     atomic.Bool     // a picture is on its way or being encoded
	pictures chan vp8Picture // capacity 1
	refused  chan struct{}   // closed when there are none
	deaf     atomic.Bool     // refused is closed

	// Owned by whom busy says: the Video's goroutine while it is false.
	picture *image.YCbCr
}

type vp8Picture struct {
	*image.YCbCr
	captured time.Time
	first    bool // of a run of the camera
}

// VP8 is the Video's picture in VP8.
func (v *Video) VP8() *VP8 { return &v.vp8 }

// RequestKeyFrame makes the next picture a key frame. It never blocks.
func (v *VP8) RequestKeyFrame() { v.keyWanted.Store(true) }

// SetBitRate bounds the bit rate (bit/s); 0 is no bound. It never blocks.
func (v *VP8) SetBitRate(limit int) { v.limit.Store(int64(max(limit, 0))) }

// Stream calls sink with each frame until ctx ends, whose error it then returns, or
// the encoder fails, or there is nothing to encode (ErrNoPictures). The first frame
// is a key frame, and so is the first one after the camera was lost. While it runs,
// another call fails with ErrStreaming.
func (v *VP8) Stream(ctx context.Context, sink func(frame []byte, key bool, captured time.Time)) error {
	tap := &vp8Tap{pictures: make(chan vp8Picture, 1), refused: make(chan struct{})}
	if !v.tap.CompareAndSwap(nil, tap) {
		return ErrStreaming
	}
	s := &vp8Stream{of: v, sink: sink}
	defer func() {
		v.tap.Store(nil)
		v.video.status.vp8("")
		s.close()
	}()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tap.refused:
			return ErrNoPictures
		case p := <-tap.pictures:
			if err := s.encode(p); err != nil {
				return err
			}
			tap.busy.Store(false)
		}
	}
}

// vp8Stream is one run of VP8's Stream. It belongs to its goroutine.
type vp8Stream struct {
	of      *VP8
	sink    func([]byte, bool, time.Time)
	encoder *vp8Encoder // nil until there is a picture
	quality quality
	halver  halver
	thin    thinner
	slow    int // one of so many pictures is encoded
}

func (s *vp8Stream) close() {
	if s.encoder != nil {
		s.encoder.close()
		s.encoder = nil
	}
}

// encode encodes one picture, as well as the bit rate allows.
func (s *vp8Stream) encode(p vp8Picture) error {
	size := p.Rect.Size()
	full := vp8BitRate(size)
	wanted := full
	if limit := int(s.of.limit.Load()); limit > 0 {
		wanted = min(wanted, limit)
	}
	step := qualitySteps[s.quality.choose(float64(wanted)/float64(full), p.captured)]
	if step.slow > 1 && !p.first && !s.thin.take(p.captured, vp8Rate/float64(step.slow)) {
		return nil
	}
	picture := p.YCbCr
	if step.small && min(size.X, size.Y) >= 2*smallestSide {
		picture = s.halver.halve(picture)
	}
	if err := s.fit(picture.Rect.Size(), step.slow, wanted); err != nil {
		return err
	}
	key := s.of.keyWanted.Swap(false) || p.first
	frame, key, err := s.encoder.encode(picture, p.captured, key)
	if err == nil && frame != nil {
		s.sink(frame, key, p.captured)
	}
	return err
}

// vp8BitRate fits the size, bit/s: VP8 takes more than H.264 for the same picture.
func vp8BitRate(size image.Point) int {
	return fittedBitRate(size.X, size.Y, vp8Rate) * 4 / 3
}

// fit sees to it that there is an encoder for pictures of that size and rate.
func (s *vp8Stream) fit(size image.Point, slow, bitRate int) error {
	if s.encoder != nil && s.encoder.size == size && s.slow == slow {
		return s.encoder.setBitRate(bitRate)
	}
	s.close()
	encoder, err := newVP8Encoder(encoderSettings{
		width: size.X, height: size.Y, rate: vp8Rate / float64(slow), bitRate: bitRate, keyInterval: s.of.video.options.KeyFrameInterval,
	})
	if err != nil {
		return err
	}
	s.encoder, s.slow = encoder, slow
	s.of.video.status.vp8(fmt.Sprintf("VP8, %dx%d, for a phone that takes no H.264", size.X, size.Y))
	return nil
}

// vp8Source is the end of the tap at one run of the Video. It belongs to its
// goroutine.
type vp8Source struct {
	of   *VP8
	last *vp8Tap // that was given a picture
	thin thinner
}

// wants tells whether a picture captured then is to be given.
func (s *vp8Source) wants(captured time.Time) bool {
	tap := s.of.tap.Load()
	return tap != nil && !tap.busy.Load() && s.thin.take(captured, vp8Rate)
}

// give hands a picture on; it is copied.
func (s *vp8Source) give(p *image.YCbCr, captured time.Time) {
	tap := s.of.tap.Load()
	if tap == nil || tap.busy.Load() {
		return
	}
	if size := fitted(p.Rect.Size(), vp8Most()); tap.picture == nil || tap.picture.Rect.Size() != size {
		tap.picture = newPicture(size.X, size.Y)
	}
	scaleDown(tap.picture, p)
	first := s.last != tap
	s.last = tap
	tap.busy.Store(true)
	tap.pictures <- vp8Picture{tap.picture, captured, first}
}

// refuse says that there are no pictures.
func (s *vp8Source) refuse() {
	if tap := s.of.tap.Load(); tap != nil && !tap.deaf.Swap(true) {
		close(tap.refused)
	}
}
