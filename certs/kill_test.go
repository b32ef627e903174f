package certs

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestKill kills a process at random instants while it makes its authority, and while
// it makes one server certificate after the other. It starts again each time, with the
// authority that phones were told to trust.
func TestKill(t *testing.T) {
	for _, tt := range []struct {
		name  string
		kills int
		fresh bool // each time in a new folder
	}{{"creating", 40, true}, {"renewing", 40, false}} {
		t.Run(tt.name, func(t *testing.T) {
			dir, told, renewed := filepath.Join(t.TempDir(), "certs"), "", 0
			for i := range tt.kills {
				if tt.fresh {
					dir, told = filepath.Join(t.TempDir(), "certs"), ""
				}
				out := killed(t, dir, time.Duration(1+i)*time.Millisecond)
				lines := strings.Split(out, "\n")
				if strings.Contains(out, "error") {
					t.Fatalf("after %d kills: %s", i, out)
				}
				renewed += strings.Count(out, "server ")
				if now, found := strings.CutPrefix(lines[0], "authority "); found && len(lines) > 1 {
					if told != "" && told != now {
						t.Fatalf("after %d kills the authority is another one", i)
					}
					told = now
				}
				checkFolder(t, dir, told)
			}
			if renewed == 0 {
				t.Error("nothing was ever made: the test proves nothing")
			}
		})
	}
}

// killed runs the process, kills it so long after it has begun, however busy the
// machine is, and returns what it said after that.
func killed(t *testing.T, dir string, after time.Duration) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), "CERTS_RENEW="+dir)
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	out := bufio.NewReader(pipe)
	if _, err := out.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(after, cancel)
	defer timer.Stop()
	said, err := io.ReadAll(out)
	if err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	return string(said)
}

// checkFolder starts where a process was killed.
func checkFolder(t *testing.T, dir, fingerprint string) {
	t.Helper()
	log, book := newLog()
	a := open(t, newHouse("doorbell.local").options(dir, log))
	if fingerprint != "" && a.Fingerprint() != fingerprint {
		t.Fatalf("the authority is %s, phones trust %s", a.Fingerprint(), fingerprint)
	}
	if err := verify(leaf(t, a), a.Certificate(), "doorbell.local", time.Now()); err != nil {
		t.Fatal(err)
	}
	if said := book.String(); strings.Contains(said, "level=WARN") || strings.Contains(said, "level=ERROR") {
		t.Fatalf("files were left that don't fit: %s", said)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Fatalf("half-written keys are left: %v", left)
	}
}
