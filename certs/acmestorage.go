package certs

import (
	"context"
	"sync"

	"github.com/caddyserver/certmagic"
)

// storage is certmagic's folder of files with locks of this process alone. Those of
// certmagic's are files that one goroutine each keeps fresh, and stay behind after
// a power cut.
type storage struct {
	certmagic.Storage

	mu     sync.Mutex // guards held
	held   map[string]chan struct{}
	active sync.WaitGroup
}

func newStorage(dir string) *storage {
	return &storage{Storage: &certmagic.FileStorage{Path: dir}, held: make(map[string]chan struct{})}
}

// Lock waits until nobody else holds the name. Certmagic gets and renews each
// certificate under one.
func (s *storage) Lock(ctx context.Context, name string) error {
	for {
		s.mu.Lock()
		released, held := s.held[name]
		if !held {
			s.held[name] = make(chan struct{})
			s.active.Add(1)
			s.mu.Unlock()
			return nil
		}
		s.mu.Unlock()
		select {
		case <-released:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Unlock lets the next one have the name.
func (s *storage) Unlock(_ context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if released, held := s.held[name]; held {
		close(released)
		delete(s.held, name)
		s.active.Done()
	}
	return nil
}

// wait waits until nothing is being got or renewed.
func (s *storage) wait() { s.active.Wait() }
