//go:build linux

package webcam

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// controller is where vhci_hcd takes devices.
const controller = "/sys/devices/platform/vhci_hcd.0/"

// PlugIn plugs the camera into the machine's virtual host controller and runs it until ctx ends or the
// controller lets it go. The module vhci_hcd must be loaded.
func PlugIn(ctx context.Context, c Camera) error {
	status, err := os.ReadFile(controller + "status")
	if err != nil {
		return fmt.Errorf("webcam: %w: is vhci_hcd loaded?", err)
	}
	port, err := freePort(string(status))
	if err != nil {
		return err
	}
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("webcam: make a pair of sockets: %w", err)
	}
	ours := os.NewFile(uintptr(pair[0]), "webcam")
	conn, err := net.FileConn(ours)
	ours.Close()
	if err == nil {
		// Device number 1, at high speed (3).
		err = os.WriteFile(controller+"attach", fmt.Appendf(nil, "%d %d 1 3", port, pair[1]), 0)
	}
	if err = errors.Join(err, syscall.Close(pair[1])); err != nil {
		if conn != nil {
			conn.Close()
		}
		return fmt.Errorf("webcam: attach to port %d: %w", port, err)
	}
	return Run(ctx, c, conn)
}

// freePort reads the controller's table of ports:
//
//	hub port sta spd dev      sockfd local_busid
//	hs  0000 004 000 00000000 000000 0-0
//
// where sta 004 is a free one and hs one for devices up to high speed.
func freePort(status string) (int, error) {
	for line := range strings.Lines(status) {
		f := strings.Fields(line)
		if len(f) > 2 && f[0] == "hs" && f[2] == "004" {
			return strconv.Atoi(f[1])
		}
	}
	return 0, fmt.Errorf("webcam: no free port:\n%s", status)
}
