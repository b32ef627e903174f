package web

import (
	"net/http"
	"time"

	"doorbell/access"
)

// phoneView is a phone as owners see it. Times are in milliseconds since 1970, 0 where there is none.
type phoneView struct {
	me
	Joined int64 `json:"joined"`
	Seen   int64 `json:"seen"`
	Here   bool  `json:"here"` // logged in now
	Me     bool  `json:"me"`   // the one that asks
}

// invitationView is an invitation as owners see it.
type invitationView struct {
	ID      string      `json:"id"`
	Role    access.Role `json:"role"`
	Until   int64       `json:"until"`
	Expires int64       `json:"expires"`
}

func viewInvitation(i access.Invitation) invitationView {
	return invitationView{ID: i.ID, Role: i.Role, Until: milliseconds(i.Until), Expires: milliseconds(i.Expires)}
}

// servePhones lists the phones and open invitations of the owner's house.
func (s *site) servePhones(w http.ResponseWriter, _ *http.Request, owner access.Phone) {
	answer := struct {
		Phones      []phoneView      `json:"phones"`
		Invitations []invitationView `json:"invitations"`
	}{[]phoneView{}, []invitationView{}}
	for _, p := range s.Keys.Phones(owner.House) {
		answer.Phones = append(answer.Phones, phoneView{
			me:     me{ID: p.ID, Name: p.Name, Role: p.Role, Until: milliseconds(p.Until)},
			Joined: milliseconds(p.Joined), Seen: milliseconds(p.Seen),
			Here: s.Here != nil && s.Here(p.House, p.Name), Me: p.ID == owner.ID,
		})
	}
	for _, i := range s.Keys.Invitations(owner.House) {
		answer.Invitations = append(answer.Invitations, viewInvitation(i))
	}
	serveJSON(w, answer)
}

// invite makes an invitation.
func (s *site) invite(w http.ResponseWriter, r *http.Request, owner access.Phone) {
	var wish struct {
		Role  access.Role `json:"role"`
		Until int64       `json:"until"`
	}
	if !readJSON(w, r, &wish) {
		return
	}
	var until time.Time
	if wish.Until != 0 {
		until = time.UnixMilli(wish.Until)
	}
	made, words, err := s.Keys.Invite(wish.Role, owner.House, until)
	if err != nil {
		s.refuseWish(w, err)
		return
	}
	link := s.Link(words)
	code, err := codeImage(link)
	if err != nil { // a link that is far too long for a QR code: it can be typed all the same
		s.log.Error("the invitation has no QR code", "error", err)
	}
	s.log.Info("an owner made an invitation", "owner", owner.Name, "role", made.Role)
	answerJSON(w, http.StatusCreated, struct {
		invitationView
		Words string `json:"words"`
		Link  string `json:"link"`
		QR    string `json:"qr"`
	}{viewInvitation(made), words, link, code})
}

// withdraw takes an invitation back.
func (s *site) withdraw(w http.ResponseWriter, r *http.Request, owner access.Phone) {
	s.done(w, s.Keys.Withdraw(owner.House, r.PathValue("id")))
}

// revoke removes a phone: its sockets and calls end too.
func (s *site) revoke(w http.ResponseWriter, r *http.Request, owner access.Phone) {
	s.log.Info("an owner removes a phone", "owner", owner.Name)
	s.done(w, s.Keys.Revoke(owner.House, r.PathValue("id"), false))
}

func (s *site) done(w http.ResponseWriter, err error) {
	if err != nil {
		s.refuseWish(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
