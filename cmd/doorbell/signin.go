package main

import (
	"net/http"

	"doorbell/access"
	"doorbell/configs"
	"doorbell/openid"
	"doorbell/web"
)

// signIn is the OpenID provider as the site uses it.
type signIn struct{ provider *openid.Provider }

var _ web.SignIn = signIn{}

// newSignIn makes it of the configuration; nil where there is none.
func newSignIn(c configs.OpenID) web.SignIn {
	if c.Issuer == "" {
		return nil
	}
	options := openid.Options{
		Issuer: c.Issuer, Name: c.Name, ClientID: c.ClientID, ClientSecret: c.ClientSecret, Redirect: c.Redirect,
	}
	for _, a := range c.Allow {
		options.Allow = append(options.Allow, openid.Allowed{Subject: a.Subject, Email: a.Email, Role: a.Role})
	}
	return signIn{openid.New(options)}
}

// Provider is its name.
func (s signIn) Provider() string { return s.provider.Name() }

// Start sends the browser there.
func (s signIn) Start(w http.ResponseWriter, r *http.Request) (string, error) {
	return s.provider.Start(w, r)
}

// Finish says who came back.
func (s signIn) Finish(w http.ResponseWriter, r *http.Request) (subject, name string, role access.Role, err error) {
	who, err := s.provider.Finish(w, r)
	return who.Subject, who.Name, access.Role(who.Role), err
}
