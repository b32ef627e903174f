package web

import (
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// isUpgrade reports whether the request asks to become a WebSocket (RFC 6455, section 4.2.1).
func isUpgrade(r *http.Request) bool {
	return hasToken(r.Header.Values("Connection"), "upgrade") && hasToken(r.Header.Values("Upgrade"), "websocket")
}

// hasToken reports whether the comma-separated lists hold the token, in any case.
func hasToken(lists []string, token string) bool {
	for _, list := range lists {
		for item := range strings.SplitSeq(list, ",") {
			if strings.EqualFold(strings.TrimSpace(item), token) {
				return true
			}
		}
	}
	return false
}

// allowRead answers every method but GET and HEAD with 405.
func allowRead(w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return true
	}
	w.Header().Set("Allow", "GET, HEAD")
	servePlain(w, http.StatusMethodNotAllowed, "Method not allowed: this address can only be read, with GET or HEAD.")
	return false
}

// servePlain answers with one line of plain text that nobody may store.
func servePlain(w http.ResponseWriter, status int, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(text)+1))
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n") // the other end has gone, if this fails
}

// serveJSON answers with what is so now.
func serveJSON(w http.ResponseWriter, value any) { answerJSON(w, http.StatusOK, value) }

// answerJSON answers with a status.
func answerJSON(w http.ResponseWriter, status int, value any) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value) // fails only when the other end has gone
}

// problem is what the page is told where something can't be done.
type problem struct {
	Error      string `json:"error"`   // a short fixed word
	Message    string `json:"message"` // an English sentence
	RetryAfter int    `json:"retryAfter,omitempty"`
}

// refuse says why not.
func refuse(w http.ResponseWriter, status int, code, message string) {
	answerJSON(w, status, problem{Error: code, Message: message})
}

// maxBody is the largest body that is read, in bytes: four words and a name.
const maxBody = 4 << 10

// readJSON reads a request's body into a value, or refuses it. Only JSON is taken: a form of another site can't send that
// without being asked (Fetch, section 4.9).
func readJSON(w http.ResponseWriter, r *http.Request, into any) bool {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		refuse(w, http.StatusUnsupportedMediaType, "bad-request", "This takes application/json only.")
		return false
	}
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil || decoder.More() {
		refuse(w, http.StatusBadRequest, "bad-request", "The body is not the JSON that belongs here.")
		return false
	}
	return true
}
