package signaling

import (
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// binding says where a field of the JSON object goes.
type binding struct {
	key  string
	into any
	max  int // bytes, for strings; 0 is no limit of its own
}

// bindings lists all fields but type. Names have no limit here: ValidName judges
// them, so that a login with a bad one is refused as such.
func (m *Message) bindings() []binding {
	return []binding{
		{"name", &m.Name, 0}, {"success", &m.Success, 0},
		{"offer", &m.Offer, 0}, {"answer", &m.Answer, 0}, {"candidate", &m.Candidate, 0},
		{"call", &m.Call, 128}, {"ring", &m.Ring, 0}, {"preview", &m.Preview, 0},
		{"reason", &m.Reason, 64}, {"by", &m.By, 256},
		{"exchange", &m.Exchange, 128}, {"standby", &m.Standby, 0}, {"visit", &m.Visit, 128},
		{"code", &m.Code, 64}, {"about", &m.About, 512}, {"message", &m.Message, 2048},
		{"credential", &m.Credential, 4096}, {"kind", &m.Kind, 64}, {"presence", &m.Presence, 0},
		{"key", &m.Key, 64}, {"nonce", &m.Nonce, 128}, {"signature", &m.Signature, 128},
		{"present", &m.Present, 0}, {"here", &m.Here, 0}, {"iceServers", &m.ICEServers, 0},
		{"camera", &m.Camera, 64}, {"microphone", &m.Microphone, 64}, {"speaker", &m.Speaker, 64},
		{"button", &m.Button, 64},
	}
}

// Decode reads one message and checks what can be checked without knowing who
// sent it: that it is one JSON object of a known type, that its fields have the
// right JSON types, and that what its type can't do without is there. A field
// that is null counts as left out; fields it doesn't know are ignored; keys are
// taken as written, capitals and all. The error is always an *Error.
func Decode(data []byte) (Message, error) {
	var m Message
	raw, e := object(data)
	if e != nil {
		return Message{}, e
	}
	if e := m.fill(raw); e != nil {
		e.About, e.Name = clip(m.Type), clip(m.Name)
		return Message{}, e
	}
	return m, nil
}

// object reads data as one JSON object.
func object(data []byte) (map[string]json.RawMessage, *Error) {
	if !utf8.Valid(data) {
		// Passed on, it would make a browser close its socket (RFC 6455, 8.1).
		return nil, &Error{Code: CodeBadJSON, Message: "message is not UTF-8"}
	}
	var raw map[string]json.RawMessage
	err := json.Unmarshal(data, &raw)
	var other *json.UnmarshalTypeError
	if errors.As(err, &other) || (err == nil && raw == nil) {
		return nil, &Error{Code: CodeWrongType, Message: "message must be one JSON object"}
	}
	if err != nil {
		return nil, &Error{Code: CodeBadJSON, Message: "message is not JSON"}
	}
	for key, value := range raw {
		if string(value) == "null" {
			delete(raw, key)
		}
	}
	return raw, nil
}

// fill sets the fields of m. Type and name come first: an error tells them.
func (m *Message) fill(raw map[string]json.RawMessage) *Error {
	t, ok := raw["type"]
	if !ok {
		return errMissing("message", "type")
	}
	if err := json.Unmarshal(t, &m.Type); err != nil {
		return wrongType("message", binding{key: "type", into: &m.Type})
	}
	if !knownType(m.Type) {
		return errUnknownType(m.Type)
	}
	for _, b := range m.bindings() {
		value, ok := raw[b.key]
		if !ok {
			continue
		}
		if e := m.set(b, value); e != nil {
			return e
		}
	}
	return m.complete(raw)
}

// set reads one field.
func (m *Message) set(b binding, value json.RawMessage) *Error {
	if _, ok := b.into.(*json.RawMessage); ok && value[0] != '{' {
		return wrongType(m.Type, b)
	}
	if err := json.Unmarshal(value, b.into); err != nil {
		return wrongType(m.Type, b)
	}
	if s, ok := b.into.(*string); ok && b.max > 0 && len(*s) > b.max {
		*s = ""
		return &Error{Code: CodeBadValue, Message: fmt.Sprintf("%s: %s is longer than %d bytes", m.Type, b.key, b.max)}
	}
	return nil
}

// complete checks that what a type can't do without is there. Whether a message
// must have a name depends on who reads it: a base relay leaves it out.
func (m *Message) complete(raw map[string]json.RawMessage) *Error {
	var need []string
	switch m.Type {
	case TypeLogin:
		if _, reply := raw["success"]; !reply {
			need = []string{"name"}
		}
	case TypeChallenge:
		need = []string{"nonce"}
	case TypeOffer, TypeAnswer, TypeCandidate:
		need = []string{m.Type}
	case TypePresence:
		need = []string{"name", "present"}
	}
	for _, key := range need {
		if _, ok := raw[key]; !ok {
			return errMissing(m.Type, key)
		}
	}
	if m.Kind != "" && m.Kind != KindDoor && m.Kind != KindPhone {
		return &Error{Code: CodeBadValue, Message: fmt.Sprintf("%s: kind must be %q or %q", m.Type, KindDoor, KindPhone)}
	}
	return nil
}

func knownType(t string) bool {
	switch t {
	case TypeLogin, TypeChallenge, TypeOffer, TypeAnswer, TypeCandidate, TypeLeave, TypeError, TypePresence, TypeAccept, TypePress, TypeStatus:
		return true
	}
	return false
}

func wrongType(about string, b binding) *Error {
	want := "a list"
	switch b.into.(type) {
	case *string:
		want = "a string"
	case *bool, **bool:
		want = "true or false"
	case *json.RawMessage:
		want = "an object"
	}
	return &Error{Code: CodeWrongType, Message: fmt.Sprintf("%s: %s must be %s", about, b.key, want)}
}
