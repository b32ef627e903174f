// Package certs has the TLS identities of the appliance: a private authority of its
// own, certificate files of the owner's, or ACME.
package certs

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// The files of an authority, in its folder.
const (
	authorityFile = "authority.pem"
	// authorityCopy is what is read where the card has damaged the first.
	authorityCopy = "authority.copy.pem"
	serverFile    = "server.pem"
)

// Options say whom an Authority vouches for.
type Options struct {
	// Dir is where keys and certificates are kept. It is made where it is missing, and
	// nobody else may read it.
	Dir string
	// Names returns the names by which phones reach this machine, the preferred first;
	// addresses among them are taken as such. It is called at each handshake. Those
	// that it returns at the first start, and names below .local, are all that the
	// authority can ever vouch for.
	Names func() []string
	// Addresses returns the addresses by which phones reach this machine. It is called
	// at each handshake. Public ones are left out of the certificate.
	Addresses func() []netip.Addr
	// Logger is told what is done and what is wrong. Default: slog.Default().
	Logger *slog.Logger
}

// Authority is a private certificate authority and the server certificate that it
// made. Its methods may be called at the same time.
type Authority struct {
	// Fixed after Open.
	options Options
	log     *slog.Logger
	root    identity

	mu     sync.Mutex // guards what follows
	server identity   // the newest; its cert is nil before there is one
	known  time.Time  // the newest time that is known to have passed

	tellMu sync.Mutex      // guards what follows
	told   map[string]bool // what was logged once already
}

// Open reads the authority from its folder, or makes one at the first start. An
// error says that there is none that phones could trust tomorrow as well: it can't
// be saved, or is damaged together with its copy.
func Open(options Options) (*Authority, error) {
	a := &Authority{options: options, log: options.Logger, known: floor(), told: make(map[string]bool)}
	if a.log == nil {
		a.log = slog.Default()
	}
	if err := os.MkdirAll(options.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("certificates: making their folder: %w", err)
	}
	unlock, err := lock(options.Dir)
	if err != nil {
		return nil, fmt.Errorf("certificates: %w", err)
	}
	defer unlock()
	a.tidy()
	if a.root, err = a.loadRoot(); err != nil {
		return nil, fmt.Errorf("certificates: %w", err)
	}
	a.loadServer()
	return a, nil
}

// lock keeps a second process from making another authority at the same time.
func lock(dir string) (unlock func(), err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(d.Fd()), unix.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("locking %s: %w", dir, err), d.Close())
	}
	return func() { _ = d.Close() }, nil
}

// tidy removes what a power cut left half written, and shuts out who could read keys.
func (a *Authority) tidy() {
	for _, name := range []string{authorityFile, authorityCopy, serverFile} {
		path := filepath.Join(a.options.Dir, name)
		left, _ := filepath.Glob(filepath.Join(a.options.Dir, "."+name+"[0-9]*"))
		for _, file := range left {
			_ = os.Remove(file)
		}
		if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
			a.log.Warn("others could read a key; now they can't, but who did can pretend to be this doorbell",
				"file", path, "mode", info.Mode().Perm(), "error", os.Chmod(path, 0o600))
		}
	}
}

// loadRoot reads the authority, mends it from its copy, or makes it.
func (a *Authority) loadRoot() (identity, error) {
	path, backup := filepath.Join(a.options.Dir, authorityFile), filepath.Join(a.options.Dir, authorityCopy)
	root, err := readRoot(path)
	if err == nil {
		a.learn(path)
		if other, err := readRoot(backup); err == nil && other.cert.Equal(root.cert) {
			return root, nil
		}
		return root, a.saveRoot(root, backup)
	}
	root, backupErr := readRoot(backup)
	switch {
	case backupErr == nil:
		a.log.Warn("the certificate authority was damaged or gone; its copy was taken", "error", err)
		a.learn(backup)
		return root, a.saveRoot(root, path)
	case errors.Is(err, fs.ErrNotExist) && errors.Is(backupErr, fs.ErrNotExist):
		names, _ := a.wanted()
		if root, err = newAuthority(names); err != nil {
			return identity{}, err
		}
		a.log.Info("made a certificate authority", "name", root.cert.Subject.CommonName, "fingerprint", fingerprint(root.cert))
		return root, a.saveRoot(root, path, backup)
	}
	return identity{}, fmt.Errorf("the authority can't be read; bring %s back from a backup, or remove %s "+
		"and let every phone trust the new one: %w", authorityFile, a.options.Dir, errors.Join(err, backupErr))
}

func (a *Authority) saveRoot(root identity, paths ...string) error {
	data, err := root.encode()
	if err != nil {
		return err
	}
	for _, path := range paths {
		if err := writeFile(path, data); err != nil {
			return err
		}
	}
	return nil
}

// loadServer reads the server certificate, if there is one of this authority.
func (a *Authority) loadServer() {
	path := filepath.Join(a.options.Dir, serverFile)
	server, err := readIdentity(path)
	if err == nil {
		err = server.cert.CheckSignatureFrom(a.root.cert)
	}
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			a.log.Warn("the server certificate can't be used; making a new one", "error", err)
		}
		return
	}
	a.server = server
	a.learn(path)
	a.pass(server.cert.NotBefore.Add(margin))
}

// learn takes a file's time as passed.
func (a *Authority) learn(path string) {
	if info, err := os.Stat(path); err == nil {
		a.pass(info.ModTime())
	}
}

// pass notes that a time has passed.
func (a *Authority) pass(t time.Time) {
	if t.After(a.known) {
		a.known = t
	}
}

// Certificate returns the authority's certificate, which phones are to trust.
func (a *Authority) Certificate() *x509.Certificate { return a.root.cert }

// Fingerprint returns the SHA-256 of the authority's certificate as phones show it:
// pairs of hexadecimal digits with colons between them.
func (a *Authority) Fingerprint() string { return fingerprint(a.root.cert) }

func fingerprint(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	return strings.ReplaceAll(fmt.Sprintf("% X", sum), " ", ":")
}

// GetCertificate returns the server certificate for a handshake (tls.Config). It is
// made anew where it is missing, due for renewal, made while the clock was wrong, or
// lacks a name or address that this machine has now. One that can't be saved is used
// all the same.
func (a *Authority) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	names, addresses := a.wanted()
	a.mu.Lock()
	defer a.mu.Unlock()
	server, err := a.current(time.Now(), names, addresses)
	if err != nil {
		return nil, fmt.Errorf("certificates: %w", err)
	}
	return server.tls(), nil
}
