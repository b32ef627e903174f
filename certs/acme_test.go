package certs

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3"
	"go.uber.org/goleak"

	"doorbell/certs/pebble"
)

// site is an appliance with a public name: its two listeners, and ACME.
type site struct {
	t         *testing.T
	acme      *ACME
	web, page *httptest.Server
	pebble    *pebble.Pebble
	book      *logBook
}

func newSite(t *testing.T, names ...string) *site {
	t.Helper()
	_, book := newLog()
	s := &site{t: t, book: book}
	challenge := func(w http.ResponseWriter, r *http.Request) {
		s.acme.Challenge(http.NotFoundHandler()).ServeHTTP(w, r)
	}
	s.web = httptest.NewServer(http.HandlerFunc(challenge))
	t.Cleanup(s.web.Close)
	s.page = httptest.NewUnstartedServer(http.NotFoundHandler())
	s.page.TLS = &tls.Config{NextProtos: []string{"http/1.1"}}
	(&lateACME{s}).configure(s.page.TLS)
	s.page.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	s.page.StartTLS()
	s.page.TLS.Certificates = nil // its own, which goes to who asks for no name
	t.Cleanup(s.page.Close)
	s.pebble = pebble.New(t)
	s.pebble.HTTP, s.pebble.TLS = portOf(s.web.Listener), portOf(s.page.Listener)
	s.acme = s.new(t.TempDir(), "https://unset.example.org", names...)
	return s
}

// lateACME is what the site's ACME is at a handshake: a restart makes a new one.
type lateACME struct{ *site }

func (l *lateACME) configure(config *tls.Config) {
	new(ACME).TLS(config)
	config.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) { return l.acme.GetCertificate(hello) }
}

func portOf(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }

