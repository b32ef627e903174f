package main

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"doorbell/access"
	"doorbell/signaling"
)

// expel ends what a phone has whose right is over: its connection, and its calls,
// which would go on without one.
func (p *program) expel(phone access.Phone) {
	if p.relay != nil {
		p.relay.Expel(phone.House, clientOf(phone), phone.Name)
		return
	}
	p.bridge.Expel(clientOf(phone))
	if p.door != nil {
		p.door.Message(signaling.Message{Type: signaling.TypeLeave, Name: phone.Name, Reason: signaling.ReasonRevoked})
	}
}

// here tells whether a phone is logged in to the own relay, or by the bridge to one
// elsewhere.
func (p *program) here(house, name string) bool {
	if p.bridge != nil {
		return p.bridge.Here(name)
	}
	return p.relay != nil && slices.ContainsFunc(p.relay.Here(house), func(peer signaling.Peer) bool { return peer.Name == name })
}

// controlAccess adds what can be asked about who may come in. Whoever may use the
// control socket may do everything.
func (p *program) controlAccess(mux *http.ServeMux) {
	mux.HandleFunc("GET /key", func(w http.ResponseWriter, _ *http.Request) {
		answerControl(w, signaling.KeyText(p.key.Public().(ed25519.PublicKey)), nil)
	})
	mux.HandleFunc("POST /reset", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
		p.reset()
	})
	mux.HandleFunc("POST /invitations", func(w http.ResponseWriter, r *http.Request) {
		made, err := p.invite(r)
		answerControl(w, made, err)
	})
	mux.HandleFunc("GET /phones", func(w http.ResponseWriter, _ *http.Request) {
		answerControl(w, p.listPhones(), p.needKeys())
	})
	mux.HandleFunc("DELETE /phones/{phone}", func(w http.ResponseWriter, r *http.Request) {
		gone, err := p.revoke(r.PathValue("phone"))
		answerControl(w, gone, err)
	})
}

func answerControl(w http.ResponseWriter, value any, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value) // the other end has gone, if this fails
}

// errOpen says that keys mean nothing here.
var errOpen = errors.New("access is open: everybody may come in without being invited (set access: invited to change that)")

func (p *program) needKeys() error {
	if p.house.keys == nil {
		return errOpen
	}
	return nil
}

// invite makes an invitation from the console.
func (p *program) invite(r *http.Request) (invited, error) {
	if err := p.needKeys(); err != nil {
		return invited{}, err
	}
	role, house := access.Role(r.FormValue("role")), r.FormValue("house")
	if err := p.house.noHouse(house); err != nil {
		return invited{}, err
	}
	if role == "auto" {
		role = access.RoleMember
		if !slices.ContainsFunc(p.house.keys.Phones(house), func(p access.Phone) bool { return p.Role == access.RoleOwner }) {
			role = access.RoleOwner
		}
	}
	var until time.Time
	if text := r.FormValue("until"); text != "" {
		var err error
		if until, err = time.Parse(time.RFC3339, text); err != nil {
			return invited{}, err
		}
	}
	claim := role == access.RoleOwner && house == "" && !p.house.keys.Claimed()
	made, words, err := p.house.keys.Invite(role, house, until)
	if err != nil {
		return invited{}, err
	}
	if claim {
		p.house.writeClaimFile(p.identity.entry(), words) // the older words are no longer valid
	}
	return p.invited(made.Role, words, made.Expires), nil
}

// invited is an invitation with what the console shows beside it.
func (p *program) invited(role access.Role, words string, expires time.Time) invited {
	return invited{
		Role: role, Words: words, Link: p.identity.link(words), Page: p.identity.entry(), Expires: expires, Fingerprint: p.identity.fingerprint(),
	}
}

func (p *program) listPhones() listed {
	all := listed{Phones: []listedPhone{}}
	if p.house.keys == nil {
		return all
	}
	for _, house := range p.house.keys.Houses() {
		for _, phone := range p.house.keys.Phones(house) {
			all.Phones = append(all.Phones, listedPhone{Phone: phone, Here: p.here(house, phone.Name)})
		}
	}
	return all
}

// revoke removes a phone by its name or id, the last owner too: who is at the
// console can invite another.
func (p *program) revoke(which string) (access.Phone, error) {
	if err := p.needKeys(); err != nil {
		return access.Phone{}, err
	}
	for _, phone := range p.listPhones().Phones {
		name := phone.Name
		if phone.House != "" {
			name = phone.House + "/" + name
		}
		if phone.ID == which || name == which {
			return phone.Phone, p.house.keys.Revoke(phone.House, phone.ID, true)
		}
	}
	return access.Phone{}, errors.New("no phone of that name or id may come in (doorbell phones lists them)")
}

// claimed shows at the start how the first phone comes in.
func (p *program) claimed(ctx context.Context) (*invited, error) {
	words, expires, err := p.house.claim()
	if err != nil || words == "" {
		return nil, err
	}
	p.house.writeClaimFile(p.identity.entry(), words)
	shown := p.invited(access.RoleOwner, words, expires)
	return &shown, ctx.Err()
}
