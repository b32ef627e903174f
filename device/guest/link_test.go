package guest

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"doorbell/device/guest/agent"
)

// linked connects a link with an agent that runs commands on this host.
func linked(t *testing.T) *link {
	host, guest := net.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- agent.NewServer(guest, agent.Hello{Boot: "first"}).Run()
		guest.Close()
	}()
	l := newLink(host)
	go l.run()
	t.Cleanup(func() {
		host.Close()
		<-l.done
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return l
}

func TestLink(t *testing.T) {
	l, ctx := linked(t), t.Context()
	if h, err := l.greet(ctx); err != nil || h.Boot != "first" {
		t.Fatalf("hello %v, %v", h, err)
	}
	var live bytes.Buffer
	p, err := l.carryOut(ctx, Command{Args: []string{"sh", "-c", "echo out; echo err >&2; exit 4"}, Output: &live})
	exit := &ExitError{}
	if !errors.As(err, &exit) || exit.Code != 4 {
		t.Errorf("exit code 4 gave %v", err)
	}
	if got := p.stdout.String(); got != "out\n" {
		t.Errorf("its standard output was %q", got)
	}
	if got := p.Output(); len(got) != 8 || live.String() != got {
		t.Errorf("it printed %q, as it came %q", got, live.String())
	}
	if _, err := l.carryOut(ctx, Command{Args: []string{"no-such-program"}}); err == nil || !strings.Contains(err.Error(), "no-such-program") {
		t.Errorf("a program that is not there: %v", err)
	}
}

func TestLinkKillsWhatTakesTooLong(t *testing.T) {
	l := linked(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	p, err := l.start(ctx, Command{Args: []string{"sh", "-c", "echo on; sleep 1000"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.WaitOutput(ctx, "on\n"); err != nil {
		t.Fatal(err)
	}
	cause := errors.New("enough")
	cancel(cause)
	if err := p.Wait(ctx); !errors.Is(err, cause) {
		t.Errorf("waited with %v", err)
	}
	if p, err := l.carryOut(ctx, Command{Args: []string{"sleep", "1000"}}); err == nil {
		t.Errorf("ran %v to its end", p)
	}
	if err := p.Kill(t.Context()); err != nil {
		t.Error(err)
	}
	exit := &ExitError{}
	if err := p.Wait(t.Context()); !errors.As(err, &exit) || exit.Signal != syscall.SIGKILL {
		t.Errorf("killed: %v", err)
	}
}

func TestLinkPut(t *testing.T) {
	l, name := linked(t), filepath.Join(t.TempDir(), "file")
	content := bytes.Repeat([]byte("x"), 700<<10)
	if err := l.put(t.Context(), name, 0o600, int64(len(content)), bytes.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(name); err != nil || !bytes.Equal(b, content) {
		t.Errorf("%d bytes came, %v", len(b), err)
	}
	if err := l.put(t.Context(), name, 0o600, 9, strings.NewReader("short")); err == nil {
		t.Error("a file shorter than announced was taken")
	}
}

func TestLinkEnds(t *testing.T) {
	l, ctx := linked(t), t.Context()
	p, err := l.start(ctx, Command{Args: []string{"sleep", "1000"}})
	if err != nil {
		t.Fatal(err)
	}
	l.conn.Close()
	if err := p.Wait(ctx); !errors.Is(err, ErrGone) {
		t.Errorf("a process whose machine ended: %v", err)
	}
	<-l.done
	if _, err := l.start(ctx, Command{Args: []string{"true"}}); !errors.Is(err, ErrGone) {
		t.Errorf("a command after the end: %v", err)
	}
}

func TestTranscriptWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, done := &transcript{}, make(chan struct{})
		go func() {
			for _, part := range []string{"rea", "dy\n"} {
				time.Sleep(time.Second)
				tr.Write([]byte(part))
			}
			time.Sleep(time.Second)
			close(done)
		}()
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		if err := tr.wait(ctx, "ready", done); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("too early: %v", err)
		}
		if err := tr.wait(t.Context(), "ready", done); err != nil {
			t.Error(err)
		}
		if err := tr.wait(t.Context(), "never", done); err == nil {
			t.Error("found what was never printed")
		}
	})
}
