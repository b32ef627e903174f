package signaling

import (
	"bytes"
	"encoding/json"
	"errors"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestDecodeErrors(t *testing.T) {
	long := strings.Repeat("x", 5000)
	tests := []struct {
		name, in string
		want     Error
	}{
		{"nothing", ``, Error{Code: CodeBadJSON, Message: "message is not JSON"}},
		{"greeting", `Hello world`, Error{Code: CodeBadJSON, Message: "message is not JSON"}},
		{"two objects", `{"type":"leave"}{}`, Error{Code: CodeBadJSON, Message: "message is not JSON"}},
		{"not UTF-8", "{\"type\":\"leave\",\"x\":\"\xff\"}", Error{Code: CodeBadJSON, Message: "message is not UTF-8"}},
		{"null", `null`, Error{Code: CodeWrongType, Message: "message must be one JSON object"}},
		{"number", `5`, Error{Code: CodeWrongType, Message: "message must be one JSON object"}},
		{"list", `[{"type":"leave"}]`, Error{Code: CodeWrongType, Message: "message must be one JSON object"}},
		{"no type", `{"name":"anna"}`, Error{Code: CodeMissingField, Message: "message: type is missing"}},
		{"null type", `{"type":null}`, Error{Code: CodeMissingField, Message: "message: type is missing"}},
		{"capital key", `{"Type":"leave"}`, Error{Code: CodeMissingField, Message: "message: type is missing"}},
		{"number type", `{"type":7}`, Error{Code: CodeWrongType, Message: "message: type must be a string"}},
		{"unknown", `{"type":"dance"}`, Error{Code: CodeUnknownType, About: "dance", Message: "Command not found: dance"}},
		{"empty type", `{"type":""}`, Error{Code: CodeUnknownType, Message: "Command not found: "}},
		{"long type", `{"type":"` + long + `"}`, Error{Code: CodeUnknownType, About: long[:64] + "…", Message: "Command not found: " + long[:64] + "…"}},
		{"login without", `{"type":"login"}`, Error{Code: CodeMissingField, About: "login", Message: "login: name is missing"}},
		{"null name", `{"type":"login","name":null}`, Error{Code: CodeMissingField, About: "login", Message: "login: name is missing"}},
		{"name a list", `{"type":"login","name":["a"]}`, Error{Code: CodeWrongType, About: "login", Message: "login: name must be a string"}},
		{"offer without", `{"type":"offer","name":"anna"}`, Error{Code: CodeMissingField, About: "offer", Name: "anna", Message: "offer: offer is missing"}},
		{"offer a string", `{"type":"offer","name":"anna","offer":"v=0"}`, Error{Code: CodeWrongType, About: "offer", Name: "anna", Message: "offer: offer must be an object"}},
		{"null candidate", `{"type":"candidate","candidate":null}`, Error{Code: CodeMissingField, About: "candidate", Message: "candidate: candidate is missing"}},
		{"ring a number", `{"type":"offer","name":"anna","offer":{},"ring":1}`, Error{Code: CodeWrongType, About: "offer", Name: "anna", Message: "offer: ring must be true or false"}},
		{"success a string", `{"type":"login","success":"yes"}`, Error{Code: CodeWrongType, About: "login", Message: "login: success must be true or false"}},
		{"here an object", `{"type":"login","success":true,"here":{}}`, Error{Code: CodeWrongType, About: "login", Message: "login: here must be a list"}},
		{"long call", `{"type":"leave","call":"` + long + `"}`, Error{Code: CodeBadValue, About: "leave", Message: "leave: call is longer than 128 bytes"}},
		{"strange kind", `{"type":"login","name":"a","kind":"cat"}`, Error{Code: CodeBadValue, About: "login", Name: "a", Message: `login: kind must be "door" or "phone"`}},
		{"presence without", `{"type":"presence","name":"a"}`, Error{Code: CodeMissingField, About: "presence", Name: "a", Message: "presence: present is missing"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := Decode([]byte(tt.in))
			var e *Error
			if !errors.As(err, &e) || *e != tt.want {
				t.Errorf("Decode(%.80s) = %+v, %+v, want %+v", tt.in, m, err, tt.want)
			}
			if !reflect.DeepEqual(m, Message{}) {
				t.Errorf("message with an error: %+v", m)
			}
		})
	}
}

// TestDecodePassesThrough checks that what the browsers said is not touched.
func TestDecodePassesThrough(t *testing.T) {
	offer := `{"sdp":"v=0\r\na=x:<&>\u2028é\ud800","type":"offer","more":[1.50,1e3,{"deep":null}]}`
	m, err := Decode([]byte(` {"type":"offer", "name":"anna", "offer":` + offer + `, "extra":{"x":1}, "Name":"eve"}`))
	if err != nil {
		t.Fatal(err)
	}
	if string(m.Offer) != offer || m.Name != "anna" {
		t.Errorf("got %+v", m)
	}
	text, err := m.Encode()
	if err != nil || string(text) != `{"type":"offer","name":"anna","offer":`+offer+`}` {
		t.Errorf("encoded: %s, %v", text, err)
	}
}

func TestDecodeEmptyNameIsForTheRelay(t *testing.T) {
	// So that a login with it is refused as one with an invalid name.
	if m, err := Decode([]byte(`{"type":"login","name":""}`)); err != nil || m.Name != "" {
		t.Errorf("got %+v, %v", m, err)
	}
}

func TestEncodeRefusesWhatIsNotJSON(t *testing.T) {
	if text, err := (Message{Type: TypeOffer, Offer: json.RawMessage("{")}).Encode(); err == nil {
		t.Errorf("got %s", text)
	}
}

func TestNewIDsDiffer(t *testing.T) {
	if a, b := NewID(), NewID(); a == b || len(a) != 26 {
		t.Errorf("ids %q and %q", a, b)
	}
}

func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("testdata/messages/*.json")
	if err != nil || len(files) == 0 {
		f.Fatal(err, files)
	}
	for _, file := range files {
		f.Add([]byte(golden(f, strings.TrimSuffix(filepath.Base(file), ".json"))))
	}
	for _, seed := range []string{
		`Hello world`, ``, `null`, `[]`, `{"type":"__proto__"}`, `{"type":"leave","name":"__proto__"}`, "{\"type\":\"leave\",\"call\":\"\xff\"}",
		`{"type":"offer","offer":{"sdp":"\ud800"},"name":"\u2028"}`, `{"type":"login","type":"offer","name":"a","name":5}`,
		`{"type":"offer","offer":` + strings.Repeat(`{"a":`, 300) + `{}` + strings.Repeat(`}`, 300) + `}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Decode(data)
		if err != nil {
			checkError(t, err)
			return
		}
		text, err := m.Encode()
		if err != nil {
			t.Fatalf("can't encode %+v: %v", m, err)
		}
		again, err := Decode(text)
		if err != nil {
			t.Fatalf("can't decode %s: %v", text, err)
		}
		if compact(t, &m); !reflect.DeepEqual(m, again) {
			t.Fatalf("changed on the way:\n%+v\n%+v", m, again)
		}
		for _, s := range [][]byte{m.Offer, m.Answer, m.Candidate} {
			if len(s) > 0 && s[0] != '{' {
				t.Fatalf("not an object: %s", s)
			}
		}
	})
}

// checkError checks that an error can be told, in a message that clients can read.
func checkError(t *testing.T, err error) {
	var e *Error
	if !errors.As(err, &e) || e.Code == "" || e.Message == "" {
		t.Fatalf("error %#v", err)
	}
	text, err := e.Reply().Encode()
	if err != nil || len(text) > 4096 {
		t.Fatalf("reply %s: %v", text, err)
	}
	if _, err := Decode(text); err != nil {
		t.Fatalf("reply %s: %v", text, err)
	}
}

// compact takes the white space out, which Encode leaves out too. An empty list
// of peers and one that isn't there are kept apart.
func compact(t *testing.T, m *Message) {
	for _, raw := range []*json.RawMessage{&m.Offer, &m.Answer, &m.Candidate} {
		if *raw == nil {
			continue
		}
		var b bytes.Buffer
		if err := json.Compact(&b, *raw); err != nil {
			t.Fatal(err)
		}
		*raw = b.Bytes()
	}
}
