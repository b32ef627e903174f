package certs

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// pair writes a certificate and its key as certbot does.
func pair(t *testing.T, dir, name string, until time.Time) (cert, key string) {
	t.Helper()
	root, err := newAuthority(nil)
	if err != nil {
		t.Fatal(err)
	}
	id, err := newServer(root, server{names: []string{name}, from: until.Add(-90 * day), until: until})
	if err != nil {
		t.Fatal(err)
	}
	data, err := id.encode()
	if err != nil {
		t.Fatal(err)
	}
	cut := bytes.Index(data, []byte("-----BEGIN PRIVATE KEY"))
	chain := append(data[:cut:cut], pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.cert.Raw})...)
	cert, key = filepath.Join(dir, "fullchain.pem"), filepath.Join(dir, "privkey.pem")
	replace(t, cert, chain)
	replace(t, key, data[cut:])
	return cert, key
}

func replace(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func served(t *testing.T, f *Files) *x509.Certificate {
	t.Helper()
	cert, err := f.GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	return cert.Leaf
}

func TestFilesRenewed(t *testing.T) {
	soon := time.Now().Add(30 * day)
	log, book := newLog()
	dir := t.TempDir()
	cert, key := pair(t, dir, "one.example.org", soon)
	f, err := NewFiles(cert, key, log)
	if err != nil {
		t.Fatal(err)
	}
	if whole, _ := f.GetCertificate(nil); len(whole.Certificate) != 2 {
		t.Errorf("%d certificates are sent, want the chain of 2", len(whole.Certificate))
	}
	pair(t, dir, "two.example.org", soon) // renamed over
	if got := served(t, f).DNSNames[0]; got != "two.example.org" {
		t.Errorf("serves %s", got)
	}

	// The new certificate is there, its key is not yet.
	newCert, newKey := pair(t, filepath.Join(dir, "next"), "three.example.org", soon)
	data, err := os.ReadFile(newCert)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		replace(t, cert, data[:len(data)/3])
		served(t, f)
		replace(t, cert, data)
		for range 3 {
			if got := served(t, f).DNSNames[0]; got != "two.example.org" {
				t.Errorf("serves %s before its key is there", got)
			}
		}
	}
	if n := strings.Count(book.String(), "can't be used"); n != 4 {
		t.Errorf("warned %d times about 4 changes: %s", n, book)
	}
	data, err = os.ReadFile(newKey)
	if err != nil {
		t.Fatal(err)
	}
	replace(t, key, data)
	if got := served(t, f).DNSNames[0]; got != "three.example.org" {
		t.Errorf("serves %s", got)
	}
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	if got := served(t, f).DNSNames[0]; got != "three.example.org" {
		t.Errorf("serves %s", got)
	}
}

// TestFilesLinked has links that are switched, as in certbot's live folder.
func TestFilesLinked(t *testing.T) {
	log, _ := newLog()
	dir := t.TempDir()
	live := filepath.Join(dir, "live")
	link := func(to string) {
		if err := os.Symlink(filepath.Join(dir, to), live+".new"); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(live+".new", live); err != nil {
			t.Fatal(err)
		}
	}
	pair(t, filepath.Join(dir, "1"), "one.example.org", time.Now().Add(day))
	pair(t, filepath.Join(dir, "2"), "two.example.org", time.Now().Add(day))
	link("1")
	f, err := NewFiles(filepath.Join(live, "fullchain.pem"), filepath.Join(live, "privkey.pem"), log)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"1 one.example.org", "2 two.example.org", "1 one.example.org"} {
		link(want[:1])
		if got := served(t, f).DNSNames[0]; got != want[2:] {
			t.Errorf("serves %s, want %s", got, want[2:])
		}
	}
}

func TestFilesWrong(t *testing.T) {
	log, book := newLog()
	dir := t.TempDir()
	cert, key := pair(t, dir, "old.example.org", time.Now().Add(-day))
	if _, err := NewFiles(cert, key, log); err != nil || !strings.Contains(book.String(), "not valid now") {
		t.Errorf("one that has ended: %v, log: %s", err, book)
	}
	for name, files := range map[string][2]string{
		"missing": {filepath.Join(dir, "none"), key}, "swapped": {key, cert}, "a folder": {dir, key}, "endless": {"/dev/zero", key},
	} {
		if _, err := NewFiles(files[0], files[1], log); err == nil || !strings.Contains(err.Error(), files[0]) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzIdentity reads any file: what it takes must be whole.
func FuzzIdentity(f *testing.F) {
	root, err := newAuthority([]string{"door.example.org"})
	if err != nil {
		f.Fatal(err)
	}
	good, err := root.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add(append(bytes.Clone(good), good...))
	f.Fuzz(func(t *testing.T, data []byte) {
		id, err := parseIdentity(data)
		if err != nil {
			return
		}
		again, err := id.encode()
		if err != nil || !bytes.Equal(bytes.TrimSpace(again), bytes.TrimSpace(data)) || !id.key.PublicKey.Equal(id.cert.PublicKey) {
			t.Errorf("took %q", data)
		}
		_ = stale(id.cert, time.Now(), floor(), []string{"doorbell.local"}, nil)
	})
}

func BenchmarkGetCertificate(b *testing.B) {
	log, _ := newLog()
	a, err := Open(newHouse("doorbell.local").options(b.TempDir(), log))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := a.GetCertificate(nil); err != nil {
			b.Fatal(err)
		}
	}
}
