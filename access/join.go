package access

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Invite makes an invitation, and returns the words that let a phone in: they are
// kept nowhere. The role guest needs the date until which it is one; the others
// have none. Who invites an owner while there is none makes the claim of the
// appliance, and ends every older one.
func (k *Keyring) Invite(role Role, house string, until time.Time) (Invitation, string, error) {
	words, err := newSecret()
	if err != nil {
		return Invitation{}, "", err
	}
	made, err := k.InviteWith(words, role, house, until)
	return made, words, err
}

// InviteWith is Invite with words that Invite has given before: on paper or on a
// card, they last longer than the process. It is an *Error where they are too few.
func (k *Keyring) InviteWith(words string, role Role, house string, until time.Time) (Invitation, error) {
	if len(plain(words)) < secretWords*minWord {
		return Invitation{}, &Error{Code: CodeBadRequest, Message: "These words are too few to keep anybody out."}
	}
	if err := k.checkRole(role, until); err != nil {
		return Invitation{}, err
	}
	made := Invitation{ID: newID(), Role: role, House: house, Until: until.Round(0), Expires: time.Now().Add(InvitationLife)}
	err := k.change(func(s *State) error {
		if role == RoleOwner && !hasOwner(s.Phones, house) {
			s.Invitations = slices.DeleteFunc(s.Invitations, func(t Ticket) bool { return t.Role == RoleOwner && t.House == house })
		}
		if len(s.Invitations) >= maxInvitations {
			return &Error{Code: CodeTooMany, Message: "Too many invitations are open: take one back first."}
		}
		s.Invitations = append(s.Invitations, Ticket{Invitation: made, Secret: hash(plain(words))})
		return nil
	}, dropUnsaved)
	if err != nil {
		return Invitation{}, err
	}
	k.mu.Lock()
	k.tries.claim = 0
	k.mu.Unlock()
	k.log.Info("a phone is invited", "role", role, "house", house, "minutes", InvitationLife.Minutes())
	return made, nil
}

// earliest is a day before which no clock is right: this program was not written yet.
var earliest = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

func (k *Keyring) checkRole(role Role, until time.Time) error {
	k.mu.Lock()
	now := k.now()
	k.mu.Unlock()
	switch role {
	case RoleOwner, RoleMember:
		if !until.IsZero() {
			return &Error{Code: CodeBadRequest, Message: "Only a guest has a date."}
		}
	case RoleGuest:
		if now.Before(earliest) {
			return &Error{Code: CodeBadRequest, Message: "The doorbell doesn't know what day it is yet, so that a guest's date means nothing. It learns it from the network."}
		}
		if !until.After(now) || until.Sub(now) > maxGuest {
			return &Error{Code: CodeBadRequest, Message: "A guest needs a date in the future, within a year."}
		}
	default:
		return &Error{Code: CodeBadRequest, Message: "The roles are owner, member and guest."}
	}
	return nil
}

// Invitations lists those of a house that can be taken up, oldest first.
func (k *Keyring) Invitations(house string) []Invitation {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	var open []Invitation
	for _, t := range k.state.Invitations {
		if t.House == house && now.Before(t.Expires) {
			open = append(open, t.Invitation)
		}
	}
	return open
}

// Withdraw takes an invitation back.
func (k *Keyring) Withdraw(house, id string) error {
	return k.change(func(s *State) error {
		before := len(s.Invitations)
		s.Invitations = slices.DeleteFunc(s.Invitations, func(t Ticket) bool { return t.ID == id && t.House == house })
		if len(s.Invitations) == before {
			return &Error{Code: CodeNotFound, Message: "There is no such invitation."}
		}
		return nil
	}, keepUnsaved)
}

