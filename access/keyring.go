package access

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

const (
	// InvitationLife is how long an invitation can be taken up.
	InvitationLife = 15 * time.Minute

	maxPhones      = 100 // of all houses
	maxInvitations = 50
	// maxGuest is how long a guest may be one.
	maxGuest = 366 * 24 * time.Hour
)

// Options configure a keyring.
type Options struct {
	// Name makes a name valid, or says what is wrong with it; nil takes all.
	Name func(string) (string, error)
	// Reserved tells whether a name is the doorbell's own or looks like it; nil: none is.
	Reserved func(name string) bool
	// Alike tells whether people would take two names for the same; nil compares.
	Alike func(a, b string) bool
	// Ended is told each phone whose right ended, from the goroutine that ended it.
	// It must not block. Nil: nobody is told.
	Ended func(Phone)
	// Joined is told each phone that came in, in the same way. Nil: nobody is told.
	Joined func(Phone)
	// Logger: nil is slog.Default().
	Logger *slog.Logger
}

// Keyring holds who has a key to the house. Its methods may be called from many
// goroutines.
type Keyring struct {
	// Fixed after Open.
	options Options
	file    File
	log     *slog.Logger

	changing sync.Mutex // one change, with its saving, at a time

	mu      sync.Mutex // guards what follows
	state   State      // replaced whole, never changed
	byToken map[string]int
	seen    map[string]time.Time // newer than in state, by phone id
	tries   *tries
	wake    chan struct{} // holds a token when Run is to look at the dates
}

// Open reads the state. Where it is damaged so that only the copy before it could
// be read, that is told to the log; where nothing can be read the error says so,
// and whoever deletes the file begins anew.
func Open(file File, o Options) (*Keyring, error) {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Name == nil {
		o.Name = func(name string) (string, error) { return name, nil }
	}
	if o.Reserved == nil {
		o.Reserved = func(string) bool { return false }
	}
	if o.Alike == nil {
		o.Alike = func(a, b string) bool { return a == b }
	}
	if o.Ended == nil {
		o.Ended = func(Phone) {}
	}
	if o.Joined == nil {
		o.Joined = func(Phone) {}
	}
	state, found, err := file.Load()
	switch {
	case err != nil && !found:
		return nil, fmt.Errorf("reading who may come in: %w (doorbell reset begins anew)", err)
	case err != nil:
		o.Logger.Error("the newest list of phones is damaged, the one before it was taken: look through it with doorbell phones", "error", err)
	}
	k := &Keyring{
		options: o, file: file, log: o.Logger,
		seen: make(map[string]time.Time), tries: newTries(), wake: make(chan struct{}, 1),
	}
	k.adopt(state)
	k.state.Invitations = k.restarted(state.Invitations)
	return k, nil
}

// adopt makes a state the one that counts. The caller holds mu, or is Open.
func (k *Keyring) adopt(s State) {
	k.state = s
	k.byToken = make(map[string]int, len(s.Phones))
	for i, key := range s.Phones {
		k.byToken[key.Session] = i
	}
}

// restarted gives invitations that a file brought what is left of their time by
// this process's own clock, and never more than a new one has.
func (k *Keyring) restarted(tickets []Ticket) []Ticket {
	now, clock := time.Now(), k.now()
	var valid []Ticket
	for _, t := range tickets {
		if left := min(t.Expires.Sub(clock), InvitationLife); left > 0 {
			t.Expires = now.Add(left)
			valid = append(valid, t)
		}
	}
	return valid
}

// now is the time of day, so far as it can be known: a Pi without a clock starts
// in 1970, and no guest's date may be undone by that. The caller holds mu, or is
// Open.
func (k *Keyring) now() time.Time {
	now := time.Now()
	if now.Before(k.state.Newest) {
		return k.state.Newest
	}
	return now
}

// Claimed tells whether the house has an owner.
func (k *Keyring) Claimed() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return hasOwner(k.state.Phones, "")
}

func hasOwner(phones []Key, house string) bool {
	return slices.ContainsFunc(phones, func(p Key) bool { return p.House == house && p.Role == RoleOwner })
}

