package agent

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// serve runs a server for one test and returns the host's end.
func serve(t *testing.T) net.Conn {
	host, guest := net.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- NewServer(guest, Hello{Release: "7", Boot: "first"}).Run() }()
	t.Cleanup(func() {
		host.Close()
		if err := <-ended; err != nil {
			t.Errorf("the server ended with %v", err)
		}
		guest.Close()
	})
	return host
}

// ask sends a frame with JSON.
func ask(t *testing.T, host net.Conn, kind Kind, v any) {
	t.Helper()
	if err := WriteJSON(host, kind, 1, v); err != nil {
		t.Fatal(err)
	}
}

// exit reads frames up to the Exit, and returns what came on both outputs.
func exit(t *testing.T, host net.Conn) (string, Exit) {
	t.Helper()
	var out strings.Builder
	for {
		f, err := ReadFrame(host)
		if err != nil {
			t.Fatal(err)
		}
		switch f.Kind {
		case KindStdout, KindStderr:
			out.Write(f.Body)
		case KindExit:
			var e Exit
			if err := json.Unmarshal(f.Body, &e); err != nil {
				t.Fatal(err)
			}
			return out.String(), e
		}
	}
}

func TestHello(t *testing.T) {
	host := serve(t)
	ask(t, host, KindHello, Hello{})
	f, err := ReadFrame(host)
	if err != nil || string(f.Body) != `{"Release":"7","Boot":"first"}` {
		t.Errorf("answer %s, %v", f.Body, err)
	}
}

func TestCommand(t *testing.T) {
	for name, c := range map[string]struct {
		command Command
		output  string
		exit    Exit
	}{
		"prints":           {Command{Args: []string{"echo", "hello"}}, "hello\n", Exit{}},
		"reads":            {Command{Args: []string{"cat"}, Stdin: []byte("in")}, "in", Exit{}},
		"does not read":    {Command{Args: []string{"true"}, Stdin: make([]byte, 512<<10)}, "", Exit{}},
		"environment":      {Command{Args: []string{"sh", "-c", "echo $A"}, Env: []string{"A=b"}}, "b\n", Exit{}},
		"folder":           {Command{Args: []string{"pwd"}, Dir: "/"}, "/\n", Exit{}},
		"complains":        {Command{Args: []string{"sh", "-c", "echo no >&2; exit 3"}}, "no\n", Exit{Code: 3}},
		"dies":             {Command{Args: []string{"sh", "-c", "kill -9 $$"}}, "", Exit{Code: -1, Signal: 9}},
		"leaves an orphan": {Command{Args: []string{"sh", "-c", "sleep 30 & echo gone"}}, "gone\n", Exit{}},
	} {
		t.Run(name, func(t *testing.T) {
			host := serve(t)
			ask(t, host, KindStart, c.command)
			if out, e := exit(t, host); out != c.output || e != c.exit {
				t.Errorf("printed %q and %+v, want %q and %+v", out, e, c.output, c.exit)
			}
		})
	}
}

func TestCommandThatIsNotThere(t *testing.T) {
	host := serve(t)
	for _, args := range [][]string{nil, {"no-such-program"}} {
		ask(t, host, KindStart, Command{Args: args})
		if _, e := exit(t, host); e.Code != -1 || e.Error == "" {
			t.Errorf("%v: %+v", args, e)
		}
	}
}

func TestSignals(t *testing.T) {
	host := serve(t)
	ask(t, host, KindStart, Command{Args: []string{"sleep", "1000"}})
	signal := func(number syscall.Signal, group bool) { ask(t, host, KindSignal, Signal{int(number), group}) }
	if f, err := ReadFrame(host); err != nil || f.Kind != KindStarted {
		t.Fatalf("%v %v", f.Kind, err)
	}
	signal(syscall.SIGSTOP, false)
	signal(syscall.SIGKILL, true)
	if _, e := exit(t, host); e.Signal != int(syscall.SIGKILL) {
		t.Errorf("killed: %+v", e)
	}
	signal(syscall.SIGTERM, false) // it has ended: nothing happens
}

func TestEndKillsWhatRuns(t *testing.T) {
	host := serve(t)
	ask(t, host, KindStart, Command{Args: []string{"sleep", "1000"}})
	if f, err := ReadFrame(host); err != nil || f.Kind != KindStarted {
		t.Fatalf("%v %v", f.Kind, err)
	}
}

func TestPut(t *testing.T) {
	name := filepath.Join(t.TempDir(), "new", "file")
	host := serve(t)
	for _, c := range []struct {
		announced int64
		want      string // in the file after
		fails     bool
	}{{5, "hello", false}, {4, "hello", true}} {
		ask(t, host, KindPut, Put{Path: name, Mode: 0o640, Size: c.announced})
		for _, part := range []string{"hel", "lo"} {
			if err := WriteFrame(host, Frame{KindData, 1, []byte(part)}); err != nil {
				t.Fatal(err)
			}
		}
		if err := WriteFrame(host, Frame{Kind: KindEnd, Stream: 1}); err != nil {
			t.Fatal(err)
		}
		if _, e := exit(t, host); (e.Error != "") != c.fails {
			t.Errorf("announced %d bytes: %+v", c.announced, e)
		}
		if b, err := os.ReadFile(name); string(b) != c.want {
			t.Errorf("file has %q, %v", b, err)
		}
	}
	if info, err := os.Stat(name); err != nil || info.Mode() != 0o640 {
		t.Errorf("mode %v, %v", info, err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(name), ".put-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
