//go:build linux

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"
)

// Structures of linux/gpio.h, version 2.
type (
	lineConfig struct {
		Flags      uint64
		Attributes uint32
		_          [5]uint32
		_          [10][3]uint64
	}
	lineRequest struct {
		Offsets         [64]uint32
		Consumer        [32]byte
		Config          lineConfig
		Lines           uint32
		EventBufferSize uint32
		_               [5]uint32
		FD              int32
	}
)

const (
	gpioGetLine = 0xc250b407 // GPIO_V2_GET_LINE_IOCTL

	lineInput   = 1 << 2
	lineRising  = 1 << 4
	lineFalling = 1 << 5

	edgeRising = 1 // GPIO_V2_LINE_EVENT_RISING_EDGE
	eventSize  = 48
)

// edges prints "watching", then "rising" or "falling" for each edge of a line, until the chip is gone.
func edges(chip string, line uint32) error {
	f, err := openDevice(chip)
	if err != nil {
		return err
	}
	defer f.Close()
	r := lineRequest{Lines: 1, Config: lineConfig{Flags: lineInput | lineRising | lineFalling}}
	r.Offsets[0] = line
	copy(r.Consumer[:], "guest edges")
	if err := call(f, gpioGetLine, &r); err != nil {
		return fmt.Errorf("ask %s for line %d: %w", chip, line, err)
	}
	// A read that blocks in the kernel would hold up the chip's removal: poll before each, as os.File does
	// where reading does not block.
	if err := syscall.SetNonblock(int(r.FD), true); err != nil {
		return err
	}
	events := os.NewFile(uintptr(r.FD), "line")
	defer events.Close()
	fmt.Println("watching")
	for b := make([]byte, eventSize); ; {
		_, err := io.ReadFull(events, b)
		switch {
		case errors.Is(err, syscall.ENODEV):
			fmt.Println("gone")
			return nil
		case err != nil:
			return fmt.Errorf("edges of line %d: %w", line, err)
		case binary.NativeEndian.Uint32(b[8:]) == edgeRising:
			fmt.Println("rising")
		default:
			fmt.Println("falling")
		}
	}
}

// bounce has a simulated line go down and up so many times, a millisecond apart, and stay down. The file sets its pull
// (Documentation/admin-guide/gpio/gpio-sim.rst, sim_gpioX/pull).
func bounce(pull string, times int) error {
	for range times {
		for _, to := range []string{"pull-down", "pull-up"} {
			if err := os.WriteFile(pull, []byte(to), 0); err != nil {
				return fmt.Errorf("bounce: %w", err)
			}
			time.Sleep(time.Millisecond)
		}
	}
	if err := os.WriteFile(pull, []byte("pull-down"), 0); err != nil {
		return fmt.Errorf("bounce: %w", err)
	}
	return nil
}
