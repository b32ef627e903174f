package web

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"doorbell/access"
)

func FuzzJoin(f *testing.F) {
	f.Add([]byte(`{"secret":"correct-horse-battery-staple","name":"Kitchen"}`), "application/json")
	f.Add([]byte(`{"secret":1}`), "text/plain")
	f.Fuzz(func(t *testing.T, body []byte, kind string) {
		h := newHousehold(t, nil)
		h.invite(access.RoleOwner)
		request := httptest.NewRequest("POST", "https://doorbell.local/join", bytes.NewReader(body))
		request.Header["Content-Type"] = []string{kind}
		recorder := httptest.NewRecorder()
		h.handler.ServeHTTP(recorder, request)
		if recorder.Code < 400 || recorder.Code >= 500 || h.keys.Claimed() {
			t.Fatalf("%d %s", recorder.Code, recorder.Body)
		}
	})
}

func FuzzCookie(f *testing.F) {
	f.Add("__Host-doorbell=ABC")
	f.Add("__Host-doorbell=; doorbell=\"x\"; =")
	f.Fuzz(func(t *testing.T, cookie string) {
		h := newHousehold(t, nil)
		request := httptest.NewRequest("GET", "https://doorbell.local/settings.json", nil)
		request.Header["Cookie"] = []string{cookie}
		recorder := httptest.NewRecorder()
		h.handler.ServeHTTP(recorder, request)
		if recorder.Code != http.StatusUnauthorized {
			body, _ := io.ReadAll(recorder.Body)
			t.Fatalf("%d %s", recorder.Code, body)
		}
	})
}
