package web

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

// newSite returns the handler, which lets everybody in, with a relay that answers "relay" and the path.
func newSite(t *testing.T) http.Handler {
	t.Helper()
	handler, err := NewHandler(Options{
		Relay: relay, Settings: Settings{Door: "doorbell", Open: true, Version: "1.2.3"},
		Open:  func(netip.Addr) bool { return true },
		Hosts: func(host string) bool { return host == "door.example" },
	})
	if err != nil {
		t.Fatal(err)
	}
	return handler
}

var relay = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusUpgradeRequired)
	_, _ = io.WriteString(w, "relay "+r.URL.Path)
})

// ask sends one request with headers given as name, value, name, value.
func ask(handler http.Handler, method, path string, headers ...string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(method, "http://door.example:8080"+path, nil)
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	return recorder
}

func TestAnswers(t *testing.T) {
	handler := newSite(t)
	upgrade := []string{"Connection", "keep-alive, Upgrade", "Upgrade", "websocket"}
	tests := []struct {
		method, path string
		headers      []string
		status       int
		contentType  string
		contains     string
	}{
		{"GET", "/", nil, 200, "text/html; charset=utf-8", `id="remoteVideo"`},
		{"GET", "/index.html", nil, 200, "text/html; charset=utf-8", "<!doctype html>"},
		{"GET", "/main.js", nil, 200, "text/javascript; charset=utf-8", "import"},
		{"GET", "/lang/de.js", nil, 200, "text/javascript; charset=utf-8", "Annehmen"},
		{"GET", "/style.css", nil, 200, "text/css; charset=utf-8", "--accent"},
		{"GET", "/icon.svg", nil, 200, "image/svg+xml", "<svg"},
		{"GET", "/icon-180.png", nil, 200, "image/png", "PNG"},
		{"GET", "/manifest.webmanifest", nil, 200, "application/manifest+json", "start_url"},
		{"GET", "/settings.json", nil, 200, "application/json", `{"door":"doorbell","open":true,"version":"1.2.3"}`},
		{"GET", "/healthz", nil, 200, "text/plain; charset=utf-8", "ok"},
		{"HEAD", "/", nil, 200, "text/html; charset=utf-8", ""},
		{"GET", "/nothing", nil, 404, "text/plain; charset=utf-8", "Not found"},
		{"GET", "/lang/", nil, 404, "text/plain; charset=utf-8", "Not found"},
		{"GET", "/../web.go", nil, 307, "text/html; charset=utf-8", `"/web.go"`},
		{"GET", "/web.go", nil, 404, "text/plain; charset=utf-8", "Not found"},
		{"POST", "/nothing", nil, 404, "text/plain; charset=utf-8", "Not found"},
		{"POST", "/", nil, 405, "text/plain; charset=utf-8", "GET or HEAD"},
		{"DELETE", "/style.css", nil, 405, "text/plain; charset=utf-8", "GET or HEAD"},
		{"GET", "/", upgrade, 426, "", "relay /"},
		{"GET", "/ws", upgrade, 426, "", "relay /ws"},
		{"GET", "/ws", nil, 426, "", "relay /ws"},
		{"GET", "/", []string{"Connection", "upgrade", "Upgrade", "h2c"}, 200, "text/html; charset=utf-8", "html"},
		{"GET", "/style.css", upgrade, 200, "text/css; charset=utf-8", "--accent"},
	}
	for _, test := range tests {
		t.Run(test.method+" "+test.path, func(t *testing.T) {
			got := ask(handler, test.method, test.path, test.headers...)
			if got.Code != test.status {
				t.Errorf("status %d, want %d", got.Code, test.status)
			}
			if kind := got.Header().Get("Content-Type"); test.contentType != "" && kind != test.contentType {
				t.Errorf("content type %q, want %q", kind, test.contentType)
			}
			if body := got.Body.String(); !strings.Contains(body, test.contains) || test.method == "HEAD" && got.Result().ContentLength == 0 {
				t.Errorf("body %.80q does not contain %q", body, test.contains)
			}
			if allow := got.Header().Get("Allow"); (got.Code == 405) != (allow == "GET, HEAD") {
				t.Errorf("Allow is %q", allow)
			}
			checkSecurityHeaders(t, got.Header())
		})
	}
}

