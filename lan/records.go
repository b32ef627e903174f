package lan

import (
	"bytes"
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	// flushBit in a record's class says that there is no other record than those in
	// the message (RFC 6762 section 10.2); in a question's, that the answer may come
	// by unicast (section 5.4).
	flushBit = 1 << 15
	// hostTTL is how long others may remember an address, in seconds (RFC 6762 section
	// 10).
	hostTTL = 120
	// legacyTTL is it for those that speak plain DNS (RFC 6762 section 6.7).
	legacyTTL = 10
	// typeNSEC says which types of record there are (RFC 4034 section 4).
	typeNSEC dnsmessage.Type = 47
)

// message is what of a DNS message is about one name.
type message struct {
	id        uint16
	response  bool
	questions []dnsmessage.Question // all that ask for the name
	answers   []record              // in all sections but authority
	proposed  []record              // in the authority section: somebody probes
}

// record is an address record of the name, or another one of its types.
type record struct {
	kind    dnsmessage.Type
	class   dnsmessage.Class // without flushBit
	address netip.Addr       // zero for other types than A and AAAA
	data    []byte           // as it is compared (RFC 6762 section 8.2)
	ttl     uint32           // seconds
}

// addressRecord is a record that we have.
func addressRecord(address netip.Addr) record {
	r := record{kind: dnsmessage.TypeAAAA, class: dnsmessage.ClassINET, address: address, data: address.AsSlice(), ttl: hostTTL}
	if address.Is4() {
		r.kind = dnsmessage.TypeA
	}
	return r
}

// same tells whether two names are, whatever the case (RFC 6762 section 16).
func same(a dnsmessage.Name, b string) bool { return strings.EqualFold(a.String(), b) }

// parse reads a message. name ends with a dot. What is damaged is an error; what is
// about other names is left out.
func parse(data []byte, name string) (message, error) {
	var p dnsmessage.Parser
	header, err := p.Start(data)
	if err != nil {
		return message{}, err
	}
	m := message{id: header.ID, response: header.Response}
	questions, err := p.AllQuestions()
	if err != nil {
		return message{}, err
	}
	for _, q := range questions {
		if same(q.Name, name) {
			m.questions = append(m.questions, q)
		}
	}
	sections := []struct {
		header  func() (dnsmessage.ResourceHeader, error)
		skip    func() error
		records *[]record
	}{
		{p.AnswerHeader, p.SkipAnswer, &m.answers},
		{p.AuthorityHeader, p.SkipAuthority, &m.proposed},
		{p.AdditionalHeader, p.SkipAdditional, &m.answers},
	}
	for _, section := range sections {
		for {
			h, err := section.header()
			if err == dnsmessage.ErrSectionDone {
				break
			}
			if err != nil {
				return message{}, err
			}
			if !same(h.Name, name) || h.Class&^flushBit != dnsmessage.ClassINET {
				if err := section.skip(); err != nil {
					return message{}, err
				}
				continue
			}
			r, err := parseRecord(&p, h)
			if err != nil {
				return message{}, err
			}
			*section.records = append(*section.records, r)
		}
	}
	return m, nil
}

func parseRecord(p *dnsmessage.Parser, h dnsmessage.ResourceHeader) (record, error) {
	r := record{kind: h.Type, class: h.Class &^ flushBit, ttl: h.TTL}
	switch h.Type {
	case dnsmessage.TypeA:
		body, err := p.AResource()
		if err != nil {
			return record{}, err
		}
		r.address, r.data = netip.AddrFrom4(body.A), body.A[:]
	case dnsmessage.TypeAAAA:
		body, err := p.AAAAResource()
		if err != nil {
			return record{}, err
		}
		r.address, r.data = netip.AddrFrom16(body.AAAA), body.AAAA[:]
	default:
		body, err := p.UnknownResource()
		if err != nil {
			return record{}, err
		}
		r.data = body.Data
	}
	return r, nil
}

// probe asks who has the name, and proposes to take it with these addresses (RFC 6762
// section 8.1).
func probe(name string, addresses []netip.Addr) ([]byte, error) {
	n, err := dnsmessage.NewName(name)
	if err != nil {
		return nil, err
	}
	m := dnsmessage.Message{Questions: []dnsmessage.Question{{Name: n, Type: dnsmessage.TypeALL, Class: dnsmessage.ClassINET}}}
	m.Authorities = resources(n, addresses, dnsmessage.ClassINET, hostTTL)
	return m.Pack()
}

// announcement tells everybody the addresses, unasked (RFC 6762 section 8.3). With a
// ttl of 0 it says that they are no longer (section 10.1).
func announcement(name string, addresses []netip.Addr, ttl uint32) ([]byte, error) {
	n, err := dnsmessage.NewName(name)
	if err != nil {
		return nil, err
	}
	m := dnsmessage.Message{Header: dnsmessage.Header{Response: true, Authoritative: true}}
	m.Answers = resources(n, addresses, dnsmessage.ClassINET|flushBit, ttl)
	return m.Pack()
}

