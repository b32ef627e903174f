package rtc

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"time"

	"doorbell/signaling"
)

// Options make a door. The zero value of a field is its default.
type Options struct {
	Call CallOptions
	// RingTimeout is how long a press rings. 0: 30 s.
	RingTimeout time.Duration
	ICE         ICEOptions
	// Video and Audio are what the door sends; nil: it has none.
	Video VideoSource
	Audio AudioSource
	// VP8 is Video's picture in VP8, for phones that don't take H.264; nil: it has
	// none. It streams only while such a phone is there, and Video streams too.
	VP8 VideoSource
	// SoundPacket is how much sound phones are asked to put into a packet. 0: they
	// choose, which is 20 ms.
	SoundPacket time.Duration
	// Join adds a phone's voice to the loudspeaker; nil: the door has none.
	Join JoinVoice
	// Arrival returns what is closed when a device has come to the machine, so that one that is lost is tried at once;
	// nil: it is tried now and then.
	Arrival func() <-chan struct{}
	// KeepVideo keeps the camera open while nobody looks, for the fastest first
	// picture.
	KeepVideo bool
	// Light is called when ringing begins and ends; nil: nothing shows it. It
	// must not block.
	Light func(on bool)
	// Chime is called at each press of the button and, with taken set, when a person
	// accepts; nil: nothing sounds. It must not block.
	Chime func(taken bool)
	// Visit is called when a visit has ended; nil: nobody cares. It must not block.
	Visit func(Ended)
	// Send passes a message to the relay without blocking.
	Send func(signaling.Message) error
	// Logger is where it logs; nil: slog.Default().
	Logger *slog.Logger
}

// Door rings phones, answers their calls, and owns every connection. All of its
// state is owned by Run; every other method only posts to it.
type Door struct {
	// Fixed after New.
	options Options
	log     *slog.Logger
	mail    *queue[note]

	// Owned by Run.
	ctx     context.Context // ends the peers
	call    *Call
	network *network
	peers   map[PeerID]*peer
	stops   map[PeerID]context.CancelFunc
	running sync.WaitGroup
	timer   *time.Timer
	timed   string // the visit that timer is for
	lit     bool
	online  bool
	devices map[string]DeviceState
	h264    *picture
	vp8     *picture
	audio   *fanout
	feeds   []*feed
	loss    int                // of sound that the phone which misses most misses, percent
	offer   *signaling.Message // while an offer is handled
}

// note is something posted to the loop.
type note interface{ handle(*Door) }

// New makes a door at which nothing runs yet.
func New(options Options) *Door {
	if options.RingTimeout == 0 {
		options.RingTimeout = 30 * time.Second
	}
	if options.Arrival == nil {
		options.Arrival = func() <-chan struct{} { return nil }
	}
	if options.Logger == nil {
		options.Logger = slog.Default()
	}
	d := &Door{
		options: options,
		log:     options.Logger,
		mail:    newQueue[note](),
		call:    NewCall(options.Call),
		peers:   map[PeerID]*peer{},
		stops:   map[PeerID]context.CancelFunc{},
		devices: map[string]DeviceState{camera: DeviceNone, microphone: DeviceNone, speaker: DeviceNone},
	}
	if options.Join != nil {
		d.devices[speaker] = DeviceIdle
	}
	d.setUpFeeds()
	return d
}

// The devices' names in status and log.
const (
	camera     = "camera"
	microphone = "microphone"
	speaker    = "speaker"
	button     = "button"
)

func (d *Door) setUpFeeds() {
	d.setUpPictures()
	d.audio = newAudioFanout()
	if d.options.Audio != nil {
		s := &sound{source: d.options.Audio, fanout: d.audio, epoch: time.Now()}
		d.devices[microphone] = DeviceIdle
		d.feeds = append(d.feeds, newFeed(microphone, d.log, d.deviceNotifier(microphone), d.options.Arrival, func() {}, s.stream))
	}
}

func (d *Door) deviceNotifier(name string) func(DeviceState) {
	return func(state DeviceState) { d.mail.put(deviceChanged{name, state}) }
}

