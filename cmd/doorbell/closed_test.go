package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// closed is the configuration of these tests: simulated devices, HTTPS, and
// nobody let in without a key. The name stands for another machine's: plain HTTP
// to localhost would be this machine itself.
const closed = `
listen: 127.0.0.1:0
tls: {listen: 127.0.0.1:0}
local_name: ""
hosts: [door.test]
camera: {source: sim, width: 320, height: 180, frame_rate: 10}
microphone: sim
speaker: sim
button: sim
light: sim
ice: {port: 0, loopback: true}
log: {level: debug}
`

// closedDoor is a door that runs with it.
type closedDoor struct {
	*process
	plain, secure string // host:port
	roots         *x509.CertPool
	reach         func(port string) func(ctx context.Context, network, address string) (net.Conn, error) // nil: over loopback
}

func startClosed(t testing.TB, more string) *closedDoor {
	t.Helper()
	d := &closedDoor{process: start(t, closed+more)}
	d.find()
	return d
}

// find learns the ports of the door, and its authority.
func (d *closedDoor) find() {
	d.t.Helper()
	s := d.status()
	plain, err := url.Parse(s.Plain)
	if err != nil {
		d.t.Fatal(err)
	}
	secure, err := url.Parse(s.Secure[0])
	if err != nil {
		d.t.Fatal(err)
	}
	d.plain, d.secure = net.JoinHostPort("127.0.0.1", plain.Port()), net.JoinHostPort("127.0.0.1", secure.Port())
	d.trustDoor()
}

// trustDoor takes the door's authority for one to trust.
func (d *closedDoor) trustDoor() {
	d.t.Helper()
	d.trustDoorAs("door.test")
}

func (d *closedDoor) trustDoorAs(name string) {
	d.t.Helper()
	answer := d.stranger().do("GET", "http://"+name+"/doorbell.crt", nil)
	root, err := x509.ParseCertificate(answer.body)
	if err != nil {
		d.t.Fatalf("the authority's certificate: %v (%d)", err, answer.status)
	}
	d.roots = x509.NewCertPool()
	d.roots.AddCert(root)
}

// invite asks for an invitation at the console.
func (d *closedDoor) invite(args ...string) (words string) {
	d.t.Helper()
	var made invited
	if err := json.Unmarshal([]byte(d.do(append([]string{"invite", "--json"}, args...)...)), &made); err != nil {
		d.t.Fatal(err)
	}
	return made.Words
}

// intruder is a client without a browser: it says what it likes.
type intruder struct {
	t      testing.TB
	door   *closedDoor
	client *http.Client
	cookie string // Cookie header
	from   string // address that it comes from
}

// stranger has no key.
func (d *closedDoor) stranger() *intruder {
	i := &intruder{t: d.t, door: d, from: "127.0.0.1"}
	transport := &http.Transport{DialContext: i.dial, TLSClientConfig: &tls.Config{RootCAs: d.roots}, DisableKeepAlives: true}
	i.client = &http.Client{Transport: transport, Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return i
}

// dial finds the door under every name: at its HTTPS for port 443, else at its
// plain HTTP.
func (i *intruder) dial(ctx context.Context, network, address string) (net.Conn, error) {
	to := i.door.plain
	if _, port, err := net.SplitHostPort(address); err == nil && port == "443" {
		to = i.door.secure
	}
	if i.door.reach != nil {
		_, port, err := net.SplitHostPort(to)
		if err != nil {
			return nil, err
		}
		return i.door.reach(port)(ctx, network, address)
	}
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(i.from)}}
	return dialer.DialContext(ctx, network, to)
}

// answer is what the door says.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) String() string { return fmt.Sprintf("%d %.200s", a.status, a.body) }

