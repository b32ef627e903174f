//go:build linux

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// pollCalls are the numbers of the system calls by which a thread waits for an array of descriptors: poll,
// which arm64 has not, and ppoll (asm/unistd.h).
func pollCalls() []uint64 {
	return map[string][]uint64{"amd64": {7, unix.SYS_PPOLL}, "arm64": {unix.SYS_PPOLL}}[runtime.GOARCH]
}

// pollfd is poll(2)'s.
type pollfd struct {
	FD              int32
	Events, Revents int16
}

// hold stops one thread of a process, the one that waits for a device, says which, and holds it until it ends.
// All others go on, which no signal can bring about: SIGSTOP stops them all.
func hold(pid int, device string, holding func(thread int)) error {
	runtime.LockOSThread() // a tracer is a thread, ptrace(2)
	// To look takes an emulated processor longer than the thread waits, unless nobody else has to do anything.
	if err := unix.Setpriority(unix.PRIO_PROCESS, 0, 19); err != nil {
		return fmt.Errorf("look at a low priority: %w", err)
	}
	for {
		held, err := holdOnce(pid, device, holding)
		if held || err != nil {
			return err
		}
		time.Sleep(time.Millisecond) // it has a picture at the moment
	}
}

// holdOnce looks for the thread and, where it is found, waits for its end.
func holdOnce(pid int, device string, holding func(thread int)) (held bool, err error) {
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return false, err
	}
	for _, entry := range threads {
		thread, err := strconv.Atoi(entry.Name())
		if err != nil || !waitsFor(pid, thread, device) {
			continue
		}
		if err := stop(thread); errors.Is(err, unix.ESRCH) {
			continue
		} else if err != nil {
			return false, fmt.Errorf("hold thread %d: %w", thread, err)
		}
		if !waitsFor(pid, thread, device) { // it has gone on between the look and the stop
			if err := unix.PtraceDetach(thread); err != nil {
				return false, err
			}
			continue
		}
		holding(thread)
		return true, ended(thread)
	}
	return false, nil
}

// waitsFor tells whether a thread is in a poll in which the device is one of the descriptors.
func waitsFor(pid, thread int, device string) bool {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/syscall", pid, thread)) // proc(5): "running", or the number and six arguments
	if err != nil {
		return false
	}
	fields := strings.Fields(string(line))
	if len(fields) < 3 {
		return false
	}
	number, _ := strconv.ParseUint(fields[0], 10, 64)
	address, _ := strconv.ParseInt(fields[1], 0, 64)
	count, _ := strconv.ParseUint(fields[2], 0, 16)
	if !slices.Contains(pollCalls(), number) {
		return false
	}
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		return false
	}
	defer memory.Close()
	array := make([]byte, int(count)*binary.Size(pollfd{}))
	if _, err := memory.ReadAt(array, address); err != nil {
		return false
	}
	fds := make([]pollfd, count)
	if _, err := binary.Decode(array, binary.NativeEndian, fds); err != nil {
		return false
	}
	return slices.ContainsFunc(fds, func(p pollfd) bool {
		path, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(pid), "fd", strconv.Itoa(int(p.FD))))
		return err == nil && path == device
	})
}

// stop stops a thread and waits until it has stopped.
func stop(thread int) error {
	if err := unix.PtraceSeize(thread); err != nil {
		return err
	}
	if err := unix.PtraceInterrupt(thread); err != nil {
		return err
	}
	var status syscall.WaitStatus
	if err := waitThread(thread, &status); err != nil {
		return err
	}
	if !status.Stopped() {
		return unix.ESRCH // it ended
	}
	return nil
}

// ended waits for the end of a thread that is held. Until then its process can't be gone.
func ended(thread int) error {
	for {
		var status syscall.WaitStatus
		if err := waitThread(thread, &status); err != nil || status.Exited() || status.Signaled() {
			return err
		}
	}
}

func waitThread(thread int, status *syscall.WaitStatus) error {
	for {
		_, err := syscall.Wait4(thread, status, unix.WALL, nil)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
