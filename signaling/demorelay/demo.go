package demorelay

import (
	"encoding/json"
	"errors"
	"fmt"
)

// object is a parsed message. A key that isn't there is JavaScript's undefined.
type object map[string]json.RawMessage

// parse is JSON.parse as the demo uses it: what isn't JSON becomes {}. JSON that
// is no object has no fields, but reading one of null throws.
func parse(text []byte) (object, error) {
	var data any
	if json.Unmarshal(text, &data) != nil {
		return object{}, nil
	}
	if data == nil {
		return nil, errors.New("TypeError: Cannot read properties of null (reading 'type')")
	}
	o := object{}
	_ = json.Unmarshal(text, &o) // stays empty for a list or a plain value
	return o, nil
}

// act is the demo's switch over data.type. Its error is an exception that nobody
// catches. The caller holds mu.
func (r *Relay) act(c *connection, data object) error {
	name := data["name"]
	kind, isString := asString(data["type"])
	switch {
	case isString && kind == "login":
		r.login(c, name)
	case isString && kind == "offer":
		return r.relay(c, name, wire{Type: "offer", Offer: data["offer"], Name: c.name})
	case isString && kind == "answer":
		return r.relay(c, name, wire{Type: "answer", Answer: data["answer"]})
	case isString && kind == "candidate":
		return r.relay(nil, name, wire{Type: "candidate", Candidate: data["candidate"]})
	case isString && kind == "leave":
		return r.leave(name)
	default:
		c.sendJSON(wire{Type: "error", Message: "Command not found: " + toString(data["type"])})
	}
	return nil
}

func (r *Relay) login(c *connection, name json.RawMessage) {
	key := toString(name)
	ok := r.users[key] == nil && !inherited(key)
	if ok {
		r.users[key] = c
		c.name = name
	}
	c.sendJSON(wire{Type: "login", Success: &ok})
}

// relay sends m to users[name], if there is one, and remembers for from, where
// it is given, whom it talks with.
func (r *Relay) relay(from *connection, name json.RawMessage, m wire) error {
	key := toString(name)
	to := r.users[key]
	if to == nil && !inherited(key) {
		return nil
	}
	if from != nil {
		from.otherName = name
	}
	if to == nil {
		return errors.New("TypeError: connection.send is not a function")
	}
	to.sendJSON(m)
	return nil
}

// leave sets conn.otherName before it looks whether there is a conn.
func (r *Relay) leave(name json.RawMessage) error {
	key := toString(name)
	to := r.users[key]
	if to == nil && inherited(key) {
		return errors.New("TypeError: connection.send is not a function")
	}
	if to == nil {
		return fmt.Errorf("TypeError: Cannot set properties of undefined (setting 'otherName') for %q", key)
	}
	to.otherName = nil
	to.sendJSON(wire{Type: "leave"})
	return nil
}

// inherited tells whether users[key] finds something in Object.prototype
// (ECMA-262, 20.1.3 and B.2.2).
func inherited(key string) bool {
	switch key {
	case "__proto__", "constructor", "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable",
		"toLocaleString", "toString", "valueOf",
		"__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__":
		return true
	}
	return false
}
