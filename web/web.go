// Package web is the house: it serves the page that a phone opens, says how it is to be used, and hands the page's
// WebSockets on to the relay. It knows nothing of calls; the page (folder page) does that in the browser.
package web

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
)

// Settings is what the page must know before it logs in; it is served as /settings.json to everybody who may open the page.
type Settings struct {
	// Door is the log-in name of the doorbell that the page calls where the relay doesn't say who is here.
	Door string `json:"door"`

	// Open tells that anybody who reaches the page may log in. The page says so, quietly.
	Open bool `json:"open"`

	// Version of the program, for people who report a fault.
	Version string `json:"version"`
}

// Visit is a press of the button that nobody answered.
type Visit struct {
	// ID is the call id of the ring.
	ID string `json:"id"`

	// Pressed is when, in milliseconds since 1970.
	Pressed int64 `json:"pressed"`
}

// Admit decides who may have anything from this server: by the request's Host, address, cookies, as its maker likes. It is asked
// before everything else, for WebSockets as well. A *Refused is answered with its status and message, any other error with 403.
type Admit func(*http.Request) error

// Refused is an Admit function's "no" with words for the person at the browser.
type Refused struct {
	Status  int    // HTTP status, 4xx; 0 means 403
	Message string // one sentence, plain text
}

// Error returns the message.
func (r *Refused) Error() string { return r.Message }

// Options for NewHandler.
type Options struct {
	// Relay takes the WebSocket upgrades at / and /ws, and whatever else comes to /ws. Nil answers them with 503.
	Relay http.Handler

	// Missed tells the visits that nobody took, newest first, for phones that were not here then. It is served as /missed.json to
	// everybody who may open the page. Nil: there is no door here.
	Missed func() []Visit

	// Settings for the page.
	Settings Settings

	// Admit is asked before each request is served. Nil admits everybody.
	Admit Admit

	// Logger for refusals. Nil logs nothing.
	Logger *slog.Logger
}

// NewHandler returns the handler of the whole site: the page's files at /, /settings.json, /healthz, and the relay's WebSockets.
// Each answer carries the security headers. It fails only if the embedded page can't be read.
func NewHandler(options Options) (http.Handler, error) {
	files, err := loadPage()
	if err != nil {
		return nil, fmt.Errorf("web: read the embedded page: %w", err)
	}
	settings, err := newSettingsAsset(options.Settings)
	if err != nil {
		return nil, fmt.Errorf("web: write the page's settings: %w", err)
	}
	files["/settings.json"] = settings
	logger := options.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	s := &site{files: files, relay: options.Relay, missed: options.Missed, admit: options.Admit, logger: logger}
	return s, nil
}

// site is the handler.
type site struct {
	// Fixed after NewHandler.
	files  map[string]*asset // by URL path
	relay  http.Handler
	missed func() []Visit
	admit  Admit
	logger *slog.Logger
}

// ServeHTTP sends WebSockets to the relay and serves the rest.
func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	setSecurityHeaders(w.Header(), r.Host)
	if !s.admitted(w, r) {
		return
	}
	path := r.URL.Path
	if path == "/ws" || path == "/" && isUpgrade(r) {
		s.serveRelay(w, r)
		return
	}
	if path == "/healthz" {
		if allowRead(w, r) {
			servePlain(w, http.StatusOK, "ok")
		}
		return
	}
	if path == "/missed.json" && s.missed != nil {
		if allowRead(w, r) {
			serveJSON(w, s.missed())
		}
		return
	}
	file, ok := s.files[path]
	if !ok {
		servePlain(w, http.StatusNotFound, "Not found: there is nothing at this address. The doorbell's page is at /.")
		return
	}
	if allowRead(w, r) {
		file.serve(w, r)
	}
}

// admitted asks the policy and answers for it where it refuses.
func (s *site) admitted(w http.ResponseWriter, r *http.Request) bool {
	if s.admit == nil {
		return true
	}
	err := s.admit(r)
	if err == nil {
		return true
	}
	status, message := http.StatusForbidden, "Forbidden: you may not open this page."
	var refused *Refused
	if errors.As(err, &refused) {
		message = refused.Message
		if refused.Status != 0 {
			status = refused.Status
		}
	}
	s.logger.Warn("request refused", "remote", r.RemoteAddr, "host", r.Host, "path", r.URL.Path, "err", err)
	servePlain(w, status, message)
	return false
}

// serveRelay hands the request on with the headers that are set so far.
func (s *site) serveRelay(w http.ResponseWriter, r *http.Request) {
	if s.relay == nil {
		servePlain(w, http.StatusServiceUnavailable, "Unavailable: this server has no relay.")
		return
	}
	s.relay.ServeHTTP(w, r)
}
