package openid

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// provider is a certified implementation's server, with its users test-user@... and
// test-user2.
type provider struct {
	*httptest.Server
	mu      sync.Mutex
	handler http.Handler
	broken  func(w http.ResponseWriter, r *http.Request) bool // answers itself when true
}

func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	handler, broken := p.handler, p.broken
	p.mu.Unlock()
	if broken != nil && broken(w, r) {
		return
	}
	handler.ServeHTTP(w, r)
}

func startProvider(t *testing.T, redirect string) *provider {
	t.Helper()
	p := &provider{}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	issuer := strings.Replace(p.URL, "127.0.0.1", "localhost", 1) + "/"
	storage.RegisterClients(storage.WebClient("doorbell", "secret", redirect))
	p.handler = exampleop.SetupServer(issuer, storage.NewStorage(storage.NewUserStore(issuer)), slog.New(slog.DiscardHandler), false)
	p.URL = issuer
	return p
}

// browser is somebody who signs in.
type browser struct {
	t      *testing.T
	client *http.Client
}

func newBrowser(t *testing.T) *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar}
	t.Cleanup(client.CloseIdleConnections)
	return &browser{t: t, client: client}
}

var requestID = regexp.MustCompile(`name="id" value="([^"]+)"`)

// signIn goes through the provider's log-in, and returns what the site says in the end.
func (b *browser) signIn(site, user, password string) string {
	b.t.Helper()
	page := b.read(b.client.Get(site + "/openid/start"))
	id := requestID.FindStringSubmatch(page.text)
	if id == nil {
		return page.text // no log-in came
	}
	login := page.at.ResolveReference(&url.URL{Path: "/login/username"})
	return b.read(b.client.PostForm(login.String(), url.Values{"username": {user}, "password": {password}, "id": {id[1]}})).text
}

type page struct {
	at   *url.URL
	text string
}

func (b *browser) read(response *http.Response, err error) page {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return page{response.Request.URL, string(text)}
}

// site is ours: it says who came in.
type site struct {
	*httptest.Server
	provider *Provider
}

func startSite(t *testing.T, allow []Allowed) (*site, *provider) {
	t.Helper()
	s := &site{}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	s.URL = strings.Replace(s.URL, "127.0.0.1", "localhost", 1)
	redirect := s.URL + "/openid/callback"
	p := startProvider(t, redirect)
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(client.CloseIdleConnections)
	s.provider = New(Options{
		Issuer: p.URL, Name: "Example", ClientID: "doorbell", ClientSecret: "secret", Redirect: redirect, Allow: allow, Client: client,
	})
	return s, p
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/openid/start" {
		to, err := s.provider.Start(w, r)
		if err != nil {
			_, _ = io.WriteString(w, "start: "+err.Error())
			return
		}
		http.Redirect(w, r, to, http.StatusSeeOther)
		return
	}
	who, err := s.provider.Finish(w, r)
	if err != nil {
		_, _ = io.WriteString(w, "finish: "+who.Subject+" "+err.Error())
		return
	}
	_, _ = io.WriteString(w, "in: "+who.Subject+", "+who.Name+", "+who.Role)
}

