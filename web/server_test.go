package web

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// start runs a server on a free port and returns its address and what ends it.
func start(t *testing.T, handler http.Handler, grace time.Duration) (string, func() error) {
	t.Helper()
	listener, err := Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- Server{Handler: handler, Listener: listener, ShutdownTimeout: grace}.Run(ctx) }()
	return listener.Addr().String(), func() error {
		cancel()
		return <-done
	}
}

// client keeps no connection behind.
func client() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
}

func TestServerServesAndStops(t *testing.T) {
	address, stop := start(t, newSite(t), 0)
	answer, err := client().Get("http://" + address + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	if err != nil || string(body) != "ok\n" {
		t.Errorf("%q, %v", body, err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if connection, err := net.Dial("tcp", address); err == nil {
		_ = connection.Close()
		t.Error("it still listens")
	}
}

func TestServerLetsRequestsEnd(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	address, stop := start(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-release
		_, _ = io.WriteString(w, "done")
	}), 10*time.Second)
	got := make(chan string, 1)
	go func() {
		answer, err := client().Get("http://" + address)
		if err != nil {
			got <- err.Error()
			return
		}
		body, _ := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		got <- string(body)
	}()
	<-entered
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	close(release)
	if body := <-got; body != "done" {
		t.Errorf("the request ended with %q", body)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestServerCutsRequestsThatDoNotEnd(t *testing.T) {
	entered := make(chan struct{})
	address, stop := start(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done()
	}), 20*time.Millisecond)
	failed := make(chan error, 1)
	go func() {
		answer, err := client().Get("http://" + address)
		if err == nil {
			_ = answer.Body.Close()
		}
		failed <- err
	}()
	<-entered
	if err := stop(); err != nil {
		t.Error(err)
	}
	if err := <-failed; err == nil {
		t.Error("the request was answered")
	}
}

func TestListenSaysWhatToDo(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	tests := []struct {
		name, address string
		cause         error
		contains      []string
	}{
		{"port taken", taken.Addr().String(), syscall.EADDRINUSE, []string{"port " + port, "taken by another program", "ss -ltnp", "`listen`"}},
		{"not this machine's", "192.0.2.1:0", syscall.EADDRNOTAVAIL, []string{"192.0.2.1", "ip address"}},
		{"no port", "localhost", nil, []string{"host:port", `"localhost"`}},
		{"no number", "127.0.0.1:door", nil, []string{"127.0.0.1:door"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := Server{Handler: http.NotFoundHandler(), Address: test.address}.Run(t.Context())
			if err == nil {
				t.Fatal("it listens")
			}
			if test.cause != nil && !errors.Is(err, test.cause) {
				t.Errorf("%v is not %v", err, test.cause)
			}
			for _, want := range test.contains {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
		})
	}
}

func TestPrivilegedPort(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may listen on every port")
	}
	if _, err := Listen(t.Context(), "127.0.0.1:1"); err == nil || !strings.Contains(err.Error(), "from 1024 up") {
		t.Errorf("%v", err)
	}
}

func TestServerFailsWithItsListener(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = listener.Close()
	var log bytes.Buffer
	server := Server{Handler: http.NotFoundHandler(), Listener: listener, Logger: slog.New(slog.NewTextHandler(&log, nil))}
	if err := server.Run(t.Context()); err == nil || !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v", err)
	}
	if !strings.Contains(log.String(), listener.Addr().String()) {
		t.Errorf("the log does not name the address: %s", log.String())
	}
}

func TestServerRefusesHugeHeaders(t *testing.T) {
	address, stop := start(t, http.NotFoundHandler(), 0)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Long", strings.Repeat("a", 64<<10))
	answer, err := client().Do(request)
	if err == nil {
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("status %d", answer.StatusCode)
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}