// do asks for something; headers are name, value, ....
func (i *intruder) do(method, address string, body any, headers ...string) answer {
	i.t.Helper()
	var data []byte
	if body != nil {
		var err error
		if data, err = json.Marshal(body); err != nil {
			i.t.Fatal(err)
		}
	}
	request, err := http.NewRequest(method, address, bytes.NewReader(data))
	if err != nil {
		i.t.Fatal(err)
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if i.cookie != "" {
		request.Header.Set("Cookie", i.cookie)
	}
	for n := 0; n < len(headers); n += 2 {
		request.Header.Set(headers[n], headers[n+1])
		if headers[n] == "Host" {
			request.Host = headers[n+1]
		}
	}
	response, err := i.client.Do(request)
	if err != nil {
		i.t.Fatalf("%s %s: %v", method, address, err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		i.t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, text}
}

// join takes an invitation up.
func (i *intruder) join(words, name string) answer {
	i.t.Helper()
	got := i.do("POST", "https://door.test/join", map[string]string{"secret": words, "name": name})
	if cookie := got.header.Get("Set-Cookie"); cookie != "" {
		i.cookie, _, _ = strings.Cut(cookie, ";")
	}
	return got
}

// joined is a phone that belongs to the house.
func (d *closedDoor) joined(name string, args ...string) *intruder {
	d.t.Helper()
	i := d.stranger()
	if got := i.join(d.invite(args...), name); got.status != 200 {
		d.t.Fatalf("joining as %s: %s", name, got)
	}
	return i
}

// socket opens a WebSocket, or says how that was refused.
func (i *intruder) socket(headers ...string) (*websocket.Conn, int) {
	i.t.Helper()
	dialer := websocket.Dialer{NetDialContext: i.dial, TLSClientConfig: &tls.Config{RootCAs: i.door.roots}, HandshakeTimeout: 10 * time.Second}
	header := http.Header{}
	if i.cookie != "" {
		header.Set("Cookie", i.cookie)
	}
	for n := 0; n < len(headers); n += 2 {
		header.Set(headers[n], headers[n+1])
	}
	conn, response, err := dialer.Dial("wss://door.test/ws", header)
	if err != nil {
		if response == nil {
			i.t.Fatalf("WebSocket: %v", err)
		}
		return nil, response.StatusCode
	}
	i.t.Cleanup(func() { _ = conn.Close() })
	return conn, 0
}

// login logs in and returns the reply's reason; empty where it was let in.
func (i *intruder) login(name, more string) (*websocket.Conn, string) {
	i.t.Helper()
	conn, status := i.socket()
	if conn == nil {
		i.t.Fatalf("WebSocket: %d", status)
	}
	if err := conn.WriteMessage(websocket.TextMessage, []byte(`{"type":"login","name":"`+name+`"`+more+`}`)); err != nil {
		i.t.Fatal(err)
	}
	var reply struct {
		Success bool
		Reason  string
		Code    string
	}
	if err := conn.ReadJSON(&reply); err != nil {
		i.t.Fatal(err)
	}
	if !reply.Success {
		return conn, reply.Reason + reply.Code
	}
	return conn, ""
}

// closes reads until the socket ends, and returns its close code and how long that took.
func closes(t testing.TB, conn *websocket.Conn, within time.Duration) (code int, took time.Duration) {
	t.Helper()
	begun := time.Now()
	if err := conn.SetReadDeadline(begun.Add(within)); err != nil {
		t.Fatal(err)
	}
	for {
		_, _, err := conn.ReadMessage()
		if closed, ok := err.(*websocket.CloseError); ok {
			return closed.Code, time.Since(begun)
		}
		if err != nil {
			return 0, time.Since(begun)
		}
	}
}

// TestConsole goes through what the console can do.
func TestConsole(t *testing.T) {
	t.Parallel()
	file := t.TempDir() + "/words.txt"
	d := startClosed(t, "access: {claim_file: "+file+"}\n")
	if text, err := os.ReadFile(file); err != nil || !strings.Contains(string(text), "door.test") && !strings.Contains(string(text), "localhost") {
		t.Errorf("the claim file: %q, %v", text, err)
	}
	if out := d.do("phones"); !strings.Contains(out, "doorbell invite") {
		t.Errorf("phones: %s", out)
	}
	words := d.readClaim(file)
	d.stop() // the card is read elsewhere
	d.launch()
	d.find()
	anna := d.stranger()
	if got := anna.join(words, "Anna"); got.status != 200 || !strings.Contains(string(got.body), `"owner"`) {
		t.Fatalf("with the words of the file after a restart: %s", got)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("the claim file is still there")
	}
	bert := d.joined("Bert")
	carl := d.joined("Carl", "--role", "guest", "--until", time.Now().Add(24*time.Hour).Format("2006-01-02"))
	list := d.do("phones")
	for _, want := range []string{"Anna", "owner", "Bert", "member", "Carl", "guest until"} {
		if !strings.Contains(list, want) {
			t.Errorf("phones lacks %s:\n%s", want, list)
		}
	}
	if out := d.do("revoke", "Bert"); !strings.Contains(out, "Bert (member)") {
		t.Errorf("revoke: %s", out)
	}
	if got := bert.do("GET", "https://door.test/settings.json", nil); got.status != 401 {
		t.Errorf("after revoke: %s", got)
	}
	for _, wrong := range [][]string{{"revoke", "Bert"}, {"invite", "--role", "guest"}, {"invite", "--role", "guest", "--until", "soon"}, {"invite", "--role", "guest", "--until", "2001-01-01"}} {
		if out, err := d.try(wrong...); err == nil {
			t.Errorf("%v: %s", wrong, out)
		}
	}
	if key := strings.TrimSpace(d.do("key")); len(key) != 43 {
		t.Errorf("key: %q", key)
	}
	if out := d.do("invite"); strings.Count(out, "\n") < 6 || !strings.Contains(out, "fingerprint") {
		t.Errorf("invite:\n%s", out)
	}
	if _, err := d.try("reset"); err == nil {
		t.Error("reset without asking")
	}
	d.do("reset", "--yes")
	if err := <-d.exited; err != nil {
		t.Errorf("after reset: %v", err)
	}
	d.launch()
	d.find()
	if got := carl.do("GET", "http://door.test/doorbell.crt", nil); got.status != 200 {
		t.Errorf("%s", got)
	}
	for _, i := range []*intruder{anna, carl} {
		i.client = d.stranger().client // which trusts the new authority
		if got := i.do("GET", "https://door.test/settings.json", nil); got.status != 401 {
			t.Errorf("after reset: %s", got)
		}
	}
	var state struct{ Claimed bool }
	if err := json.Unmarshal(d.stranger().do("GET", "https://door.test/join.json", nil).body, &state); err != nil || state.Claimed {
		t.Errorf("after reset: claimed %t, %v", state.Claimed, err)
	}
}

func (d *closedDoor) readClaim(file string) string {
	d.t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		d.t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return lines[len(lines)-1]
}
