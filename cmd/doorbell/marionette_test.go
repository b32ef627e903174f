//go:build browser

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// firefoxPrefs are for a browser that has a camera and a microphone that are not
// real, and reaches out to nobody.
const firefoxPrefs = `
user_pref("marionette.port", 0);
user_pref("media.navigator.streams.fake", true);
user_pref("media.navigator.permission.disabled", true);
user_pref("media.peerconnection.ice.loopback", true);
user_pref("media.gmp-manager.updateEnabled", false);
user_pref("media.gmp-provider.enabled", false);
user_pref("app.update.enabled", false);
user_pref("app.normandy.enabled", false);
user_pref("app.normandy.api_url", "");
user_pref("browser.aboutHomeSnippets.updateUrl", "");
user_pref("browser.newtabpage.activity-stream.feeds.topsites", false);
user_pref("browser.newtabpage.enabled", false);
user_pref("browser.region.update.enabled", false);
user_pref("browser.safebrowsing.malware.enabled", false);
user_pref("browser.safebrowsing.phishing.enabled", false);
user_pref("browser.safebrowsing.downloads.remote.enabled", false);
user_pref("browser.search.update", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("browser.startup.page", 0);
user_pref("browser.translations.enable", false);
user_pref("datareporting.healthreport.uploadEnabled", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("dom.push.connection.enabled", false);
user_pref("extensions.getAddons.cache.enabled", false);
user_pref("extensions.systemAddon.update.enabled", false);
user_pref("extensions.update.enabled", false);
user_pref("messaging-system.rsexperimentloader.enabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("network.dns.disablePrefetch", true);
user_pref("network.prefetch-next", false);
user_pref("network.trr.mode", 5);
user_pref("services.settings.server", "http://127.0.0.1:1/");
user_pref("toolkit.telemetry.enabled", false);
user_pref("toolkit.telemetry.server", "");
`

// firefox is one window of Firefox, driven by Marionette
// (firefox-source-docs.mozilla.org/testing/marionette/Protocol.html), which needs
// nothing but a TCP connection.
type firefox struct {
	t      testing.TB
	conn   net.Conn
	reader *bufio.Reader
	sent   int
}

// startFirefox starts Debian's Firefox ESR with a fresh profile, until the test ends.
func startFirefox(t testing.TB) *firefox {
	t.Helper()
	profile := t.TempDir()
	if err := os.WriteFile(filepath.Join(profile, "user.js"), []byte(firefoxPrefs), 0o600); err != nil {
		t.Fatal(err)
	}
	log := &logBuffer{}
	cmd := exec.Command("firefox-esr", "--headless", "--no-remote", "--marionette", "--profile", profile)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "MOZ_CRASHREPORTER_DISABLE=1", "MOZ_DISABLE_AUTO_SAFE_MODE=1")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting Firefox: %v (make test installs it)", err)
	}
	exited := make(chan struct{})
	go func() { defer close(exited); _ = cmd.Wait() }()
	f := &firefox{t: t}
	t.Cleanup(func() {
		if f.conn != nil {
			_, _ = f.call("Marionette:Quit", map[string]any{"flags": []string{"eForceQuit"}})
			_ = f.conn.Close()
		}
		select {
		case <-exited:
		case <-time.After(20 * time.Second):
			_ = cmd.Process.Kill()
			<-exited
		}
		if t.Failed() {
			t.Logf("Firefox said:\n%s", log)
		}
	})
	var port []byte
	if err := poll(time.Minute, func() bool {
		port, _ = os.ReadFile(filepath.Join(profile, "MarionetteActivePort"))
		return len(port) > 0
	}); err != nil {
		t.Fatalf("Firefox has not started within a minute:\n%s", log)
	}
	var err error
	if f.conn, err = net.Dial("tcp", "127.0.0.1:"+strings.TrimSpace(string(port))); err != nil {
		t.Fatal(err)
	}
	f.reader = bufio.NewReader(f.conn)
	if _, err := f.receive(); err != nil { // what it is
		t.Fatal(err)
	}
	f.do("WebDriver:NewSession", map[string]any{"capabilities": map[string]any{"alwaysMatch": map[string]any{"timeouts": map[string]int{"script": 60000, "implicit": 0}}}})
	return f
}