// Join takes an invitation up, and returns the phone and its session's secret,
// which is kept nowhere. address is whom wrong secrets are counted against: an
// IPv4 address or an IPv6 /64, say. The name is looked at only after the secret,
// so that nobody learns who lives here. All errors are an *Error.
func (k *Keyring) Join(secret, name, address string) (Phone, string, error) {
	token := newToken()
	phone := Phone{ID: newID()}
	err := k.change(func(s *State) error {
		i, err := k.find(s, secret, address)
		if err != nil {
			return err
		}
		ticket := s.Invitations[i]
		s.Invitations = slices.Delete(s.Invitations, i, i+1)
		phone.Role, phone.House, phone.Until = ticket.Role, ticket.House, ticket.Until
		phone.Joined, phone.Seen = s.Newest, s.Newest
		return k.add(s, &phone, name, token)
	}, dropUnsaved)
	if err != nil {
		return Phone{}, "", err
	}
	k.options.Joined(phone)
	k.log.Info("a phone joined", "phone", phone.Name, "role", phone.Role, "house", phone.House, "from", address)
	return phone, token, nil
}

// add puts a phone into a state.
func (k *Keyring) add(s *State, phone *Phone, name, token string) (err error) {
	if len(s.Phones) >= maxPhones {
		return &Error{Code: CodeTooMany, Message: "Too many phones belong here: remove one first."}
	}
	if phone.Name, err = k.freeName(s.Phones, phone.House, name); err != nil {
		return err
	}
	s.Phones = append(s.Phones, Key{Phone: *phone, Session: hash(token)})
	return nil
}

// find looks an invitation up by its secret, and counts it where it is wrong.
func (k *Keyring) find(s *State, secret, address string) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if wait := k.tries.allowed(address); wait > 0 {
		return 0, &Error{Code: CodeTooManyTries, Message: "Too many wrong tries: wait a little.", RetryAfter: wait}
	}
	now := time.Now()
	sum := hash(plain(secret))
	i := slices.IndexFunc(s.Invitations, func(t Ticket) bool { return t.Secret == sum && now.Before(t.Expires) })
	if i >= 0 {
		if s.Invitations[i].Role != RoleOwner || k.tries.claim < triesToClaim || hasOwner(s.Phones, s.Invitations[i].House) {
			return i, nil
		}
	}
	k.tries.wrong(address)
	if k.tries.claim == triesToClaim {
		k.log.Warn("too many wrong tries: the words that claim this doorbell are no longer valid; doorbell invite makes new ones")
	}
	k.log.Warn("a wrong invitation was tried", "from", address)
	return 0, &Error{Code: CodeWrongSecret, Message: "These words are wrong, were used already, or are older than 15 minutes."}
}

// Admit lets the phone of a person in whom an OpenID provider vouches for: a new
// phone for each sign-in. A name that is taken gets a number. A person whose rights
// were changed since has the new ones from then on.
func (k *Keyring) Admit(subject, name string, role Role) (Phone, string, error) {
	token := newToken()
	phone := Phone{ID: newID(), Role: role, Subject: subject}
	err := k.change(func(s *State) error {
		phone.Joined, phone.Seen = s.Newest, s.Newest
		if role == RoleOwner && !hasOwner(s.Phones, "") { // the claim is over
			s.Invitations = slices.DeleteFunc(s.Invitations, func(t Ticket) bool { return t.Role == RoleOwner && t.House == "" })
		}
		for n := 1; ; n++ {
			err := k.add(s, &phone, numbered(name, n), token)
			if code := codeOf(err); n < maxPhones && (code == CodeNameTaken || code == CodeNameReserved) {
				continue
			}
			return err
		}
	}, dropUnsaved)
	if err != nil {
		return Phone{}, "", err
	}
	k.options.Joined(phone)
	k.log.Info("a phone signed in", "phone", phone.Name, "role", role, "subject", subject)
	return phone, token, nil
}

// numbered is a name with a number from 2 on, within 64 characters.
func numbered(name string, n int) string {
	runes := []rune(strings.TrimSpace(name))
	if n == 1 {
		return string(runes)
	}
	return string(runes[:min(len(runes), 58)]) + " " + strconv.Itoa(n)
}
