package lan

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

const door = "doorbell.local."

func addrs(list ...string) []netip.Addr {
	var all []netip.Addr
	for _, s := range list {
		all = append(all, netip.MustParseAddr(s))
	}
	return all
}

func records(list ...string) []record {
	var all []record
	for _, a := range addrs(list...) {
		all = append(all, addressRecord(a))
	}
	return all
}

func query(t testing.TB, name string, known []dnsmessage.Resource, kinds ...dnsmessage.Type) []byte {
	t.Helper()
	m := dnsmessage.Message{Header: dnsmessage.Header{ID: 7}, Answers: known}
	for _, kind := range kinds {
		m.Questions = append(m.Questions, dnsmessage.Question{Name: dnsmessage.MustNewName(name), Type: kind, Class: dnsmessage.ClassINET})
	}
	data, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestAnswer(t *testing.T) {
	name := dnsmessage.MustNewName(door)
	knows := func(ttl uint32) []dnsmessage.Resource {
		return resources(name, addrs("192.168.1.5"), dnsmessage.ClassINET, ttl)
	}
	tests := map[string]struct {
		query     []byte
		addresses []netip.Addr
		legacy    bool
		want      string // the answers, then the additional ones
	}{
		"A":                          {query: query(t, door, nil, dnsmessage.TypeA), want: "A / AAAA"},
		"AAAA":                       {query: query(t, door, nil, dnsmessage.TypeAAAA), want: "AAAA / A"},
		"both":                       {query: query(t, door, nil, dnsmessage.TypeA, dnsmessage.TypeAAAA), want: "A AAAA /"},
		"any":                        {query: query(t, door, nil, dnsmessage.TypeALL), want: "A AAAA /"},
		"capitals":                   {query: query(t, "DoorBell.LOCAL.", nil, dnsmessage.TypeA), want: "A / AAAA"},
		"another name":               {query: query(t, "phone.local.", nil, dnsmessage.TypeA)},
		"one below":                  {query: query(t, "x.doorbell.local.", nil, dnsmessage.TypeA)},
		"no question":                {query: query(t, door, nil)},
		"known":                      {query: query(t, door, knows(100), dnsmessage.TypeA)},
		"known, soon no more":        {query: query(t, door, knows(59), dnsmessage.TypeA), want: "A / AAAA"},
		"AAAA where there is none":   {query: query(t, door, nil, dnsmessage.TypeAAAA), addresses: addrs("192.168.1.5"), want: "47 / A"},
		"another type":               {query: query(t, door, nil, dnsmessage.TypeSRV), want: "47 / A AAAA"},
		"plain DNS":                  {query: query(t, door, nil, dnsmessage.TypeA), legacy: true, want: "A / AAAA"},
		"plain DNS for another name": {query: query(t, "phone.local.", nil, dnsmessage.TypeA), legacy: true},
	}
	for title, tt := range tests {
		t.Run(title, func(t *testing.T) {
			q, err := parse(tt.query, door)
			if err != nil {
				t.Fatal(err)
			}
			if tt.addresses == nil {
				tt.addresses = addrs("192.168.1.5", "fd00::5")
			}
			data, err := answer(q, door, tt.addresses, tt.legacy)
			if err != nil {
				t.Fatal(err)
			}
			if data == nil {
				if tt.want != "" {
					t.Errorf("no answer, want %s", tt.want)
				}
				return
			}
			var m dnsmessage.Message
			if err := m.Unpack(data); err != nil {
				t.Fatal(err)
			}
			if got := kinds(m.Answers) + "/ " + kinds(m.Additionals); strings.TrimSpace(got) != tt.want {
				t.Errorf("answered %s, want %s", got, tt.want)
			}
			checkHeader(t, m, tt.legacy)
		})
	}
}

// checkHeader looks at what plain DNS must have and multicast must not (RFC 6762
// sections 6 and 6.7).
func checkHeader(t *testing.T, m dnsmessage.Message, legacy bool) {
	t.Helper()
	if !m.Response || !m.Authoritative || (m.ID == 7) != legacy || (len(m.Questions) == 1) != legacy {
		t.Errorf("header %+v with %d questions", m.Header, len(m.Questions))
	}
	for _, r := range slices.Concat(m.Answers, m.Additionals) {
		if flush := r.Header.Class&flushBit != 0; flush == legacy || (r.Header.TTL <= legacyTTL) != legacy {
			t.Errorf("record %+v", r.Header)
		}
	}
}

func kinds(records []dnsmessage.Resource) string {
	var all string
	for _, r := range records {
		all += strings.TrimPrefix(r.Header.Type.String(), "Type") + " "
	}
	return all
}

// TestNSEC has the bytes of RFC 4034 section 4.1.2 for A alone.
func TestNSEC(t *testing.T) {
	r := nsec(dnsmessage.MustNewName(door), addrs("192.168.1.5"), dnsmessage.ClassINET, hostTTL)
	if got := string(r.Body.(*dnsmessage.UnknownResource).Data); got != "\x08doorbell\x05local\x00\x00\x04\x40\x00\x00\x00" {
		t.Errorf("%q", got)
	}
}

// TestTieBreak has the examples of RFC 6762 section 8.2.
func TestTieBreak(t *testing.T) {
	tests := map[string]struct {
		a, b []record
		want int
	}{
		"RFC 6762":               {records("169.254.99.200"), records("169.254.200.50"), -1},
		"bytes have no sign":     {records("169.254.200.50"), records("169.254.99.200"), 1},
		"the same":               {records("10.0.0.1", "fd00::1"), records("fd00::1", "10.0.0.1"), 0},
		"one has more":           {records("10.0.0.1"), records("10.0.0.1", "fd00::1"), -1},
		"the type goes first":    {records("fd00::1"), records("250.0.0.1"), 1},
		"the order is no matter": {records("10.0.0.9", "10.0.0.1"), records("10.0.0.2"), -1},
	}
	for title, tt := range tests {
		if got := compareRecords(tt.a, tt.b); got != tt.want {
			t.Errorf("%s: %d, want %d", title, got, tt.want)
		}
	}
}

func TestNewResponder(t *testing.T) {
	tests := map[string]struct {
		options Options
		want    string // "": refused
	}{
		"default":           {Options{}, "doorbell.local"},
		"capitals":          {Options{Name: "Front-Door"}, "front-door.local"},
		"kept":              {Options{Kept: "doorbell-3"}, "doorbell-3.local"},
		"kept of another":   {Options{Name: "porch", Kept: "doorbell-3"}, "porch.local"},
		"kept nonsense":     {Options{Kept: "doorbell-x"}, "doorbell.local"},
		"kept one":          {Options{Kept: "doorbell-1"}, "doorbell.local"},
		"dots":              {Options{Name: "door.bell"}, ""},
		"space":             {Options{Name: "door bell"}, ""},
		"hyphen at the end": {Options{Name: "door-"}, ""},
		"too long":          {Options{Name: strings.Repeat("x", 51)}, ""},
		"umlaut":            {Options{Name: "tür"}, ""},
	}
	for title, tt := range tests {
		r, err := NewResponder(tt.options)
		switch {
		case (err == nil) != (tt.want != ""):
			t.Errorf("%s: %v", title, err)
		case err == nil && r.Name() != tt.want:
			t.Errorf("%s: %s, want %s", title, r.Name(), tt.want)
		}
	}
}

// FuzzPacket hears anything from anybody: it must not panic, and what it answers must
// be whole.
func FuzzPacket(f *testing.F) {
	f.Add(query(f, door, nil, dnsmessage.TypeA), true)
	f.Add(query(f, door, nil, dnsmessage.TypeALL, dnsmessage.TypeSRV), false)
	for _, data := range [][]byte{must(probe(door, addrs("10.0.0.1", "fd00::1"))), must(announcement(door, addrs("10.0.0.1"), 0))} {
		f.Add(data, false)
	}
	f.Fuzz(func(t *testing.T, data []byte, legacy bool) {
		m, err := parse(data, door)
		if err != nil {
			return
		}
		_ = compareRecords(m.proposed, records("10.0.0.1"))
		reply, err := answer(m, door, addrs("192.168.1.5", "fd00::5"), legacy)
		if err != nil || reply == nil {
			return
		}
		var back dnsmessage.Message
		if err := back.Unpack(reply); err != nil || len(back.Answers) == 0 {
			t.Errorf("answered %x to %x: %v", reply, data, err)
		}
	})
}

func must(data []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return data
}
