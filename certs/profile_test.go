package certs

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"io"
	"strings"
	"testing"
)

// TestProfile reads the profile with another reader of XML.
func TestProfile(t *testing.T) {
	log, _ := newLog()
	dir, h := t.TempDir(), newHouse("doorbell.local")
	a := open(t, h.options(dir, log))
	data, err := a.Profile()
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for decoder := xml.NewDecoder(bytes.NewReader(data)); ; {
		token, err := decoder.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if text, ok := token.(xml.CharData); ok && strings.TrimSpace(string(text)) != "" {
			texts = append(texts, strings.Join(strings.Fields(string(text)), ""))
		}
	}
	values := make(map[string]string) // the last of each key, which is the profile's own
	payloads := make(map[string]bool)
	for i := 0; i+1 < len(texts); i++ {
		values[texts[i]] = texts[i+1]
		payloads[texts[i]+"="+texts[i+1]] = true
	}
	if values["PayloadType"] != "Configuration" || values["PayloadVersion"] != "1" || !payloads["PayloadType=com.apple.security.root"] {
		t.Errorf("%s", data)
	}
	if !payloads["PayloadContent="+base64.StdEncoding.EncodeToString(a.Certificate().Raw)] {
		t.Errorf("the certificate is not in it: %s", data)
	}
	if again, err := open(t, h.options(dir, log)).Profile(); err != nil || !bytes.Equal(again, data) {
		t.Errorf("not the same after a restart: %v", err)
	}
	if other, err := open(t, h.options(t.TempDir(), log)).Profile(); err != nil || strings.Contains(string(other), values["PayloadUUID"]) {
		t.Errorf("another authority has the same profile: %v", err)
	}
}
