package web

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"doorbell/access"
)

// me is the phone that asks, as the page knows it.
type me struct {
	ID    string      `json:"id"`
	Name  string      `json:"name"`
	Role  access.Role `json:"role"`
	Until int64       `json:"until"` // ms since 1970, 0 for ever
}

// milliseconds since 1970; 0 for the zero time.
func milliseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// serveJoinPage serves the page on which a phone joins; who needs no key has no use for it.
func (s *site) serveJoinPage(w http.ResponseWriter, r *http.Request) {
	page := s.files["/join.html"]
	if page == nil || s.Keys == nil {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	page.serve(w, r)
}

// serveJoinState tells strangers what they need to know to join: not who lives here.
func (s *site) serveJoinState(w http.ResponseWriter, _ *http.Request) {
	answer := struct {
		Claimed bool   `json:"claimed"`
		Door    string `json:"door"`
		OpenID  string `json:"openid,omitempty"`
	}{Claimed: s.Keys == nil || s.Keys.Claimed(), Door: s.Settings.Door}
	if s.SignIn != nil {
		answer.OpenID = s.SignIn.Provider()
	}
	serveJSON(w, answer)
}

// join takes an invitation up, and gives the phone its session.
func (s *site) join(w http.ResponseWriter, r *http.Request) {
	var wish struct {
		Secret string `json:"secret"`
		Name   string `json:"name"`
	}
	switch _, known := s.phone(r); {
	case s.Keys == nil:
		refuse(w, http.StatusNotFound, "open", "This doorbell lets everybody in: there is nothing to join.")
		return
	case known:
		refuse(w, http.StatusConflict, "already-in", "This phone belongs to the house already. Sign it out first.")
		return
	}
	if !readJSON(w, r, &wish) {
		return
	}
	phone, token, err := s.Keys.Join(wish.Secret, wish.Name, Address(r.RemoteAddr))
	if err != nil {
		s.refuseWish(w, err)
		return
	}
	setSession(w, r, token, sessionMaxAge)
	serveJSON(w, me{ID: phone.ID, Name: phone.Name, Role: phone.Role, Until: milliseconds(phone.Until)})
}

// leave signs the phone that asks out.
func (s *site) leave(w http.ResponseWriter, r *http.Request, phone access.Phone) {
	if err := s.Keys.Revoke(phone.House, phone.ID, false); err != nil {
		s.refuseWish(w, err)
		return
	}
	setSession(w, r, "", -1)
	w.WriteHeader(http.StatusNoContent)
}

// statuses are what HTTP says for an *access.Error; the rest is 400.
var statuses = map[string]int{
	access.CodeWrongSecret:  http.StatusForbidden,
	access.CodeTooManyTries: http.StatusTooManyRequests,
	access.CodeNameTaken:    http.StatusConflict,
	access.CodeNameReserved: http.StatusConflict,
	access.CodeNotFound:     http.StatusNotFound,
	access.CodeLastOwner:    http.StatusConflict,
	access.CodeTooMany:      http.StatusConflict,
	access.CodeNotSaved:     http.StatusInsufficientStorage,
}

// refuseWish answers what access would not do.
func (s *site) refuseWish(w http.ResponseWriter, err error) {
	var e *access.Error
	if !errors.As(err, &e) {
		s.log.Error("a phone's wish failed", "error", err)
		refuse(w, http.StatusInternalServerError, "failed", "That did not work. The doorbell's log says why.")
		return
	}
	status := statuses[e.Code]
	if status == 0 {
		status = http.StatusBadRequest
	}
	if e.RetryAfter > 0 {
		seconds := int(e.RetryAfter/time.Second) + 1
		w.Header().Set("Retry-After", strconv.Itoa(seconds))
		answerJSON(w, status, problem{Error: e.Code, Message: e.Message, RetryAfter: seconds})
		return
	}
	refuse(w, status, e.Code, e.Message)
}
