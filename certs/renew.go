package certs

import (
	"crypto/x509"
	"net/netip"
	"path/filepath"
	"slices"
	"time"
)

// wanted returns the names and addresses that this machine has now, in their
// canonical form, without doubles, localhost among them.
func (a *Authority) wanted() (names []string, addresses []netip.Addr) {
	var given []string
	if a.options.Names != nil {
		given = a.options.Names()
	}
	if a.options.Addresses != nil {
		addresses = slices.Clone(a.options.Addresses())
	}
	for _, name := range given {
		if address, err := netip.ParseAddr(name); err == nil {
			addresses = append(addresses, address)
			continue
		}
		ascii, err := canonical(name)
		if err != nil {
			a.once("a name can't stand in a certificate, so it is left out", "name", name, "error", err)
			continue
		}
		names = append(names, ascii)
	}
	names = append(names, "localhost")
	addresses = append(addresses, netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback())
	for i, address := range addresses {
		addresses[i] = address.Unmap().WithZone("")
	}
	return distinct(names), distinct(addresses)
}

// distinct keeps the first of equal values.
func distinct[T comparable](values []T) []T {
	var kept []T
	for _, value := range values {
		if !slices.Contains(kept, value) {
			kept = append(kept, value)
		}
	}
	return kept
}

// once warns about a thing the first time it is seen.
func (a *Authority) once(message string, attributes ...any) {
	a.tellMu.Lock()
	defer a.tellMu.Unlock()
	key := message + " " + attributes[1].(string)
	if !a.told[key] {
		a.told[key] = true
		a.log.Warn(message, attributes...)
	}
}

// permitted keeps what the authority can vouch for, and says what is left out.
func (a *Authority) permitted(names []string, addresses []netip.Addr) ([]string, []netip.Addr) {
	names = slices.DeleteFunc(names, func(name string) bool {
		if below(name, a.root.cert.PermittedDNSDomains) {
			return false
		}
		a.once("the certificate authority is older than a name and can't vouch for it: phones that use it see a warning. "+
			"Remove the folder and restart to make a new authority (every phone must trust that one then), or give the name a certificate of its own",
			"name", name, "folder", a.options.Dir)
		return true
	})
	private := slices.DeleteFunc(slices.Clone(addresses), func(address netip.Addr) bool {
		return !slices.ContainsFunc(privateRanges(), func(p netip.Prefix) bool { return p.Contains(address) })
	})
	// Every machine with IPv6 has public addresses, which nobody types.
	if !slices.ContainsFunc(private, func(address netip.Addr) bool { return !address.IsLoopback() }) {
		for _, address := range addresses {
			if !slices.Contains(private, address) {
				a.once("the certificate authority can't vouch for a public address: phones that use it see a warning. "+
					"Use a name, and a certificate of its own where it is a public one", "address", address.String())
			}
		}
	}
	return names, private
}

// current returns the server certificate, a new one if it has to be. The caller
// holds mu.
func (a *Authority) current(now time.Time, names []string, addresses []netip.Addr) (identity, error) {
	names, addresses = a.permitted(names, addresses)
	reason := stale(a.server.cert, now, a.known, names, addresses)
	if reason == "" {
		return a.server, nil
	}
	from, until, doubt := validity(now, a.known)
	fresh, err := newServer(a.root, server{names: names, addresses: addresses, from: from, until: until})
	if err != nil {
		return identity{}, err
	}
	if doubt {
		a.log.Warn("the clock is wrong; the certificate is made for the time that it seems to be, and made anew when the clock was set",
			"clock", now.UTC(), "already passed", a.known.UTC())
	}
	a.server = fresh
	a.pass(presumed(now, a.known))
	data, err := fresh.encode()
	if err == nil {
		err = writeFile(filepath.Join(a.options.Dir, serverFile), data)
	}
	if err != nil {
		a.log.Error("the new server certificate is not saved; it is used all the same", "error", err)
	}
	a.log.Info("made a server certificate", "why", reason, "names", names, "addresses", addresses, "until", until.UTC().Format(time.DateOnly))
	return fresh, nil
}

// stale tells why a server certificate has to be made anew; empty if it hasn't.
func stale(cert *x509.Certificate, now, known time.Time, names []string, addresses []netip.Addr) string {
	if cert == nil {
		return "there was none"
	}
	at, life := presumed(now, known), cert.NotAfter.Sub(cert.NotBefore)
	switch {
	case at.Before(cert.NotBefore):
		return "the old one is not valid yet"
	case cert.NotAfter.Sub(at) < life/3:
		return "the old one is due for renewal"
	case life > lifetime && plausible(now, known):
		return "the clock was wrong when the old one was made"
	}
	for _, name := range names {
		if !slices.Contains(cert.DNSNames, name) {
			return "the old one lacks " + name
		}
	}
	for _, address := range addresses {
		if cert.VerifyHostname(address.String()) != nil {
			return "the old one lacks " + address.String()
		}
	}
	return ""
}