// Run is the door, until ctx ends: then every phone is told, and all that was
// started has ended when it returns. It fails at once if the media port is
// taken.
func (d *Door) Run(ctx context.Context) error {
	network, err := newNetwork(d.options.ICE, d.log)
	if err != nil {
		return err
	}
	d.network = network
	d.h264.fanout.hold, d.vp8.fanout.hold = network.udp.hold, network.udp.hold
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
	d.ctx = inner
	d.timer = time.NewTimer(time.Hour)
	d.timer.Stop()
	for _, f := range d.feeds {
		d.running.Go(func() { f.run(inner) })
	}
	d.running.Go(func() { d.h264.keys.run(inner) })
	d.running.Go(func() { d.vp8.keys.run(inner) })
	rates := time.NewTicker(ratePeriod)
	defer rates.Stop()
	d.demand()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-d.timer.C:
			d.handle(TimedOut{Call: d.timed})
		case <-rates.C:
			d.fitRate()
			d.fitLoss()
		case <-d.mail.ready:
			for _, n := range d.mail.take() {
				n.handle(d)
			}
		}
	}
	d.handle(Closed{})
	cancel()
	d.running.Wait()
	d.timer.Stop()
	return errors.Join(ctx.Err(), network.close())
}

// Press is a press of the button at that time. It never blocks.
func (d *Door) Press(at time.Time) { d.mail.put(pressed{at}) }

// HangUp ends the ring or call that is running, and every look at the door.
func (d *Door) HangUp() { d.mail.put(hungUp{}) }

// SpeakerState says what the loudspeaker does, for the phones to be told.
func (d *Door) SpeakerState(state DeviceState) { d.mail.put(deviceChanged{speaker, state}) }

// ButtonState says what the button does, for the phones to be told.
func (d *Door) ButtonState(state DeviceState) { d.mail.put(deviceChanged{button, state}) }

// Message takes a message from the relay. It never blocks.
func (d *Door) Message(m signaling.Message) { d.mail.put(received{m}) }

// Down says that the relay can't be reached. It never blocks.
func (d *Door) Down(err error) { d.mail.put(relayDown{err}) }

// handle moves the call on and does what it says.
func (d *Door) handle(event Event) {
	for _, command := range d.call.Handle(event) {
		d.do(command)
	}
	d.demand()
	if ringing := d.call.Ringing(); ringing != d.lit {
		d.lit = ringing
		if !ringing && d.call.Visit() != "" { // it rang, and now somebody talks
			d.chime(true)
		}
		if d.options.Light != nil {
			d.options.Light(ringing)
		}
	}
}

func (d *Door) chime(taken bool) {
	if d.options.Chime != nil {
		d.options.Chime(taken)
	}
}

// aboutToRing tells whether phones are to ring, and the first that hears of it has yet to be told: the offer by which
// one rings that has no connection takes a few milliseconds to make.
func (d *Door) aboutToRing() bool {
	for _, p := range d.peers {
		if p.described {
			return false
		}
	}
	return d.call.Ringing() && len(d.peers) > 0
}

// demand opens and closes the devices as the call needs them. The ring goes before: a device that opens, and the first
// picture's encoder, take all the processors that they can get.
func (d *Door) demand() {
	first := d.aboutToRing()
	busy := d.call.Busy() && !d.call.closed
	someVP8, allVP8 := d.wantsVP8()
	if r, ok := d.h264.source.(Rester); ok {
		r.Rest(busy && allVP8 && !d.options.KeepVideo)
	}
	for _, f := range d.feeds {
		if first && !f.wanted {
			continue
		}
		if f == d.vp8.feed {
			f.want(busy && someVP8)
			continue
		}
		f.want(busy || f.name == camera && d.options.KeepVideo && !d.call.closed)
	}
}

// send passes a message on; one that can't be sent is logged, since the relay's
// return brings the state up to date.
func (d *Door) send(m signaling.Message) error {
	err := d.options.Send(m)
	if err != nil {
		d.log.Debug("message not sent", "type", m.Type, "to", m.Name, "error", err)
	}
	return err
}

func newCallID() string { return rand.Text() }

func mustJSON(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil { // descriptions and candidates are strings and numbers
		panic(err)
	}
	return raw
}
