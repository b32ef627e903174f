//go:build browser

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// doorName lets Chromium find the door under a name that isn't localhost, as
// phones in the network do.
var doorName = chromedp.Flag("host-resolver-rules", "MAP door.test 127.0.0.1, MAP evil.test 127.0.0.1")

// trusting is a home folder whose certificate store (NSS) trusts the door's authority, for a
// browser of its own.
func (d *closedDoor) trusting() chromedp.ExecAllocatorOption {
	d.t.Helper()
	home := d.t.TempDir()
	db := filepath.Join(home, ".pki", "nssdb")
	certificate := filepath.Join(home, "doorbell.crt")
	got := d.stranger().do("GET", "http://door.test/doorbell.crt", nil)
	if err := os.WriteFile(certificate, got.body, 0o600); err != nil {
		d.t.Fatal(err)
	}
	if err := os.MkdirAll(db, 0o700); err != nil {
		d.t.Fatal(err)
	}
	for _, args := range [][]string{{"-N", "--empty-password"}, {"-A", "-n", "doorbell", "-t", "C,,", "-i", certificate}} {
		if out, err := exec.Command("certutil", append([]string{"-d", "sql:" + db}, args...)...).CombinedOutput(); err != nil {
			d.t.Fatalf("certutil: %v: %s (make test installs it)", err, out)
		}
	}
	return chromedp.Env("HOME=" + home)
}

// at is an address at which the door is known as door.test.
func (d *closedDoor) at(scheme, rest string) string {
	listener := d.plain
	if scheme == "https" {
		listener = d.secure
	}
	_, port, _ := net.SplitHostPort(listener)
	return fmt.Sprintf("%s://door.test:%s%s", scheme, port, rest)
}

// joins goes the way of a new phone: from the welcome page, which sends it on by
// itself where it trusts the door, to the house.
func (d *closedDoor) joins(browser *browserOf, name, words string) *phone {
	d.t.Helper()
	p := openPhone(d.t, browser.ctx, d.at("http", "/#"+words), name)
	p.arrives("location.protocol === 'https:' && location.pathname === '/join'")
	p.arrives("location.hash === ''") // the words are out of the address bar
	p.arrives("document.getElementById('joinForm') !== null && !document.getElementById('joinForm').hidden")
	p.fill("nameInput", name)
	p.tap("joinBtn")
	p.arrives("document.documentElement.dataset.state === 'home'")
	p.online()
	return p
}

// arrives waits like until, through pages that lead on to others.
func (p *phone) arrives(expression string) {
	p.t.Helper()
	if err := poll(30*time.Second, func() bool {
		there, err := chromedp.Run(p.ctx, chromedp.Evaluate[bool]("Boolean("+expression+")"))
		return err == nil && there
	}); err != nil {
		p.t.Fatalf("%s waited for %s: %v\n%s", p.name, expression, err, p.text())
	}
}

// fill replaces what an input has.
func (p *phone) fill(id, text string) {
	p.t.Helper()
	eval[any](p, fmt.Sprintf("(() => { document.getElementById(%q).value = ''; return 0 })()", id))
	p.do(chromedp.SendKeys(chromedp.CSS("#"+id), text))
}

// invitesByPage has an owner invite in the page, and returns the words that it shows.
func (p *phone) invitesByPage(role string) string {
	p.t.Helper()
	p.tap("phonesBtn")
	p.tap("inviteBtn")
	p.until("!document.getElementById('addForm').hidden")
	eval[any](p, fmt.Sprintf("(() => { document.querySelector('#addForm input[value=%s]').click(); return 0 })()", role))
	p.tap("createBtn")
	p.until("document.getElementById('invitationWords').textContent.length > 10")
	p.until("(() => { const code = document.getElementById('invitationQR'); return code.complete && code.naturalWidth > 0 })()")
	link := eval[string](p, "document.getElementById('invitationLink').href")
	_, words, found := strings.Cut(link, "#")
	if !found {
		p.t.Fatalf("the link is %s", link)
	}
	return words
}

