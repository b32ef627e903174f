package web

import (
	"net/http"
	"sync"
	"time"

	"doorbell/access"
)

// SignIn lets people in whom somebody else vouches for.
type SignIn interface {
	// Provider is the name that the button shows.
	Provider() string

	// Start returns where to send the browser, and may leave something in it that Finish checks.
	Start(w http.ResponseWriter, r *http.Request) (to string, err error)

	// Finish reads what the browser brings back, and returns who it is, by issuer and subject, the name for the phone, and what
	// the person may be. The error is told to the log, the person hears that it didn't work.
	Finish(w http.ResponseWriter, r *http.Request) (subject, name string, role access.Role, err error)
}

// Each address may go to and come from the provider so often, since each time the provider is asked something.
const (
	signInEvery = 10 * time.Second
	signInBurst = 20
)

// signIns bounds sign-ins.
type signIns struct {
	mu    sync.Mutex // guards what follows
	limit *access.Limiter
}

// limited refuses an address that signs in too often.
func (s *site) limited(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		address := Address(r.RemoteAddr)
		s.signIns.mu.Lock()
		wait := s.signIns.limit.Wait(address)
		s.signIns.limit.Note(address)
		s.signIns.mu.Unlock()
		if wait > 0 {
			s.refuseWish(w, &access.Error{Code: access.CodeTooManyTries, Message: "Too many sign-ins: wait a little.", RetryAfter: wait})
			return
		}
		next(w, r)
	}
}

// startSignIn sends the browser to the provider.
func (s *site) startSignIn(w http.ResponseWriter, r *http.Request) {
	to, err := s.SignIn.Start(w, r)
	if err != nil {
		s.log.Error("a sign-in could not begin", "error", err)
		http.Redirect(w, r, "/join?refused", http.StatusSeeOther)
		return
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// endSignIn gives the phone of a person who may come in its session.
func (s *site) endSignIn(w http.ResponseWriter, r *http.Request) {
	subject, name, role, err := s.SignIn.Finish(w, r)
	if err != nil {
		s.log.Warn("a sign-in was refused", "remote", r.RemoteAddr, "subject", subject, "error", err)
		http.Redirect(w, r, "/join?refused", http.StatusSeeOther)
		return
	}
	if _, known := s.phone(r); !known {
		_, token, err := s.Keys.Admit(subject, name, role)
		if err != nil {
			s.log.Error("a sign-in failed", "subject", subject, "error", err)
			http.Redirect(w, r, "/join?refused", http.StatusSeeOther)
			return
		}
		setSession(w, r, token, sessionMaxAge)
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
