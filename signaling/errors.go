package signaling

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// What is wrong with a message (Message.Code in an error).
const (
	CodeBadJSON         = "bad-json"          // not JSON, not UTF-8 or not a text frame
	CodeMissingField    = "missing-field"     // a field that this type needs isn't there
	CodeWrongType       = "wrong-type"        // a field is of another JSON type
	CodeBadValue        = "bad-value"         // a field is too long or not one of the words allowed
	CodeUnknownType     = "unknown-type"      // no such type, or not one that a client sends
	CodeNotLoggedIn     = "not-logged-in"     // only those who logged in may send
	CodeAlreadyLoggedIn = "already-logged-in" // one login for each connection; the first name stays
	CodeNotFound        = "not-found"         // nobody of that name is here
	CodeNotInCall       = "not-in-call"       // no offer stands between the two, or not with that call id
	CodeTooManyCalls    = "too-many-calls"    // too many offers of this client stand
	CodeTooFast         = "too-fast"          // messages were thrown away; if it goes on the socket is closed
)

// Errors of Send.
var (
	// ErrOffline says that the client is not logged in at the moment.
	ErrOffline = errors.New("signaling: not logged in to a relay")
	// ErrQueueFull says that the network does not keep up; the message is not sent.
	ErrQueueFull = errors.New("signaling: send queue is full")
	// ErrTooLarge says that a relay would not take a message of that size.
	ErrTooLarge = errors.New("signaling: message is too large")
)

// ErrReplaced is why Run of a Client or Local returns when the same client
// logged in again elsewhere. It must not log in again by itself, or the two
// would throw each other out for ever.
var ErrReplaced = errors.New("signaling: replaced by a newer log-in of the same client")

// Error says what is wrong with a message to the one who sent it.
type Error struct {
	Code    string // one of the Code constants
	About   string // the type of the message, where it has one
	Name    string // the name in the message, where it has one
	Message string // a sentence for the log
}

// Error gives the sentence for the log.
func (e *Error) Error() string { return e.Message }

// Reply is the error as the message that tells it.
func (e *Error) Reply() Message {
	return Message{Type: TypeError, Name: e.Name, Code: e.Code, About: e.About, Message: e.Message}
}

// Refusal says why somebody may not log in. An Authorize function returns it.
type Refusal struct {
	Reason  string // one of the Reason constants for a login
	Message string // a sentence for the person
}

// Error gives the reason and the sentence.
func (r *Refusal) Error() string {
	if r.Message == "" {
		return "log-in refused: " + r.Reason
	}
	return fmt.Sprintf("log-in refused: %s (%s)", r.Message, r.Reason)
}

func errUnknownType(t string) *Error {
	// The base dialect's own words, and only these (PROTOCOL.md, "error").
	return &Error{Code: CodeUnknownType, About: clip(t), Message: "Command not found: " + clip(t)}
}

func errNotLoggedIn(about string) *Error {
	return &Error{Code: CodeNotLoggedIn, About: about, Message: about + ": log in first"}
}

func errNotFound(m Message) *Error {
	return &Error{Code: CodeNotFound, About: m.Type, Name: clip(m.Name),
		Message: fmt.Sprintf("%s: nobody called %q is here", m.Type, clip(m.Name))}
}

func errNotInCall(m Message) *Error {
	return &Error{Code: CodeNotInCall, About: m.Type, Name: clip(m.Name),
		Message: fmt.Sprintf("%s: no offer stands between you and %q", m.Type, clip(m.Name))}
}

func errMissing(about, field string) *Error {
	return &Error{Code: CodeMissingField, About: about, Message: fmt.Sprintf("%s: %s is missing", about, field)}
}

// clip shortens what somebody sent to what an error repeats of it: 64 characters.
func clip(s string) string {
	if utf8.RuneCountInString(s) <= maxNameRunes {
		return s
	}
	return string([]rune(s)[:maxNameRunes]) + "…"
}
