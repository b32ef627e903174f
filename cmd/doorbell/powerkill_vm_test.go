//go:build vm

package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"doorbell/device/guest"
	"doorbell/store"
)

// powerKills is how often the power of a running machine fails.
var powerKills = flag.Int("powerkills", 2, "how often a virtual machine is killed while the doorbell writes (make power-cut)")

// killWithin is the time, from when the program serves, in which the machine is killed.
const killWithin = 3 * time.Second

// killedWhileItWrites kills QEMU at random instants while the program rings, lets phones in and puts them out, again
// and again on one disk. Each time it must start with what the last one left: no visit that it had when it started is
// lost, a phone that was told that it is in is in, and one that was put out stays out.
func killedWhileItWrites(t *testing.T, disk string, chance *rand.Rand) {
	visits := loadVisits(t, disk)
	begun := len(visits)
	phones := map[string]bool{} // whether it may come in, of all of which that is known
	for _, name := range loadPhones(t, disk) {
		phones[name] = true
	}
	for kill := range *powerKills {
		after := time.Duration(chance.Int64N(int64(killWithin)))
		told := powerKill(t, disk, kill, after)
		repair(t, disk)
		visits = sameVisits(t, visits, loadVisits(t, disk))
		samePhones(t, phones, told, loadPhones(t, disk))
		if t.Failed() {
			t.Fatalf("after %d power cuts, the last %v after the start; the program said:\n%s", kill+1, after, told)
		}
	}
	t.Logf("%d power cuts, %d visits before and %d after them, %d phones let in by then", *powerKills, begun, len(visits), len(phones))
	if len(visits) == begun {
		t.Error("nothing was ever written")
	}
}

// powerKill boots with the disk, waits until the program serves, and in the first round until it has written, and kills
// the machine that long after. It returns what the guest was sure of by then.
func powerKill(t *testing.T, disk string, round int, after time.Duration) (told string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	g := startQuiet(t, ctx, guest.Disk{Path: disk})
	life, err := g.Start(ctx, guest.Command{Args: []string{"sh", "-c", fmt.Sprintf(`modprobe ext4; mount -t ext4 /dev/vda /var/lib/doorbell || exit
		door() { doorbell -c /etc/doorbell.yaml "$@"; }
		doorbell run -c /etc/doorbell.yaml 2>/tmp/log &
		until [ -S /run/doorbell/control.sock ]; do usleep 50000; done
		echo serves
		n=0
		while :; do
			n=$((n+1)) name="phone %d.$n"
			door press; door hangup
			words=$(door invite --json | sed -n 's/.*"words": "\(.*\)",/\1/p')
			echo "joins: $name"
			wget -q -O /dev/null --header 'Content-Type: application/json' \
				--post-data "{\"secret\":\"$words\",\"name\":\"$name\"}" http://127.0.0.1:8080/join && echo "in: $name"
			if [ -n "$last" ]; then
				echo "leaves: $last"
				door revoke "$last" >/dev/null && echo "out: $last"
			fi
			last=$name
		done`, round)}})
	if err != nil {
		t.Fatal(err)
	}
	until := "serves"
	if round == 0 {
		until = "in: phone 0.1"
	}
	if err := life.WaitOutput(ctx, until); err != nil {
		t.Fatalf("after %d power cuts: %v\n%s", round, err, life.Output())
	}
	select {
	case <-time.After(after): // the instant is what is random here
	case <-life.Done():
		t.Fatalf("the program has ended:\n%s", life.Output())
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	return life.Output()
}

// sameVisits sees that a book goes on where it stood, but for the oldest, which make room. It returns the new one.
func sameVisits(t *testing.T, before, now []store.Visit) []store.Visit {
	t.Helper()
	if len(before) == 0 {
		return now
	}
	at := slices.Index(now, before[len(before)-1]) + 1
	if at == 0 || !slices.Equal(now[:at], before[max(0, len(before)-at):]) {
		t.Errorf("the book had %d visits, and has %d that don't go on from there", len(before), len(now))
	}
	return now
}

// samePhones compares who may come in with what was known, and with what was told since, where the last line about a
// phone counts. It notes in known what is so now.
func samePhones(t *testing.T, known map[string]bool, told string, now []string) {
	t.Helper()
	unsure := map[string]bool{}
	for line := range strings.Lines(told) {
		what, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		if !ok || !strings.HasPrefix(name, "phone ") {
			continue
		}
		switch what {
		case "joins", "leaves":
			unsure[name] = true
		case "in", "out":
			known[name] = what == "in"
			delete(unsure, name)
		}
	}
	for name, in := range known {
		if !unsure[name] && in != slices.Contains(now, name) {
			t.Errorf("%q: was in: %t, is in: %t", name, in, !in)
		}
	}
	for _, name := range now {
		if _, ok := known[name]; !ok && !unsure[name] {
			t.Errorf("%q was let in by nobody", name)
		}
	}
	for name := range unsure { // from now on it is known
		known[name] = slices.Contains(now, name)
	}
}
