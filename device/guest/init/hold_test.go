//go:build linux

package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// holdTest is the environment variable that makes this test the process of which a thread is held.
const holdTest = "DOORBELL_TEST_HOLD"

// The thread that waits for a pipe is held, and another of the same process goes on and says so.
func TestHold(t *testing.T) {
	if pipe := os.Getenv(holdTest); pipe != "" {
		waitAndTell(pipe)
	}
	pipe := filepath.Join(t.TempDir(), "device")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	process := exec.Command(os.Args[0], "-test.run=^TestHold$")
	process.Env = append(os.Environ(), holdTest+"="+pipe)
	out, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	held, holding := make(chan error, 1), make(chan struct{})
	go func() {
		err := hold(process.Process.Pid, pipe, func(int) { close(holding) })
		_ = process.Process.Kill() // where nothing could be held it would go on
		held <- err
	}()
	lines, told := bufio.NewScanner(out), 0
	for told < 3 && lines.Scan() {
		select {
		case <-holding:
			if lines.Text() == "held: 1" {
				told++
			}
		default: // a thread may be stopped for a look alone
		}
	}
	if told < 3 {
		t.Error("the process did not say three times that one of its threads is held")
	}
	if err := process.Process.Kill(); err != nil {
		t.Error(err)
	}
	if err := <-held; err != nil {
		t.Error(err)
	}
	_ = process.Wait() // it was killed
}

// waitAndTell waits for a pipe in one thread, and tells in another how many threads are held, until it is killed.
func waitAndTell(pipe string) {
	f, err := os.OpenFile(pipe, os.O_RDWR, 0)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	go func() {
		fds := []unix.PollFd{{Fd: int32(f.Fd()), Events: unix.POLLIN}}
		for {
			_, _ = unix.Poll(fds, -1) // ends when a signal comes
		}
	}()
	for range time.Tick(time.Millisecond) {
		held := 0
		threads, _ := filepath.Glob("/proc/self/task/*/status")
		for _, name := range threads {
			if status, err := os.ReadFile(name); err == nil && strings.Contains(string(status), "State:\tt") { // tracing stop, proc(5)
				held++
			}
		}
		fmt.Println("held:", held)
	}
}
