//go:build vm

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"doorbell/access"
	"doorbell/device/guest"
	"doorbell/store"
)

// The disk of the state: a file system, and behind it two sectors where the test notes in the same order of
// writes how many visits, and how many phones, must not be lost any more.
const (
	stateSize  = 32 << 20
	powerCuts  = 100
	rounds     = 2
	roundRings = 8
)

const quietDoor = `
listen: 127.0.0.1:8080
tls: {listen: none}
local_name: ""
camera: none
microphone: none
speaker: none
button: sim
light: none
state_dir: /var/lib/doorbell
control: /run/doorbell/control.sock
`

// TestPowerCut rings and hangs up, invites phones and has them join, so that the book of visits and the list of
// phones are written over and over, and logs what reaches the disk. From the log it makes what a power cut at any instant can leave, and reads the book as the program does.
//
// A guest killed at an instant, as by Guest.Close, leaves all that QEMU has written by then, in order: one
// of the states made here, and a kind one. A real disk keeps what was flushed and of the rest what it likes, in
// any order, block by block; that is what is made here, for any instant, without a start of the machine for each.
// With the worst of them the machine starts, and is then killed indeed.
func TestPowerCut(t *testing.T) {
	ctx, cancel := context.WithTimeoutCause(t.Context(), 5*time.Minute, errors.New("5 minutes have passed"))
	defer cancel()
	base := stateDisk(t)
	disk, log := filepath.Join(t.TempDir(), "disk"), filepath.Join(t.TempDir(), "log")
	tool(t, "cp", "--sparse=always", base, disk)
	g := startQuiet(t, ctx, guest.Disk{Path: disk, Log: log})
	if out, err := g.Shell(ctx, writeVisits()); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := g.PowerOff(ctx); err != nil {
		t.Fatal(err)
	}
	writes, err := guest.ReadWriteLog(log)
	if err != nil {
		t.Fatal(err)
	}
	final := loadVisits(t, disk)
	phones := loadPhones(t, disk)
	if len(final) != rounds*roundRings || len(phones) != rounds*roundRings {
		t.Fatalf("%d visits and %d phones at the end, want %d", len(final), len(phones), rounds*roundRings)
	}
	seed := rand.Uint64()
	t.Logf("%d writes and flushes, seed %d", writes.Len(), seed)
	chance := rand.New(rand.NewPCG(seed, 0))
	books, lists, torn, worst := map[int]int{}, map[int]int{}, 0, ""
	for range powerCuts {
		n := 1 + chance.IntN(writes.Len())
		image, unsure := cut(t, base, writes, n, chance)
		visits := loadVisits(t, image)
		saved := 0
		if b := writes.Written(n, stateSize); b != nil {
			fmt.Sscanf(string(b[:20]), "saved %d", &saved)
		}
		if len(visits) < saved || len(visits) > len(final) || !slices.Equal(visits, final[:len(visits)]) {
			t.Errorf("power cut after %d of %d writes: %d visits, want the first of %d and at least %d", n, writes.Len(), len(visits), len(final), saved)
		}
		books[len(visits)]++
		in := loadPhones(t, image)
		joined := 0
		if b := writes.Written(n, stateSize+512); b != nil {
			fmt.Sscanf(string(b[:20]), "joined %d", &joined)
		}
		// A phone that was told that it is in is in.
		if len(in) < joined || len(in) > len(phones) || !slices.Equal(in, phones[:len(in)]) {
			t.Errorf("power cut after %d of %d writes: phones %v, want the first of %d and at least %d", n, writes.Len(), in, len(phones), joined)
		}
		lists[len(in)]++
		if unsure > 0 {
			torn, worst = torn+1, image
		}
	}
	t.Logf("%d cuts left %d different books and %d lists of phones; %d of them while something was not flushed", powerCuts, len(books), len(lists), torn)
	if torn < powerCuts/20 || len(books) < rounds*roundRings/2 || len(lists) < rounds*roundRings/2 {
		t.Error("too few instants were met to be of any use")
	}
	t.Run("killed", func(t *testing.T) { killedWhileItWrites(t, worst, chance) })
}

