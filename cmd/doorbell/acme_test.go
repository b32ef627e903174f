package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"strings"
	"testing"

	"doorbell/certs/pebble"
)

// acmeSite is a door that gets its certificate from a public authority.
type acmeSite struct {
	*closedDoor
	authority *pebble.Pebble
}

// newACMESite starts both; only says how the authority looks whose the names are.
func newACMESite(t *testing.T, only func(*pebble.Pebble)) *acmeSite {
	t.Helper()
	s := &acmeSite{authority: pebble.New(t)}
	s.authority.HTTP, s.authority.TLS = freePort(t), freePort(t)
	plain, secure := fmt.Sprintf("127.0.0.1:%d", s.authority.HTTP), fmt.Sprintf("127.0.0.1:%d", s.authority.TLS)
	only(s.authority)
	directory, _ := s.authority.Start(t)
	s.closedDoor = &closedDoor{process: prepare(t, "listen: "+plain+"\ntls: {listen: '"+secure+"', acme_names: [door.example.org, Bell.example.org], acme_directory: '"+directory+"'}\n"+
		"local_name: ''\nhosts: [door.test]\ncamera: none\nmicrophone: none\nspeaker: none\nbutton: sim\nlog: {level: debug}\n"), plain: plain, secure: secure}
	s.environ = []string{"SSL_CERT_FILE=" + s.authority.RootFile()}
	s.launch()
	t.Cleanup(s.stop)
	s.status()
	return s
}

// certified returns the certificate that a phone gets, nil while there is none. Which
// authority it is from, the test can't know before.
func (s *acmeSite) certified(name string) *x509.Certificate {
	s.t.Helper()
	conn, err := tls.Dial("tcp", s.secure, &tls.Config{ServerName: name, InsecureSkipVerify: true})
	if err != nil {
		return nil
	}
	defer func() { _ = conn.Close() }()
	return conn.ConnectionState().PeerCertificates[0]
}

// TestACME gets certificates over each of the program's own listeners alone, serves
// them, and has them after a restart.
func TestACME(t *testing.T) {
	t.Parallel()
	t.Run("HTTP", func(t *testing.T) { testACME(t, func(p *pebble.Pebble) { p.TLS = 1 }) }) // nobody is there
	t.Run("TLS", func(t *testing.T) { testACME(t, func(p *pebble.Pebble) { p.HTTP = 1 }) })
}

func testACME(t *testing.T, only func(*pebble.Pebble)) {
	s := newACMESite(t, only)
	got := make(map[string]*x509.Certificate)
	for _, name := range []string{"door.example.org", "bell.example.org"} {
		s.wait("the certificate for "+name, func() bool {
			got[name] = s.certified(name)
			return got[name] != nil && got[name].VerifyHostname(name) == nil && strings.HasPrefix(got[name].Issuer.CommonName, "Pebble")
		})
	}
	s.roots = x509.NewCertPool()
	for _, cert := range got {
		s.roots.AddCert(cert)
	}
	if cert := s.certified("door.test"); !cert.Equal(got["door.example.org"]) {
		t.Error("another name should get the first one's certificate")
	}

	eve := s.stranger()
	for host, want := range map[string]string{"door.example.org": "door.example.org", "BELL.example.org": "bell.example.org", "door.test": "door.test"} {
		got := eve.do("GET", "http://"+host+"/join", nil)
		if at := got.header.Get("Location"); got.status != 307 || !strings.HasPrefix(strings.ToLower(at), "https://"+want+":") || !strings.HasSuffix(at, "/join") {
			t.Errorf("http://%s: %d to %q", host, got.status, at)
		}
	}
	for name := range got {
		if got := eve.do("GET", "https://"+name+"/join", nil); got.status != 200 || got.header.Get("Strict-Transport-Security") == "" {
			t.Errorf("https://%s: %d, %v", name, got.status, got.header)
		}
	}
	if got := eve.do("GET", "http://door.example.org/.well-known/acme-challenge/guess", nil); got.status == 200 {
		t.Errorf("a challenge that nobody set: %s", got)
	}

	s.stop()
	s.environ = nil // nobody is trusted, so nothing new can be got
	s.launch()
	s.status()
	for name, cert := range got {
		s.wait("the certificate of before the restart", func() bool {
			now := s.certified(name)
			return now != nil && now.Equal(cert)
		})
	}
}
