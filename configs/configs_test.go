package configs

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// TestExampleIsComplete proves that doorbell.yaml has every key, in its long
// form, with a comment: the defaults are read from it.
func TestExampleIsComplete(t *testing.T) {
	var c Config
	r := newReader("doorbell.yaml")
	if err := r.read(Example, &c); err != nil {
		t.Fatal(err)
	}
	if err := r.check(&c); err != nil {
		t.Errorf("the defaults are refused: %v", err)
	}
	for _, key := range Keys() {
		if reflect.TypeFor[Config]().Kind() == reflect.Struct && isShort(key) {
			continue
		}
		if r.places[key] == "" {
			t.Errorf("doorbell.yaml does not have %s", key)
		}
	}
	file, err := parser.ParseBytes(Example, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range file.Docs[0].Body.(*ast.MappingNode).Values {
		inner, nested := entry.Value.(*ast.MappingNode)
		if entry.GetComment() == nil && !nested {
			t.Errorf("%s has no comment", entry.Key)
		}
		if nested && entry.GetComment() == nil && inner.Values[0].GetComment() == nil {
			t.Errorf("%s has no comment", entry.Key)
		}
	}
}

func isShort(key string) bool {
	return slices.Contains(Keys(), key+".source") || slices.Contains(Keys(), key+".mode")
}

func TestDefaults(t *testing.T) {
	c := Default()
	if c.Name != "doorbell" || c.Listen != "auto" || c.TLS.Listen != "auto" || c.ICE.Port != 8555 || c.Ring.Timeout != 30*time.Second {
		t.Errorf("the defaults are %+v", c)
	}
	if c.ICE.Loopback || len(c.ICE.Servers) != 0 || c.Signaling.URL != "" || c.Access.Mode != AccessInvited ||
		len(c.TLS.ACMENames) != 0 || c.OpenID.Issuer != "" {
		t.Error("something is open, or contacted, that nobody asked for")
	}
}

func load(t *testing.T, text string, environ ...string) (Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "doorbell.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Load(path, environ)
}

func TestLoad(t *testing.T) {
	c, err := load(t, "camera: /dev/video2\nring:\n  to: [anna, \"7\"]\nbutton: {source: GPIO4, settle: 5ms}\nmicrophone: 7\n",
		"DOORBELL_RING_TIMEOUT=45s", "DOORBELL_SPEAKER=none", "DOORBELL_CAMERA_KEEP_OPEN=true",
		"DOORBELL_RELAY_LISTEN=['127.0.0.1:9090']", "DOORBELL_LOCAL_NAME=", "PATH=/bin", "DOORBELL_CONFIG=x")
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Camera.Source, want.Camera.KeepOpen = "/dev/video2", true
	want.Ring = Ring{To: []string{"anna", "7"}, Timeout: 45 * time.Second, Standby: true}
	want.Button.Source, want.Button.Settle = "GPIO4", 5*time.Millisecond
	want.Microphone.Source, want.Speaker.Source = "7", "none"
	want.LocalName = ""
	want.Relay.Listen = []string{"127.0.0.1:9090"}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got  %+v\nwant %+v", c, want)
	}
}

func TestEmptyFile(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "---\n", "camera:\n  source: auto\n"} {
		c, err := load(t, text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if !reflect.DeepEqual(c, Default()) {
			t.Errorf("%q: got %+v", text, c)
		}
	}
}

func TestSim(t *testing.T) {
	if _, err := Load("sim.yaml", nil); err != nil {
		t.Error(err)
	}
}

