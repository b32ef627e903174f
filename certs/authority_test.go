package certs

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// house is what the machine is called, and may change.
type house struct {
	mu        sync.Mutex
	names     []string
	addresses []netip.Addr
}

func newHouse(names ...string) *house {
	return &house{names: names, addresses: []netip.Addr{netip.MustParseAddr("192.168.1.5")}}
}

func (h *house) change(names []string, addresses ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.names, h.addresses = names, nil
	for _, a := range addresses {
		h.addresses = append(h.addresses, netip.MustParseAddr(a))
	}
}

func (h *house) options(dir string, log *slog.Logger) Options {
	return Options{
		Dir:       dir,
		Names:     func() []string { h.mu.Lock(); defer h.mu.Unlock(); return h.names },
		Addresses: func() []netip.Addr { h.mu.Lock(); defer h.mu.Unlock(); return h.addresses },
		Logger:    log,
	}
}

func open(t *testing.T, options Options) *Authority {
	t.Helper()
	a, err := Open(options)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func leaf(t *testing.T, a *Authority) *x509.Certificate {
	t.Helper()
	cert, err := a.GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	return cert.Leaf
}

// verify is what a phone does that trusts the authority.
func verify(cert, root *x509.Certificate, host string, at time.Time) error {
	roots := x509.NewCertPool()
	roots.AddCert(root)
	_, err := cert.Verify(x509.VerifyOptions{DNSName: host, Roots: roots, CurrentTime: at})
	return err
}

func TestServerCertificate(t *testing.T) {
	log, book := newLog()
	h := newHouse("doorbell.local", "Tür.fritz.box.", "door.example.org", "10.1.2.3", "not a name")
	a := open(t, h.options(t.TempDir(), log))
	cert := leaf(t, a)
	for _, host := range []string{
		"doorbell.local", "xn--tr-xka.fritz.box", "door.example.org", "localhost", "10.1.2.3", "192.168.1.5", "127.0.0.1", "::1",
	} {
		if err := verify(cert, a.Certificate(), host, time.Now()); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
	if err := verify(cert, a.Certificate(), "example.org", time.Now()); err == nil {
		t.Error("it is good for another name")
	}
	if life := cert.NotAfter.Sub(cert.NotBefore); life > 398*day || time.Until(cert.NotAfter) < 390*day {
		t.Errorf("valid for %s, until %s", life, cert.NotAfter)
	}
	if len(cert.ExtKeyUsage) != 1 || cert.ExtKeyUsage[0] != x509.ExtKeyUsageServerAuth || cert.IsCA {
		t.Errorf("usage %v, authority %t", cert.ExtKeyUsage, cert.IsCA)
	}
	if !strings.Contains(book.String(), `name="not a name"`) {
		t.Errorf("nothing is said about what is no name: %s", book)
	}
	root := a.Certificate()
	if !root.PermittedDNSDomainsCritical || !root.MaxPathLenZero || !root.IsCA || root.NotBefore.Year() != 2000 {
		t.Errorf("the authority is %+v", root)
	}
	if len(a.Fingerprint()) != 32*3-1 || strings.Trim(a.Fingerprint(), "0123456789ABCDEF:") != "" {
		t.Errorf("fingerprint %s", a.Fingerprint())
	}
}

// TestHandshake has a TLS client that trusts the authority connect.
func TestHandshake(t *testing.T) {
	log, _ := newLog()
	a := open(t, newHouse("doorbell.local").options(t.TempDir(), log))
	roots := x509.NewCertPool()
	roots.AddCert(a.Certificate())
	near, far := net.Pipe()
	server := tls.Server(near, &tls.Config{GetCertificate: a.GetCertificate})
	done := make(chan error)
	go func() { done <- server.Handshake() }()
	if err := tls.Client(far, &tls.Config{RootCAs: roots, ServerName: "doorbell.local"}).Handshake(); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestFiles600(t *testing.T) {
	log, book := newLog()
	dir := filepath.Join(t.TempDir(), "deep", "certs")
	h := newHouse("doorbell.local")
	leaf(t, open(t, h.options(dir, log)))
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("folder: %v %v", info.Mode(), err)
	}
	for _, name := range []string{authorityFile, authorityCopy, serverFile} {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
		if err := os.Chmod(path, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	open(t, h.options(dir, log))
	if info, err := os.Stat(filepath.Join(dir, authorityFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others can still read the key: %v %v", info.Mode(), err)
	}
	if !strings.Contains(book.String(), "others could read a key") {
		t.Errorf("nothing is said: %s", book)
	}
}

// TestSameTomorrow restarts: authority and server certificate stay.
func TestSameTomorrow(t *testing.T) {
	log, _ := newLog()
	dir, h := t.TempDir(), newHouse("doorbell.local")
	a := open(t, h.options(dir, log))
	cert := leaf(t, a)
	b := open(t, h.options(dir, log))
	if !b.Certificate().Equal(a.Certificate()) || !leaf(t, b).Equal(cert) {
		t.Error("not the same after a restart")
	}
}

// TestChanges has the machine get other names and addresses.
func TestChanges(t *testing.T) {
	log, book := newLog()
	h := newHouse("doorbell.local")
	a := open(t, h.options(t.TempDir(), log))
	first := leaf(t, a)
	h.change([]string{"doorbell-2.local"}, "192.168.1.6", "fd00::6")
	second := leaf(t, a)
	for _, host := range []string{"doorbell-2.local", "192.168.1.6", "fd00::6"} {
		if err := verify(second, a.Certificate(), host, time.Now()); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
	h.change([]string{"doorbell-2.local"}, "fd00::6")
	if first.Equal(second) || !leaf(t, a).Equal(second) {
		t.Error("it is to be made anew for what comes, not for what goes")
	}
	h.change([]string{"doorbell-2.local", "door.example.org"}, "fd00::6", "2001:db8::1", "203.0.113.1")
	third := leaf(t, a)
	if err := verify(third, a.Certificate(), "doorbell-2.local", time.Now()); err != nil {
		t.Errorf("a name that came later broke it: %v", err)
	}
	if slices.Contains(third.DNSNames, "door.example.org") || len(third.IPAddresses) != len(second.IPAddresses)-1 && !third.Equal(second) {
		t.Errorf("it has %v %v, which its authority can't vouch for", third.DNSNames, third.IPAddresses)
	}
	leaf(t, a)
	if said := book.String(); strings.Count(said, "name=door.example.org") != 1 || !strings.Contains(said, "make a new authority") {
		t.Errorf("the log should say once what to do: %s", said)
	}
	if strings.Contains(book.String(), "public address") {
		t.Errorf("a public address is no matter where there is a private one: %s", book)
	}
	h.change(nil, "203.0.113.1")
	leaf(t, a)
	if !strings.Contains(book.String(), "address=203.0.113.1") {
		t.Errorf("nothing is said about the only address: %s", book)
	}
}

// TestConcurrent has a hundred phones come at once, which get one and the same.
func TestConcurrent(t *testing.T) {
	log, book := newLog()
	a := open(t, newHouse("doorbell.local").options(t.TempDir(), log))
	var phones sync.WaitGroup
	for range 100 {
		phones.Go(func() {
			if _, err := a.GetCertificate(nil); err != nil {
				t.Error(err)
			}
		})
	}
	phones.Wait()
	if n := strings.Count(book.String(), "made a server certificate"); n != 1 {
		t.Errorf("made %d times", n)
	}
}

// TestNotSaved loses its folder: it goes on in memory, and says so.
func TestNotSaved(t *testing.T) {
	log, book := newLog()
	dir := filepath.Join(t.TempDir(), "certs")
	a := open(t, newHouse("doorbell.local").options(dir, log))
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if !leaf(t, a).Equal(leaf(t, a)) || !strings.Contains(book.String(), "not saved") {
		t.Errorf("log: %s", book)
	}
}

// TestYears lets the years pass: at every time the certificate is valid and due for
// renewal at the earliest after half its life. The bubble's clock starts at 2000, when
// no doorbell was ever made: the time is known from its files.
func TestYears(t *testing.T) {
	made := time.Now() // by the real clock, as the files' times are
	synctest.Test(t, func(t *testing.T) {
		log, book := newLog()
		a := open(t, newHouse("doorbell.local").options(t.TempDir(), log))
		wrong := leaf(t, a)
		if err := verify(wrong, a.Certificate(), "doorbell.local", made.Add(30*day)); err != nil {
			t.Errorf("made while the clock was wrong, it does not work: %v", err)
		}
		if !leaf(t, a).Equal(wrong) {
			t.Error("made twice while the clock is wrong")
		}
		if strings.Count(book.String(), "the clock is wrong") != 1 {
			t.Errorf("the log should say once that the clock is wrong: %s", book)
		}
		time.Sleep(time.Until(made.Add(time.Hour))) // it is set
		last := leaf(t, a)
		if last.Equal(wrong) || last.NotAfter.Sub(last.NotBefore) > lifetime {
			t.Error("not made anew when the clock was set")
		}
		for made := time.Now(); time.Since(made) < 10*365*day; time.Sleep(7 * day) {
			cert := leaf(t, a)
			if err := verify(cert, a.Certificate(), "doorbell.local", time.Now()); err != nil {
				t.Fatalf("at %s: %v", time.Now(), err)
			}
			if !cert.Equal(last) {
				if left := time.Until(last.NotAfter); left > lifetime/3 || left < lifetime/4 {
					t.Errorf("renewed %s before its end", left)
				}
				last = cert
			}
		}
	})
}

// TestDamage breaks the files in the ways that a card does.
func TestDamage(t *testing.T) {
	cut := func(path string) error { return os.Truncate(path, 100) }
	empty := func(path string) error { return os.Truncate(path, 0) }
	n := 0 // where to flip a bit
	flip := func(path string) error {
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		data[n%len(data)] ^= 1
		return os.WriteFile(path, data, 0o600)
	}
	tests := map[string]struct {
		first, second func(string) error
		lost          bool
	}{
		"cut": {first: cut}, "empty": {first: empty}, "flipped": {first: flip}, "gone": {first: os.Remove},
		"copy cut": {second: cut}, "copy gone": {second: os.Remove}, "copy flipped": {second: flip},
		"both cut": {first: cut, second: cut, lost: true}, "one gone, one flipped": {first: os.Remove, second: flip, lost: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			n += 137
			log, _ := newLog()
			dir, h := t.TempDir(), newHouse("doorbell.local")
			a := open(t, h.options(dir, log))
			old := leaf(t, a)
			for file, damage := range map[string]func(string) error{authorityFile: tt.first, authorityCopy: tt.second, serverFile: tt.first} {
				if damage != nil {
					if err := damage(filepath.Join(dir, file)); err != nil {
						t.Fatal(err)
					}
				}
			}
			b, err := Open(h.options(dir, log))
			if tt.lost {
				if err == nil || !strings.Contains(err.Error(), "backup") {
					t.Errorf("it should say what to do: %v", err)
				}
				return
			}
			if err != nil || !b.Certificate().Equal(a.Certificate()) {
				t.Fatalf("the authority is not what it was: %v", err)
			}
			if fresh := leaf(t, b); (tt.first == nil) != fresh.Equal(old) {
				t.Error("the server certificate is to be made anew only if it was damaged")
			}
			one, _ := os.ReadFile(filepath.Join(dir, authorityFile))
			two, _ := os.ReadFile(filepath.Join(dir, authorityCopy))
			if len(one) == 0 || string(one) != string(two) {
				t.Error("file and copy are not mended")
			}
		})
	}
}

// TestEveryBit flips bits all over an authority's file: none goes unnoticed.
func TestEveryBit(t *testing.T) {
	root, err := newAuthority([]string{"door.example.org"})
	if err != nil {
		t.Fatal(err)
	}
	data, err := root.encode()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), authorityFile)
	for i := range data {
		flipped := slices.Clone(data)
		flipped[i] ^= 1 << (i % 8)
		if err := os.WriteFile(path, flipped, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readRoot(path); err == nil && strings.TrimSpace(string(flipped)) != strings.TrimSpace(string(data)) {
			t.Errorf("byte %d of %d, %q, became %q and nobody noticed", i, len(data), data[i], flipped[i])
		}
	}
}
