// Package web is the house: it serves the page that a phone opens, decides by
// Host, address and session who gets what, and hands the page's WebSockets on to
// the relay. It knows nothing of calls; the page (folder page) does that in the
// browser.
package web

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"

	"doorbell/access"
)

// Settings is what the page must know before it logs in.
type Settings struct {
	// Door is the log-in name of the doorbell that the page calls where the relay doesn't say who is here.
	Door string `json:"door"`

	// Open tells that nobody needs a key: who reaches the page types a name and logs in. The page says so.
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

// Options for NewHandler. The zero value lets nobody in.
type Options struct {
	// Relay takes the WebSocket upgrades at / and /ws, and whatever else comes to /ws; who may log in there it decides itself.
	// Nil answers them with 503.
	Relay http.Handler

	// Missed tells the visits that nobody took, newest first, for phones that were not here then. It is served as /missed.json.
	// Nil: there is no door here.
	Missed func() []Visit

	// Settings for the page.
	Settings Settings

	// Keys holds which phones may come in. Nil: none.
	Keys *access.Keyring

	// Open tells whether somebody at an address may come in without a key.
	// Danger: they may look at the door. Nil: nobody.
	Open func(netip.Addr) bool

	// Hosts tells whether a host name or address, without port and in small letters, is one of ours. The loopback names and the
	// address at which a connection came in always are. A page that lets its own name point here (DNS rebinding) is refused by
	// that. Nil: no others.
	Hosts func(host string) bool

	// Public tells whether a host is a real name with a certificate that all browsers trust: browsers are told to use HTTPS
	// only for it (RFC 6797). Nil: none is.
	Public func(host string) bool

	// Link makes the link of an invitation from its words. It is needed with Keys.
	Link func(words string) string

	// Here tells whether a phone is logged in now. Nil: nobody knows.
	Here func(house, name string) bool

	// Trust is what plain HTTP offers to other machines. Nil: only a redirect to HTTPS, or nothing where there is none.
	Trust *Trust

	// Secure is where the site is served over HTTPS, "https://host:port", in the order of preference. Nil or empty: nowhere.
	Secure func() []string

	// SignIn lets phones in by an OpenID provider's word. Nil: there is none.
	SignIn SignIn

	// Logger for refusals. Nil logs nothing.
	Logger *slog.Logger
}

// site is the handler.
type site struct {
	// Fixed after NewHandler.
	Options
	files   map[string]*asset // by URL path
	public  map[string]bool   // those that strangers get too, by URL path
	routes  *http.ServeMux    // of the site
	welcome *http.ServeMux    // of plain HTTP from other machines
	foreign *http.CrossOriginProtection
	signIns signIns
	log     *slog.Logger
}

// NewHandler returns the handler of the whole site, for plain HTTP and for HTTPS. Over HTTPS, and over plain HTTP on this
// machine itself, it serves the page to phones that belong to the house, and to others the page on which they join. Plain HTTP
// from other machines gets what helps a phone to trust the certificate. Each answer carries the security headers. It fails only
// if the embedded page can't be read.
func NewHandler(options Options) (http.Handler, error) {
	files, err := loadPage()
	if err != nil {
		return nil, fmt.Errorf("web: read the embedded page: %w", err)
	}
	s := &site{
		Options: options, files: files, public: make(map[string]bool), log: options.Logger,
		foreign: http.NewCrossOriginProtection(),
		signIns: signIns{limit: access.NewLimiter(signInEvery, signInBurst)},
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	for _, page := range []string{"/join.html", "/welcome.html"} {
		s.reach(page)
	}
	s.routes, s.welcome = s.siteRoutes(), s.welcomeRoutes()
	return s, nil
}

// siteRoutes is what the site has. What isn't named here is a file of the page.
func (s *site) siteRoutes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("/", s.serveFile)
	mux.HandleFunc("/ws", s.serveRelay)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { servePlain(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /trusted", serveTrusted)
	mux.HandleFunc("GET /join", s.serveJoinPage)
	mux.HandleFunc("GET /join.json", s.serveJoinState)
	mux.HandleFunc("POST /join", s.join)
	mux.HandleFunc("GET /settings.json", s.insider(s.serveSettings))
	if s.Missed != nil {
		mux.HandleFunc("GET /missed.json", s.insider(func(w http.ResponseWriter, _ *http.Request, _ access.Phone) { serveJSON(w, s.Missed()) }))
	}
	if s.SignIn != nil {
		mux.HandleFunc("GET /openid/start", s.limited(s.startSignIn))
		mux.HandleFunc("GET /openid/callback", s.limited(s.endSignIn))
	}
	if s.Keys != nil {
		mux.HandleFunc("POST /leave", s.insider(s.leave))
		mux.HandleFunc("GET /phones.json", s.owner(s.servePhones))
		mux.HandleFunc("DELETE /phones/{id}", s.owner(s.revoke))
		mux.HandleFunc("POST /invitations", s.owner(s.invite))
		mux.HandleFunc("DELETE /invitations/{id}", s.owner(s.withdraw))
	}
	return mux
}

// ServeHTTP looks at where a request comes from and what it is for, and lets the site or the welcome page answer it.
func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	setSecurityHeaders(w.Header(), r.Host)
	host := hostOf(r)
	if !s.ours(r, host) {
		s.log.Warn("request for another host refused", "host", clip(r.Host), "remote", r.RemoteAddr,
			"hint", "a name of this doorbell that it doesn't know belongs under hosts in the configuration")
		servePlain(w, http.StatusMisdirectedRequest, "Misdirected request: this doorbell is not known by that name.")
		return
	}
	if s.foreign.Check(r) != nil || isWeakerOrigin(r) {
		s.log.Warn("request from another site refused", "path", clip(r.URL.Path), "remote", r.RemoteAddr, "origin", clip(r.Header.Get("Origin")))
		refuse(w, http.StatusForbidden, "cross-site", "Forbidden: this was asked for by a page of another site.")
		return
	}
	if !s.secure(r, host) {
		s.serveWelcome(w, r)
		return
	}
	if r.TLS != nil && s.Public != nil && s.Public(host) {
		w.Header().Set("Strict-Transport-Security", "max-age=31536000")
	}
	s.routes.ServeHTTP(w, r)
}

// serveFile serves the page's files, and WebSockets at /.
func (s *site) serveFile(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	if path == "/" && isUpgrade(r) {
		s.serveRelay(w, r)
		return
	}
	file, found := s.files[path]
	if !found || path == "/welcome.html" {
		servePlain(w, http.StatusNotFound, "Not found: there is nothing at this address. The doorbell's page is at /.")
		return
	}
	if !allowRead(w, r) {
		return
	}
	if !s.public[path] && !s.mayCome(r) {
		if path == "/" || path == "/index.html" {
			http.Redirect(w, r, "/join", http.StatusSeeOther)
			return
		}
		refuseStranger(w)
		return
	}
	if path == "/" {
		s.keepSession(w, r)
	}
	file.serve(w, r)
}

// serveSettings tells the page what it must know.
func (s *site) serveSettings(w http.ResponseWriter, _ *http.Request, phone access.Phone) {
	answer := struct {
		Settings
		Me *me `json:"me,omitempty"`
	}{Settings: s.Settings}
	if phone.ID != "" {
		answer.Me = &me{ID: phone.ID, Name: phone.Name, Role: phone.Role, Until: milliseconds(phone.Until)}
	}
	serveJSON(w, answer)
}

// serveRelay hands the request on with the headers that are set so far.
func (s *site) serveRelay(w http.ResponseWriter, r *http.Request) {
	if s.Relay == nil {
		servePlain(w, http.StatusServiceUnavailable, "Unavailable: this server has no relay.")
		return
	}
	s.Relay.ServeHTTP(w, r)
}

// NewSockets returns a handler for listeners that have nothing but WebSockets, for clients of the base dialect: it checks the
// host and hands everything on to relay.
func NewSockets(hosts func(host string) bool, relay http.Handler) http.Handler {
	s := &site{Options: Options{Hosts: hosts}}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.ours(r, hostOf(r)) {
			servePlain(w, http.StatusMisdirectedRequest, "Misdirected request: this doorbell is not known by that name.")
			return
		}
		relay.ServeHTTP(w, r)
	})
}
