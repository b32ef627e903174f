package certs

import (
	"bytes"
	"encoding/pem"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestStolenKey signs certificates with the authority's key, as a thief would. Go and
// OpenSSL, which know nothing of each other, take those for the house and refuse all
// others.
func TestStolenKey(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Fatalf("%v: install openssl", err)
	}
	log, _ := newLog()
	a := open(t, newHouse("doorbell.local", "door.example.org", "porch").options(t.TempDir(), log))
	tests := map[string]bool{
		"doorbell.local": true, "other.local": true, "a.b.local": true, "localhost": true, "porch": true,
		"door.example.org": true, "below.door.example.org": true,
		"example.org": false, "example.com": false, "www.google.com": false, "adoor.example.org": false, "notlocal": false,
		"local.example.com": false, "doorbell.local.example.com": false, "com": false,
		"10.9.9.9": true, "172.16.0.1": true, "172.31.255.255": true, "192.168.0.1": true, "169.254.1.1": true,
		"100.64.0.1": true, "127.0.0.1": true, "::1": true, "fd00::1": true, "fe80::1": true,
		"8.8.8.8": false, "1.1.1.1": false, "172.32.0.1": false, "192.169.0.1": false, "100.128.0.1": false,
		"11.0.0.1": false, "::2": false, "2001:4860:4860::8888": false, "fec0::1": false, "::ffff:8.8.8.8": false,
	}
	for host, good := range tests {
		t.Run(host, func(t *testing.T) {
			from, until, _ := validity(time.Now(), floor())
			stolen := server{from: from, until: until}
			if address, err := netip.ParseAddr(host); err == nil {
				stolen.addresses = []netip.Addr{address.Unmap()}
			} else {
				stolen.names = []string{host}
			}
			id, err := newServer(a.root, stolen)
			if err != nil {
				t.Fatal(err)
			}
			if err := verify(id.cert, a.Certificate(), host, time.Now()); (err == nil) != good {
				t.Errorf("Go: %v", err)
			}
			if err := opensslVerify(t, a.root, id, host); (err == nil) != good {
				t.Errorf("OpenSSL: %v", err)
			}
		})
	}
}

// TestStolenKeyMakesNoAuthority signs a second authority without limits.
func TestStolenKeyMakesNoAuthority(t *testing.T) {
	root, err := newAuthority(nil)
	if err != nil {
		t.Fatal(err)
	}
	free, err := newAuthority(nil)
	if err != nil {
		t.Fatal(err)
	}
	template := *free.cert
	template.PermittedDNSDomains, template.PermittedIPRanges = nil, nil
	middle, err := sign(&template, root, free.key)
	if err != nil {
		t.Fatal(err)
	}
	from, until, _ := validity(time.Now(), floor())
	id, err := newServer(middle, server{names: []string{"doorbell.local"}, from: from, until: until})
	if err != nil {
		t.Fatal(err)
	}
	if err := opensslVerify(t, root, id, "doorbell.local", middle); err == nil || !strings.Contains(err.Error(), "path length") {
		t.Errorf("OpenSSL: %v", err)
	}
}

// opensslError is what openssl said.
type opensslError string

func (e opensslError) Error() string { return string(e) }

func opensslVerify(t *testing.T, root, id identity, host string, between ...identity) error {
	t.Helper()
	dir := t.TempDir()
	file := func(name string, ids ...identity) string {
		var data bytes.Buffer
		for _, id := range ids {
			if err := pem.Encode(&data, &pem.Block{Type: "CERTIFICATE", Bytes: id.cert.Raw}); err != nil {
				t.Fatal(err)
			}
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	check := "-verify_hostname"
	if _, err := netip.ParseAddr(host); err == nil {
		check = "-verify_ip"
	}
	args := []string{"verify", "-x509_strict", "-no-CApath", "-no-CAstore", "-purpose", "sslserver", check, host, "-CAfile", file("root", root)}
	if len(between) > 0 {
		args = append(args, "-untrusted", file("between", between...))
	}
	if out, err := exec.Command("openssl", append(args, file("leaf", id))...).CombinedOutput(); err != nil {
		return opensslError(out)
	}
	return nil
}