// startQuiet boots a small guest with the program and one disk.
func startQuiet(t *testing.T, ctx context.Context, disk guest.Disk) *guest.Guest {
	t.Helper()
	g := guest.New(t, guest.Options{}, guest.Config{Disks: []guest.Disk{disk}})
	err := errors.Join(
		g.PutProgram(ctx, executable(t), "/usr/bin/doorbell"),
		g.Put(ctx, "/etc/doorbell.yaml", 0o644, []byte(quietDoor)),
	)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Run(ctx, "mkdir", "-p", "/var/lib/doorbell", "/run/doorbell"); err != nil {
		t.Fatal(err)
	}
	return g
}

// writeVisits rings and hangs up, and lets phones in. Once the program has ended well, its visits must stay, and a
// phone once it was told that it is in: the sectors behind the file system say so.
func writeVisits() string {
	return fmt.Sprintf(`modprobe ext4; mount -t ext4 /dev/vda /var/lib/doorbell
		door() { doorbell -c /etc/doorbell.yaml "$@"; }
		visits=0 joined=0
		join() {
			words=$(door invite --json | sed -n 's/.*"words": "\(.*\)",/\1/p')
			wget -q -O /dev/null --header 'Content-Type: application/json' \
				--post-data "{\"secret\":\"$words\",\"name\":\"phone $joined\"}" http://127.0.0.1:8080/join || return
			joined=$((joined+1))
			printf 'joined %%-500d\n' $joined | dd of=/dev/vda bs=512 seek=%d count=1 conv=notrunc,fsync 2>/dev/null
		}
		for round in $(seq %d); do
			doorbell run -c /etc/doorbell.yaml >/tmp/log 2>&1 & pid=$!
			until door status >/dev/null 2>&1; do usleep 100000; done
			for ring in $(seq %d); do
				door press; door hangup; visits=$((visits+1))
				join
			done
			kill $pid; wait $pid
			printf 'saved %%-500d\n' $visits | dd of=/dev/vda bs=512 seek=%d count=1 conv=notrunc,fsync 2>/dev/null
		done
		umount /var/lib/doorbell`, stateSize/512+1, rounds, roundRings, stateSize/512)
}

// stateDisk makes a disk with an empty file system and room behind it.
func stateDisk(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "base")
	if err := errors.Join(os.WriteFile(name, nil, 0o644), os.Truncate(name, stateSize+1<<20)); err != nil {
		t.Fatal(err)
	}
	tool(t, "mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-E", "lazy_itable_init=0,lazy_journal_init=0", name, strconv.Itoa(stateSize>>10)+"k")
	return name
}

// cut makes the disk that a power cut after n writes leaves, and has its file system repaired.
func cut(t *testing.T, base string, writes *guest.WriteLog, n int, chance *rand.Rand) (image string, unsure int) {
	t.Helper()
	image = filepath.Join(t.TempDir(), "after "+strconv.Itoa(n)+" writes")
	tool(t, "cp", "--sparse=always", base, image)
	f, err := os.OpenFile(image, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	unsure, err = writes.Cut(f, n, chance)
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	repair(t, image)
	return image, unsure
}

// repair has a file system repaired as at a start of the machine: without questions, or it fails.
func repair(t *testing.T, image string) {
	t.Helper()
	out, err := exec.Command("e2fsck", "-fp", image).CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !(errors.As(err, &exit) && exit.ExitCode() == 1) { // 1: repaired, e2fsck(8)
		t.Errorf("%s: e2fsck: %v: %s", image, err, out)
	}
}

// loadVisits reads the book in a disk's image, oldest first, as the program does when it starts.
func loadVisits(t *testing.T, image string) []store.Visit {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"visits", "visits.previous"} {
		tool(t, "debugfs", "-R", "dump /"+name+" "+filepath.Join(dir, name), image)
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil && info.Size() == 0 {
			t.Errorf("%s: %s is empty", image, name)
		}
	}
	visits, _, err := store.NewFile[[]store.Visit](filepath.Join(dir, "visits")).Load()
	if err != nil {
		t.Errorf("%s: %v", image, err)
	}
	return visits
}

// loadPhones reads who may come in from a disk's image, in the order in which they joined.
func loadPhones(t *testing.T, image string) []string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"access", "access.previous"} {
		tool(t, "debugfs", "-R", "dump /"+name+" "+filepath.Join(dir, name), image)
	}
	state, _, err := store.NewFile[access.State](filepath.Join(dir, "access")).Load()
	if err != nil {
		t.Errorf("%s: %v", image, err)
	}
	var names []string
	for _, phone := range state.Phones {
		names = append(names, phone.Name)
	}
	return names
}

// tool runs a program of the host.
func tool(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v: %s", args, err, out)
	}
}