// TestBrowserClosed goes from a new appliance to a call between two phones that
// joined, over HTTPS with the door's own authority.
func TestBrowserClosed(t *testing.T) {
	d := startClosed(t, "")
	browser := d.browse(t, true)
	owner := d.joins(browser, "Anna", d.invite())
	member := d.joins(browser, "Bert", owner.invitesByPage("member"))
	owner.until("document.querySelectorAll('#phonesList > *').length === 2")
	owner.tap("phonesBackBtn")
	if name := eval[string](member, "document.getElementById('me').innerText"); !strings.Contains(name, "Bert") {
		t.Errorf("the member's page says %q", name)
	}
	if eval[bool](member, "isSecureContext") != true {
		t.Error("the page is no secure context")
	}
	// A service worker needs a certificate that is trusted, not clicked through.
	if got := eval[string](member, "navigator.serviceWorker.register('nothing.js').then(() => 'registered', (e) => e.name)"); got != "TypeError" {
		t.Errorf("a service worker: %s (SecurityError is what an untrusted certificate gives)", got)
	}

	d.do("press")
	owner.state("ringing")
	member.state("ringing")
	member.tap("acceptBtn")
	member.state("incall")
	member.until("document.getElementById('stage').dataset.mic === 'on'")
	member.seesMotion()
	member.hearsMelody()

	// The owner removes the phone in its call.
	owner.state("home")
	owner.tap("phonesBtn")
	owner.until("document.querySelectorAll('#phonesList > *').length === 2")
	owner.do(chromedp.Click(chromedp.CSS("#phonesList [data-name=Bert] [data-action=askremove]"), chromedp.NodeVisible))
	owner.do(chromedp.Click(chromedp.CSS("#phonesList [data-name=Bert] [data-action=remove]"), chromedp.NodeVisible))
	d.wait("the end of the call", func() bool { return len(d.status().Door.Connections) == 0 })
	member.until("document.documentElement.dataset.state !== 'incall'")
	took := d.logged("connection closed").Sub(d.logged("an owner removes a phone"))
	t.Logf("the call of a phone that was removed went on for %v", took)
	if took < 0 || took > time.Second {
		t.Errorf("the call of a phone that was removed went on for %v", took)
	}
	member.until("document.querySelector('video').srcObject === null")
	member.do(chromedp.Navigate(d.at("https", "/")))
	member.arrives("location.pathname === '/join'")
}

// TestBrowserUntrusting opens the welcome page with a browser that knows nothing of
// the door's authority.
func TestBrowserUntrusting(t *testing.T) {
	d := startClosed(t, "")
	browser := d.browse(t, false)
	p := openPhone(t, browser.ctx, d.at("http", "/#correct-horse-battery-staple"), "new")
	p.until("document.documentElement.dataset.trust === 'no'")
	p.until("document.querySelectorAll('#steps > li').length >= 3")
	if shown := strings.ReplaceAll(p.text(), " ", ":"); !strings.Contains(shown, d.fingerprint()) {
		t.Error("the fingerprint that the console shows is not on the page")
	}
	p.until("document.querySelector('#steps a[href$=\".crt\"], #steps a[href$=\".mobileconfig\"], #guide a[href$=\".crt\"]') !== null")
	if link := eval[string](p, "document.getElementById('anywayLink').href"); !strings.HasPrefix(link, "https://door.test:") {
		t.Errorf("to go on anyway leads to %s", link)
	}
	// Without a secret nothing else is to be had.
	p.do(chromedp.Navigate(d.at("http", "/settings.json")))
	p.arrives("location.pathname === '/'")
}

// logged is when the door last said that.
func (d *closedDoor) logged(message string) (at time.Time) {
	d.t.Helper()
	for line := range strings.Lines(d.log.String()) {
		if !strings.Contains(line, message) {
			continue
		}
		stamp, _, _ := strings.Cut(strings.TrimPrefix(line, "time="), " ")
		var err error
		if at, err = time.Parse(time.RFC3339, stamp); err != nil {
			d.t.Fatalf("%v: %s", err, line)
		}
	}
	if at.IsZero() {
		d.t.Fatalf("the log has no %q", message)
	}
	return at
}

