package web

import (
	"net/http"
	"strings"
)

// Trust is what a phone needs to trust the certificate of this site, where that is from an authority of its own.
type Trust struct {
	// Certificate is the authority's, in DER (RFC 5280).
	Certificate []byte

	// Profile is the configuration profile for Apple's systems that holds it.
	Profile []byte

	// Fingerprint is its SHA-256, in hexadecimal with colons, as the appliance's console shows it.
	Fingerprint string
}

// welcomeRoutes is what plain HTTP has for other machines.
func (s *site) welcomeRoutes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", s.serveWelcomeFile)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { servePlain(w, http.StatusOK, "ok") })
	if s.Trust == nil {
		return mux
	}
	mux.HandleFunc("GET /trust.json", s.serveTrust)
	mux.HandleFunc("GET /doorbell.crt", func(w http.ResponseWriter, _ *http.Request) {
		serveDownload(w, "application/x-x509-ca-cert", "doorbell.crt", s.Trust.Certificate)
	})
	mux.HandleFunc("GET /doorbell.mobileconfig", func(w http.ResponseWriter, _ *http.Request) {
		serveDownload(w, "application/x-apple-aspen-config", "doorbell.mobileconfig", s.Trust.Profile)
	})
	return mux
}

// serveWelcome answers plain HTTP from another machine.
func (s *site) serveWelcome(w http.ResponseWriter, r *http.Request) {
	sites := s.sites()
	if len(sites) == 0 {
		servePlain(w, http.StatusForbidden, "Forbidden: this doorbell lets nobody in over plain HTTP, and has no HTTPS (tls.listen in its configuration).")
		return
	}
	w.Header().Set("Content-Security-Policy", contentSecurityPolicy(r.Host, sites...))
	s.welcome.ServeHTTP(w, r)
}

func (s *site) sites() []string {
	if s.Secure == nil {
		return nil
	}
	return s.Secure()
}

// serveWelcomeFile serves the welcome page and what it is made of; everything else leads there, or where the certificate is one
// that all trust, straight to the site.
func (s *site) serveWelcomeFile(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	switch {
	case s.Trust == nil:
		target := s.sites()[0]
		if host := hostOf(r); s.Public != nil && s.Public(host) {
			for _, site := range s.sites() {
				if name := strings.TrimPrefix(site, "https://"); name == host || strings.HasPrefix(name, host+":") {
					target = site
				}
			}
		}
		http.Redirect(w, r, target+r.URL.RequestURI(), http.StatusTemporaryRedirect)
	case path == "/":
		s.files["/welcome.html"].serve(w, r)
	case s.public[path]:
		s.files[path].serve(w, r)
	default:
		http.Redirect(w, r, "/", http.StatusSeeOther)
	}
}

// serveTrust tells the welcome page what to show and where to go on.
func (s *site) serveTrust(w http.ResponseWriter, _ *http.Request) {
	serveJSON(w, struct {
		Door        string   `json:"door"`
		Fingerprint string   `json:"fingerprint"`
		Sites       []string `json:"sites"`
	}{s.Settings.Door, s.Trust.Fingerprint, s.sites()})
}

// serveTrusted is what the welcome page asks for over HTTPS: an answer at all tells it that the certificate is trusted.
func serveTrusted(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
	servePlain(w, http.StatusOK, "trusted")
}

// serveDownload sends a file that is to be opened by the system, not by the page.
func serveDownload(w http.ResponseWriter, kind, name string, data []byte) {
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write(data) // the other end has gone, if this fails
}
