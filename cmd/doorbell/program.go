package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
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
	config  configs.Config
	log     *slog.Logger
	relay   *signaling.Relay  // nil with a relay elsewhere
	bridge  *signaling.Bridge // to that one
	door    *rtc.Door         // nil for a relay alone
	line    line
	devices *devices
	visits  *store.Visits

	// Fixed before Run. Each may be left as it is.
	started  func()        // called when the page is served
	stopping func()        // called when Run was told to stop, or can't go on
	watchdog func()        // called while all is well, every watched
	watched  time.Duration // 0: nobody watches

	// Fixed once Run has opened them.
	page    net.Listener
	further []net.Listener
	socket  net.Listener // the control socket; nil for a relay alone
}

// newProgram wires the rooms together. It opens nothing.
func newProgram(config configs.Config, door bool, log *slog.Logger) (*program, error) {
	p := &program{config: config, log: log, started: func() {}, stopping: func() {}}
	if config.Signaling.URL != "" {
		bridge, err := signaling.NewBridge(config.Signaling.URL, signaling.BridgeOptions{Logger: log})
		if err != nil {
			return nil, fmt.Errorf("signaling.url: %w", err)
		}
		p.bridge = bridge
	} else {
		p.relay = signaling.NewRelay(signaling.RelayOptions{
			Authorize:  p.authorize(door),
			ICEServers: signalingServers(config.ICE.Servers),
			Logger:     log,
		})
	}
	if !door {
		return p, nil
	}
	var err error
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

// authorize is the policy of the own relay: the door's name belongs to the door
// in this process. A relay alone has no door, and gives the name to who comes
// first.
func (p *program) authorize(door bool) signaling.Authorize {
	if door {
		return signaling.Open(p.config.Name)
	}
	return signaling.Open()
}

func (p *program) newLine() (line, error) {
	if p.relay != nil {
		return p.relay.Local(signaling.Login{Name: p.config.Name, Kind: signaling.KindDoor}), nil
	}
	// The credential lives as long as the process: it takes the name back after a
	// broken connection.
	client, err := signaling.NewClient(signaling.ClientOptions{
		URL: p.config.Signaling.URL, Name: p.config.Name, Credential: signaling.NewID(),
		Kind: signaling.KindDoor, Presence: true, Logger: p.log,
	})
	if err != nil {
		return nil, fmt.Errorf("signaling.url: %w", err)
	}
	return client, nil
}

func (p *program) doorOptions() rtc.Options {
	options := rtc.Options{
		Call:        rtc.CallOptions{RingTo: p.config.Ring.To},
		RingTimeout: p.config.Ring.Timeout,
		ICE: rtc.ICEOptions{
			Port: p.config.ICE.Port, Loopback: p.config.ICE.Loopback, Servers: rtcServers(p.config.ICE.Servers),
		},
		KeepVideo: p.config.Camera.KeepOpen,
		Light:     p.devices.showRinging,
		Chime:     p.devices.chime,
		Visit: func(e rtc.Ended) {
			p.visits.Add(store.Visit{ID: e.Call, Pressed: e.Pressed, Ended: time.Now(), Outcome: e.Outcome, By: e.By})
		},
		Send:   p.line.Send,
		Logger: p.log,
	}
	if p.devices.video != nil { // a nil pointer in an interface would not be nil
		options.Video = p.devices.video
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
	p.started()
	select {
	case <-doors.Done(): // told to stop, or the door can't go on
	case <-carriers.Done(): // a listener broke
	}
	p.stopping()
	leave()
	err := unlessStopped(doorGroup.Wait())
	stop()
	return errors.Join(err, unlessStopped(group.Wait()))
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
	group.Go(func() error {
		handler, err := web.NewHandler(web.Options{
			Relay:    sockets,
			Missed:   p.missed(),
			Settings: web.Settings{Door: p.config.Name, Open: true, Version: versionOf()},
			Logger:   p.log,
		})
		if err != nil {
			return err
		}
		return web.Server{Handler: handler, Listener: p.page, Logger: p.log}.Run(ctx)
	})
	for _, listener := range p.further {
		group.Go(func() error { return web.Server{Handler: plain, Listener: listener, Logger: p.log}.Run(ctx) })
	}
	if p.door != nil {
		group.Go(func() error { return p.line.Run(ctx, p.door) })
	}
	if p.watched > 0 {
		group.Go(func() error { return p.feedWatchdog(ctx) })
	}
}

// serveDoor runs the door and its devices.
func (p *program) serveDoor(carriers context.Context, group *errgroup.Group, doors context.Context, doorGroup *errgroup.Group) {
	doorGroup.Go(func() error { return p.door.Run(doors) })
	doorGroup.Go(func() error { return p.devices.run(doors) })
	group.Go(func() error { return p.visits.Run(carriers) })
	group.Go(func() error { return serveControl(carriers, p.socket, p.control(), p.log) })
}

// unlessStopped leaves out that a context ended: that is how things stop here.
func unlessStopped(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// listen opens the listeners, so that a port that is taken is told before
// anything else starts.
func (p *program) listen(ctx context.Context) (err error) {
	var open []net.Listener
	defer func() {
		if err != nil {
			for _, listener := range open {
				_ = listener.Close()
			}
		}
	}()
	if p.page, err = web.Listen(ctx, p.config.Listen); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	open = append(open, p.page)
	for i, address := range p.config.Relay.Listen {
		listener, err := web.Listen(ctx, address)
		if err != nil {
			return fmt.Errorf("relay.listen[%d]: %w", i, err)
		}
		p.further = append(p.further, listener)
		open = append(open, listener)
	}
	if p.door != nil {
		p.socket, err = listenControl(controlPath(p.config.Control))
	}
	return err
}

// warn says loudly what is open.
func (p *program) warn() {
	p.log.Warn("anybody who can reach this relay may log in, look at the door and talk", "listen", p.page.Addr().String())
	for _, listener := range append([]net.Listener{p.page}, p.further...) {
		if !loopback(listener) {
			p.log.Warn("the relay can be reached from the network, without a password and unencrypted: let only people into this network whom you would let in at the door", "listen", listener.Addr().String())
		}
	}
	if !loopback(p.page) {
		p.log.Warn("browsers give no microphone to pages on plain HTTP, except on localhost: phones see and hear the visitor, but can't talk")
	}
}

func loopback(listener net.Listener) bool {
	address, ok := listener.Addr().(*net.TCPAddr)
	return ok && address.IP.IsLoopback()
}

// pageURL is where the page is served, as one would type it.
func (p *program) pageURL() string {
	address := p.page.Addr().(*net.TCPAddr)
	host := address.IP.String()
	if address.IP.IsLoopback() || address.IP.IsUnspecified() {
		host = "localhost"
	}
	return fmt.Sprintf("http://%s", net.JoinHostPort(host, fmt.Sprint(address.Port)))
}

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
