package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"doorbell/configs"
	"doorbell/rtc"
	"doorbell/signaling"
	"doorbell/store"
	"doorbell/web"
)

// line connects the door with its relay: in this process, or elsewhere.
type line interface {
	Run(ctx context.Context, h signaling.Handler) error
	Send(m signaling.Message) error
}

var (
	_ line              = (*signaling.Client)(nil)
	_ line              = (*signaling.Local)(nil)
	_ signaling.Handler = (*rtc.Door)(nil)
)

// program is the whole of doorbell, as `doorbell run` and `doorbell relay` run it.
type program struct {
	// Fixed after newProgram.
	config   configs.Config
	log      *slog.Logger
	key      ed25519.PrivateKey // of the device
	house    *household
	identity *identity
	relay    *signaling.Relay  // nil with a relay elsewhere
	bridge   *signaling.Bridge // to that one
	door     *rtc.Door         // nil for a relay alone
	line     line
	devices  *devices
	visits   *store.Visits
	reset    func()        // ends Run, and has everything erased after it
	resets   chan struct{} // closed by reset

	// Fixed before Run. Each may be left as it is.
	started  func(*invited) // called when the page is served, with the claim where there is no owner yet
	stopping func()         // called when Run was told to stop, or can't go on
	watchdog func()         // called while all is well, every watched
	watched  time.Duration  // 0: nobody watches

	// Fixed once Run has opened them.
	further []net.Listener
	socket  net.Listener // the control socket
}

// newProgram wires the rooms together. It opens nothing.
func newProgram(config configs.Config, door bool, log *slog.Logger) (*program, error) {
	p := &program{config: config, log: log, started: func(*invited) {}, stopping: func() {}}
	p.resets = make(chan struct{})
	p.reset = sync.OnceFunc(func() { close(p.resets) })
	var err error
	if p.key, err = store.Key(filepath.Join(stateDir(config.StateDir), "device.key")); err != nil {
		return nil, err
	}
	if p.house, err = newHousehold(config, door, log, p.expel); err != nil {
		return nil, err
	}
	if p.identity, err = newIdentity(config, log); err != nil {
		return nil, err
	}
	if err := p.newRelay(); err != nil {
		return nil, err
	}
	if !door {
		return p, nil
	}
	if p.devices, err = newDevices(config, log); err != nil {
		return nil, err
	}
	if p.line, err = p.newLine(); err != nil {
		return nil, err
	}
	p.visits = store.NewVisits(filepath.Join(stateDir(config.StateDir), "visits"), log)
	p.door = rtc.New(p.doorOptions())
	p.devices.pressed = p.door.Press
	p.devices.speakerState = p.door.SpeakerState
	p.devices.buttonState = p.door.ButtonState
	return p, nil
}

// loginTimeout is how long a socket may stay without logging in where only those
// come who can do so at once.
const loginTimeout = 10 * time.Second

// newRelay makes the own relay, or the bridge to one elsewhere.
func (p *program) newRelay() error {
	var limits signaling.Limits
	if p.house.keys != nil {
		limits.LoginTimeout = loginTimeout
	}
	if p.config.Signaling.URL == "" {
		p.relay = signaling.NewRelay(signaling.RelayOptions{
			Authorize: p.house.authorize, ICEServers: signalingServers(p.config.ICE.Servers), Limits: limits, Logger: p.log,
		})
		return nil
	}
	bridge, err := signaling.NewBridge(p.config.Signaling.URL, signaling.BridgeOptions{
		Authorize: p.house.authorize, Key: p.key, Limits: limits, Logger: p.log,
	})
	if err != nil {
		return fmt.Errorf("signaling.url: %w", err)
	}
	p.bridge = bridge
	return nil
}

func (p *program) newLine() (line, error) {
	if p.relay != nil {
		return p.relay.Local(signaling.Login{Name: p.config.Name, Kind: signaling.KindDoor}), nil
	}
	client, err := signaling.NewClient(signaling.ClientOptions{
		URL: p.config.Signaling.URL, Name: p.config.Name, Key: p.key,
		Kind: signaling.KindDoor, Presence: true, Logger: p.log,
	})
	if err != nil {
		return nil, fmt.Errorf("signaling.url: %w", err)
	}
	return client, nil
}

func (p *program) doorOptions() rtc.Options {
	options := rtc.Options{
		Call:        rtc.CallOptions{RingTo: p.config.Ring.To, NoStandby: !p.config.Ring.Standby},
		RingTimeout: p.config.Ring.Timeout,
		ICE: rtc.ICEOptions{
			Port: p.config.ICE.Port, Loopback: p.config.ICE.Loopback, Servers: rtcServers(p.config.ICE.Servers),
		},
		KeepVideo:   p.config.Camera.KeepOpen,
		SoundPacket: p.config.Microphone.Packet,
		Arrival:     p.devices.arrivals.Next,
		Light:       p.devices.showRinging,
		Chime:       p.devices.chime,
		Visit: func(e rtc.Ended) {
			p.visits.Add(store.Visit{ID: e.Call, Pressed: e.Pressed, Ended: time.Now(), Outcome: e.Outcome, By: e.By})
		},
		Send:   p.line.Send,
		Logger: p.log,
	}
	if p.devices.video != nil { // a nil pointer in an interface would not be nil
		options.Video, options.VP8 = p.devices.video, p.devices.video.VP8()
	}
	if p.devices.voice != nil {
		options.Audio = p.devices.voice
	}
	if p.devices.mixer != nil {
		options.Join = p.devices.join
	}
	return options
}

