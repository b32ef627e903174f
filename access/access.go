// Package access decides who may come in: the phones of the house with their
// roles and sessions, and the invitations by which phones join. It keeps hashes
// of secrets only, and knows nothing of HTTP or calls.
package access

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"
)

// Role is what a phone may do.
type Role string

// The roles.
const (
	RoleOwner  Role = "owner"  // sees, talks, and says who else may
	RoleMember Role = "member" // sees and talks
	RoleGuest  Role = "guest"  // the same, until a date
)

// Phone is a phone that belongs to the house.
type Phone struct {
	// ID is unguessable and stays; names may be given again.
	ID string `json:"id"`
	// Name is what others see, and what it logs in under.
	Name string `json:"name"`
	Role Role   `json:"role"`
	// House is the household on a relay that serves several; empty for the only one.
	House string `json:"house,omitempty"`
	// Until is when a guest's right ends; zero for ever.
	Until time.Time `json:"until,omitzero"`
	// Joined is when it came in, Seen when it was last here (to an hour or so).
	Joined time.Time `json:"joined"`
	Seen   time.Time `json:"seen,omitzero"`
	// Subject is who signed in, where that was through an OpenID provider: issuer
	// and subject (OpenID Connect Core 1.0, section 2), a space between.
	Subject string `json:"subject,omitempty"`
}

// Invitation lets one phone in, once.
type Invitation struct {
	ID    string `json:"id"`
	Role  Role   `json:"role"`
	House string `json:"house,omitempty"`
	// Until is when the guest's right will end; zero for the other roles.
	Until time.Time `json:"until,omitzero"`
	// Expires is when the invitation itself ends.
	Expires time.Time `json:"expires"`
}

// State is what is saved: no secret in it can be used by who reads it.
type State struct {
	Phones      []Key    `json:"phones"`
	Invitations []Ticket `json:"invitations"`
	// Newest is the newest time that was ever known here: a clock that stands
	// before it is wrong.
	Newest time.Time `json:"newest"`
}

// Key is a phone with the hash of its session's secret (SHA-256, hexadecimal).
type Key struct {
	Phone
	Session string `json:"session"`
}

// Ticket is an invitation with the hash of its secret.
type Ticket struct {
	Invitation
	Secret string `json:"secret"`
}

// File keeps the state through power cuts.
type File interface {
	Load() (state State, found bool, err error)
	Save(State) error
}

// What is wrong with a wish (Error.Code).
const (
	CodeWrongSecret  = "wrong-secret"   // unknown, expired or used: nobody is told which
	CodeTooManyTries = "too-many-tries" // of wrong secrets; RetryAfter says when again
	CodeNameTaken    = "name-taken"     // another phone has that name, or one that looks the same
	CodeNameReserved = "name-reserved"  // the doorbell's own
	CodeNameInvalid  = "name-invalid"
	CodeNotFound     = "not-found"   // no phone or invitation of that id
	CodeLastOwner    = "last-owner"  // somebody must stay who can invite
	CodeBadRequest   = "bad-request" // makes no sense: Message says why
	CodeNotSaved     = "not-saved"   // the state can't be written; nothing has changed but what Message says
	CodeTooMany      = "too-many"    // phones or invitations
)

// Error says to a person why not.
type Error struct {
	Code    string // one of the Code constants
	Message string // an English sentence
	// RetryAfter is how long to wait, with CodeTooManyTries.
	RetryAfter time.Duration
	cause      error
}

// Error gives the sentence, and what caused it for the log.
func (e *Error) Error() string {
	if e.cause != nil {
		return fmt.Sprintf("%s: %v", e.Message, e.cause)
	}
	return e.Message
}

// Unwrap returns the cause, if there is one.
func (e *Error) Unwrap() error { return e.cause }

// hash is how secrets are kept. They have 51 bits for 15 minutes or 130 for ever,
// so a fast hash does.
func hash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}
