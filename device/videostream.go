package device

import (
	"cmp"
	"errors"
	"fmt"
	"image"
	"io"
	"strings"
	"time"
)

// videoStream is one run of Stream. It belongs to its goroutine.
type videoStream struct {
	video   *Video
	camera  io.Closer
	sink    func([]byte, bool, time.Time)
	encoder pictureEncoder // nil until there is a raw picture
	size    image.Point    // of what the encoder takes
	lent    bool           // it was opened for the camera's buffers
	slow    int            // one of so many pictures is encoded
	bitRate int            // that the encoder aims at
	quality quality
	halver  halver
	turn    transformer
	thin    thinner
	last    time.Time // capture time of the last unit
	keyed   bool      // a key frame has come
	vp8     vp8Source
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
	if f.Picture == nil && f.buffer == nil {
		if !s.turn.None() {
			return errNotPictures
		}
		if s.video.keyWanted.Swap(false) && !f.Key {
			if c, ok := s.camera.(keyFramer); ok {
				c.RequestKeyFrame()
			}
		}
		s.limitCamera()
		s.vp8.refuse()
		return s.deliver(f)
	}
	rate := s.video.options.FrameRate
	if s.slow > 1 {
		rate = s.rate() / float64(s.slow)
	}
	h264, vp8 := s.thin.take(f.Captured, rate), s.vp8.wants(f.Captured)
	if !h264 && !vp8 {
		return nil
	}
	f, err := s.prepare(f)
	switch {
	case err != nil:
	case h264 && s.video.resting.Load():
		err = s.rest(f.Captured)
	case h264:
		err = s.encode(f)
	}
	if vp8 && err == nil {
		err = s.giveVP8(f)
	}
	if errors.Is(err, errDamaged) { // which shows here where nobody had to look at it before
		s.video.options.Logger.Debug("a picture is left out", "error", err)
		return nil
	}
	return err
}

// prepare makes a frame's picture as it is to be seen. What needn't be changed stays in
// the camera's buffer.
func (s *videoStream) prepare(f Frame) (Frame, error) {
	if f.buffer != nil && s.turn.None() {
		return f, nil
	}
	p, err := f.picture()
	if err != nil {
		return f, err
	}
	if p, err = evenPicture(p); err != nil {
		return f, fmt.Errorf("camera %s: %w", describe(s.camera), err)
	}
	return Frame{Picture: s.turn.apply(p, f.Captured), Captured: f.Captured}, nil
}

// giveVP8 gives a frame to the VP8 encoder as well.
func (s *videoStream) giveVP8(f Frame) error {
	p, err := f.picture()
	if err == nil {
		s.vp8.give(p, f.Captured)
	}
	return err
}

// rest leaves a picture out of H.264. The encoder goes, so that what comes afterwards
// begins with a key frame, and nothing that it had kept inside.
func (s *videoStream) rest(captured time.Time) error {
	err := s.drop()
	s.sink(nil, false, captured)
	s.video.status.path("no H.264, which nobody takes now")
	s.video.status.delivered(0)
	return err
}

// limitCamera tells a camera that encodes by itself of a new limit.
func (s *videoStream) limitCamera() {
	c, ok := s.camera.(interface{ limitBitRate(most int) })
	if limit := int(s.video.limit.Load()); ok && limit != s.bitRate {
		s.bitRate = limit
		c.limitBitRate(limit)
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

// encode encodes one picture. Hardware that can't read the camera's buffers gets
// copies, and what fails altogether is left for software.
func (s *videoStream) encode(f Frame) error {
	f, err := s.adapt(f)
	if err != nil {
		return err
	}
	came := false
	emit := func(f Frame) error {
		came = true
		return s.deliver(f)
	}
	err = s.put(f, s.video.keyWanted.Swap(false), emit)
	if err != nil && s.video.chooser.copyInstead(s.encoder, err) {
		s.video.options.Logger.Debug("the encoder can't read the camera's buffers; going on with copies", "error", err)
		err = s.putAgain(f, emit)
	}
	if err != nil && !errors.Is(err, errDamaged) && s.video.chooser.giveUp(s.encoder, err) {
		s.video.options.Logger.Warn("the hardware encoder has failed; going on in software", "error", err)
		err = s.putAgain(f, emit)
	}
	if err == nil && !came {
		s.video.status.skipped()
	}
	return err
}

// put gives the encoder a frame, in the camera's buffer where it lies there and the
// encoder can do with that.
func (s *videoStream) put(f Frame, key bool, emit func(Frame) error) error {
	if e, ok := s.encoder.(bufferEncoder); ok && f.buffer != nil {
		return e.encodeBuffer(f.buffer, f.Captured, key, emit)
	}
	p, err := f.picture()
	if err != nil {
		return err
	}
	return s.encoder.encode(p, f.Captured, key, emit)
}

// putAgain gives a frame to another encoder than the one that has failed.
func (s *videoStream) putAgain(f Frame, emit func(Frame) error) error {
	if err := errors.Join(s.drop(), s.fit(f, s.slow)); err != nil {
		return err
	}
	return s.put(f, true, emit)
}

// adapt brings frame and encoder to the bit rate that there is, and returns the frame
// that is to be encoded.
func (s *videoStream) adapt(f Frame) (Frame, error) {
	size := f.size()
	full := s.video.options.BitRate
	if full == 0 {
		full = fittedBitRate(size.X, size.Y, s.rate())
	}
	wanted := full
	if limit := int(s.video.limit.Load()); limit > 0 {
		wanted = min(wanted, limit)
	}
	step := qualitySteps[s.quality.choose(float64(wanted)/float64(full), f.Captured)]
	if step.small && min(size.X, size.Y) >= 2*smallestSide {
		p, err := f.picture()
		if err != nil {
			return f, err
		}
		f = Frame{Picture: s.halver.halve(p), Captured: f.Captured}
	}
	s.bitRate = cmp.Or(s.bitRate, wanted)
	if err := s.fit(f, step.slow); err != nil {
		return f, err
	}
	if e, ok := s.encoder.(bitRater); ok && wanted != s.bitRate {
		s.bitRate = wanted
		e.setBitRate(wanted)
	}
	return f, nil
}

// smallestSide is the side of the smallest picture that is worth sending, pixels.
const smallestSide = 90

// bitRater is an encoder whose bit rate (bit/s) can be changed.
type bitRater interface{ setBitRate(rate int) }

// fit sees to it that there is an encoder for frames like that, of which one of so many
// is encoded.
func (s *videoStream) fit(f Frame, slow int) error {
	size, lent := f.size(), f.buffer != nil
	if s.encoder != nil && s.size == size && s.lent == lent && s.slow == slow {
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
	if lent {
		settings.camera, settings.first = f.buffer.camera, f.buffer
	}
	encoder, words, err := s.video.chooser.open(settings)
	if err != nil {
		return err
	}
	s.encoder, s.size, s.lent, s.slow = encoder, size, lent, slow
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
