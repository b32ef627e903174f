//go:build vm

package guest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// bounded is the time that one step in a guest may take.
func bounded(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeoutCause(t.Context(), 90*time.Second, errors.New("90 s have passed"))
	t.Cleanup(cancel)
	return ctx
}

// must returns the first, and ends the test if the second is an error.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestGuest(t *testing.T) {
	host := filepath.Join(t.TempDir(), "host")
	if err := os.WriteFile(host, []byte("from the host"), 0o750); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	g := New(t, Options{}, Config{
		Forward: []Forward{{Guest: 8080}},
		Files:   map[string]string{"/etc/door/host": host},
		Clock:   time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC),
	})
	t.Logf("built or found, and up, after %v", time.Since(began))
	ctx := bounded(t)

	t.Run("commands", func(t *testing.T) {
		if out := must(g.Do(ctx, Command{Args: []string{"sh", "-c", "cat; echo $DOOR; pwd"}, Env: []string{"DOOR=open"}, Dir: "/usr", Stdin: []byte("in ")}))(t); out != "in open\n/usr\n" {
			t.Errorf("printed %q", out)
		}
		_, err := g.Shell(ctx, "echo why; exit 7")
		exit := &ExitError{}
		if !errors.As(err, &exit) || exit.Code != 7 || exit.Output != "why" {
			t.Errorf("exit code 7 gave %v", err)
		}
		if _, err := g.Run(ctx, "no-such-program"); err == nil || errors.As(err, &exit) && exit.Code == 0 {
			t.Errorf("a program that is not there gave %v", err)
		}
		if out := must(g.Shell(ctx, "cat /etc/door/host; stat -c %a /etc/door/host"))(t); out != "from the host750\n" {
			t.Errorf("file put at the start: %q", out)
		}
		if now := must(g.Now(ctx))(t); now.Year() != 1970 {
			t.Errorf("clock says %v, want 1970", now)
		}
	})
	t.Run("stopped and killed", func(t *testing.T) {
		p := must(g.Start(ctx, Command{Args: []string{"sh", "-c", "while :; do echo tick; sleep 0.1; done"}}))(t)
		if err := p.WaitOutput(ctx, "tick\ntick\n"); err != nil {
			t.Fatal(err)
		}
		if err := p.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		state := must(g.Run(ctx, "sh", "-c", "while ! grep -q '^State:.T' /proc/$0/status; do usleep 1000; done; echo stopped", strconv.Itoa(p.PID())))(t)
		if state != "stopped\n" {
			t.Errorf("state %q", state)
		}
		if err := p.Kill(ctx); err != nil {
			t.Fatal(err)
		}
		exit := &ExitError{}
		if err := p.Wait(ctx); !errors.As(err, &exit) || exit.Signal != syscall.SIGKILL {
			t.Errorf("killed: %v", err)
		}
	})
	t.Run("large file there and back", func(t *testing.T) {
		content := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
		began := time.Now()
		if err := g.Put(ctx, "/tmp/large", 0o600, content); err != nil {
			t.Fatal(err)
		}
		t.Logf("16 MiB in after %v", time.Since(began))
		sum := sha256.Sum256(content)
		if out := must(g.Run(ctx, "sha256sum", "/tmp/large"))(t); !strings.HasPrefix(out, hex.EncodeToString(sum[:])) {
			t.Errorf("sum in the guest: %s", out)
		}
		began = time.Now()
		if back := must(g.Get(ctx, "/tmp/large"))(t); !bytes.Equal(back, content) {
			t.Errorf("%d bytes came back changed", len(back))
		}
		t.Logf("and out after %v", time.Since(began))
	})
	t.Run("forwarded port", func(t *testing.T) {
		p := must(g.Start(ctx, Command{Args: []string{"nc", "-l", "-p", "8080", "-e", "echo", "hello"}}))(t)
		if _, err := g.Shell(ctx, "while ! netstat -ltn | grep -q 8080; do usleep 5000; done"); err != nil {
			t.Fatal(err)
		}
		conn := must((&net.Dialer{}).DialContext(ctx, "tcp", g.Address(8080)))(t)
		defer conn.Close()
		if b := must(io.ReadAll(conn))(t); string(b) != "hello\n" {
			t.Errorf("the forwarded port said %q", b)
		}
		if err := p.Wait(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Run("ends while waited for", func(t *testing.T) {
		p := must(g.Start(ctx, Command{Args: []string{"sleep", "1000"}}))(t)
		if err := g.PowerOff(ctx); err != nil {
			t.Fatal(err)
		}
		if err := p.Wait(ctx); !errors.Is(err, ErrGone) {
			t.Errorf("a process of a guest that ended: %v, want ErrGone", err)
		}
		if _, err := g.Run(ctx, "true"); !errors.Is(err, ErrGone) {
			t.Errorf("a command after the end: %v, want ErrGone", err)
		}
	})
}
