//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"runtime"
	"strings"
	"syscall"
	"unsafe"
)

// Structures and requests of linux/videodev2.h, as they are on 64-bit machines.
type (
	capability struct {
		Driver       [16]byte
		Card, Bus    [32]byte
		Version      uint32
		Capabilities uint32
		DeviceCaps   uint32
		_            [3]uint32
	}
	queryControl struct {
		ID, Type                    uint32
		Name                        [32]byte
		Minimum, Maximum, Step, Def int32
		Flags                       uint32
		_                           [2]uint32
	}
	control struct {
		ID    uint32
		Value int32
	}
	format struct {
		Type, _                           uint32
		Width, Height, PixelFormat, Field uint32
		BytesPerLine, SizeImage           uint32
		_                                 [176]byte
	}
	requestBuffers struct {
		Count, Type, Memory, Capabilities uint32
		_                                 uint32
	}
	buffer struct {
		Index, Type, BytesUsed, Flags, Field, _ uint32
		Seconds, Microseconds                   int64
		Timecode                                [16]byte
		Sequence, Memory                        uint32
		Offset                                  uint64
		Length, _, _, _                         uint32
	}
)

const (
	vidiocQueryCap   = 0x80685600
	vidiocGetFormat  = 0xc0d05604
	vidiocSetFormat  = 0xc0d05605
	vidiocReqBufs    = 0xc0145608
	vidiocQueryBuf   = 0xc0585609
	vidiocQBuf       = 0xc058560f
	vidiocDQBuf      = 0xc0585611
	vidiocStreamOn   = 0x40045612
	vidiocStreamOff  = 0x40045613
	vidiocSetControl = 0xc008561c
	vidiocQueryCtrl  = 0xc0445624

	videoCapture  = 1          // V4L2_BUF_TYPE_VIDEO_CAPTURE
	memoryMapped  = 1          // V4L2_MEMORY_MMAP
	nextControl   = 0x80000000 // V4L2_CTRL_FLAG_NEXT_CTRL
	bufferFlawed  = 0x40       // V4L2_BUF_FLAG_ERROR
	buffersWanted = 4
)

func openDevice(path string) (*os.File, error) {
	// Opened past the os package's poller: ioctls block, as a plain program's do.
	fd, err := syscall.Open(path, syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return os.NewFile(uintptr(fd), path), nil
}

func call[T any](f *os.File, request uintptr, argument *T) error {
	err := ioctl(f.Fd(), request, uintptr(unsafe.Pointer(argument)))
	runtime.KeepAlive(argument)
	return err
}

func text(b []byte) string {
	name, _, _ := bytes.Cut(b, []byte{0})
	return string(name)
}

// setControl sets the control of a video device that has the name given, in any case.
func setControl(path, name string, value int32) error {
	f, err := openDevice(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var names []string
	for id := uint32(nextControl); ; {
		q := queryControl{ID: id}
		if err := call(f, vidiocQueryCtrl, &q); errors.Is(err, syscall.EINVAL) {
			return fmt.Errorf("%s has no control %q, but %q", path, name, names)
		} else if err != nil {
			return fmt.Errorf("ask %s for its controls: %w", path, err)
		}
		if strings.EqualFold(text(q.Name[:]), name) {
			if err := call(f, vidiocSetControl, &control{q.ID, value}); err != nil {
				return fmt.Errorf("set %q of %s to %d: %w", name, path, value, err)
			}
			return nil
		}
		names = append(names, text(q.Name[:]))
		id = q.ID | nextControl
	}
}

// capture takes pictures and prints what they were: driver, format, size, and how many differed from the
// one before. Wanted is empty, or a format and size, as YUYV and 640x360.
func capture(path string, frames int, wanted []string) error {
	f, err := openDevice(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var c capability
	if err := call(f, vidiocQueryCap, &c); err != nil {
		return fmt.Errorf("ask %s what it can: %w", path, err)
	}
	p, err := setFormat(f, wanted)
	if err != nil {
		return fmt.Errorf("format of %s: %w", path, err)
	}
	fourCC := []byte{byte(p.PixelFormat), byte(p.PixelFormat >> 8), byte(p.PixelFormat >> 16), byte(p.PixelFormat >> 24)}
	fmt.Printf("driver=%s card=%q format=%s size=%dx%d\n", text(c.Driver[:]), text(c.Card[:]), fourCC, p.Width, p.Height)
	maps, err := mapBuffers(f)
	if err != nil {
		return fmt.Errorf("buffers of %s: %w", path, err)
	}
	kind := uint32(videoCapture)
	if err := call(f, vidiocStreamOn, &kind); err != nil {
		return fmt.Errorf("start %s: %w", path, err)
	}
	var last uint32
	changed, flawed, size := 0, 0, uint32(0)
	for n := range frames {
		b := buffer{Type: videoCapture, Memory: memoryMapped}
		if err := call(f, vidiocDQBuf, &b); err != nil {
			return fmt.Errorf("next picture of %s: %w", path, err)
		}
		if n == 0 {
			fmt.Println("streaming")
		}
		sum := crc32.ChecksumIEEE(maps[b.Index][:b.BytesUsed])
		if sum != last {
			changed++
		}
		if b.Flags&bufferFlawed != 0 {
			flawed++
		}
		last, size = sum, b.BytesUsed
		if err := call(f, vidiocQBuf, &b); err != nil {
			return fmt.Errorf("give a buffer back to %s: %w", path, err)
		}
	}
	fmt.Printf("frames=%d changed=%d flawed=%d bytes=%d\n", frames, changed, flawed, size)
	return call(f, vidiocStreamOff, &kind)
}

// setFormat asks for a format, if one is wanted, and returns what the device then has.
func setFormat(f *os.File, wanted []string) (format, error) {
	p := format{Type: videoCapture}
	if err := call(f, vidiocGetFormat, &p); err != nil || len(wanted) == 0 {
		return p, err
	}
	if len(wanted[0]) != 4 {
		return p, fmt.Errorf("%q has not four letters", wanted[0])
	}
	if _, err := fmt.Sscanf(wanted[1], "%dx%d", &p.Width, &p.Height); err != nil {
		return p, fmt.Errorf("size %q: %w", wanted[1], err)
	}
	p.PixelFormat = binary.LittleEndian.Uint32([]byte(wanted[0]))
	p.BytesPerLine, p.SizeImage = 0, 0
	return p, call(f, vidiocSetFormat, &p)
}

// mapBuffers has the driver make buffers, maps them for the program's life, and queues them.
func mapBuffers(f *os.File) ([][]byte, error) {
	r := requestBuffers{Count: buffersWanted, Type: videoCapture, Memory: memoryMapped}
	if err := call(f, vidiocReqBufs, &r); err != nil {
		return nil, err
	}
	var maps [][]byte
	for i := range r.Count {
		b := buffer{Index: i, Type: videoCapture, Memory: memoryMapped}
		if err := call(f, vidiocQueryBuf, &b); err != nil {
			return nil, err
		}
		m, err := syscall.Mmap(int(f.Fd()), int64(b.Offset), int(b.Length), syscall.PROT_READ, syscall.MAP_SHARED)
		if err != nil {
			return nil, err
		}
		maps = append(maps, m)
		if err := call(f, vidiocQBuf, &b); err != nil {
			return nil, err
		}
	}
	return maps, nil
}
