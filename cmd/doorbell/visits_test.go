package main

import (
	"strings"
	"testing"
)

// TestVisitsSurviveAPowerCut rings with nobody at home, cuts the power, and looks
// into the book after the next start.
func TestVisitsSurviveAPowerCut(t *testing.T) {
	t.Parallel()
	door := start(t, simulated+"ring: {timeout: 1s}\n")
	door.status()
	if out := door.do("visits"); !strings.Contains(out, "Nobody has rung") {
		t.Errorf("a new book says %q", out)
	}
	door.do("press")
	missed := func() bool { return strings.Contains(door.do("visits"), "missed") }
	door.wait("the visit to be missed", missed)
	door.wait("the visit to be saved", func() bool { return exists(stateDir(door.dir) + "/visits") })
	door.kill()
	door.launch()
	door.status()
	if !missed() {
		t.Errorf("after the power cut: %q", door.do("visits"))
	}
	if out := door.do("visits", "--json"); !strings.Contains(out, `"outcome": "missed"`) {
		t.Errorf("for programs: %s", out)
	}
}
