package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if path := os.Getenv("STORE_WRITE"); path != "" {
		writeForEver(path)
	}
	goleak.VerifyTestMain(m)
}

// value grows with its number, so that a file that was cut can't look whole.
type value struct {
	Number int
	Filler string
}

func valueOf(n int) value { return value{Number: n, Filler: strings.Repeat("x", n%5000)} }

// writeForEver is the process that gets killed.
func writeForEver(path string) {
	fmt.Println("begun")
	f := NewFile[value](path)
	old, _, err := f.Load()
	if err != nil {
		fmt.Println("damaged:", err)
		os.Exit(1)
	}
	for n := old.Number + 1; ; n++ {
		if err := f.Save(valueOf(n)); err != nil {
			fmt.Println("not saved:", err)
			os.Exit(1)
		}
		fmt.Println(n)
	}
}

func TestFile(t *testing.T) {
	f := NewFile[value](filepath.Join(t.TempDir(), "deep", "state"))
	if _, found, err := f.Load(); found || err != nil {
		t.Fatalf("before anything was saved: found %t, error %v", found, err)
	}
	for n := range 3 {
		if err := f.Save(valueOf(n)); err != nil {
			t.Fatal(err)
		}
		if got, found, err := f.Load(); got != valueOf(n) || !found || err != nil {
			t.Fatalf("saved %d, loaded %d, found %t, error %v", n, got.Number, found, err)
		}
	}
	if info, err := os.Stat(f.path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others may read the state: %v %v", info.Mode(), err)
	}
}

// TestDamage breaks files in all the ways that a card does.
func TestDamage(t *testing.T) {
	tests := map[string]struct {
		newest, previous func(path string) error
		want             int // -1: nothing can be loaded
	}{
		"newest cut":         {newest: cut, want: 1},
		"newest empty":       {newest: empty, want: 1},
		"newest changed":     {newest: change, want: 1},
		"newest gone":        {newest: os.Remove, want: 1},
		"previous cut":       {previous: cut, want: 2},
		"previous gone":      {previous: os.Remove, want: 2},
		"both cut":           {newest: cut, previous: cut, want: -1},
		"newest a directory": {newest: directory, want: 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := NewFile[value](filepath.Join(t.TempDir(), "state"))
			for n := 1; n <= 2; n++ {
				if err := f.Save(valueOf(n)); err != nil {
					t.Fatal(err)
				}
			}
			for path, damage := range map[string]func(string) error{f.path: tt.newest, f.previous(): tt.previous} {
				if damage != nil {
					if err := damage(path); err != nil {
						t.Fatal(err)
					}
				}
			}
			got, found, err := f.Load()
			if tt.want < 0 {
				if found || !errors.Is(err, ErrDamaged) {
					t.Errorf("loaded %d, found %t, error %v", got.Number, found, err)
				}
				return
			}
			if !found || got != valueOf(tt.want) {
				t.Errorf("loaded %d, found %t, error %v; want %d", got.Number, found, err, tt.want)
			}
		})
	}
}

func cut(path string) error   { return os.Truncate(path, 20) }
func empty(path string) error { return os.Truncate(path, 0) }
func directory(path string) error {
	return errors.Join(os.Remove(path), os.Mkdir(path, 0o700))
}

func change(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	data[len(data)-2] ^= 1
	return os.WriteFile(path, data, 0o600)
}

// TestDamagedCopyDoesNotSpread saves over a damaged file: the good copy before
// it stays until there is a newer good one.
func TestDamagedCopyDoesNotSpread(t *testing.T) {
	f := NewFile[value](filepath.Join(t.TempDir(), "state"))
	for n := 1; n <= 2; n++ {
		if err := f.Save(valueOf(n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := cut(f.path); err != nil {
		t.Fatal(err)
	}
	if err := f.keep(); err != nil {
		t.Fatal(err)
	}
	if got, found, _ := f.Load(); !found || got != valueOf(1) {
		t.Errorf("loaded %d, found %t", got.Number, found)
	}
}

// TestKill kills a process at random instants while it saves: what it had
// reported as saved is there, or something newer, and always whole.
func TestKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	f := NewFile[value](path)
	last := 0
	for i := range 60 {
		// The instants spread over the first milliseconds, in which every step of a
		// Save falls.
		out := killed(t, path, time.Duration(i)*time.Millisecond)
		if strings.Contains(out, "damaged") || strings.Contains(out, "not saved") {
			t.Fatalf("%s", out)
		}
		lines := strings.Split(out, "\n")
		if len(lines) > 1 {
			_, _ = fmt.Sscan(lines[len(lines)-2], &last) // the last whole line
		}
		got, found, err := f.Load()
		if err != nil || (found && got != valueOf(got.Number)) || got.Number < last {
			t.Fatalf("after kill %d: loaded %d, found %t, error %v; %d had been saved", i, got.Number, found, err, last)
		}
	}
	if last == 0 {
		t.Error("nothing was ever saved: the test proves nothing")
	}
}

// killed runs the process, kills it so long after it has begun, however busy the
// machine is, and returns what it said after that.
func killed(t *testing.T, path string, after time.Duration) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), "STORE_WRITE="+path)
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

func TestVisits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "visits")
	log := slog.New(slog.DiscardHandler)
	v := NewVisits(path, log)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- v.Run(ctx) }()
	for i := range keepVisits + 5 {
		v.Add(Visit{ID: fmt.Sprint(i), Outcome: "missed", Pressed: time.Unix(int64(i), 0)})
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	got := NewVisits(path, log).List()
	if len(got) != keepVisits || got[0].ID != fmt.Sprint(keepVisits+4) || got[keepVisits-1].ID != "5" {
		t.Errorf("%d visits, from %s to %s", len(got), got[0].ID, got[len(got)-1].ID)
	}
}

func TestVisitsWithoutADisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	v := NewVisits(filepath.Join(path, "visits"), slog.New(slog.NewTextHandler(&log, nil)))
	v.Add(Visit{ID: "1"})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := v.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "not saved") || len(v.List()) != 1 {
		t.Errorf("%d visits, log: %s", len(v.List()), &log)
	}
}
