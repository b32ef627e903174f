package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
)

// startProvider starts a certified implementation's example, which knows test-user@localhost
// and test-user2, and the door at https://door.test as its client.
func startProvider(t *testing.T) (issuer string) {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	issuer = strings.Replace("http://"+server.Listener.Addr().String(), "127.0.0.1", "localhost", 1) + "/"
	storage.RegisterClients(storage.WebClient("doorbell", "secret", "https://door.test/openid/callback"))
	server.Config.Handler = exampleop.SetupServer(issuer, storage.NewStorage(storage.NewUserStore(issuer)), slog.New(slog.DiscardHandler), false)
	server.Start()
	t.Cleanup(server.Close)
	return issuer
}

// signer is a browser without a screen, which follows where it is sent, and keeps cookies.
type signer struct {
	*intruder
	cookies []*http.Cookie // that the door set last
}

func (d *closedDoor) newSigner() *signer {
	d.t.Helper()
	s := &signer{intruder: d.stranger()}
	jar, err := cookiejar.New(nil)
	if err != nil {
		d.t.Fatal(err)
	}
	s.client.Jar, s.client.CheckRedirect = jar, nil
	s.client.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if strings.HasPrefix(address, "door.test:") {
			return s.dial(ctx, network, address)
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	s.client.Transport = sees{s.client.Transport, s}
	return s
}

// sees notes the cookies of the door, with what a jar doesn't tell: for whom they are.
type sees struct {
	http.RoundTripper
	by *signer
}

func (s sees) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := s.RoundTripper.RoundTrip(r)
	if err == nil && r.URL.Host == "door.test" && len(response.Cookies()) > 0 {
		s.by.cookies = append(s.by.cookies, response.Cookies()...)
	}
	return response, err
}

var signInForm = regexp.MustCompile(`name="id" value="([^"]+)"`)

// signIn goes to the provider by the button of the door's page, logs in there, and
// returns where that ends.
func (s *signer) signIn(user string) *url.URL {
	s.t.Helper()
	read := func(response *http.Response, err error) (*url.URL, string) {
		s.t.Helper()
		if err != nil {
			s.t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		text, err := io.ReadAll(response.Body)
		if err != nil {
			s.t.Fatal(err)
		}
		return response.Request.URL, string(text)
	}
	at, text := read(s.client.Get("https://door.test/openid/start"))
	id := signInForm.FindStringSubmatch(text)
	if id == nil {
		s.t.Fatalf("no log-in at %s: %s", at, text)
	}
	login := at.ResolveReference(&url.URL{Path: "/login/username"})
	at, _ = read(s.client.PostForm(login.String(), url.Values{"username": {user}, "password": {"verysecure"}, "id": {id[1]}}))
	return at
}

// session puts the cookie that the door gave where the intruder's other ways in find it.
func (s *signer) session() (given *http.Cookie) {
	for _, cookie := range s.cookies {
		if cookie.Name == "__Host-doorbell" {
			given = cookie
			s.cookie = cookie.Name + "=" + cookie.Value
		}
	}
	return given
}

// TestOpenID has people sign in at a provider, and come in with what the list gives
// them, or not at all.
func TestOpenID(t *testing.T) {
	issuer := startProvider(t)
	d := startClosed(t, "openid: {issuer: '"+issuer+"', name: Example, client_id: doorbell, client_secret: secret, "+
		"redirect: 'https://door.test/openid/callback', allow: [{email: Test-User@zitadel.ch, role: owner}]}\n")
	if got := d.stranger().do("GET", "https://door.test/join.json", nil); !strings.Contains(string(got.body), `"openid":"Example"`) {
		t.Errorf("the page has no button: %s", got)
	}

	refused := d.newSigner()
	if at := refused.signIn("test-user2"); at.String() != "https://door.test/join?refused" {
		t.Errorf("a person who is not on the list ends at %s", at)
	}
	if cookie := refused.session(); cookie != nil {
		t.Errorf("a person who is not on the list has a session: %v", cookie)
	}
	if out := d.do("phones"); !strings.Contains(out, "No phone may come in yet") {
		t.Errorf("phones:\n%s", out)
	}
	if !strings.Contains(d.log.String(), issuer+" id2") {
		t.Errorf("the owner can't find in the log who was refused")
	}

	anna := d.newSigner()
	if at := anna.signIn("test-user@localhost"); at.String() != "https://door.test/" {
		t.Fatalf("a person on the list ends at %s", at)
	}
	if c := anna.session(); c == nil || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
		t.Fatalf("the session's cookie: %+v", c)
	}
	if got := anna.do("GET", "https://door.test/settings.json", nil); got.status != 200 || !strings.Contains(string(got.body), `"name":"Test","role":"owner"`) {
		t.Errorf("settings: %s", got)
	}
	if _, reason := anna.login("Test", `,"kind":"phone"`); reason != "" {
		t.Errorf("logging in to the relay: %s", reason)
	}
	if _, reason := anna.login("Somebody", ""); reason != "denied" {
		t.Errorf("under another name: %q", reason)
	}
	if out := d.do("phones"); !strings.Contains(out, "Test ") || !strings.Contains(out, "owner") || !strings.Contains(out, "now") {
		t.Errorf("phones:\n%s", out)
	}

	second := d.newSigner() // the same person's other phone
	second.signIn("test-user@localhost")
	second.session()
	if got := second.do("GET", "https://door.test/settings.json", nil); !strings.Contains(string(got.body), `"name":"Test 2"`) {
		t.Errorf("the second phone: %s", got)
	}
	d.do("revoke", "Test")
	if got := anna.do("GET", "https://door.test/settings.json", nil); got.status != 401 {
		t.Errorf("after revoke: %s", got)
	}
}
