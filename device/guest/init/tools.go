//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"doorbell/device/guest/agent"
	"doorbell/device/guest/webcam"
)

// tool runs one of the program's tools, named by its first argument.
func tool(args []string) error {
	if len(args) == 0 {
		return errors.New("no tool named: agent, control, capture, edges, bounce, webcam, hold or supervise")
	}
	switch name, args := args[0], args[1:]; {
	case name == "agent" && len(args) == 0:
		return serve()
	case name == "control" && len(args) == 3:
		value, err := strconv.ParseInt(args[2], 0, 32)
		if err != nil {
			return fmt.Errorf("control %s: %w", args[1], err)
		}
		return setControl(args[0], args[1], int32(value))
	case name == "capture" && (len(args) == 2 || len(args) == 4):
		frames, err := strconv.Atoi(args[1])
		if err != nil {
			return fmt.Errorf("capture: %w", err)
		}
		return capture(args[0], frames, args[2:])
	case name == "edges" && len(args) == 2:
		line, err := strconv.ParseUint(args[1], 10, 32)
		if err != nil {
			return fmt.Errorf("edges: %w", err)
		}
		return edges(args[0], uint32(line))
	case name == "bounce" && len(args) == 2:
		times, err := strconv.Atoi(args[1])
		if err != nil {
			return fmt.Errorf("bounce: %w", err)
		}
		return bounce(args[0], times)
	case name == "supervise" && len(args) >= 2:
		limit, err := time.ParseDuration(args[0])
		if err != nil {
			return fmt.Errorf("supervise: %w", err)
		}
		return supervise(limit, args[1:])
	case name == "hold" && len(args) == 2:
		pid, err := strconv.Atoi(args[0])
		if err != nil {
			return fmt.Errorf("hold: %w", err)
		}
		return hold(pid, args[1], func(thread int) { fmt.Println("holding thread", thread) })
	case name == "webcam" && len(args) == 1:
		return plugIn(args[0])
	}
	return fmt.Errorf("%s: no such tool, or not with %d arguments", args[0], len(args)-1)
}

// serve is the agent: it answers the host on the port named "agent", for as long as the machine runs.
func serve() error {
	path, err := agentPort()
	if err != nil {
		return err
	}
	hello, err := greeting()
	if err != nil {
		return err
	}
	for {
		port, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return fmt.Errorf("agent: %w", err)
		}
		if err := agent.NewServer(port, hello).Run(); err != nil {
			fmt.Println("guest: agent:", err)
		}
		port.Close()
		time.Sleep(50 * time.Millisecond) // no host is connected: reading ends at once
	}
}

// plugIn is a USB webcam as a file describes it, until the process ends.
func plugIn(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	var camera webcam.Camera
	err = gob.NewDecoder(bufio.NewReader(f)).Decode(&camera)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("webcam: %w", err)
	}
	return webcam.PlugIn(context.Background(), camera)
}

// agentPort finds the virtio-serial port by the name that the host gave it.
func agentPort() (string, error) {
	names, err := filepath.Glob("/sys/class/virtio-ports/*/name")
	if err != nil {
		return "", err
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err == nil && strings.TrimSpace(string(b)) == "agent" {
			return "/dev/" + filepath.Base(filepath.Dir(name)), nil
		}
	}
	return "", fmt.Errorf("agent: no virtio-serial port of that name among %v", names)
}

func greeting() (agent.Hello, error) {
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return agent.Hello{}, err
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return agent.Hello{}, err
	}
	return agent.Hello{Release: strings.TrimSpace(string(release)), Boot: strings.TrimSpace(string(boot))}, nil
}

// ioctl calls the driver with a structure.
func ioctl(fd uintptr, request uintptr, argument uintptr) error {
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, fd, request, argument); errno != 0 {
		return errno
	}
	return nil
}
