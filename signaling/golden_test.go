package signaling

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestProtocolExamples checks that the examples in PROTOCOL.md are the golden
// files, all of them, and what Encode makes of what Decode reads.
func TestProtocolExamples(t *testing.T) {
	text, err := os.ReadFile("PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("testdata/messages/*.json")
	if err != nil {
		t.Fatal(err)
	}
	unseen := make(map[string]bool)
	for _, f := range files {
		unseen[strings.TrimSuffix(filepath.Base(f), ".json")] = true
	}
	for _, example := range regexp.MustCompile("(?s)```json (\\S+)\\.json\n(.*?)\n```").FindAllStringSubmatch(string(text), -1) {
		name, body := example[1], example[2]
		t.Run(name, func(t *testing.T) {
			delete(unseen, name)
			if want := golden(t, name); body != want {
				t.Fatalf("PROTOCOL.md has\n%s\nthe file has\n%s", body, want)
			}
			m, err := Decode([]byte(body))
			if err != nil {
				t.Fatal(err)
			}
			if again, err := m.Encode(); err != nil || string(again) != body {
				t.Fatalf("encoded again: %s, %v", again, err)
			}
		})
	}
	for name := range unseen {
		t.Errorf("PROTOCOL.md has no example %s.json", name)
	}
}

// TestProtocolWords checks that PROTOCOL.md has each word that the constants have.
func TestProtocolWords(t *testing.T) {
	text, err := os.ReadFile("PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	words := []string{
		TypeLogin, TypeOffer, TypeAnswer, TypeCandidate, TypeLeave, TypeError, TypePresence, TypeAccept, TypePress, TypeStatus, TypeChallenge,
		ReasonHangup, ReasonDeclined, ReasonAnswered, ReasonMissed, ReasonGone, ReasonBusy, ReasonRevoked, ReasonShutdown,
		ReasonFailed, ReasonCodec, ReasonTaken, ReasonInvalidName, ReasonReserved, ReasonDenied, ReasonFull,
		CodeBadJSON, CodeMissingField, CodeWrongType, CodeBadValue, CodeUnknownType, CodeNotLoggedIn, CodeAlreadyLoggedIn,
		CodeNotFound, CodeNotInCall, CodeTooManyCalls, CodeTooFast,
		KindDoor, KindPhone, DeviceOK, DeviceLost, DeviceNone,
	}
	for _, w := range words {
		if !strings.Contains(string(text), "`"+w+"`") {
			t.Errorf("PROTOCOL.md does not mention `%s`", w)
		}
	}
}