func (s *site) new(dir, directory string, names ...string) *ACME {
	s.t.Helper()
	root, err := os.ReadFile(s.pebble.RootFile())
	if err != nil {
		s.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(root)
	a, err := NewACME(ACMEOptions{
		Dir: dir, Names: names, Directory: directory, Roots: roots,
		Logger: slog.New(slog.NewTextHandler(s.book, nil)),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

// run runs ACME until stop, which looks whether all that it started has ended.
func (s *site) run(directory string) (stop func()) {
	s.acme = s.withDirectory(directory)
	before := goleak.IgnoreCurrent()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- s.acme.Run(ctx) }()
	return func() {
		s.t.Helper()
		cancel()
		if err := <-done; err != nil {
			s.t.Error(err)
		}
		s.page.CloseClientConnections()
		s.web.CloseClientConnections()
		if err := goleak.Find(before); err != nil {
			s.t.Error(err)
		}
		if _, err := s.acme.GetCertificate(&tls.ClientHelloInfo{}); !errors.Is(err, errNotRunning) {
			s.t.Errorf("after Run: %v", err)
		}
	}
}

func (s *site) withDirectory(directory string) *ACME {
	a := s.new(s.acme.options.Dir, directory, s.acme.options.Names...)
	a.renew = s.acme.renew
	return a
}

// served returns the certificate that a phone gets, nil while there is none.
func (s *site) served(name string) *x509.Certificate {
	conn, err := tls.Dial("tcp", s.page.Listener.Addr().String(), &tls.Config{ServerName: name, InsecureSkipVerify: true})
	if err != nil {
		return nil
	}
	defer func() { _ = conn.Close() }()
	return conn.ConnectionState().PeerCertificates[0]
}

// until waits for a certificate that is as it should be.
func (s *site) until(name, what string, so func(*x509.Certificate) bool) *x509.Certificate {
	s.t.Helper()
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if cert := s.served(name); cert != nil && so(cert) {
			return cert
		}
	}
	s.t.Fatalf("no certificate %s; log:\n%s", what, s.book)
	return nil
}

func isFor(name string) func(*x509.Certificate) bool {
	return func(cert *x509.Certificate) bool {
		return cert.VerifyHostname(name) == nil && strings.HasPrefix(cert.Issuer.CommonName, "Pebble")
	}
}

// TestACME gets certificates by each challenge alone, and has them after a restart
// without anybody's help.
func TestACME(t *testing.T) {
	for _, tt := range []struct {
		name string
		only func(*pebble.Pebble)
	}{
		{"HTTP", func(p *pebble.Pebble) { p.TLS = 1 }}, // nobody is there
		{"TLS", func(p *pebble.Pebble) { p.HTTP = 1 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, "door.example.org", "Bell.example.org")
			tt.only(s.pebble)
			directory, end := s.pebble.Start(t)
			stop := s.run(directory)
			first := s.until("door.example.org", "was got", isFor("door.example.org"))
			s.until("bell.example.org", "was got for the second name", isFor("bell.example.org"))
			if cert := s.served(""); cert == nil || !cert.Equal(first) {
				t.Error("who asks for no name should get the first")
			}
			if _, err := s.acme.GetCertificate(&tls.ClientHelloInfo{ServerName: "x.org", SupportedProtos: []string{"acme-tls/1"}}); err == nil {
				t.Error("a challenge is answered that nobody set")
			}
			stop()
			end()
			stop = s.run(directory)
			s.until("door.example.org", "was kept", first.Equal)
			stop()
			checkPrivate(t, s.acme.options.Dir)
		})
	}
}

// checkPrivate looks who may read what is in a folder.
func checkPrivate(t *testing.T, dir string) {
	t.Helper()
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err == nil && path != dir && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("others may use %s: %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestACMEPowerCut has a key that does not fit, as after a power cut between the two
// files.
func TestACMEPowerCut(t *testing.T) {
	s := newSite(t, "door.example.org")
	directory, _ := s.pebble.Start(t)
	stop := s.run(directory)
	first := s.until("door.example.org", "was got", isFor("door.example.org"))
	stop()
	keys, err := filepath.Glob(filepath.Join(s.acme.options.Dir, "certificates", "*", "*", "*.key"))
	if err != nil || len(keys) != 1 {
		t.Fatal(keys, err)
	}
	_, other := pair(t, t.TempDir(), "door.example.org", time.Now().Add(day))
	data, err := os.ReadFile(other)
	if err != nil {
		t.Fatal(err)
	}
	replace(t, keys[0], data)
	stop = s.run(directory)
	s.until("door.example.org", "was got anew", func(cert *x509.Certificate) bool { return !cert.Equal(first) && isFor("door.example.org")(cert) })
	stop()
}

// TestACMERenews has certificates that are valid for seconds.
func TestACMERenews(t *testing.T) {
	s := newSite(t, "door.example.org")
	s.acme.renew = 100 * time.Millisecond
	s.pebble.Validity = 6
	directory, _ := s.pebble.Start(t)
	stop := s.run(directory)
	first := s.until("door.example.org", "was got", isFor("door.example.org"))
	s.until("door.example.org", "was renewed", func(cert *x509.Certificate) bool { return !cert.Equal(first) && cert.NotAfter.After(first.NotAfter) })
	stop()
}

// TestACMENobodyThere stops while it waits to try again.
func TestACMENobodyThere(t *testing.T) {
	s := newSite(t, "door.example.org")
	stop := s.run("https://127.0.0.1:1/dir")
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(s.book.String(), "will retry"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("nothing is said: %s", s.book)
		}
	}
	stop()
}

func TestNewACME(t *testing.T) {
	for name, options := range map[string]ACMEOptions{
		"no name":           {},
		"a private name":    {Names: []string{"doorbell.local"}},
		"no public name":    {Names: []string{"doorbell"}},
		"an address":        {Names: []string{"192.168.1.5"}},
		"localhost":         {Names: []string{"localhost"}},
		"a bad directory":   {Names: []string{"door.example.org"}, Directory: "ftp://x"},
		"a plain directory": {Names: []string{"door.example.org"}, Directory: "http://ca.example.org/dir"},
	} {
		if _, err := NewACME(options); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestRehearsal has an order that failed tried out where failing costs nothing.
func TestRehearsal(t *testing.T) {
	s := newSite(t, "door.example.org")
	directory, _ := s.pebble.Start(t)
	i := s.withDirectory(directory).issuer
	i.rehearsal = "https://127.0.0.1:1/dir" // nobody is there
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	request, err := acmez.NewCSR(key, []string{"door.example.org"})
	if err != nil {
		t.Fatal(err)
	}
	s.acme.issuer = i // which answers the challenge
	attempts := 0
	ctx := context.WithValue(t.Context(), certmagic.AttemptsCtxKey, &attempts)
	s.acme.config.Store(new(certmagic.Config)) // handshakes of the challenge come through
	if _, err := i.Issue(ctx, request); err != nil {
		t.Errorf("the first try is for real: %v", err)
	}
	attempts = 1
	if _, err := i.Issue(ctx, request); err == nil || !strings.Contains(err.Error(), "trying out") {
		t.Errorf("the second one should be tried out: %v", err)
	}
}
