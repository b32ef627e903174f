package lan

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
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

// place is a link, by its index, and a family, by its group.
type place struct {
	link  int
	group netip.Addr
}

// session is one Run. All of it is owned by loop, but for what says otherwise.
type session struct {
	// Fixed after open.
	responder *Responder
	log       *slog.Logger
	packets   chan packet
	changes   chan struct{} // holds one token after a change of the network
	running   sync.WaitGroup

	links   []link
	sockets map[place]*socket
	own     map[netip.Addr]bool // all addresses of this machine
	told    string              // the name that Options.Claimed knows

	mine      bool                  // the name is claimed
	step      int                   // of claiming it: first the probes, then the announcements
	next      *time.Timer           // for the next step
	conflicts []time.Time           // the last ones
	answered  map[*socket]time.Time // when everybody heard an answer
}

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
			if s.mine {
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
		_ = socket.Close()
	}
}

// changed notes that the network has changed. It never blocks.
func (s *session) changed() {
	select {
	case s.changes <- struct{}{}:
	default:
	}
}

// take takes a packet for the loop. It never blocks: where there are too many, who
// asks will ask again.
func (s *session) take(p packet) {
	select {
	case s.packets <- p:
	default:
	}
}

// look finds out which networks there are. In new ones the name has to be claimed; new
// addresses in the old ones are made known.
func (s *session) look() {
	s.own = ownAddresses()
	now, before := slices.DeleteFunc(links(), link.isMute), s.links
	if slices.EqualFunc(now, before, link.equals) {
		return
	}
	if s.mine {
		for _, l := range before {
			s.forget(l, now)
		}
	}
	s.links = now
	s.open()
	switch {
	case s.mine && slices.EqualFunc(now, before, func(a, b link) bool { return a.Index == b.Index }):
		s.step = probes
		s.next.Reset(0)
	default: // several machines that get their power back do not ask in step
		s.claim(rand.N(probeEvery))
	}
}

// forget tells a network which of our addresses are gone.
func (s *session) forget(l link, now []link) {
	gone := slices.DeleteFunc(l.addresses(), func(a netip.Addr) bool {
		return slices.ContainsFunc(now, func(l link) bool { return l.has(a) })
	})
	if len(gone) > 0 {
		s.send(l, func(link) ([]byte, error) { return announcement(s.name(), gone, 0) })
	}
}

// open opens sockets for the networks that there are, and closes all others.
func (s *session) open() {
	kept := make(map[place]*socket)
	for _, l := range s.links {
		for _, group := range []netip.Addr{group4(), group6()} {
			if !slices.ContainsFunc(l.prefixes, func(p netip.Prefix) bool { return p.Addr().Is4() == group.Is4() }) {
				continue
			}
			at := place{l.Index, group}
			if socket, open := s.sockets[at]; open {
				kept[at] = socket
				delete(s.sockets, at)
				continue
			}
			socket, err := listen(l, group)
			if err != nil {
				s.log.Warn("a network has no names under .local", "error", err)
				continue
			}
			kept[at] = socket
			s.running.Go(func() { socket.run(s.take) })
		}
	}
	s.close()
	s.sockets = kept
}

// claim begins to claim the name, after a while.
func (s *session) claim(wait time.Duration) {
	s.mine, s.step, s.answered = false, 0, make(map[*socket]time.Time)
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
		if !s.mine {
			s.mine = true
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
		s.send(l, make)
	}
}

// send sends to everybody in one.
func (s *session) send(l link, make func(link) ([]byte, error)) {
	data, err := make(l)
	for at, socket := range s.sockets {
		if err == nil && at.link == l.Index {
			err = socket.send(data)
		}
	}
	if err != nil {
		s.log.Debug("multicast DNS is not sent", "link", l.Name, "error", err)
	}
}

// heard takes a packet: a question for our name, or somebody who has it or wants it.
func (s *session) heard(p packet) {
	i := slices.IndexFunc(s.links, func(l link) bool { return l.Index == p.via.link })
	if i < 0 || !s.links[i].reaches(p.from.Addr()) { // RFC 6762 section 11
		return
	}
	m, err := parse(p.data, s.name())
	ours := s.own[p.from.Addr().WithZone("")]
	if err != nil || ours && m.response {
		return
	}
	switch {
	case m.response:
		if p.from.Port() == port && slices.ContainsFunc(m.answers, s.foreign) {
			s.conflict()
		}
	case s.mine:
		s.answer(p, m, s.links[i])
	case !ours && slices.ContainsFunc(m.proposed, s.foreign):
		s.rival(m.proposed, s.links[i])
	}
}

// foreign tells whether a record gives our name to another machine. One with our own
// address comes from another program on this machine, such as an avahi-daemon where
// the machine itself has the name, or from a repeater of multicast.
func (s *session) foreign(r record) bool {
	return r.address.IsValid() && r.ttl > 0 && !s.own[r.address]
}

// conflict is that somebody answers to our name. Who has claimed it asks again (RFC
// 6762 section 9), since the other one may give way; who was asking takes the next.
func (s *session) conflict() {
	if s.mine {
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
	recently := time.Since(s.answered[p.via]) < answerEvery
	switch {
	case legacy, recently && len(m.proposed) == 0 && wantsUnicast(m.questions):
		err = p.via.sendTo(data, p.from)
	case recently && len(m.proposed) == 0:
	default:
		s.answered[p.via] = time.Now()
		err = p.via.send(data)
	}
	if err != nil {
		s.log.Debug("multicast DNS is not sent", "link", l.Name, "error", err)
	}
}