// receive reads a message: its length, a colon, and JSON.
func (f *firefox) receive() (json.RawMessage, error) {
	length, err := f.reader.ReadString(':')
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(strings.TrimSuffix(length, ":"))
	if err != nil {
		return nil, fmt.Errorf("marionette: the length %q: %w", length, err)
	}
	message := make([]byte, n)
	_, err = io.ReadFull(f.reader, message)
	return message, err
}

// call sends [0, id, name, parameters] and returns the result of [1, id, error, result].
func (f *firefox) call(command string, parameters any) (json.RawMessage, error) {
	f.sent++
	message, err := json.Marshal([]any{0, f.sent, command, parameters})
	if err != nil {
		return nil, err
	}
	if err := f.conn.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintf(f.conn, "%d:%s", len(message), message); err != nil {
		return nil, err
	}
	answer, err := f.receive()
	if err != nil {
		return nil, fmt.Errorf("marionette: %s: %w", command, err)
	}
	var parts [4]json.RawMessage
	if err := json.Unmarshal(answer, &parts); err != nil {
		return nil, fmt.Errorf("marionette: %s: %w", command, err)
	}
	if failure := string(parts[2]); failure != "null" {
		return nil, fmt.Errorf("marionette: %s: %s", command, failure)
	}
	return parts[3], nil
}

func (f *firefox) do(command string, parameters any) json.RawMessage {
	f.t.Helper()
	result, err := f.call(command, parameters)
	if err != nil {
		f.t.Fatal(err)
	}
	return result
}

// open goes to a page.
func (f *firefox) open(url string) {
	f.t.Helper()
	f.do("WebDriver:Navigate", map[string]string{"url": url})
}

// element finds what id names.
func (f *firefox) element(id string) string {
	f.t.Helper()
	var found struct{ Value map[string]string }
	raw := f.do("WebDriver:FindElement", map[string]string{"using": "css selector", "value": "#" + id})
	if err := json.Unmarshal(raw, &found); err != nil {
		f.t.Fatal(err)
	}
	for _, reference := range found.Value {
		return reference
	}
	f.t.Fatalf("no element: %s", raw)
	return ""
}

// tap is a finger on what id names, and types into it.
func (f *firefox) tap(id string) {
	f.t.Helper()
	f.do("WebDriver:ElementClick", map[string]string{"id": f.element(id)})
}

func (f *firefox) types(id, text string) {
	f.t.Helper()
	f.do("WebDriver:ElementSendKeys", map[string]string{"id": f.element(id), "text": text})
}

// evalIn runs the body of an async function in the page; it is no gesture.
func evalIn[T any](f *firefox, body string) T {
	f.t.Helper()
	raw := f.do("WebDriver:ExecuteAsyncScript", map[string]any{
		"script": "const done = arguments[0]; (async () => {" + body + "})().then((value) => done({ value }), (error) => done({ error: String(error) }))",
		"args":   []any{}, "sandbox": nil,
	})
	var result struct {
		Value struct {
			Value T
			Error string
		}
	}
	if err := json.Unmarshal(raw, &result); err != nil {
		f.t.Fatalf("%s: %v", raw, err)
	}
	if result.Value.Error != "" {
		f.t.Fatalf("evaluating %s: %s", body, result.Value.Error)
	}
	return result.Value.Value
}

// until waits for an expression to become true.
func (f *firefox) until(expression string) {
	f.t.Helper()
	if err := poll(time.Minute, func() bool { return evalIn[bool](f, "return Boolean("+expression+");") }); err != nil {
		f.t.Fatalf("waited for %s: %v\n%s", expression, err, evalIn[string](f, "return JSON.stringify(document.documentElement.dataset) + document.body.innerText;"))
	}
}

// state waits for the page to be in one of its states.
func (f *firefox) state(want string) {
	f.t.Helper()
	f.until(fmt.Sprintf("document.documentElement.dataset.state === %q", want))
}
