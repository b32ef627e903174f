package certs

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// Files is a certificate that somebody else makes and renews: certbot, Tailscale, the
// owner. Its methods may be called at the same time.
type Files struct {
	// Fixed after NewFiles.
	cert, key string // paths
	log       *slog.Logger

	mu     sync.Mutex // guards what follows
	pair   *tls.Certificate
	loaded state  // of the files when pair was read
	told   string // the fault that was logged last; empty since they were read
}

// state tells whether files have changed: renamed over, or a link switched, as
// certbot does, or written in place.
type state [2]struct {
	file     os.FileInfo
	modified time.Time
	size     int64
}

func (s state) equals(other state) bool {
	for i := range s {
		if s[i].size != other[i].size || !s[i].modified.Equal(other[i].modified) || !os.SameFile(s[i].file, other[i].file) {
			return false
		}
	}
	return true
}

// NewFiles reads a certificate, with the chain behind it, and its key, both PEM. An
// error says which is wrong.
func NewFiles(cert, key string, log *slog.Logger) (*Files, error) {
	f := &Files{cert: cert, key: key, log: log}
	now, err := f.look()
	if err != nil {
		return nil, fmt.Errorf("certificates: %w", err)
	}
	if err := f.load(now); err != nil {
		return nil, err
	}
	return f, nil
}

// look returns the files' state.
func (f *Files) look() (s state, err error) {
	for i, path := range []string{f.cert, f.key} {
		info, err := os.Stat(path)
		if err != nil {
			return state{}, err
		}
		s[i].file, s[i].modified, s[i].size = info, info.ModTime(), info.Size()
	}
	return s, nil
}

// load reads the files, whose state was seen before.
func (f *Files) load(seen state) error {
	cert, err := readFile(f.cert)
	if err != nil {
		return fmt.Errorf("certificates: %w", err)
	}
	key, err := readFile(f.key)
	if err != nil {
		return fmt.Errorf("certificates: %w", err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return fmt.Errorf("certificates: %s and %s: %w", f.cert, f.key, err)
	}
	if now := time.Now(); now.After(pair.Leaf.NotAfter) || now.Before(pair.Leaf.NotBefore) {
		f.log.Warn("the certificate is not valid now, so phones refuse it; renew it, or set the clock", "file", f.cert,
			"from", pair.Leaf.NotBefore, "until", pair.Leaf.NotAfter)
	}
	f.pair, f.loaded, f.told = &pair, seen, ""
	return nil
}

// GetCertificate returns the certificate for a handshake (tls.Config), read again
// where a file has changed. While the two don't fit, as between the writing of the
// one and the other, it is the old one.
func (f *Files) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now, err := f.look()
	if err == nil {
		if now.equals(f.loaded) {
			f.told = ""
			return f.pair, nil
		}
		if err = f.load(now); err == nil {
			f.log.Info("read a new certificate", "file", f.cert, "until", f.pair.Leaf.NotAfter)
			return f.pair, nil
		}
	}
	if fault := err.Error(); fault != f.told { // once, not at each handshake of whoever likes
		f.told = fault
		f.log.Warn("the new certificate can't be used, the old one is kept", "error", err)
	}
	return f.pair, nil
}
