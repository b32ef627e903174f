package rtc

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// picture is one encoding of the camera's picture, and those who get it.
type picture struct {
	// Fixed after New.
	source VideoSource // nil: there is none
	epoch  time.Time   // that timestamps count from
	fanout *fanout
	keys   *keyRequests
	feed   *feed // nil: there is no source

	// Owned by the Door's loop.
	limit int // of the bit rate, bit/s; 0: none
}

// setUpPictures makes the picture in H.264, and the one in VP8 for phones that don't
// take that. The second is made of the first one's pictures, while it is wanted.
func (d *Door) setUpPictures() {
	nothing := func() {}
	h264 := &picture{source: d.options.Video, epoch: time.Now(), keys: newKeyRequests(nothing)}
	vp8 := &picture{source: d.options.VP8, epoch: time.Now(), keys: newKeyRequests(nothing)}
	d.h264, d.vp8 = h264, vp8
	if h264.source != nil {
		d.devices[camera] = DeviceIdle
		h264.keys = newKeyRequests(h264.source.RequestKeyFrame)
		h264.feed = newFeed(camera, d.log, d.deviceNotifier(camera), d.options.Arrival, func() { h264.fanout.stopped(); vp8.fanout.stopped() }, h264.stream)
		d.feeds = append(d.feeds, h264.feed)
	}
	if vp8.source != nil {
		vp8.keys = newKeyRequests(vp8.source.RequestKeyFrame)
		vp8.feed = newFeed("VP8", d.log, func(DeviceState) {}, d.options.Arrival, func() { vp8.fanout.stopped() }, d.streamVP8)
		d.feeds = append(d.feeds, vp8.feed)
	}
	h264.fanout, vp8.fanout = newH264Fanout(h264.keys.want), newVP8Fanout(vp8.keys.want)
}

// stream streams the source into the fan-out. Timestamps tell the capture of each
// picture, and go on when a camera has been away: to a browser, pictures whose
// timestamps begin anew are older than those that it has shown.
func (p *picture) stream(ctx context.Context, delivered func()) error {
	return p.source.Stream(ctx, func(frame []byte, key bool, captured time.Time) {
		delivered()
		if len(frame) == 0 { // nobody takes it, and later its newest would be an old one
			p.fanout.stopped()
			return
		}
		p.fanout.write(frame, key, moment{timestamp: ticks(captured.Sub(p.epoch), videoClock), captured: captured})
	})
}

// errNoH264 is what a phone is told whose browser can't show the picture.
var errNoH264 = errors.New("this browser does not take H.264 video, and the door has no other (in Firefox, the OpenH264 plug-in may still be loading: try again in a minute)")

// streamVP8 tells the phones that need VP8 when there is none.
func (d *Door) streamVP8(ctx context.Context, delivered func()) error {
	err := d.vp8.stream(ctx, delivered)
	if ctx.Err() == nil {
		d.mail.put(vp8Failed{err})
	}
	return err
}

type (
	peerAgreed struct{}
	vp8Failed  struct{ err error }
)

// handle begins what the codec needs that a phone has agreed to.
func (peerAgreed) handle(d *Door) { d.demand() }

// handle ends the connections that get no picture now.
func (n vp8Failed) handle(d *Door) {
	for _, p := range d.peers {
		if p.needsVP8(d) {
			d.mail.put(peerFailed{p, fmt.Errorf("%w: %w", errNoH264, n.err)})
		}
	}
}

// choices are the pictures that a phone can have, the best first.
func (d *Door) choices() []*fanout {
	if d.vp8.source == nil {
		return []*fanout{d.h264.fanout}
	}
	return []*fanout{d.h264.fanout, d.vp8.fanout}
}

// needsVP8 tells whether VP8 is what flows to the phone, or is about to.
func (p *peer) needsVP8(d *Door) bool { return p.shown.Load() && p.video.sends(d.vp8.fanout) }

// wantsVP8 tells whether a phone is here that takes nothing else, and whether none is
// that takes H.264 or hasn't said yet.
func (d *Door) wantsVP8() (some, all bool) {
	all = true
	for _, p := range d.peers {
		some = some || p.needsVP8(d)
		all = all && (p.needsVP8(d) || !p.shown.Load())
	}
	return some, some && all
}
