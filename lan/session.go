package lan

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"
)

const (
	// probes is how often, and probeEvery at what distance, it is asked whether
	// somebody has the name (RFC 6762 section 8.1).
	probes     = 3
	probeEvery = 250 * time.Millisecond
	// announcements is how often the name is made known, announceEvery apart (RFC 6762
	// section 8.3).
	announcements = 2
	announceEvery = time.Second
	// loserWaits is how long who lost to another prober waits (RFC 6762 section 8.2).
	loserWaits = time.Second
	// Past manyConflicts within conflictsIn, each further name waits conflictWait (RFC
	// 6762 section 8.1).
	manyConflicts = 15
	conflictsIn   = 10 * time.Second
	conflictWait  = 5 * time.Second
	// answerEvery is how often everybody hears the same answer at most (RFC 6762
	// section 6).
	answerEvery = time.Second
	// settle is how long the network must have been quiet before addresses are looked
	// up again, and lookEvery how often that is done all the same.
	settle    = 200 * time.Millisecond
	lookEvery = time.Minute
)

// session is one Run. All of it is owned by loop, but for what says otherwise.
type session struct {
	// Fixed after open.
	responder *Responder
	log       *slog.Logger
	sockets   []*socket
	watcher   *watcher // may be nil
	packets   chan packet
	changes   chan struct{} // holds one token after a change of the network

	links []link
	told  string // the name that Options.Claimed knows

	// The name is claimed after as many steps as there are probes; then come the
	// announcements.
	step      int
	next      *time.Timer // for the next step
	conflicts []time.Time // the last ones
	answered  map[answerTo]time.Time
}

// answerTo is where an answer was sent to everybody.
type answerTo struct {
	via  *socket
	link int
}

// claimed tells whether the name is ours.
func (s *session) claimed() bool { return s.step >= probes }

func (s *session) name() string { return s.responder.Name() + "." }

func (s *session) loop(ctx context.Context) {
	s.next = time.NewTimer(0)
	s.next.Stop()
	look, quiet := time.NewTicker(lookEvery), time.NewTimer(0)
	defer look.Stop()
	defer quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			s.next.Stop()
			if s.claimed() {
				s.announce(0)
			}
			return
		case p := <-s.packets:
			s.heard(p)
		case <-s.next.C:
			s.advance()
		case <-s.changes:
			quiet.Reset(settle)
		case <-look.C:
			s.look()
		case <-quiet.C:
			s.look()
		}
	}
}

func (s *session) close() {
	for _, socket := range s.sockets {
		socket.close()
	}
	if s.watcher != nil {
		s.watcher.close()
	}
}

// look finds out which networks there are, and claims the name in them if they have
// changed.
func (s *session) look() {
	now := slices.DeleteFunc(links(), func(l link) bool {
		return l.Flags&flagsOfMulticast != flagMulticast || len(l.addresses()) == 0
	})
	if slices.EqualFunc(now, s.links, link.equals) {
		return
	}
	s.links = now
	for _, socket := range s.sockets {
		if err := socket.join(now); err != nil {
			s.log.Debug("a network has no names under .local", "error", err)
		}
	}
	// Several machines that get their power back do not ask in step.
	s.claim(rand.N(probeEvery))
}

// claim begins to claim the name, after a while.
func (s *session) claim(wait time.Duration) {
	s.step, s.answered = 0, make(map[answerTo]time.Time)
	s.next.Stop()
	if len(s.links) > 0 {
		s.next.Reset(wait)
	}
}

// advance takes the next step: a probe, or an announcement.
func (s *session) advance() {
	switch {
	case s.step < probes:
		s.eachLink(func(l link) ([]byte, error) { return probe(s.name(), l.addresses()) })
	default:
		if s.step == probes {
			s.tell()
		}
		s.announce(hostTTL)
	}
	s.step++
	switch {
	case s.step <= probes:
		s.next.Reset(probeEvery)
	case s.step < probes+announcements:
		s.next.Reset(announceEvery)
	}
}