// Run serves until ctx ends, and returns nil then; an error says what could not
// be started or broke. All that it started has ended when it returns.
func (p *program) Run(ctx context.Context) error {
	if err := p.listen(ctx); err != nil {
		return err
	}
	p.warn()
	claim, err := p.claimed(ctx)
	if err != nil {
		return errors.Join(fmt.Errorf("making the words for the first phone: %w", err), p.closeListeners())
	}
	// The door leaves first and tells the phones; what carries its words ends after it.
	carriers, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	group, carriers := errgroup.WithContext(carriers)
	p.serve(carriers, group)
	doors, leave := context.WithCancel(ctx)
	defer leave()
	doorGroup, doors := errgroup.WithContext(doors)
	if p.door != nil {
		p.serveDoor(carriers, group, doors, doorGroup)
	}
	p.started(claim)
	reset := false
	select {
	case <-doors.Done(): // told to stop, or the door can't go on
	case <-carriers.Done(): // a listener broke
	case <-p.resets:
		reset = true
	}
	p.stopping()
	leave()
	err = unlessStopped(doorGroup.Wait())
	stop()
	err = errors.Join(err, unlessStopped(group.Wait()))
	if reset {
		p.log.Warn("factory reset: everything is erased")
		err = errors.Join(err, erase(stateDir(p.config.StateDir)))
	}
	return err
}

// serve runs page and relay.
func (p *program) serve(ctx context.Context, group *errgroup.Group) {
	var sockets, plain http.Handler = p.relay, nil
	if p.bridge != nil {
		sockets, plain = p.bridge, p.bridge
		group.Go(func() error { return p.bridge.Run(ctx) })
	} else {
		plain = p.relay.Handler(signaling.AnyOrigin)
		group.Go(func() error { return p.relay.Run(ctx) })
	}
	group.Go(func() error { return p.servePage(ctx, sockets) })
	plain = web.NewSockets(p.identity.ours, plain)
	for _, listener := range p.further {
		group.Go(func() error { return web.Server{Handler: plain, Listener: listener, Logger: p.log}.Run(ctx) })
	}
	group.Go(func() error { return p.identity.run(ctx) })
	if p.identity.acme != nil {
		group.Go(func() error { return p.identity.acme.Run(ctx) })
	}
	if p.house.keys != nil {
		group.Go(func() error { return p.house.keys.Run(ctx) })
	}
	group.Go(func() error { return serveControl(ctx, p.socket, p.control(), p.log) })
	if p.door != nil {
		group.Go(func() error { return twin(p.line.Run(ctx, p.door)) })
	}
	if p.watched > 0 {
		group.Go(func() error { return p.feedWatchdog(ctx) })
	}
}

// servePage serves the site, over plain HTTP and over HTTPS.
func (p *program) servePage(ctx context.Context, sockets http.Handler) error {
	trust, err := p.identity.trust()
	if err != nil {
		return err
	}
	options := web.Options{
		Relay: sockets, Missed: p.missed(), Keys: p.house.keys,
		Settings: web.Settings{Door: p.config.Name, Open: p.house.keys == nil, Version: versionOf()},
		Hosts:    p.identity.ours, Public: p.identity.public, Link: p.identity.link, Secure: p.identity.sites,
		Here: p.here, Trust: trust, SignIn: newSignIn(p.config.OpenID), Logger: p.log,
	}
	if p.house.keys == nil {
		options.Open = p.house.admits
	}
	handler, err := web.NewHandler(options)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return web.Server{Handler: p.identity.challenge(handler), Listener: p.identity.plain, Logger: p.log}.Run(ctx)
	})
	if p.identity.secure != nil {
		group.Go(func() error {
			return web.Server{Handler: handler, Listener: p.identity.secure, TLS: p.identity.tls(), Logger: p.log}.Run(ctx)
		})
	}
	return group.Wait()
}

// twin says what to do about another machine that has this one's key.
func twin(err error) error {
	if errors.Is(err, signaling.ErrReplaced) {
		return fmt.Errorf("%w: another machine has the key of this door, as after its card was copied; `doorbell reset` gives one of them a key of its own", err)
	}
	return err
}

// serveDoor runs the door and its devices.
func (p *program) serveDoor(carriers context.Context, group *errgroup.Group, doors context.Context, doorGroup *errgroup.Group) {
	doorGroup.Go(func() error { return p.door.Run(doors) })
	doorGroup.Go(func() error { return p.devices.run(doors) })
	group.Go(func() error { return p.visits.Run(carriers) })
}

// unlessStopped leaves out that a context ended: that is how things stop here.
func unlessStopped(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// pageURL is where the page is served, as one would type it.
func (p *program) pageURL() string { return p.identity.page() }

func signalingServers(servers []configs.ICEServer) []signaling.ICEServer {
	var out []signaling.ICEServer
	for _, s := range servers {
		out = append(out, signaling.ICEServer{URLs: s.URLs, Username: s.Username, Credential: s.Credential})
	}
	return out
}

func rtcServers(servers []configs.ICEServer) []rtc.ICEServer {
	var out []rtc.ICEServer
	for _, s := range servers {
		out = append(out, rtc.ICEServer{URLs: s.URLs, Username: s.Username, Credential: s.Credential})
	}
	return out
}

// statusTimeout bounds the wait for the door's loop.
const statusTimeout = 2 * time.Second
