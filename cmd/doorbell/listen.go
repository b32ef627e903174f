package main

import (
	"context"
	"errors"
	"fmt"
	"net"

	"doorbell/web"
)

// listen opens the listeners, so that a port that is taken is told before
// anything else starts.
func (p *program) listen(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, p.closeListeners())
		}
	}()
	if p.identity.plain, err = listenAt(ctx, p.config.Listen, 80, 8080); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	if p.config.TLS.Listen != nameNone {
		if p.identity.secure, err = listenAt(ctx, p.config.TLS.Listen, 443, 8443); err != nil {
			return fmt.Errorf("tls.listen: %w", err)
		}
	}
	for i, address := range p.config.Relay.Listen {
		listener, err := web.Listen(ctx, address)
		if err != nil {
			return fmt.Errorf("relay.listen[%d]: %w", i, err)
		}
		p.further = append(p.further, listener)
	}
	p.socket, err = listenControl(controlPath(p.config.Control))
	return err
}

// closeListeners closes what listen opened, when nothing is to be served after all.
func (p *program) closeListeners() error {
	var problems []error
	for _, listener := range append([]net.Listener{p.identity.plain, p.identity.secure, p.socket}, p.further...) {
		if listener != nil {
			problems = append(problems, listener.Close())
		}
	}
	return errors.Join(problems...)
}

// warn says loudly what is open, and what is closed that somebody may want open.
func (p *program) warn() {
	if p.house.keys != nil {
		if len(p.further) > 0 {
			p.log.Warn("clients of the base dialect have no key and are refused at relay.listen, but for doors that relay.doors names: access: open lets them in")
		}
		return
	}
	p.log.Warn("access is open: everybody on this machine, and in the networks listed, may look at the door and talk", "access.open_networks", p.config.Access.OpenNetworks)
	if len(p.config.Access.OpenNetworks) > 0 && p.identity.secure == nil {
		p.log.Warn("browsers give no microphone to pages on plain HTTP, except on localhost: phones see and hear the visitor, but can't talk (tls.listen)")
	}
}

func loopback(listener net.Listener) bool {
	address, ok := listener.Addr().(*net.TCPAddr)
	return ok && address.IP.IsLoopback()
}
