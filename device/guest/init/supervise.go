//go:build linux

package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// supervise starts a program, and again when it has ended or when it has not said that it is alive for
// that time after it said that it was ready, as systemd does with Type=notify and WatchdogSec
// (sd_notify(3)). It prints what happens, and never returns by itself.
func supervise(limit time.Duration, args []string) error {
	path := filepath.Join(os.TempDir(), fmt.Sprintf("notify-%d", os.Getpid()))
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer socket.Close()
	for {
		if err := superviseOnce(socket, path, limit, args); err != nil {
			return err
		}
	}
}

// superviseOnce runs the program to its end.
func superviseOnce(socket *net.UnixConn, path string, limit time.Duration, args []string) error {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+path, "WATCHDOG_USEC="+strconv.FormatInt(limit.Microseconds(), 10))
	if err := cmd.Start(); err != nil {
		return err
	}
	fmt.Println("supervise: started", cmd.Process.Pid)
	ended := make(chan error, 1)
	go func() {
		ended <- cmd.Wait()
		_ = socket.SetReadDeadline(time.Now()) // ends the wait for its word
	}()
	ready, buffer := false, make([]byte, 4096)
	for err := error(nil); err == nil; {
		deadline := time.Time{}
		if ready {
			deadline = time.Now().Add(limit)
		}
		if err := socket.SetReadDeadline(deadline); err != nil {
			return err
		}
		select {
		case how := <-ended:
			fmt.Println("supervise: it ended:", how)
			return nil
		default:
		}
		var n int
		n, err = socket.Read(buffer)
		for state := range strings.Lines(string(buffer[:n])) {
			if strings.TrimSpace(state) == "READY=1" {
				ready = true
				fmt.Println("supervise: ready")
			}
		}
	}
	fmt.Printf("supervise: not alive for %v\n", limit)
	_ = cmd.Process.Signal(syscall.SIGKILL) // or it has ended
	fmt.Println("supervise: it ended:", <-ended)
	return nil
}
