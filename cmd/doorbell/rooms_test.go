package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// rooms is which of our packages each may know, and owners which of them may
// import a big dependency: the house as it is meant, kept a fact.
var rooms = map[string][]string{
	"doorbell/access":     nil,
	"doorbell/certs":      nil,
	"doorbell/configs":    nil,
	"doorbell/device":     nil,
	"doorbell/device/sim": nil,
	"doorbell/lan":        nil,
	"doorbell/openid":     nil,
	"doorbell/signaling":  nil,
	"doorbell/store":      nil,
	"doorbell/web":        {"doorbell/access"},
	"doorbell/rtc":        {"doorbell/signaling"},
}

var owners = map[string]string{
	"github.com/pion/webrtc/v4":        "doorbell/rtc",
	"github.com/pion/mediadevices":     "doorbell/device",
	"github.com/gen2brain/malgo":       "doorbell/device",
	"github.com/hraban/opus":           "doorbell/device",
	"periph.io/x/host/v3":              "doorbell/device",
	"periph.io/x/conn/v3":              "doorbell/device",
	"github.com/gorilla/websocket":     "doorbell/signaling",
	"github.com/goccy/go-yaml":         "doorbell/configs",
	"github.com/spf13/cobra":           "doorbell/cmd/doorbell",
	"github.com/caddyserver/certmagic": "doorbell/certs",
	"github.com/mholt/acmez/v3":        "doorbell/certs",
	"go.uber.org/zap":                  "doorbell/certs",
	"howett.net/plist":                 "doorbell/certs",
	"github.com/coreos/go-oidc":        "doorbell/openid",
	"github.com/sethvargo/go-diceware": "doorbell/access",
}

func TestRooms(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "doorbell/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		room, imports := words[0], words[1:]
		for _, imported := range imports {
			if allowed, ruled := rooms[room]; ruled && strings.HasPrefix(imported, "doorbell/") && !slices.Contains(allowed, imported) {
				t.Errorf("%s must not know %s", room, imported)
			}
			for dependency, owner := range owners {
				if strings.HasPrefix(imported, dependency) && room != owner && !strings.HasPrefix(room, owner+"/") {
					t.Errorf("%s imports %s, which belongs to %s", room, imported, owner)
				}
			}
		}
	}
}
