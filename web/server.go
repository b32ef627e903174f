package web

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"
)

// Limits of a connection to the server. A page's request has about 1 kB of headers.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 15 * time.Second // bodies are tiny
	writeTimeout      = 30 * time.Second // ends where the relay takes a connection over for a WebSocket
	idleTimeout       = 60 * time.Second
	maxHeaderBytes    = 16 << 10
	shutdownTimeout   = 3 * time.Second
)

// Server serves a handler on one address. The zero value of each field but Handler means its default.
type Server struct {
	// Handler answers the requests, usually NewHandler's.
	Handler http.Handler

	// Listener to serve on; Run closes it. Nil listens on Address.
	Listener net.Listener

	// TLS makes it HTTPS. Nil: plain HTTP.
	TLS *tls.Config

	// Address to listen on, as host:port. Default 127.0.0.1:8080.
	Address string

	// ShutdownTimeout is how long running requests may take to end. Default 3 s.
	ShutdownTimeout time.Duration

	// Logger for the address and for what connections do wrong. Nil logs nothing.
	Logger *slog.Logger
}

// Run serves until ctx ends; then it lets running requests end, for the shutdown time at most, and returns nil. WebSockets are the
// relay's by then, and end with it. An error means that it could not listen, or that the listener failed.
func (s Server) Run(ctx context.Context) error {
	logger := s.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	listener := s.Listener
	if listener == nil {
		var err error
		if listener, err = Listen(ctx, s.Address); err != nil {
			return err
		}
	}
	server := &http.Server{
		Handler:           s.Handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		TLSConfig:         s.TLS,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
	}
	logger.Info("page is served", "address", listener.Addr().String(), "tls", s.TLS != nil)
	served := make(chan error, 1)
	go func() {
		if s.TLS != nil {
			served <- server.ServeTLS(limit(listener), "", "")
			return
		}
		served <- server.Serve(limit(listener))
	}()
	select {
	case err := <-served:
		return fmt.Errorf("page: serve on %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	s.shutdown(ctx, server, logger)
	<-served
	return nil
}

// shutdown waits for running requests, then cuts them.
func (s Server) shutdown(ctx context.Context, server *http.Server, logger *slog.Logger) {
	grace := s.ShutdownTimeout
	if grace <= 0 {
		grace = shutdownTimeout
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := server.Shutdown(bounded); err != nil {
		logger.Warn("requests were cut at shutdown", "after", grace, "err", err)
		_ = server.Close() // what it reports, Shutdown has
	}
}

// Listen listens on a TCP address (host:port, default 127.0.0.1:8080) and says in its error what the householder can do.
func Listen(ctx context.Context, address string) (net.Listener, error) {
	if address == "" {
		address = "127.0.0.1:8080"
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err == nil {
		return listener, nil
	}
	host, port, splitErr := net.SplitHostPort(address)
	switch {
	case splitErr != nil:
		return nil, fmt.Errorf("page: listen on %q: the address must be written host:port, as in 127.0.0.1:8080: %w", address, err)
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("page: port %s on %s is taken by another program: stop that one (`ss -ltnp 'sport = :%s'` names it), "+
			"or choose another port under `listen`: %w", port, hostName(host), port, err)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("page: port %s is not allowed for this user: choose one from 1024 up under `listen`, "+
			"or give the program CAP_NET_BIND_SERVICE: %w", port, err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, fmt.Errorf("page: this machine has no address %s: choose one that `ip address` shows, or 0.0.0.0 for all, "+
			"under `listen`: %w", hostName(host), err)
	}
	return nil, fmt.Errorf("page: listen on %s: %w", address, err)
}

// hostName names the host part of a listen address for a person.
func hostName(host string) string {
	if host == "" {
		return "all addresses"
	}
	return host
}