// tell says which name it is now.
func (s *session) tell() {
	label := s.responder.label()
	if label == s.told {
		return
	}
	s.told = label
	s.log.Info("this machine has a name in the local network", "name", s.responder.Name())
	if s.responder.options.Claimed != nil {
		s.responder.options.Claimed(label)
	}
}

func (s *session) announce(ttl uint32) {
	s.eachLink(func(l link) ([]byte, error) { return announcement(s.name(), l.addresses(), ttl) })
}

// eachLink sends to everybody in all networks.
func (s *session) eachLink(make func(link) ([]byte, error)) {
	for _, l := range s.links {
		data, err := make(l)
		for _, socket := range s.sockets {
			if err == nil && socket.joined[l.Index] {
				err = socket.send(data, l.Index)
			}
		}
		if err != nil {
			s.log.Debug("multicast DNS is not sent", "link", l.Name, "error", err)
		}
	}
}

// heard takes a packet: a question for our name, or somebody who has it or wants it.
func (s *session) heard(p packet) {
	i := slices.IndexFunc(s.links, func(l link) bool { return l.Index == p.link })
	if i < 0 || !s.links[i].reaches(p.from.Addr()) { // RFC 6762 section 11
		return
	}
	m, err := parse(p.data, s.name())
	if err != nil || s.ours(p.from.Addr()) && m.response {
		return
	}
	switch {
	case m.response:
		if p.from.Port() == port && slices.ContainsFunc(m.answers, s.foreign) {
			s.conflict()
		}
	case s.claimed():
		s.answer(p, m, s.links[i])
	case slices.ContainsFunc(m.proposed, s.foreign):
		s.rival(m.proposed, s.links[i])
	}
}

// ours tells whether an address is one of this machine's.
func (s *session) ours(address netip.Addr) bool {
	return slices.ContainsFunc(s.links, func(l link) bool { return l.has(address) })
}

// foreign tells whether a record gives our name to another machine. One with our own
// address comes from another program on this machine, or from a repeater of multicast.
func (s *session) foreign(r record) bool {
	return r.address.IsValid() && r.ttl > 0 && !s.ours(r.address)
}

// conflict is that somebody answers to our name. Who has claimed it asks again (RFC
// 6762 section 9), since the other one may give way; who was asking takes the next.
func (s *session) conflict() {
	if s.claimed() {
		s.log.Info("another machine answers to our name", "name", s.responder.Name())
		s.claim(rand.N(probeEvery))
		return
	}
	taken := s.responder.Name()
	s.responder.number.Add(1)
	s.log.Info("another machine has the name; taking the next", "taken", taken, "next", s.responder.Name())
	now := time.Now()
	s.conflicts = append(slices.DeleteFunc(s.conflicts, func(t time.Time) bool { return now.Sub(t) > conflictsIn }), now)
	wait := rand.N(probeEvery)
	if len(s.conflicts) >= manyConflicts {
		wait = conflictWait
	}
	s.claim(wait)
}

// rival is that somebody asks for the same name at the same time (RFC 6762 section
// 8.2): who proposes the earlier records asks again later, and hears who has it.
func (s *session) rival(proposed []record, l link) {
	var mine []record
	for _, address := range l.addresses() {
		mine = append(mine, addressRecord(address))
	}
	if s.step > 0 && compareRecords(mine, proposed) < 0 {
		s.claim(loserWaits)
	}
}

// answer answers a query. Everybody hears an answer once a second at most, but for
// those that are about to take the name (RFC 6762 section 6).
func (s *session) answer(p packet, m message, l link) {
	legacy := p.from.Port() != port
	data, err := answer(m, s.name(), l.addresses(), legacy)
	if err != nil || data == nil {
		return
	}
	to := answerTo{p.via, p.link}
	recently := time.Since(s.answered[to]) < answerEvery
	switch {
	case legacy, recently && len(m.proposed) == 0 && wantsUnicast(m.questions):
		err = p.via.sendTo(data, p.link, p.from)
	case recently && len(m.proposed) == 0:
	default:
		s.answered[to] = time.Now()
		err = p.via.send(data, p.link)
	}
	if err != nil {
		s.log.Debug("multicast DNS is not sent", "link", l.Name, "error", err)
	}
}