func TestNoRelay(t *testing.T) {
	handler, err := NewHandler(Options{Open: func(netip.Addr) bool { return true }, Hosts: func(string) bool { return true }})
	if err != nil {
		t.Fatal(err)
	}
	if got := ask(handler, "GET", "/ws"); got.Code != http.StatusServiceUnavailable {
		t.Errorf("status %d", got.Code)
	}
}

func TestSettingsAreJSON(t *testing.T) {
	handler := newSite(t)
	var got Settings
	if err := json.Unmarshal(ask(handler, "GET", "/settings.json").Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if want := (Settings{Door: "doorbell", Open: true, Version: "1.2.3"}); got != want {
		t.Errorf("got %+v", got)
	}
}

func TestTagsAndGzip(t *testing.T) {
	handler := newSite(t)
	plain := ask(handler, "GET", "/main.js")
	zipped := ask(handler, "GET", "/main.js", "Accept-Encoding", "br, gzip")
	if plain.Header().Get("Content-Encoding") != "" || zipped.Header().Get("Content-Encoding") != "gzip" {
		t.Fatalf("encodings: %v, %v", plain.Header(), zipped.Header())
	}
	if zipped.Header().Get("Content-Length") == "" || zipped.Body.Len() >= plain.Body.Len() {
		t.Errorf("zipped: %d bytes of %d, %v", zipped.Body.Len(), plain.Body.Len(), zipped.Header())
	}
	reader, err := gzip.NewReader(zipped.Body)
	if err != nil {
		t.Fatal(err)
	}
	unzipped, err := io.ReadAll(reader)
	if err != nil || string(unzipped) != plain.Body.String() {
		t.Errorf("unzipped differs, %v", err)
	}
	tags := map[string]string{"": plain.Header().Get("ETag"), "gzip": zipped.Header().Get("ETag")}
	if tags[""] == tags["gzip"] || tags[""] == "" {
		t.Errorf("tags: %v", tags)
	}
	for encoding, tag := range tags {
		again := ask(handler, "GET", "/main.js", "Accept-Encoding", encoding, "If-None-Match", tag)
		if again.Code != http.StatusNotModified || again.Body.Len() != 0 || again.Header().Get("ETag") != tag {
			t.Errorf("%q again: %d, %v", encoding, again.Code, again.Header())
		}
		checkSecurityHeaders(t, again.Header())
	}
	if got := ask(handler, "GET", "/main.js", "If-None-Match", `"old"`); got.Code != http.StatusOK {
		t.Errorf("an old tag: %d", got.Code)
	}
	for _, header := range []string{"Vary", "Cache-Control"} {
		if plain.Header().Get(header) == "" || zipped.Header().Get(header) == "" {
			t.Errorf("no %s", header)
		}
	}
}

func TestAcceptsGzip(t *testing.T) {
	for accept, want := range map[string]bool{
		"": false, "gzip": true, "deflate, GZIP;q=0.5": true, "gzip;q=0": false, "*": true, "*;q=0": false, "gzip;q=0, *": false,
		"*, gzip;q=0": false, "identity": false, "gzip;q=x": false, "br": false, "gzip; Q=0.001": true,
	} {
		if got := acceptsGzip([]string{accept}); got != want {
			t.Errorf("%q: %v", accept, got)
		}
	}
}

func TestEveryFileHasAContentType(t *testing.T) {
	files, err := loadPage()
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	err = fs.WalkDir(page, "page", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			count++
		}
		return err
	})
	if err != nil || len(files) != count+1 {
		t.Errorf("%d files served, %d embedded, %v", len(files), count, err)
	}
	if _, err := contentType("x.exe"); err == nil {
		t.Error("an unknown extension has a content type")
	}
}
