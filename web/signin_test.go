package web

import (
	"errors"
	"net/http"
	"testing"

	"doorbell/access"
)

// voucher is a provider that says the same of everybody.
type voucher struct {
	asked int
	err   error
}

func (v *voucher) Provider() string { return "Example" }

func (v *voucher) Start(http.ResponseWriter, *http.Request) (string, error) {
	v.asked++
	return "https://id.example.org/authorize", v.err
}

func (v *voucher) Finish(http.ResponseWriter, *http.Request) (string, string, access.Role, error) {
	v.asked++
	return "https://id.example.org 42", "Anna", access.RoleMember, v.err
}

func TestSignIn(t *testing.T) {
	v := &voucher{}
	h := newHousehold(t, func(o *Options) { o.SignIn = v })
	if got := h.ask(visit{url: "https://doorbell.local/openid/start"}); got.Code != 303 || got.Header().Get("Location") != "https://id.example.org/authorize" {
		t.Errorf("start: %d %v", got.Code, got.Header())
	}
	got := h.ask(visit{url: "https://doorbell.local/openid/callback"})
	if got.Code != 303 || got.Header().Get("Location") != "/" || len(got.Result().Cookies()) != 1 {
		t.Fatalf("callback: %d %v", got.Code, got.Header())
	}
	if settings := h.ask(visit{url: "https://doorbell.local/settings.json", cookie: got.Result().Cookies()[0]}); settings.Code != 200 {
		t.Errorf("the session: %d", settings.Code)
	}
	v.err = errors.New("not on the list")
	for _, path := range []string{"start", "callback"} {
		got := h.ask(visit{url: "https://doorbell.local/openid/" + path})
		if got.Code != 303 || got.Header().Get("Location") != "/join?refused" || len(got.Result().Cookies()) != 0 {
			t.Errorf("%s refused: %d %v", path, got.Code, got.Header())
		}
	}
	for range 2 * signInBurst {
		got = h.ask(visit{url: "https://doorbell.local/openid/start"})
	}
	if got.Code != 429 || v.asked > signInBurst {
		t.Errorf("many: %d, the provider was asked %d times", got.Code, v.asked)
	}
	if got := h.ask(visit{url: "https://doorbell.local/openid/start", remote: "192.0.2.8:1"}); got.Code != 303 {
		t.Errorf("from elsewhere: %d", got.Code)
	}
}
