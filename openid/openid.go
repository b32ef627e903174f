// Package openid lets people sign in through an OpenID provider (OpenID Connect
// Core 1.0, authorization code flow with PKCE): it finds out who they are and
// whether they are on the owner's list. It knows nothing of phones.
package openid

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

const (
	// askTimeout bounds what is asked of the provider at once.
	askTimeout = 10 * time.Second
	// signInLife is how long a person may take at the provider.
	signInLife = 10 * time.Minute
	// maxAnswer bounds what is read of a provider's answer, in bytes.
	maxAnswer = 1 << 20
)

// Allowed is somebody who may come in.
type Allowed struct {
	Subject string // as the provider gives it; or
	Email   string // one that the provider has verified
	Role    string // what the person may do here
}

// Options configure a provider.
type Options struct {
	// Issuer is the provider's address; its configuration is found there (OpenID
	// Connect Discovery 1.0, section 4).
	Issuer string
	// Name of the provider, for the person.
	Name string
	// ClientID and ClientSecret are what the provider knows this site by.
	ClientID, ClientSecret string
	// Redirect is the address to which the provider sends people back.
	Redirect string
	// Allow lists who may come in. Nobody else does.
	Allow []Allowed
	// Client asks the provider. Nil is a client with Go's defaults.
	Client *http.Client
}

// Provider signs people in. Nobody is contacted before the first one wants to.
type Provider struct {
	// Fixed after New.
	options Options
	client  *http.Client

	mu    sync.Mutex
	found *oidc.Provider // nil until the provider's configuration is known
}

// New makes a provider of options that were checked.
func New(o Options) *Provider {
	client := http.Client{}
	if o.Client != nil {
		client = *o.Client
	}
	client.Timeout = askTimeout
	client.Transport = limited{client.Transport}
	return &Provider{options: o, client: &client}
}

// Person is who somebody is.
type Person struct {
	// Subject is the issuer and the subject there, with a space between: together
	// they name a person for good (OpenID Connect Core 1.0, section 5.7).
	Subject string
	// Name is what to call the person's phone.
	Name string
	// Role is that of the list.
	Role string
}

// discover asks for the provider's configuration; once it has succeeded never again.
func (p *Provider) discover(ctx context.Context) (*oidc.Provider, *oauth2.Config, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.found == nil {
		// The provider's keys are asked for later, with this context's client.
		found, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), p.client), p.options.Issuer)
		if err != nil {
			return nil, nil, fmt.Errorf("openid: asking %s for its configuration: %w", p.options.Issuer, err)
		}
		p.found = found
	}
	return p.found, &oauth2.Config{
		ClientID: p.options.ClientID, ClientSecret: p.options.ClientSecret, Endpoint: p.found.Endpoint(),
		RedirectURL: p.options.Redirect, Scopes: []string{oidc.ScopeOpenID, "profile", "email"},
	}, nil
}

// signIn is what a browser has to bring back unchanged; it is kept there, in a
// cookie that no script and no other site can read.
type signIn struct{ state, nonce, verifier string }

func (s signIn) String() string { return s.state + "." + s.nonce + "." + s.verifier }

// cookieName is the cookie's: with the prefix that keeps others from setting it,
// where the way back is by HTTPS.
func (p *Provider) cookieName() string {
	if p.secure() {
		return "__Host-doorbell-signin"
	}
	return "doorbell-signin"
}

func (p *Provider) secure() bool { return strings.HasPrefix(p.options.Redirect, "https:") }

