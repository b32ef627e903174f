package signaling

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"
)

// authorizeTimeout bounds how long a policy may think about one log-in.
const authorizeTimeout = 10 * time.Second

// party is one end of the relay, over a socket or in the same process: it
// handles what that end says.
type party struct {
	// Fixed.
	relay *Relay
	out   outlet
	login Login  // what is known before the log-in: address, header, local
	nonce string // of the challenge that this end is to sign; empty for none

	// Set by a successful login, before which only one goroutine has the party.
	member *member
	house  *registry // whose member it is
}

// handle does what one message asks for, or tells why not.
func (p *party) handle(ctx context.Context, m Message) {
	var e *Error
	switch m.Type {
	case TypeLogin:
		e = p.logIn(ctx, m)
	case TypeOffer, TypeAnswer, TypeCandidate, TypeLeave, TypeAccept, TypePress, TypeStatus:
		e = p.pass(m)
	default: // those that only a relay sends
		e = errUnknownType(m.Type)
	}
	if e != nil {
		p.tell(e)
	}
}

// tell sends an error to this end.
func (p *party) tell(e *Error) {
	p.relay.log.Debug("signaling: refused a message", "addr", p.login.RemoteAddr, "code", e.Code, "about", e.About, "error", e.Message)
	p.reply(e.Reply())
}

func (p *party) reply(m Message) {
	if !p.out.push(newFrame(m)) {
		p.relay.log.Warn("signaling: dropped, it does not read what is sent to it", "addr", p.login.RemoteAddr)
		p.out.shut(tooSlow())
		p.logOut()
	}
}

// logOut takes this end out of the relay; others hear of it.
func (p *party) logOut() {
	if p.member != nil {
		p.house.logout(p.member)
	}
}

func (p *party) logIn(ctx context.Context, m Message) *Error {
	if p.member != nil {
		return &Error{Code: CodeAlreadyLoggedIn, About: m.Type, Name: clip(m.Name),
			Message: "login: you are logged in already, as " + p.member.Name}
	}
	if m.Key != "" && m.Signature == "" {
		p.challenge()
		return nil
	}
	err := p.enter(ctx, m)
	if err == nil {
		return nil
	}
	var refusal *Refusal
	if !errors.As(err, &refusal) {
		p.relay.log.Error("signaling: deciding about a log-in failed", "name", m.Name, "error", err)
		refusal = &Refusal{Reason: ReasonDenied, Message: "the log-in could not be checked"}
	}
	p.relay.log.Info("signaling: log-in refused", "name", clip(m.Name), "addr", p.login.RemoteAddr, "reason", refusal.Reason)
	no := false
	p.reply(Message{Type: TypeLogin, Name: clip(m.Name), Success: &no, Reason: refusal.Reason, Message: refusal.Message})
	return nil
}

// enter asks the policy and then the registry, which sends the reply if this
// end may come in.
func (p *party) enter(ctx context.Context, m Message) error {
	name, err := ValidName(m.Name)
	if err != nil {
		return &Refusal{Reason: ReasonInvalidName, Message: err.Error()}
	}
	login := p.login
	login.Name, login.Credential, login.Kind = name, m.Credential, m.Kind
	if login.Kind == "" {
		login.Kind = KindPhone
	}
	if login.Key, err = p.prove(m, login.Kind); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, authorizeTimeout)
	defer cancel()
	grant, err := p.relay.authorize(ctx, login)
	if err != nil {
		return err
	}
	who := &member{
		Peer:     Peer{Name: name, Kind: login.Kind},
		presence: m.Presence, addr: login.RemoteAddr, out: p.out,
	}
	if grant.Client != "" {
		who.client, who.known = sha256.Sum256([]byte(grant.Client)), true
	}
	yes := true
	reply := Message{Type: TypeLogin, Name: name, Success: &yes, ICEServers: p.relay.iceServers}
	house := p.relay.houses.of(grant.House)
	if refusal := house.login(who, reply, grant.Still); refusal != nil {
		return refusal
	}
	p.member, p.house = who, house
	return nil
}

// pass relays a message to whom it names. The sender is filled in here: what the
// message claims about it is nothing that gets this far.
func (p *party) pass(m Message) *Error {
	if p.member == nil {
		return errNotLoggedIn(m.Type)
	}
	if m.Name == "" {
		return errMissing(m.Type, "name")
	}
	to, err := ValidName(m.Name)
	if err != nil {
		return errNotFound(m) // nobody can be called that
	}
	if to == p.member.Name {
		return &Error{Code: CodeBadValue, About: m.Type, Name: to, Message: m.Type + ": that is your own name"}
	}
	return p.house.pass(p.member, to, m, newFrame(relayed(m, p.member.Name)))
}

// relayed is m as it goes out to the one it is for: with the sender's name, and
// of the rest only what belongs to its type.
func relayed(m Message, from string) Message {
	out := Message{Type: m.Type, Name: from, Call: m.Call}
	switch m.Type {
	case TypeOffer:
		out.Offer, out.Ring, out.Exchange, out.Standby = m.Offer, m.Ring, m.Exchange, m.Standby
	case TypeAnswer:
		out.Answer, out.Preview, out.Exchange, out.Standby = m.Answer, m.Preview, m.Exchange, m.Standby
	case TypeCandidate:
		out.Candidate = m.Candidate
	case TypePress:
		out.Ring, out.Reason, out.By, out.Visit = m.Ring, m.Reason, m.By, m.Visit
	case TypeLeave:
		out.Reason, out.By, out.Message = m.Reason, m.By, m.Message
	case TypeStatus:
		out.Camera, out.Microphone, out.Speaker, out.Button, out.Message = m.Camera, m.Microphone, m.Speaker, m.Button, m.Message
	}
	return out
}
