package access_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"doorbell/access"
	"doorbell/store"
)

// kills is how often the process is killed.
const kills = 500

// init is where this process is the one to be killed.
func init() {
	if path := os.Getenv("ACCESS_WRITE"); path != "" {
		writeForEver(path)
	}
}

func openFile(path string) (*access.Keyring, error) {
	return access.Open(store.NewFile[access.State](path), access.Options{Logger: slog.New(slog.DiscardHandler)})
}

// writeForEver lets phones in and out, and says what it has done: "+name token" and
// "-name", each when it is saved.
func writeForEver(path string) {
	fail := func(err error) {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
	k, err := openFile(path)
	if err != nil {
		fail(err)
	}
	for _, left := range k.Invitations("") { // of the life before
		if err := k.Withdraw("", left.ID); err != nil {
			fail(err)
		}
	}
	fmt.Println("running")
	for n := 0; ; n++ {
		_, words, err := k.Invite(access.RoleOwner, "", time.Time{})
		if err != nil {
			fail(err)
		}
		name := fmt.Sprintf("%d-%d", os.Getpid(), n)
		_, token, err := k.Join(words, name, "192.0.2.1")
		if err != nil {
			fail(err)
		}
		fmt.Println("+" + name + " " + token)
		for len(k.Phones("")) > 3 {
			first := k.Phones("")[0]
			if err := k.Revoke("", first.ID, false); err != nil {
				fail(err)
			}
			fmt.Println("-" + first.Name)
		}
	}
}

// TestKilled kills the process while it writes who may come in. Each time it starts
// again with the old or the new state: who was told that he is in is in, and who was
// told to be out is out. Only of the one change that was under way nobody was told.
func TestKilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access")
	in := map[string]string{} // token by name; empty where the process ended before it told
	changes := 0
	for i := range kills {
		for _, line := range killed(t, path) {
			changes++
			name, token, _ := strings.Cut(line[1:], " ")
			if line[0] == '+' {
				in[name] = token
			} else {
				delete(in, name)
			}
		}
		k, err := openFile(path)
		if err != nil {
			t.Fatalf("kill %d: %v", i, err)
		}
		found := map[string]string{}
		untold := 0
		for _, phone := range k.Phones("") {
			token, told := in[phone.Name]
			found[phone.Name] = token
			if !told {
				untold++
			}
			if got, ok := k.Identify(token); token != "" && (!ok || got.Name != phone.Name) {
				t.Fatalf("kill %d: %s is not let in", i, phone.Name)
			}
		}
		for name := range in {
			if _, ok := found[name]; !ok {
				untold++
			}
		}
		if untold > 1 {
			t.Fatalf("kill %d: told %v, found %v", i, in, found)
		}
		in = found
	}
	if changes < kills {
		t.Errorf("%d changes in %d lives: too few to prove anything", changes, kills)
	}
}

// killed runs the writer until some instant, and returns what it said to have done.
func killed(t *testing.T, path string) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), "ACCESS_WRITE="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	lines.Scan() // running, or why not
	if lines.Text() != "running" {
		_ = cmd.Wait()
		t.Fatalf("the process did not start: %s", lines.Text())
	}
	timer := time.AfterFunc(rand.N(40*time.Millisecond), func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	var said []string
	for lines.Scan() {
		said = append(said, lines.Text())
	}
	_ = cmd.Wait() // killed
	if i := slices.IndexFunc(said, func(line string) bool { return line[0] != '+' && line[0] != '-' }); i >= 0 {
		t.Fatal(said[i])
	}
	return said
}
