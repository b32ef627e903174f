package signaling

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"sync"
)

// passage is what a bridge has for one phone: it copies frames, and looks at
// those about the log-in only.
type passage struct {
	// Fixed.
	bridge *Bridge
	known  Login // what is known before the log-in
	phone  *wire
	relay  *wire

	// Guarded by mu: both directions use it.
	mu    sync.Mutex
	login Message // the newest that was let through

	// Guarded by the bridge's mu.
	client, name string // of the grant
	here         bool   // the relay let it in
}

// fromPhone passes on what the phone says, so far as it may log in. What the relay
// would take for a login is taken for one here too: both read with Decode.
func (p *passage) fromPhone(data []byte, err error) {
	if err != nil {
		return // no text frame: neither end has use for it
	}
	m, err := Decode(data)
	if err != nil || m.Type != TypeLogin {
		if looksLikeLogin(data) {
			return // the relay elsewhere may read it with other eyes
		}
		p.push(p.relay, data)
		return
	}
	if err := p.enter(m); err != nil {
		p.refuse(m, err)
		return
	}
	if p.bridge.key != nil {
		m.Key, m.Signature = KeyText(p.bridge.key.Public().(ed25519.PublicKey)), ""
		m.Kind = KindPhone
	}
	p.mu.Lock()
	p.login = m
	p.mu.Unlock()
	p.push(p.relay, newFrame(m).data)
}

// looksLikeLogin tells whether a frame that Decode refuses could still be a login
// for another reader.
func looksLikeLogin(data []byte) bool {
	var any struct {
		Type any `json:"type"`
	}
	return json.Unmarshal(data, &any) == nil && any.Type == TypeLogin
}

// enter asks the policy, and remembers whom Expel means.
func (p *passage) enter(m Message) error {
	name, err := ValidName(m.Name)
	if err != nil {
		return &Refusal{Reason: ReasonInvalidName, Message: err.Error()}
	}
	login := p.known
	login.Name, login.Credential, login.Kind = name, m.Credential, KindPhone
	ctx, cancel := context.WithTimeout(context.Background(), authorizeTimeout)
	defer cancel()
	grant, err := p.bridge.authorize(ctx, login)
	if err != nil {
		return err
	}
	b := p.bridge
	b.mu.Lock()
	defer b.mu.Unlock()
	if grant.Still != nil && !grant.Still() {
		return &Refusal{Reason: ReasonDenied, Message: "this phone may no longer come in"}
	}
	p.client, p.name = grant.Client, name
	b.phones[p] = struct{}{}
	return nil
}

func (p *passage) refuse(m Message, err error) {
	var refusal *Refusal
	if !errors.As(err, &refusal) {
		p.bridge.log.Error("signaling: bridge: deciding about a log-in failed", "name", clip(m.Name), "error", err)
		refusal = &Refusal{Reason: ReasonDenied, Message: "the log-in could not be checked"}
	}
	p.bridge.log.Info("signaling: bridge: log-in refused", "name", clip(m.Name), "addr", p.known.RemoteAddr, "reason", refusal.Reason)
	no := false
	p.push(p.phone, newFrame(Message{Type: TypeLogin, Name: clip(m.Name), Success: &no, Reason: refusal.Reason, Message: refusal.Message}).data)
}

// fromRelay passes on what the relay says; a challenge is answered here.
func (p *passage) fromRelay(data []byte, err error) {
	if err != nil {
		return
	}
	m, err := Decode(data)
	if err == nil && m.Type == TypeLogin && m.Success != nil && *m.Success {
		p.bridge.mu.Lock()
		p.here = true
		p.bridge.mu.Unlock()
	}
	if err != nil || m.Type != TypeChallenge || p.bridge.key == nil {
		p.push(p.phone, data)
		return
	}
	p.mu.Lock()
	login := p.login
	p.mu.Unlock()
	login.Signature = sign(p.bridge.key, p.bridge.host, m.Nonce, KindPhone, login.Name)
	p.push(p.relay, newFrame(login).data)
}

// push sends on one of the two. Where it does not keep up, both end.
func (p *passage) push(to *wire, data []byte) {
	if !to.push(&frame{data: data}) {
		p.phone.shut(tooSlow())
		p.relay.shut(tooSlow())
	}
}

func (b *Bridge) forget(p *passage) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.phones, p)
}

// Here tells whether a phone is logged in through this bridge.
func (b *Bridge) Here(name string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for p := range b.phones {
		if p.here && p.name == name {
			return true
		}
	}
	return false
}

// Expel ends the connections of a client whose right has ended, with close code
// CloseRevoked. The relay elsewhere then tells its partners.
func (b *Bridge) Expel(client string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for p := range b.phones {
		if client != "" && p.client == client {
			p.phone.shut(closure{code: CloseRevoked, text: "revoked", flush: true})
			p.relay.shut(closure{code: CloseRevoked, text: "revoked", flush: true})
		}
	}
}
