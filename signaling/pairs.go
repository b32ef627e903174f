package signaling

// standing is an offer as one side of it sees it: who is at the other end, and
// the call's id, empty where a base client made it.
type standing struct{ other, call string }

// pairs holds which offers stand between whom. An offer stands from being
// relayed until a leave either way or until one of the two is gone. Two names
// may have several standing at once, told apart by the call's id.
type pairs struct {
	// of[a][{b, call}] exists exactly when of[b][{a, call}] does; the value is
	// who made the offer.
	of map[string]map[standing]string
	// made counts the standing offers that each name made.
	made map[string]int
}

func newPairs() *pairs {
	return &pairs{of: make(map[string]map[standing]string), made: make(map[string]int)}
}

// stand makes an offer from maker to other stand. It is false when maker has
// already made max others. A repeated offer stands as it did.
func (p *pairs) stand(maker, other, call string, max int) bool {
	if _, ok := p.of[maker][standing{other, call}]; ok {
		return true
	}
	if p.made[maker] >= max {
		return false
	}
	p.put(maker, standing{other, call}, maker)
	p.put(other, standing{maker, call}, maker)
	p.made[maker]++
	return true
}

// stands tells whether a message about call may pass between a and b. Where one
// of the two does not know call ids, any call between them will do.
func (p *pairs) stands(a, b, call string) bool {
	if call == "" {
		for s := range p.of[a] {
			if s.other == b {
				return true
			}
		}
		return false
	}
	_, same := p.of[a][standing{b, call}]
	_, base := p.of[a][standing{b, ""}]
	return same || base
}

// end takes away what a leave between a and b about call ends: that call, or all
// between them when it names none. It is false when there was nothing to end.
func (p *pairs) end(a, b, call string) bool {
	if !p.stands(a, b, call) {
		return false
	}
	if call == "" {
		for s := range p.of[a] {
			if s.other == b {
				p.remove(a, s)
			}
		}
		return true
	}
	if _, ok := p.of[a][standing{b, call}]; !ok {
		call = "" // made by a base client, which gave no id
	}
	p.remove(a, standing{b, call})
	return true
}

// drop takes away all offers from and to name, and tells which they were.
func (p *pairs) drop(name string) []standing {
	gone := make([]standing, 0, len(p.of[name]))
	for s := range p.of[name] {
		gone = append(gone, s)
		p.remove(name, s)
	}
	return gone
}

func (p *pairs) put(name string, s standing, maker string) {
	if p.of[name] == nil {
		p.of[name] = make(map[standing]string)
	}
	p.of[name][s] = maker
}

// remove takes away one standing offer on both sides. Names and counters with
// nothing left leave no entry behind.
func (p *pairs) remove(name string, s standing) {
	maker := p.of[name][s]
	if p.made[maker]--; p.made[maker] == 0 {
		delete(p.made, maker)
	}
	p.cut(name, s)
	p.cut(s.other, standing{name, s.call})
}

func (p *pairs) cut(name string, s standing) {
	delete(p.of[name], s)
	if len(p.of[name]) == 0 {
		delete(p.of, name)
	}
}
