//go:build browser

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// chromium is Debian's browser itself; /usr/bin/chromium is a wrapper that adds
// extensions and keys.
const chromium = "/usr/lib/chromium/chromium"

// sharedBrowser is what tests have that want no flags: each page has a storage of its own, and starting Chromium takes
// longer than many a test. Owned by the tests' goroutine.
var sharedBrowser context.Context

// startBrowser starts Chromium with a camera and a microphone that are not real
// but otherwise as a person has it: sound needs a gesture, for one thing. Without
// flags it is one for all tests; a benchmark has its own, which ends with it.
func startBrowser(t testing.TB, flags ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	if _, measures := t.(*testing.B); measures || len(flags) > 0 {
		browser, end := newBrowser(t, t.TempDir(), flags)
		t.Cleanup(end)
		return browser
	}
	if sharedBrowser == nil || sharedBrowser.Err() != nil {
		profile := filepath.Join(workshop, "chromium")
		if err := os.RemoveAll(profile); err != nil {
			t.Fatal(err)
		}
		browser, end := newBrowser(t, profile, nil)
		sharedBrowser, atEnd = browser, append(atEnd, end)
	}
	return sharedBrowser
}

// newBrowser starts Chromium with that folder for its profile.
func newBrowser(t testing.TB, profile string, flags []chromedp.ExecAllocatorOption) (browser context.Context, end func()) {
	t.Helper()
	if _, err := os.Stat(chromium); err != nil {
		t.Fatalf("%v (make test installs it)", err)
	}
	options := append([]chromedp.ExecAllocatorOption{
		chromedp.ExecPath(chromium),
		chromedp.UserDataDir(profile),
		chromedp.Flag("headless", "new"),
		chromedp.Flag("no-sandbox", true),
		chromedp.Flag("disable-gpu", true),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("no-first-run", true),
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
		chromedp.Flag("use-fake-device-for-media-stream", true),
		chromedp.Flag("use-fake-ui-for-media-stream", true),
		// Several phones share one screen here; none may count as hidden.
		chromedp.Flag("disable-backgrounding-occluded-windows", true),
		chromedp.Flag("disable-renderer-backgrounding", true),
		chromedp.Flag("disable-background-timer-throttling", true),
	}, flags...)
	ctx, cancelAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(ctx, chromedp.WithErrorf(func(string, ...any) {}))
	end = func() { cancel(); cancelAllocator() }
	started := make(chan error, 1) // not a context with a limit: the browser would end with it
	go func() { started <- chromedp.Do(ctx, chromedp.Navigate("about:blank")) }()
	select {
	case err := <-started:
		if err != nil {
			end()
			t.Fatalf("starting Chromium: %v", err)
		}
	case <-time.After(time.Minute):
		end()
		t.Fatalf("Chromium has not started within a minute: %v", <-started)
	}
	return ctx, end
}

// phone is one phone of the house: a page with storage of its own.
type phone struct {
	t    testing.TB
	name string
	ctx  context.Context
	said *logBuffer // what the page's console says
}

// openPhone opens the page, and fails the test if the page throws.
func openPhone(t testing.TB, browser context.Context, url, name string) *phone {
	t.Helper()
	p := &phone{t: t, name: name, said: &logBuffer{}}
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext(), chromedp.WithListener(p.console))
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s's console:\n%s\n%s's page: %s", name, p.said, name, p.text())
		}
		cancel()
	})
	p.ctx = ctx
	p.do(chromedp.EmulateViewport(390, 844), chromedp.Navigate(url))
	return p
}

func (p *phone) console(event any) {
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		thrown := &chromedp.ExceptionError{ExceptionDetails: e.ExceptionDetails}
		_, _ = fmt.Fprintln(p.said, "exception:", thrown)
		p.t.Errorf("%s's page threw: %v", p.name, thrown)
	case *runtime.EventConsoleAPICalled:
		for _, arg := range e.Args {
			_, _ = fmt.Fprintf(p.said, "%s %s\n", e.Type, arg.Value)
		}
	}
}

func (p *phone) do(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, actions...); err != nil {
		p.t.Fatalf("%s: %v", p.name, err)
	}
}

// text is what the page shows, for a failed test.
func (p *phone) text() string {
	ctx, cancel := context.WithTimeout(p.ctx, 2*time.Second)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`JSON.stringify(document.documentElement.dataset) + " " + document.body.innerText`))
	if err != nil {
		return err.Error()
	}
	return strings.Join(strings.Fields(text), " ")
}

// eval runs JavaScript without a gesture, as the page's own timers run.
func eval[T any](p *phone, expression string) T {
	p.t.Helper()
	value, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("%s: evaluating %s: %v", p.name, expression, err)
	}
	return value
}

// until waits for an expression to become true.
func (p *phone) until(expression string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, time.Minute)
	defer cancel()
	_, err := chromedp.Run(ctx, chromedp.Poll[bool](expression, chromedp.WithPollingInterval(20*time.Millisecond)))
	if err != nil {
		p.t.Fatalf("%s waited for %s: %v\n%s", p.name, expression, err, p.text())
	}
}

// state waits for the page to be in one of its states.
func (p *phone) state(want string) {
	p.t.Helper()
	p.until(fmt.Sprintf("document.documentElement.dataset.state === %q", want))
}

// tap is a finger on what id names, once it is there.
func (p *phone) tap(id string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, 30*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.Click(chromedp.CSS("#"+id), chromedp.NodeVisible)); err != nil {
		p.t.Fatalf("%s can't tap %s: %v\n%s", p.name, id, err, p.text())
	}
}

// login types the name and signs in.
func (p *phone) login() {
	p.t.Helper()
	p.state("login")
	p.do(chromedp.SendKeys(chromedp.CSS("#usernameInput"), p.name))
	p.tap("loginBtn")
	p.state("home")
	p.online()
}

// online waits for the page to be connected to its relay.
func (p *phone) online() {
	p.t.Helper()
	p.until("document.documentElement.dataset.connection === 'online'")
}

// seesMotion waits until three new pictures of the door are decoded.
func (p *phone) seesMotion() {
	p.t.Helper()
	frames := "document.getElementById('remoteVideo').getVideoPlaybackQuality().totalVideoFrames"
	p.until(frames + " > 0")
	before := eval[float64](p, frames)
	p.until(fmt.Sprintf("%s > %f", frames, before+2))
}

// house is a simulated door and a phone that is logged in.
func house(t *testing.T) (*process, *phone) {
	t.Helper()
	door := start(t, simulated)
	anna := openPhone(t, startBrowser(t), door.status().Page, "anna")
	anna.login()
	return door, anna
}

// houseOfTwo is the same with two phones.
func houseOfTwo(t *testing.T) (door *process, anna, bert *phone) {
	t.Helper()
	door = start(t, simulated)
	browser, page := startBrowser(t), door.status().Page
	anna, bert = openPhone(t, browser, page, "anna"), openPhone(t, browser, page, "bert")
	anna.login()
	bert.login()
	return door, anna, bert
}

// answersThe lets somebody ring, and the person at the phone answer.
func (p *phone) answersThe(door *process) {
	p.t.Helper()
	door.do("press")
	p.state("ringing")
	p.tap("acceptBtn")
	p.state("incall")
	p.seesMotion()
}
