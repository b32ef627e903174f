package main

import (
	"flag"
	"fmt"
	"net/http"
	"testing"
	"time"
)

// soakCalls is how many calls the long run has.
var soakCalls = flag.Int("soak", 10, "how many calls the long run has (make soak)")

// soakWarm is how many calls a door is given until its memory counts.
const soakWarm = 20

// TestSoak lets three phones come, be rung, call and go again, over and over: the door
// must then hold no more goroutines, descriptors or memory than before.
func TestSoak(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	door := start(t, simulated+fmt.Sprintf("relay: {listen: ['127.0.0.1:%d']}\nring: {to: [anna, bert, carl]}\n", port))
	url := fmt.Sprintf("ws://127.0.0.1:%d/", port)
	page := door.status().Page
	door.wait("the page, which is the last to start", func() bool { return answers(page) })
	soakCall(t, door, url) // what is made once is made now
	goroutines, files := door.goroutines(), door.files()
	t.Logf("begins with %d goroutines, %d descriptors, %.1f MB", goroutines, files, door.memory())
	begun := time.Now()
	var memory figures
	for i := range *soakCalls {
		soakCall(t, door, url)
		memory = append(memory, door.memory())
		if (i+1)%10 == 0 {
			t.Logf("after %3d calls, %3.0f s: %d goroutines, %d descriptors, %.1f MB",
				i+1, time.Since(begun).Seconds(), door.goroutines(), door.files(), door.memory())
		}
	}
	// What has ended may take a moment to be gone, and so does the connection that asks.
	var g, f int
	if poll(30*time.Second, func() bool { f, g = door.files(), door.goroutines(); return g <= goroutines && f <= files }) != nil {
		t.Errorf("%d goroutines and %d descriptors after %d calls, %d and %d before; open are %s\ndoorbell's log, with every goroutine's stack:\n%s",
			g, f, *soakCalls, goroutines, files, door.descriptors(), door.stacks())
	}
	soakMemory(t, memory)
}

// answers tells whether a page is served there, and keeps no connection.
func answers(url string) bool {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get(url)
	if err != nil {
		return false
	}
	return response.Body.Close() == nil && response.StatusCode == http.StatusOK
}

// soakMemory compares the memory of the last calls with that of those after the first
// ones. Each call leaves garbage for a while, so that many are needed to tell.
func soakMemory(t *testing.T, memory figures) {
	t.Helper()
	const many = 30
	if len(memory) < soakWarm+2*many {
		t.Logf("memory is compared in long runs alone: make soak")
		return
	}
	early, late := memory[soakWarm:soakWarm+many].at(0.5), memory[len(memory)-many:].at(0.5)
	t.Logf("memory: %.1f MB after the first %d calls, %.1f MB in the end: %+.1f %%", early, soakWarm, late, 100*(late/early-1))
	if late > 1.05*early {
		t.Errorf("memory has grown from %.1f to %.1f MB", early, late)
	}
}

// soakCall rings three phones, which answer all at once: one has the call, and the
// others look in. Then all hang up and go.
func soakCall(t *testing.T, door *process, url string) {
	t.Helper()
	var phones []*baseClient
	for _, name := range []string{"anna", "bert", "carl"} {
		phones = append(phones, newBaseClient(t, url, name))
	}
	door.press()
	var by string
	door.wait("somebody to have the call", func() bool {
		s := door.asked()
		if s.Door.Visit != nil {
			by = s.Door.Visit.By
		}
		return by != "" && len(s.Door.Connections) == 1
	})
	for _, c := range phones {
		if c.name != by {
			c.close() // a page of the base dialect has one connection; who lost the ring makes another
		}
	}
	door.wait("the others to be gone", func() bool { return len(door.asked().Here) == 2 })
	for i, c := range phones {
		if c.name != by {
			phones[i] = newBaseClient(t, url, c.name)
			phones[i].call("doorbell")
		}
	}
	for _, c := range phones {
		c.receives()
	}
	for _, c := range phones {
		c.hangUp()
	}
	door.wait("the door to be quiet", func() bool {
		s := door.asked()
		return s.Door.Visit == nil && len(s.Door.Connections) == 0
	})
	for _, c := range phones {
		c.close()
	}
	door.wait("the phones to be gone", func() bool { return len(door.asked().Here) == 1 })
}