// fingerprint is the one that the console shows.
func (d *closedDoor) fingerprint() string {
	d.t.Helper()
	var made invited
	if err := json.Unmarshal([]byte(d.do("invite", "--json")), &made); err != nil {
		d.t.Fatal(err)
	}
	return made.Fingerprint
}

// TestBrowserGuest has a guest's date pass in a call.
func TestBrowserGuest(t *testing.T) {
	d := startClosed(t, "")
	browser := d.browse(t, true)
	owner := d.joined("Anna")
	got := owner.do("POST", "https://door.test/invitations", map[string]any{"role": "guest", "until": time.Now().Add(20 * time.Second).UnixMilli()})
	var made struct{ Words string }
	if err := json.Unmarshal(got.body, &made); err != nil {
		t.Fatalf("%s", got)
	}
	guest := d.joins(browser, "Carl", made.Words)
	guest.do(chromedp.Click(chromedp.CSS("#doors button"), chromedp.NodeVisible))
	guest.state("viewing")
	guest.seesMotion()
	d.wait("the end of the guest's look", func() bool { return len(d.status().Door.Connections) == 0 })
	guest.until("document.documentElement.dataset.state !== 'viewing'")
	guest.until("document.body.innerText.length > 0 && document.querySelector('video').srcObject === null")
}

// TestBrowserAttacks has another site try what only a browser can: frame the page, and
// point its own name at the door.
func TestBrowserAttacks(t *testing.T) {
	d := startClosed(t, "")
	browser := d.browse(t, true)
	owner := d.joins(browser, "Anna", d.invite())
	_, port, _ := net.SplitHostPort(d.plain)
	evil := openPhone(t, browser.ctx, "about:blank", "evil")
	evil.do(chromedp.Navigate("http://evil.test:" + port + "/")) // rebinding
	if text := evil.text(); !strings.Contains(text, "not known by that name") {
		t.Errorf("under a name that was pointed here: %s", text)
	}
	// A page of another origin in the owner's own browser, with the owner's cookies.
	owner.do(chromedp.Navigate("data:text/html,<iframe id=f></iframe>"))
	framed := eval[string](owner, fmt.Sprintf(`new Promise((done) => {
		const frame = document.getElementById('f');
		frame.onload = () => { try { done(frame.contentDocument ? 'blank' : 'refused'); } catch { done('refused'); } };
		frame.src = %q;
		setTimeout(() => done('nothing'), 5000);
	})`, d.at("https", "/")))
	if framed == "blank" {
		t.Error("the frame could be read")
	}
	post := eval[string](owner, fmt.Sprintf(`fetch(%q, {method: 'POST', mode: 'no-cors', credentials: 'include', headers: {'Content-Type': 'text/plain'},
		body: '{"role":"owner"}'}).then((r) => r.type, (e) => e.name)`, d.at("https", "/invitations")))
	socket := eval[string](owner, fmt.Sprintf(`new Promise((done) => {
		const s = new WebSocket(%q);
		s.onopen = () => done('open');
		s.onerror = () => done('refused');
	})`, strings.Replace(d.at("https", "/ws"), "https", "wss", 1)))
	if socket != "refused" {
		t.Errorf("a WebSocket from another origin: %s", socket)
	}
	var all listed
	if err := json.Unmarshal([]byte(d.do("phones", "--json")), &all); err != nil {
		t.Fatal(err)
	}
	owner.do(chromedp.Navigate(d.at("https", "/")))
	owner.state("home")
	invitations := eval[int](owner, "fetch('phones.json').then((r) => r.json()).then((all) => all.invitations.length)")
	if invitations != 0 {
		t.Errorf("another site made an invitation (it saw %q)", post)
	}
}

// browserOf is one browser for several phones.
type browserOf struct{ ctx context.Context }

// browse starts a browser that finds the door by its name, and trusts its authority
// or not.
func (d *closedDoor) browse(t *testing.T, trusts bool) *browserOf {
	t.Helper()
	flags := []chromedp.ExecAllocatorOption{doorName}
	if trusts {
		flags = append(flags, d.trusting())
	}
	return &browserOf{startBrowser(t, flags...)}
}