// answer answers the questions of a query; nil if nothing is to be said. legacy says
// that who asks speaks plain DNS (RFC 6762 section 6.7).
func answer(q message, name string, addresses []netip.Addr, legacy bool) ([]byte, error) {
	n, err := dnsmessage.NewName(name)
	if err != nil {
		return nil, err
	}
	class, ttl := dnsmessage.ClassINET|flushBit, uint32(hostTTL)
	m := dnsmessage.Message{Header: dnsmessage.Header{Response: true, Authoritative: true}}
	if legacy {
		class, ttl = dnsmessage.ClassINET, legacyTTL
		m.ID, m.Questions = q.id, q.questions
	}
	for _, r := range resources(n, addresses, class, ttl) {
		switch asked := asks(q.questions, r.Header.Type); {
		case asked && !known(q.answers, r):
			m.Answers = append(m.Answers, r)
		case !asked:
			m.Additionals = append(m.Additionals, r)
		}
	}
	// Who asks for addresses of a family that there are none of hears so at once, and
	// does not wait (RFC 6762 section 6.1).
	if lacks := nsec(n, addresses, class, ttl); asksForOther(q.questions, addresses) {
		m.Answers = append(m.Answers, lacks)
	}
	if len(m.Answers) == 0 {
		return nil, nil
	}
	return m.Pack()
}

// asks tells whether a record of this type is asked for.
func asks(questions []dnsmessage.Question, kind dnsmessage.Type) bool {
	return slices.ContainsFunc(questions, func(q dnsmessage.Question) bool {
		class := q.Class &^ flushBit
		return (q.Type == kind || q.Type == dnsmessage.TypeALL) && (class == dnsmessage.ClassINET || class == dnsmessage.ClassANY)
	})
}

// asksForOther tells whether a type is asked for that there is no record of.
func asksForOther(questions []dnsmessage.Question, addresses []netip.Addr) bool {
	return slices.ContainsFunc(questions, func(q dnsmessage.Question) bool {
		return q.Type != dnsmessage.TypeALL && asks(questions, q.Type) &&
			!slices.ContainsFunc(addresses, func(a netip.Addr) bool { return addressRecord(a).kind == q.Type })
	})
}

// known tells whether who asks knows a record well enough (RFC 6762 section 7.1).
func known(answers []record, r dnsmessage.Resource) bool {
	var address netip.Addr
	switch body := r.Body.(type) {
	case *dnsmessage.AResource:
		address = netip.AddrFrom4(body.A)
	case *dnsmessage.AAAAResource:
		address = netip.AddrFrom16(body.AAAA)
	}
	return slices.ContainsFunc(answers, func(a record) bool { return a.address == address && a.ttl >= hostTTL/2 })
}

// resources are the records of the addresses.
func resources(name dnsmessage.Name, addresses []netip.Addr, class dnsmessage.Class, ttl uint32) []dnsmessage.Resource {
	var all []dnsmessage.Resource
	for _, address := range addresses {
		r := dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: name, Class: class, TTL: ttl}}
		if address.Is4() {
			r.Header.Type, r.Body = dnsmessage.TypeA, &dnsmessage.AResource{A: address.As4()}
		} else {
			r.Header.Type, r.Body = dnsmessage.TypeAAAA, &dnsmessage.AAAAResource{AAAA: address.As16()}
		}
		all = append(all, r)
	}
	return all
}

// nsec says which types of record there are (RFC 4034 section 4.1, in the form of RFC
// 6762 section 6.1).
func nsec(name dnsmessage.Name, addresses []netip.Addr, class dnsmessage.Class, ttl uint32) dnsmessage.Resource {
	var data []byte
	for label := range strings.SplitSeq(strings.TrimSuffix(name.String(), "."), ".") {
		data = append(append(data, byte(len(label))), label...)
	}
	var bitmap [4]byte // types 0 to 31
	for _, address := range addresses {
		kind := addressRecord(address).kind
		bitmap[kind/8] |= 0x80 >> (kind % 8)
	}
	data = append(append(data, 0, 0, byte(len(bitmap))), bitmap[:]...)
	return dnsmessage.Resource{
		Header: dnsmessage.ResourceHeader{Name: name, Type: typeNSEC, Class: class, TTL: ttl},
		Body:   &dnsmessage.UnknownResource{Type: typeNSEC, Data: data},
	}
}

// compareRecords orders what two probers propose: who has the later one wins (RFC
// 6762 section 8.2.1).
func compareRecords(a, b []record) int {
	a, b = slices.Clone(a), slices.Clone(b)
	order := func(x, y record) int {
		return cmp.Or(cmp.Compare(x.class, y.class), cmp.Compare(x.kind, y.kind), bytes.Compare(x.data, y.data))
	}
	slices.SortFunc(a, order)
	slices.SortFunc(b, order)
	return slices.CompareFunc(a, b, order)
}