func TestSignIn(t *testing.T) {
	user := "test-user@localhost" // of the provider's own store
	for what, test := range map[string]struct {
		allow []Allowed
		want  string
	}{
		"by subject":   {[]Allowed{{Subject: "id1", Role: "owner"}}, "in: ISSUER id1, Test, owner"},
		"by email":     {[]Allowed{{Email: "TEST-USER@zitadel.ch", Role: "member"}}, "in: ISSUER id1, Test, member"},
		"others are":   {[]Allowed{{Subject: "id9", Role: "owner"}, {Email: "x@zitadel.ch", Role: "owner"}}, "finish: ISSUER id1 " + ErrNotAllowed.Error()},
		"nobody is":    {nil, "finish: ISSUER id1 " + ErrNotAllowed.Error()},
		"wrong issuer": {[]Allowed{{Subject: "ISSUER id1", Role: "owner"}}, "finish: ISSUER id1 " + ErrNotAllowed.Error()},
	} {
		t.Run(what, func(t *testing.T) {
			s, p := startSite(t, test.allow)
			got := newBrowser(t).signIn(s.URL, user, "verysecure")
			if want := strings.ReplaceAll(test.want, "ISSUER", p.URL); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// TestTampering changes what a browser brings back.
func TestTampering(t *testing.T) {
	s, _ := startSite(t, []Allowed{{Subject: "id1", Role: "owner"}})
	anna, eve := newBrowser(t), newBrowser(t)

	// The callback as it comes from the provider, kept from being redeemed.
	var callback string
	anna.client.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if r.URL.Path == "/openid/callback" {
			callback = r.URL.String()
			return http.ErrUseLastResponse
		}
		return nil
	}
	begin := func() url.Values {
		anna.signIn(s.URL, "test-user@localhost", "verysecure")
		u, err := url.Parse(callback)
		if err != nil {
			t.Fatal(err)
		}
		return u.Query()
	}
	back := func(b *browser, query url.Values) string {
		return b.read(b.client.Get(s.URL + "/openid/callback?" + query.Encode())).text
	}

	if got := back(eve, begin()); !strings.Contains(got, ErrNotStarted.Error()) {
		t.Errorf("in another browser (log-in CSRF): %s", got)
	}
	query := begin()
	query.Set("state", query.Get("state")+"x")
	if got := back(anna, query); !strings.Contains(got, ErrNotStarted.Error()) {
		t.Errorf("another state: %s", got)
	}
	query = begin()
	query.Set("code", "x"+query.Get("code"))
	if got := back(anna, query); !strings.Contains(got, "exchanging the code") {
		t.Errorf("another code: %s", got)
	}
	query = begin()
	query.Set("iss", "https://evil.example")
	if got := back(anna, query); !strings.Contains(got, "the answer is from") {
		t.Errorf("another issuer: %s", got)
	}
	if got := back(anna, url.Values{"error": {"access_denied"}, "state": begin()["state"]}); !strings.Contains(got, "refused") {
		t.Errorf("refused: %s", got)
	}
	query = begin()
	if got := back(anna, query); !strings.HasPrefix(got, "in: ") {
		t.Fatalf("untouched: %s", got)
	}
	if got := back(anna, query); !strings.Contains(got, ErrNotStarted.Error()) {
		t.Errorf("twice: %s", got)
	}

	// A code of one sign-in with the cookie of another: nonce and verifier differ.
	first := begin()
	second := begin()
	first.Set("state", second.Get("state"))
	if got := back(anna, first); strings.HasPrefix(got, "in: ") {
		t.Errorf("a code of another sign-in was taken: %s", got)
	}
}

func TestProviderAway(t *testing.T) {
	s, p := startSite(t, []Allowed{{Subject: "id1", Role: "owner"}})
	p.mu.Lock()
	p.broken = func(w http.ResponseWriter, _ *http.Request) bool {
		http.Error(w, "down", http.StatusBadGateway)
		return true
	}
	p.mu.Unlock()
	if got := newBrowser(t).signIn(s.URL, "", ""); !strings.HasPrefix(got, "start: openid: asking") {
		t.Errorf("away: %s", got)
	}
	p.mu.Lock()
	p.broken = nil
	p.mu.Unlock()
	if got := newBrowser(t).signIn(s.URL, "test-user@localhost", "verysecure"); !strings.HasPrefix(got, "in: ") {
		t.Errorf("back again: %s", got)
	}
}

func TestName(t *testing.T) {
	for want, o := range map[string]Options{"Example": {Name: "Example", Issuer: "https://id.example.org"}, "id.example.org": {Issuer: "https://id.example.org"}} {
		if got := New(o).Name(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func FuzzCookie(f *testing.F) {
	f.Add("a.b.c", "a")
	f.Add("..", "")
	f.Fuzz(func(t *testing.T, cookie, state string) {
		p := New(Options{Issuer: "https://id.example.invalid", Redirect: "https://door.example.org/openid/callback", Client: &http.Client{Transport: refused{}}})
		r := httptest.NewRequest("GET", "https://door.example.org/openid/callback?state="+url.QueryEscape(state)+"&code=x", nil)
		r.AddCookie(&http.Cookie{Name: p.cookieName(), Value: cookie})
		if who, err := p.Finish(httptest.NewRecorder(), r); err == nil {
			t.Fatalf("%q let %+v in", cookie, who)
		}
	})
}

// refused contacts nobody.
type refused struct{}

func (refused) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("nobody is there")
}
