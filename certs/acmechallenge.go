package certs

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
)

// httpSolver sets answers to challenges over HTTP (RFC 8555 section 8.3).
type httpSolver struct{ *issuer }

// tlsSolver sets answers to challenges over TLS (RFC 8737).
type tlsSolver struct{ *issuer }

var (
	_ acmez.Solver = httpSolver{}
	_ acmez.Solver = tlsSolver{}
)

func tokenKey(name, path string) string { return strings.ToLower(name) + path }

// Present sets the answer.
func (s httpSolver) Present(_ context.Context, c acme.Challenge) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[tokenKey(c.Identifier.Value, c.HTTP01ResourcePath())] = c.KeyAuthorization
	return nil
}

// CleanUp removes it.
func (s httpSolver) CleanUp(_ context.Context, c acme.Challenge) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.tokens, tokenKey(c.Identifier.Value, c.HTTP01ResourcePath()))
	return nil
}

// Present sets the answer.
func (s tlsSolver) Present(_ context.Context, c acme.Challenge) error {
	cert, err := acmez.TLSALPN01ChallengeCert(c)
	if err != nil {
		return fmt.Errorf("answering a challenge: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.proofs[strings.ToLower(c.Identifier.Value)] = *cert
	return nil
}

// CleanUp removes it.
func (s tlsSolver) CleanUp(_ context.Context, c acme.Challenge) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.proofs, strings.ToLower(c.Identifier.Value))
	return nil
}

// answerHTTP answers a challenge over HTTP, if the request is one that was set.
func (i *issuer) answerHTTP(w http.ResponseWriter, r *http.Request) bool {
	if r.Method != http.MethodGet || !strings.HasPrefix(r.URL.Path, "/.well-known/acme-challenge/") {
		return false
	}
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	i.mu.Lock()
	answer, found := i.tokens[tokenKey(host, r.URL.Path)]
	i.mu.Unlock()
	if found {
		w.Header().Set("Content-Type", "application/octet-stream")
		_, _ = io.WriteString(w, answer)
	}
	return found
}

// answerTLS answers a challenge over TLS, if one was set for the name.
func (i *issuer) answerTLS(name string) (*tls.Certificate, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	cert, found := i.proofs[strings.ToLower(name)]
	if !found {
		return nil, fmt.Errorf("certificates: no challenge is open for %q", name)
	}
	return &cert, nil
}