// TestWrong has what people write, and what they have to be told.
func TestWrong(t *testing.T) {
	tests := []struct{ text, want string }{
		{"nmae: x\n", `doorbell.yaml:1:1: unknown key "nmae" in the file; did you mean "name"?`},
		{"ring:\n  tiemout: 30s\n", `doorbell.yaml:2:3: unknown key "tiemout" in ring; did you mean "timeout"?`},
		{"camera: {sourc: sim}\n", `:1:10: unknown key "sourc" in camera; did you mean "source"?`},
		{"qqqqqqqq: 1\n", `unknown key "qqqqqqqq" in the file`},
		{"ring:\n  timeout: 30\n", `:2:12: ring.timeout: expected a duration with its unit, such as 30s or 1m30s, got "30"`},
		{"ring:\n  timeout: soon\n", `ring.timeout: expected a duration`},
		{"ring:\n  timeout: 2h\n", `:2:12: ring.timeout: expected 1s to 2m, got 2h0m0s`},
		{"ice:\n  port: eighty\n", `:2:9: ice.port: expected a whole number, got "eighty"`},
		{"ice: 8555\n", `:1:6: ice: expected keys and values (port, servers, loopback), got "8555"`},
		{"ice:\n  port: 99999\n", `:2:9: ice.port: expected a port`},
		{"ice:\n  loopback: maybe\n", `ice.loopback: expected true or false, got "maybe"`},
		{"ring:\n  to: anna\n", `:2:7: ring.to: expected a list, such as [a, b], got "anna"`},
		{"ring:\n  to: [anna, doorbell]\n", `:2:14: ring.to[1]: "doorbell" is the door itself`},
		{"listen: 8080\n", `:1:9: listen: expected an address and a port, such as 127.0.0.1:8080, got "8080"`},
		{"listen: example.org:80\n", `listen: expected an IP address of this machine`},
		{"signaling: {url: 'http://x'}\n", `signaling.url: expected a WebSocket address`},
		{"access: closed\n", `:1:9: access.mode: expected invited or open, got "closed"`},
		{"access: {mode: open, open_networks: [192.168.1.7/24]}\n", `access.open_networks[0]: expected the network's own address: 192.168.1.0/24`},
		{"access: {mode: open, open_networks: [home]}\n", `access.open_networks[0]: expected a network, such as 192.168.1.0/24, got "home"`},
		{"access: {open_networks: [10.0.0.0/8]}\n", `access.open_networks: expected access.mode open beside it`},
		{"access: {claim_file: words.txt}\n", `access.claim_file: expected a path from the root`},
		{"tls: {cert: a.pem}\n", `tls.cert: expected tls.cert and tls.key together`},
		{"tls: {listen: 443}\n", `tls.listen: expected an address and a port`},
		{"tls: {listen: none, acme_names: [door.example.org]}\n", `tls.listen: expected an address: there is a certificate for it`},
		{"tls: {acme_names: [192.0.2.1]}\n", `tls.acme_names[0]: expected a public name`},
		{"tls: {acme_names: [a.example.org], acme_directory: 'http://x'}\n", `tls.acme_directory: expected an https address`},
		{"tls: {acme_names: [a.example.org], cert: a, key: b}\n", `tls.acme_names: expected either a certificate of your own`},
		{"hosts: ['door.example.org:443']\n", `hosts[0]: expected a host name or an address, without a port`},
		{"local_name: front door\n", `local_name: expected letters, digits and hyphens`},
		{"openid: {issuer: 'http://id.example.org', client_id: a}\n", `openid.issuer: expected an https address`},
		{"openid: {client_id: a}\n", `openid.issuer: expected the provider's address`},
		{"openid: {issuer: 'https://id.example.org', client_id: a, redirect: 'https://door.example.org/'}\n", `openid.redirect: expected the page's own address`},
		{"openid: {issuer: 'https://id.example.org', allow: [{role: owner}]}\n", `openid.allow[0]: expected either email or subject`},
		{"openid: {issuer: 'https://id.example.org', allow: [{subject: a, role: king}]}\n", `openid.allow[0]: expected the role owner or member`},
		{"relay: {doors: [{name: garden, key: short}]}\n", `relay.doors[0]: key: expected the 43 characters`},
		{"relay: {doors: [{name: doorbell, key: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA}]}\n", `relay.doors[0]: expected another name`},
		{"name: ''\n", `name: expected a name of 1 to 64 characters, got 0`},
		{"name: [a]\n", `name: expected a text, got a list`},
		{"name:\n", `name: expected a text, got nothing`},
		{"camera: ''\n", `camera.source: expected a name`},
		{"camera: {width: 5}\n", `camera.width: expected 16 to 3840, got 5`},
		{"camera: {source: auto, clock: middle}\n", `camera.clock: expected none, top-left, top-right, bottom-left or bottom-right, got "middle"`},
		{"camera: {source: auto, clock: top-left, format: h264}\n", "camera.format: a picture that the camera encodes can't be turned, mirrored, masked or given a clock"},
		{"camera: {source: auto, clock_format: roman}\n", `camera.clock_format: expected iso, european or american, got "roman"`},
		{"microphone: {packet: 15ms}\n", "microphone.packet: expected 10ms or 20ms, got 15ms"},
		{"camera: {source: auto, image: {brightness: bright}}\n", `camera.image.brightness: expected auto or a number, got "bright"`},
		{"camera: {source: auto, image: {power_line: 55}}\n", `camera.image.power_line: expected auto, 50 or 60 (Hz), or 0 for no correction, got "55"`},
		{"camera: {source: sim, image: {contrast: 3}}\n", "camera.image.contrast: expected auto: camera sim has no controls"},
		{"camera: {source: auto, format: png}\n", `camera.format: expected auto, raw, mjpeg or h264, got "png"`},
		{"button: {source: GPIO17, pull: sideways}\n", `button.pull: expected up, down or none, got "sideways"`},
		{"log: {level: loud}\n", `log.level: expected debug, info, warn or error, got "loud"`},
		{"ice: {servers: [{urls: ['http://x']}]}\n", `ice.servers[0].urls: expected stun:`},
		{"ice: {servers: [{url: 'stun:x'}]}\n", `unknown key "url" in ice.servers[0]; did you mean "urls"?`},
		{"name: a\nname: b\n", `not YAML`},
		{"name: [\n", `doorbell.yaml:`},
		{"- a\n", `the file: expected keys and values`},
	}
	for _, tt := range tests {
		_, err := load(t, tt.text)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q:\ngot  %v\nwant %s", tt.text, err, tt.want)
		}
	}
}

