package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// figures collects one kind of measurement.
type figures []float64

// at is the figure below which that share of all lies; 0 where there is none.
func (f figures) at(share float64) float64 {
	sorted := slices.Sorted(slices.Values(f))
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(share*float64(len(sorted))))]
}

// request asks over the control socket, without the time that starting a program takes.
func (p *process) request(method, what string, into any) {
	p.t.Helper()
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", p.control)
		},
	}}
	request, err := http.NewRequest(method, "http://doorbell/"+what, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	response, err := client.Do(request)
	if err == nil {
		err = readResponse(response, into)
		_ = response.Body.Close()
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

// press presses the button, and tells when.
func (p *process) press() time.Time {
	p.t.Helper()
	at := time.Now()
	p.request(http.MethodPost, "press", nil)
	return at
}

// asked is the status of a door that is known to answer.
func (p *process) asked() (s status) {
	p.t.Helper()
	var raw json.RawMessage
	p.request(http.MethodGet, "status", &raw)
	if err := json.Unmarshal(raw, &s); err != nil {
		p.t.Fatal(err)
	}
	return s
}

// cost is the share of a core, in percent, that the door uses for a while.
func (p *process) cost(d time.Duration) float64 {
	p.t.Helper()
	before, begin := p.cpu(), time.Now()
	<-time.After(d)
	return 100 * (p.cpu() - before).Seconds() / time.Since(begin).Seconds()
}

// cpu is the processor time that the door has used.
func (p *process) cpu() time.Duration {
	p.t.Helper()
	used, err := processorTime(p.cmd.Process.Pid)
	if err != nil {
		p.t.Fatal(err)
	}
	return used
}

// processorTime is what a process has used, in nanoseconds where /proc counts in ticks of 10 ms: its clock
// (clock_getcpuclockid(3); CPUCLOCK_SCHED of all its threads, linux/posix-timers.h).
func processorTime(pid int) (time.Duration, error) {
	const cpuClockSched = 2
	var used unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|cpuClockSched), &used); err != nil {
		return 0, fmt.Errorf("processor time of process %d: %w", pid, err)
	}
	return time.Duration(used.Nano()), nil
}

// memory is the resident set in MB (proc(5), /proc/pid/status, VmRSS in kB).
func (p *process) memory() float64 {
	p.t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), "VmRSS:")
	var kilobytes float64
	if _, err := fmt.Sscan(rest, &kilobytes); err != nil {
		p.t.Fatal(err)
	}
	return kilobytes / 1000
}

// files is how many descriptors the door has open.
func (p *process) files() int {
	p.t.Helper()
	return len(p.descriptors())
}

// descriptors is what the door has open (proc(5), /proc/pid/fd).
func (p *process) descriptors() []string {
	p.t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		p.t.Fatal(err)
	}
	var open []string
	for _, entry := range entries {
		target, err := os.Readlink(filepath.Join(dir, entry.Name()))
		if err != nil {
			continue // closed since
		}
		open = append(open, entry.Name()+" -> "+target)
	}
	return open
}

// goroutines is how many the door has: the least of a few looks, since each look has
// some of its own.
func (p *process) goroutines() int {
	p.t.Helper()
	var seen []int
	for range 5 {
		seen = append(seen, p.asked().Goroutines)
	}
	return slices.Min(seen)
}