// Identify finds the phone whose session has that secret, and notes that it is
// here.
func (k *Keyring) Identify(token string) (Phone, bool) {
	if token == "" {
		return Phone{}, false
	}
	sum := hash(token)
	k.mu.Lock()
	defer k.mu.Unlock()
	i, ok := k.byToken[sum]
	if !ok {
		return Phone{}, false
	}
	phone := k.state.Phones[i].Phone
	now := k.now()
	if ended(phone, now) {
		return Phone{}, false
	}
	k.seen[phone.ID] = now
	phone.Seen = now
	return phone, true
}

func ended(p Phone, now time.Time) bool { return !p.Until.IsZero() && !now.Before(p.Until) }

// Phones lists the phones of a house, in the order in which they joined.
func (k *Keyring) Phones(house string) []Phone {
	k.mu.Lock()
	defer k.mu.Unlock()
	var phones []Phone
	for _, key := range k.state.Phones {
		if key.House != house {
			continue
		}
		if seen, ok := k.seen[key.ID]; ok {
			key.Seen = seen
		}
		phones = append(phones, key.Phone)
	}
	return phones
}

// Houses lists the houses that have phones, in alphabetical order.
func (k *Keyring) Houses() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	var houses []string
	for _, key := range k.state.Phones {
		houses = append(houses, key.House)
	}
	slices.Sort(houses)
	return slices.Compact(houses)
}

// Revoke ends a phone's right. It is an *Error where there is no such phone in
// that house, and CodeLastOwner where nobody would be left to invite, unless
// force. Where the state can't be saved the right ends all the same, until a
// restart, and the *Error says so.
func (k *Keyring) Revoke(house, id string, force bool) error {
	var revoked Phone
	err := k.change(func(s *State) error {
		i := slices.IndexFunc(s.Phones, func(p Key) bool { return p.ID == id && p.House == house })
		if i < 0 {
			return &Error{Code: CodeNotFound, Message: "There is no such phone."}
		}
		revoked = s.Phones[i].Phone
		s.Phones = slices.Delete(s.Phones, i, i+1)
		if revoked.Role == RoleOwner && !force && !hasOwner(s.Phones, house) {
			return &Error{Code: CodeLastOwner, Message: "This is the only owner: make another phone an owner first."}
		}
		return nil
	}, keepUnsaved)
	if err == nil || codeOf(err) == CodeNotSaved {
		k.log.Info("a phone was removed", "phone", revoked.Name, "role", revoked.Role, "id", id)
		k.options.Ended(revoked)
	}
	return err
}

// freeName makes a name valid for a new phone.
func (k *Keyring) freeName(phones []Key, house, name string) (string, error) {
	valid, err := k.options.Name(name)
	switch {
	case err != nil:
		return "", &Error{Code: CodeNameInvalid, Message: "That is no name for a phone.", cause: err}
	case k.options.Reserved(valid):
		return "", &Error{Code: CodeNameReserved, Message: "That name belongs to the doorbell itself."}
	case slices.ContainsFunc(phones, func(p Key) bool { return p.House == house && k.options.Alike(p.Name, valid) }):
		return "", &Error{Code: CodeNameTaken, Message: "Another phone has that name."}
	}
	return valid, nil
}

// What becomes of a change that can't be saved.
const (
	dropUnsaved = false // it does not happen
	keepUnsaved = true  // it lasts until a restart
)

// change makes a copy of the state, lets do change it, saves it, and makes it the
// one that counts.
func (k *Keyring) change(do func(*State) error, unsaved bool) error {
	k.changing.Lock()
	defer k.changing.Unlock()
	k.mu.Lock()
	next := State{Phones: slices.Clone(k.state.Phones), Invitations: slices.Clone(k.state.Invitations), Newest: k.now().Round(0)}
	for i := range next.Phones {
		if seen, ok := k.seen[next.Phones[i].ID]; ok {
			next.Phones[i].Seen = seen.Round(0)
		}
	}
	k.mu.Unlock()
	if err := do(&next); err != nil {
		return err
	}
	saved := k.file.Save(next)
	if saved != nil {
		k.log.Error("who may come in could not be saved", "error", saved)
		saved = &Error{Code: CodeNotSaved, Message: "The doorbell could not save this: its card or disk can't be written.", cause: saved}
	}
	if saved == nil || unsaved {
		k.mu.Lock()
		k.adopt(next)
		k.mu.Unlock()
		k.look()
	}
	return saved
}

// look has Run look at the dates.
func (k *Keyring) look() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// newID makes an id of a phone or invitation.
func newID() string { return rand.Text()[:16] }

// codeOf is the code of an *Error, else empty.
func codeOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}
