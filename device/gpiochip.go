package device

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
	"periph.io/x/host/v3/gpioioctl"
)

// gpioChip is one of periph's chips, with the descriptor through which periph asks the kernel for its
// lines.
//
// periph looks for chips once in a process and can't give one back: its GPIOChip.Close closes its
// descriptor's number twice, and number 0, whosever they are by then (v3.8.5, gpio.go). So a chip that went away
// and returned is put under the number that periph has, with dup3(2): periph's lines then work
// on it, and no number changes its owner.
type gpioChip struct {
	// Fixed after newGPIOChip.
	label string
	count int // of its lines
	fd    int // periph's, -1 where it could not be found

	// Guarded by gpioSystem.mu.
	path string
}

// gpioChipInfo is struct gpiochip_info of linux/gpio.h.
type gpioChipInfo struct {
	Name, Label [32]byte
	Lines       uint32
}

// gpioGetChipInfo is GPIO_GET_CHIPINFO_IOCTL, _IOR(0xB4, 1, struct gpiochip_info).
const gpioGetChipInfo = iocRead<<30 | unsafe.Sizeof(gpioChipInfo{})<<16 | 0xb4<<8 | 1

// newGPIOChip finds out which descriptor periph has of its chip.
func newGPIOChip(chip *gpioioctl.GPIOChip) *gpioChip {
	c := &gpioChip{label: chip.Label(), count: chip.LineCount(), fd: -1, path: chip.Path()}
	var node unix.Stat_t
	if unix.Stat(c.path, &node) != nil {
		return c
	}
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return c
	}
	for _, entry := range entries {
		fd, err := strconv.Atoi(entry.Name())
		if err == nil && deviceOf(fd) == node.Rdev {
			c.fd = fd
			break
		}
	}
	return c
}

// deviceOf is the device number that a descriptor stands for, 0 where it is no character device.
func deviceOf(fd int) uint64 {
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFCHR {
		return 0
	}
	return st.Rdev
}

// chipInfo asks a chip what it is; one that is gone says ENODEV, or what /dev/null says.
func chipInfo(fd int) (label string, lines int, err error) {
	var info gpioChipInfo
	if err := (linux{}).Ioctl(fd, gpioGetChipInfo, unsafe.Pointer(&info)); err != nil {
		return "", 0, err
	}
	name, _, _ := bytes.Cut(info.Name[:], []byte{0})
	kind, _, _ := bytes.Cut(info.Label[:], []byte{0})
	if len(kind) == 0 { // as periph does
		kind = name
	}
	return string(kind), int(info.Lines), nil
}

// alive tells whether the chip that the descriptor stands for is there.
func (c *gpioChip) alive() bool {
	if c.fd < 0 {
		_, err := os.Stat(c.path)
		return err == nil
	}
	_, _, err := chipInfo(c.fd)
	return err == nil
}

// follow looks whether the chip has gone, or is back, and tells whether it is there. Taken are the devices
// of the other chips.
func (c *gpioChip) follow(taken map[uint64]bool) (bool, error) {
	if c.alive() || c.fd < 0 {
		return c.alive(), nil
	}
	// The kernel keeps a chip's number as long as one has it open: let go of it.
	if err := c.become(os.DevNull); err != nil {
		return false, err
	}
	nodes, _ := filepath.Glob("/dev/gpiochip*") // the pattern is good
	for _, node := range nodes {
		if c.is(node, taken) {
			return true, c.become(node)
		}
	}
	return false, nil
}

// is tells whether a device is the chip that was lost: its label and its lines' number are the same.
func (c *gpioChip) is(node string, taken map[uint64]bool) bool {
	fd, err := unix.Open(node, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	label, count, err := chipInfo(fd)
	return err == nil && label == c.label && count == c.count && !taken[deviceOf(fd)]
}

// become puts a device under the descriptor.
func (c *gpioChip) become(path string) error {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("gpio: opening %s again: %w", path, err)
	}
	err = errors.Join(unix.Dup3(fd, c.fd, unix.O_CLOEXEC), unix.Close(fd))
	if err != nil {
		return fmt.Errorf("gpio: taking %s again: %w", path, err)
	}
	if path != os.DevNull {
		c.path = path
	}
	return nil
}