func (p *Provider) setCookie(w http.ResponseWriter, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name: p.cookieName(), Value: value, Path: "/", MaxAge: maxAge,
		Secure: p.secure(), HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// Start returns where to send a browser, and leaves in it what Finish checks.
func (p *Provider) Start(w http.ResponseWriter, r *http.Request) (to string, err error) {
	_, config, err := p.discover(r.Context())
	if err != nil {
		return "", err
	}
	s := signIn{state: rand.Text(), nonce: rand.Text(), verifier: oauth2.GenerateVerifier()}
	p.setCookie(w, s.String(), int(signInLife/time.Second))
	return config.AuthCodeURL(s.state, oidc.Nonce(s.nonce), oauth2.S256ChallengeOption(s.verifier)), nil
}

// Errors of Finish, beside those of the provider.
var (
	// ErrNotStarted says that the browser brings an answer to nothing that it asked.
	ErrNotStarted = errors.New("openid: this browser did not begin this sign-in, or too long ago")
	// ErrNotAllowed says that somebody is known to the provider, and not on the list.
	ErrNotAllowed = errors.New("openid: this person is not on the list (openid.allow)")
)

// Finish reads what a browser brings back from the provider, and returns who it
// is. Of a person who is known and not allowed, Subject is returned beside
// ErrNotAllowed, for the owner's log.
func (p *Provider) Finish(w http.ResponseWriter, r *http.Request) (Person, error) {
	s, err := p.started(r)
	p.setCookie(w, "", -1) // good once
	if err != nil {
		return Person{}, err
	}
	query := r.URL.Query()
	if subtle.ConstantTimeCompare([]byte(query.Get("state")), []byte(s.state)) != 1 {
		return Person{}, ErrNotStarted
	}
	if code := query.Get("error"); code != "" { // RFC 6749, section 4.1.2.1
		return Person{}, fmt.Errorf("openid: the provider refused: %.100q", code)
	}
	// RFC 9207: an answer that names its issuer must name this one.
	if issuer := query.Get("iss"); issuer != "" && issuer != p.options.Issuer {
		return Person{}, fmt.Errorf("openid: the answer is from %.100q", issuer)
	}
	return p.redeem(r.Context(), query.Get("code"), s)
}

// redeem exchanges the code for who it stands for.
func (p *Provider) redeem(ctx context.Context, code string, s signIn) (Person, error) {
	found, config, err := p.discover(ctx)
	if err != nil {
		return Person{}, err
	}
	ctx = oidc.ClientContext(ctx, p.client)
	tokens, err := config.Exchange(ctx, code, oauth2.VerifierOption(s.verifier))
	if err != nil {
		return Person{}, fmt.Errorf("openid: exchanging the code: %w", err)
	}
	raw, ok := tokens.Extra("id_token").(string)
	if !ok {
		return Person{}, errors.New("openid: the provider gave no ID token")
	}
	token, err := found.Verifier(&oidc.Config{ClientID: p.options.ClientID}).Verify(ctx, raw)
	if err != nil {
		return Person{}, fmt.Errorf("openid: the ID token: %w", err)
	}
	if subtle.ConstantTimeCompare([]byte(token.Nonce), []byte(s.nonce)) != 1 {
		return Person{}, errors.New("openid: the ID token is not for this sign-in (nonce)")
	}
	var known claims
	if err := token.Claims(&known); err != nil {
		return Person{}, fmt.Errorf("openid: the ID token's claims: %w", err)
	}
	if found.UserInfoEndpoint() != "" && (known.Email == "" || known.name() == "") {
		// Where a code is exchanged, many providers tell these only there (OpenID Connect
		// Core 1.0, section 5.4).
		info, err := found.UserInfo(ctx, oauth2.StaticTokenSource(tokens))
		if err == nil && info.Subject != token.Subject {
			err = errors.New("it is about somebody else")
		}
		if err == nil {
			err = info.Claims(&known)
		}
		if err != nil {
			return Person{}, fmt.Errorf("openid: asking who it is: %w", err)
		}
	}
	return p.person(token, known)
}

// claims are what a provider says of somebody (OpenID Connect Core 1.0, section 5.1).
type claims struct {
	Email    string `json:"email"`
	Verified bool   `json:"email_verified"`
	Given    string `json:"given_name"`
	Full     string `json:"name"`
	Username string `json:"preferred_username"`
}

// name is what to call somebody; empty where nothing is known.
func (c claims) name() string {
	for _, name := range []string{c.Given, c.Full, c.Username, c.Email} {
		if name = strings.TrimSpace(name); name != "" {
			return name
		}
	}
	return ""
}

// started reads the cookie.
func (p *Provider) started(r *http.Request) (signIn, error) {
	cookie, err := r.Cookie(p.cookieName())
	if err != nil {
		return signIn{}, ErrNotStarted
	}
	parts := strings.Split(cookie.Value, ".")
	if len(parts) != 3 || slices.Contains(parts, "") {
		return signIn{}, ErrNotStarted
	}
	return signIn{parts[0], parts[1], parts[2]}, nil
}

// person finds the person of a token that was verified on the list.
func (p *Provider) person(token *oidc.IDToken, known claims) (Person, error) {
	who := Person{Subject: token.Issuer + " " + token.Subject, Name: known.name()}
	if who.Name == "" {
		who.Name = token.Subject
	}
	for _, a := range p.options.Allow {
		bySubject := a.Subject != "" && a.Subject == token.Subject
		byEmail := a.Email != "" && known.Verified && strings.EqualFold(a.Email, known.Email)
		if bySubject || byEmail {
			who.Role = a.Role
			return who, nil
		}
	}
	return who, ErrNotAllowed
}

// Name is what to call the provider.
func (p *Provider) Name() string {
	if p.options.Name != "" {
		return p.options.Name
	}
	if u, err := url.Parse(p.options.Issuer); err == nil {
		return u.Host
	}
	return p.options.Issuer
}

// limited reads no more of an answer than a provider can need.
type limited struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	next := l.next
	if next == nil {
		next = http.DefaultTransport
	}
	response, err := next.RoundTrip(r)
	if err == nil {
		response.Body = http.MaxBytesReader(nil, response.Body, maxAnswer)
	}
	return response, err
}
