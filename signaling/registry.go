package signaling

import (
	"crypto/sha256"
	"crypto/subtle"
	"log/slog"
	"slices"
	"strings"
	"sync"
)

// outlet is where what is for somebody goes. Neither method blocks.
type outlet interface {
	push(*frame) bool // false when its queue is full
	shut(closure)     // ends the connection
}

// member is somebody who is logged in. A client that comes back over a new
// connection becomes a new member under the same name.
type member struct {
	// Fixed.
	Peer
	presence bool
	client   [sha256.Size]byte // hash of Grant.Client, which may hold a secret
	known    bool              // whether it has one
	addr     string            // for the log
	out      outlet
}

// sameClient tells whether two members proved to be the same client. Those
// without a credential proved nothing.
func (m *member) sameClient(other *member) bool {
	return m.known && other.known && subtle.ConstantTimeCompare(m.client[:], other.client[:]) == 1
}

// registry knows who is here and which offers stand. What it sends it puts into
// queues, so no method blocks.
type registry struct {
	// Fixed after newRegistry.
	log      *slog.Logger
	maxCalls int

	// Guarded by mu.
	mu      sync.Mutex
	closed  bool
	members map[string]*member
	pairs   *pairs
	slow    []*member // whose queue was full; empty while mu is free
}

func newRegistry(maxCalls int, log *slog.Logger) *registry {
	return &registry{log: log, maxCalls: maxCalls, members: make(map[string]*member), pairs: newPairs()}
}

// login lets m in, if still says so, and sends it reply, completed with who is
// here. The same client is let in although its name is taken: the older connection
// ends, and nobody else hears of it.
func (g *registry) login(m *member, reply Message, still func() bool) *Refusal {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return &Refusal{Reason: ReasonBusy, Message: "the relay is stopping"}
	}
	if still != nil && !still() {
		return &Refusal{Reason: ReasonDenied, Message: "this phone may no longer come in"}
	}
	old := g.members[m.Name]
	if old != nil && !m.sameClient(old) {
		return &Refusal{Reason: ReasonTaken, Message: "somebody is logged in under that name already"}
	}
	reply.Here = g.hereBut(m.Name)
	g.members[m.Name] = m
	g.send(m, newFrame(reply))
	if old != nil {
		g.log.Info("signaling: the same client is back", "name", m.Name, "addr", m.addr, "old_addr", old.addr)
		old.out.shut(closure{code: CloseReplaced, text: "replaced", flush: true})
	} else {
		g.log.Info("signaling: logged in", "name", m.Name, "kind", m.Kind, "addr", m.addr)
		g.announce(m, true)
	}
	g.settle()
	return nil
}

// logout takes m out, unless it was replaced or dropped before.
func (g *registry) logout(m *member) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.remove(m)
	g.settle()
}

// pass sends f, made from what from said in m, to the member called to, if the
// offers that stand allow it.
func (g *registry) pass(from *member, to string, m Message, f *frame) *Error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.members[from.Name] != from {
		return errNotLoggedIn(m.Type)
	}
	peer := g.members[to]
	if peer == nil {
		return errNotFound(m)
	}
	allowed := false
	switch m.Type {
	case TypeOffer:
		if !g.pairs.stand(from.Name, to, m.Call, g.maxCalls) {
			return &Error{Code: CodeTooManyCalls, About: m.Type, Name: to, Message: "offer: too many of your offers stand; leave some first"}
		}
		allowed = true
	case TypeLeave:
		allowed = g.pairs.end(from.Name, to, m.Call)
	default:
		allowed = g.pairs.stands(from.Name, to, m.Call)
	}
	if !allowed {
		return errNotInCall(m)
	}
	g.send(peer, f)
	g.settle()
	return nil
}

// expel ends the connection of a client, and tells its partners and the doors.
func (g *registry) expel(client, name string) {
	sum := sha256.Sum256([]byte(client))
	g.mu.Lock()
	defer g.mu.Unlock()
	if m := g.members[name]; m != nil && m.known && m.client == sum {
		for _, s := range g.pairs.drop(name) {
			g.send(m, newFrame(Message{Type: TypeLeave, Name: s.other, Call: s.call, Reason: ReasonRevoked}))
			if peer := g.members[s.other]; peer != nil && peer.Kind != KindDoor {
				g.send(peer, newFrame(Message{Type: TypeLeave, Name: name, Call: s.call, Reason: ReasonRevoked}))
			}
		}
		g.log.Info("signaling: expelled", "name", name, "addr", m.addr)
		m.out.shut(closure{code: CloseRevoked, text: "revoked", flush: true})
		g.remove(m)
	}
	for _, m := range g.members {
		if m.Kind == KindDoor && m.Name != name {
			g.send(m, newFrame(Message{Type: TypeLeave, Name: name, Reason: ReasonRevoked}))
		}
	}
	g.settle()
}

// here lists who is logged in, by name.
func (g *registry) here() []Peer {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.hereBut("")
}

// close lets nobody else in, and has nobody hear of those who go from now on:
// all connections are about to end.
func (g *registry) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	for _, m := range g.members {
		m.out.shut(goingAway())
	}
}

// hereBut is never nil. The caller holds mu.
func (g *registry) hereBut(name string) []Peer {
	list := make([]Peer, 0, len(g.members))
	for _, m := range g.members {
		if m.Name != name {
			list = append(list, m.Peer)
		}
	}
	slices.SortFunc(list, func(a, b Peer) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// remove takes m out and tells those it was in a call with, then those who asked
// who comes and goes. The caller holds mu and calls settle afterwards.
func (g *registry) remove(m *member) {
	if g.members[m.Name] != m {
		return
	}
	delete(g.members, m.Name)
	gone := g.pairs.drop(m.Name)
	if g.closed {
		return
	}
	g.log.Info("signaling: gone", "name", m.Name, "addr", m.addr, "calls", len(gone))
	for _, s := range gone {
		if peer := g.members[s.other]; peer != nil {
			g.send(peer, newFrame(Message{Type: TypeLeave, Name: m.Name, Call: s.call, Reason: ReasonGone}))
		}
	}
	g.announce(m, false)
}

// announce tells those who asked that m came or went. The caller holds mu and
// calls settle afterwards.
func (g *registry) announce(m *member, present bool) {
	f := newFrame(Message{Type: TypePresence, Name: m.Name, Kind: m.Kind, Present: &present})
	for _, other := range g.members {
		if other.presence && other != m {
			g.send(other, f)
		}
	}
}

// send queues f for m. Who doesn't keep up is dropped by settle. The caller
// holds mu.
func (g *registry) send(m *member, f *frame) {
	if !m.out.push(f) {
		g.slow = append(g.slow, m)
	}
}

// settle drops those who don't keep up. Telling the others of it may find more
// of them. The caller holds mu.
func (g *registry) settle() {
	for len(g.slow) > 0 {
		m := g.slow[len(g.slow)-1]
		g.slow = g.slow[:len(g.slow)-1]
		if g.members[m.Name] == m {
			g.log.Warn("signaling: dropped, it does not read what is sent to it", "name", m.Name, "addr", m.addr)
		}
		m.out.shut(tooSlow())
		g.remove(m)
	}
}
