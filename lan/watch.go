package lan

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// watcher hears from the kernel when an interface or an address comes or goes
// (rtnetlink(7)).
type watcher struct{ socket *os.File }

func newWatcher() (*watcher, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("opening a netlink socket: %w", err)
	}
	groups := uint32(unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR)
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		return nil, errors.Join(fmt.Errorf("listening to the kernel's network news: %w", err), unix.Close(fd))
	}
	return &watcher{socket: os.NewFile(uintptr(fd), "netlink")}, nil
}

// run calls changed at each change, until close.
func (w *watcher) run(changed func()) {
	buffer := make([]byte, 8192)
	for {
		// What has changed is looked up afterwards. ENOBUFS says that there was more news
		// than fits.
		if _, err := w.socket.Read(buffer); err != nil && !errors.Is(err, unix.ENOBUFS) {
			return
		}
		changed()
	}
}

func (w *watcher) close() { _ = w.socket.Close() }
