package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"time"

	"doorbell/rtc"
	"doorbell/signaling"
)

// controlTimeout bounds one exchange over the control socket.
const controlTimeout = 5 * time.Second

// controlPath resolves control: auto to the first place that this user can use.
func controlPath(configured string) string {
	if configured != nameAuto {
		return configured
	}
	system := "/run/doorbell/control.sock"
	if os.Geteuid() == 0 || exists(system) || writable(filepath.Dir(system)) {
		return system
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		return filepath.Join(dir, "doorbell", "control.sock")
	}
	return filepath.Join(os.TempDir(), fmt.Sprintf("doorbell-%d", os.Geteuid()), "control.sock")
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func writable(dir string) bool {
	return syscall.Access(dir, 2 /* W_OK, unistd.h */) == nil
}

// listenControl opens the socket for its owner and group only. One that a dead
// process left is replaced; one that answers means that a doorbell runs already.
func listenControl(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("making the folder of the control socket: %w (set control to a path that can be written)", err)
	}
	if conn, err := net.DialTimeout("unix", path, time.Second); err == nil {
		_ = conn.Close()
		return nil, fmt.Errorf("control socket %s: another doorbell is running; stop it, or give this one its own with control: PATH", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("removing the control socket that an earlier run left: %w", err)
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("opening the control socket: %w (set control to a path that can be written)", err)
	}
	if err := os.Chmod(path, 0o660); err != nil {
		return nil, errors.Join(fmt.Errorf("protecting the control socket: %w", err), listener.Close())
	}
	return listener, nil
}

// serveControl answers on the control socket until ctx ends.
func serveControl(ctx context.Context, listener net.Listener, handler http.Handler, log *slog.Logger) error {
	server := &http.Server{Handler: handler, ReadTimeout: controlTimeout, WriteTimeout: controlTimeout,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("control socket: %w", err)
	case <-ctx.Done():
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), controlTimeout)
	defer cancel()
	err := server.Shutdown(ending)
	<-served
	return err
}

// control is what can be asked of the running appliance.
func (p *program) control() http.Handler {
	mux := http.NewServeMux()
	p.controlAccess(mux)
	if p.door == nil {
		mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "this is a relay alone, which has no door: ask where the door is", http.StatusNotFound)
		})
		return mux
	}
	mux.HandleFunc("POST /press", func(w http.ResponseWriter, _ *http.Request) {
		p.press()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("POST /hangup", func(w http.ResponseWriter, _ *http.Request) {
		p.door.HangUp()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /visits", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(p.visits.List())
	})
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) {
		status, err := p.status(r.Context())
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(status)
	})
	return mux
}

// press takes the way of the simulated button where there is one.
func (p *program) press() {
	if p.devices.button != nil {
		p.devices.button.Press()
		return
	}
	p.door.Press(time.Now())
}

// status is what `doorbell status` shows.
type status struct {
	Version string `json:"version"`
	Name    string `json:"name"`
	Page    string `json:"page"`
	// Plain is where plain HTTP is served, for this machine and to begin with. Secure
	// lists where HTTPS is, the best first.
	Plain  string   `json:"plain"`
	Secure []string `json:"secure"`
	// Relay is the relay elsewhere that the door logs in to; empty for its own.
	Relay string `json:"relay,omitempty"`
	// Here lists who is logged in to the own relay.
	Here []signaling.Peer `json:"here"`
	Door rtc.Status       `json:"door"`
	// Devices says more of each device than Door.Devices.
	Devices map[string]deviceStatus `json:"devices"`
	// Goroutines is how many this process has: a number that grows tells of a fault.
	Goroutines int `json:"goroutines"`
}

func (p *program) status(ctx context.Context) (status, error) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	door, err := p.door.Status(ctx)
	s := status{
		Version: versionOf(), Name: p.config.Name, Page: p.pageURL(), Plain: p.identity.entry(), Secure: append([]string{}, p.identity.sites()...), Relay: p.config.Signaling.URL,
		Door: door, Devices: p.devices.status(), Here: []signaling.Peer{},
		Goroutines: runtime.NumGoroutine(),
	}
	if p.relay != nil {
		s.Here = slices.Concat(s.Here, p.relay.Here(""))
	}
	return s, err
}

// errNotRunning says that nobody answers at the control socket.
var errNotRunning = errors.New("no doorbell is running here")

// ask sends one request to the running appliance.
func (e *environment) ask(method, what string, into any) error {
	path, err := e.controlPath()
	if err != nil {
		return err
	}
	client := &http.Client{Timeout: controlTimeout, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		},
	}}
	request, err := http.NewRequestWithContext(e.ctx, method, "http://doorbell/"+what, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w (%s): start it with `doorbell run`, or name its socket with --control", errNotRunning, path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("this user may not control the doorbell (%s): use sudo, or the user that runs it", path)
	case err != nil:
		return fmt.Errorf("asking the running doorbell: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	return readResponse(response, into)
}

func readResponse(response *http.Response, into any) error {
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("reading the running doorbell's answer: %w", err)
	}
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("the running doorbell answered %s: %s", response.Status, bytes.TrimSpace(body))
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("reading the running doorbell's answer (is it of another version?): %w", err)
	}
	return nil
}

func (e *environment) controlPath() (string, error) {
	if e.controlFlag != "" {
		return e.controlFlag, nil
	}
	config, err := e.config()
	if err != nil {
		return "", err
	}
	return controlPath(config.Control), nil
}

type pressCommand struct{}

// Run presses the button of the running appliance.
func (pressCommand) Run(e *environment) error { return e.ask(http.MethodPost, "press", nil) }

type hangupCommand struct{}

// Run ends what rings or talks.
func (hangupCommand) Run(e *environment) error { return e.ask(http.MethodPost, "hangup", nil) }