func TestWrongEnvironment(t *testing.T) {
	for variable, want := range map[string]string{
		"DOORBELL_RING_TIMEUOT=1s":  `unknown variable DOORBELL_RING_TIMEUOT; did you mean "DOORBELL_RING_TIMEOUT"?`,
		"DOORBELL_RING_TIMEOUT=30":  `environment variable DOORBELL_RING_TIMEOUT: ring.timeout: expected a duration`,
		"DOORBELL_ICE_PORT=99999":   `environment variable DOORBELL_ICE_PORT: ice.port: expected a port`,
		"DOORBELL_RELAY_LISTEN=[":   `DOORBELL_RELAY_LISTEN: "[" is no YAML value for relay.listen`,
		"DOORBELL_BUTTON_SETTLE=5m": `button.settle: expected 1ms to 1s`,
	} {
		_, err := load(t, "", variable)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\ngot  %v\nwant %s", variable, err, want)
		}
	}
}

func TestMissingFile(t *testing.T) {
	if _, err := Load(filepath.Join(t.TempDir(), "none.yaml"), nil); err == nil {
		t.Error("a file that was asked for and isn't there is an error")
	}
}

// FuzzRead proves that no text makes the reader panic, or gives a configuration
// that it would itself refuse.
func FuzzRead(f *testing.F) {
	f.Add(Example)
	f.Add([]byte("camera: {source: sim}\nring: {to: [a]}\n"))
	f.Add([]byte("ice: {servers: [{urls: [stun:x]}]}"))
	f.Add([]byte("? [a]\n: b"))
	f.Add([]byte("a: &x {b: *x}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c := Default()
		r := newReader("fuzz.yaml")
		if r.read(text, &c) != nil || r.check(&c) != nil {
			return
		}
		if nameProblem(c.Name) != "" || c.Camera.Source == "" {
			t.Errorf("accepted %+v", c)
		}
	})
}
