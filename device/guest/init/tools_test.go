//go:build linux

package main

import (
	"strings"
	"testing"
	"unsafe"
)

// An ioctl's number has its structure's size in bits 16 to 29 (asm-generic/ioctl.h).
func TestStructuresAreAsTheKernelHasThem(t *testing.T) {
	for name, c := range map[string]struct {
		size     uintptr
		requests []uint32
	}{
		"v4l2_capability":      {unsafe.Sizeof(capability{}), []uint32{vidiocQueryCap}},
		"v4l2_queryctrl":       {unsafe.Sizeof(queryControl{}), []uint32{vidiocQueryCtrl}},
		"v4l2_control":         {unsafe.Sizeof(control{}), []uint32{vidiocSetControl}},
		"v4l2_format":          {unsafe.Sizeof(format{}), []uint32{vidiocGetFormat, vidiocSetFormat}},
		"v4l2_requestbuffers":  {unsafe.Sizeof(requestBuffers{}), []uint32{vidiocReqBufs}},
		"v4l2_buffer":          {unsafe.Sizeof(buffer{}), []uint32{vidiocQueryBuf, vidiocQBuf, vidiocDQBuf}},
		"gpio_v2_line_request": {unsafe.Sizeof(lineRequest{}), []uint32{gpioGetLine}},
	} {
		for _, request := range c.requests {
			if want := uintptr(request >> 16 & 0x3fff); c.size != want {
				t.Errorf("%s has %d bytes, the kernel's %d", name, c.size, want)
			}
		}
	}
}

func TestToolErrors(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"none":            {nil, "no tool named"},
		"unknown":         {[]string{"dance"}, "no such tool"},
		"too few":         {[]string{"control", "/dev/video0"}, "not with 1 arguments"},
		"no number":       {[]string{"capture", "/dev/video0", "many"}, "capture:"},
		"no line":         {[]string{"edges", "/dev/gpiochip0", "-1"}, "edges:"},
		"no value":        {[]string{"control", "/dev/video0", "Disconnect", "x"}, "control Disconnect:"},
		"no device":       {[]string{"capture", "/nonexistent", "1"}, "open /nonexistent"},
		"no chip":         {[]string{"edges", "/nonexistent", "1"}, "open /nonexistent"},
		"no camera":       {[]string{"webcam", "/nonexistent"}, "/nonexistent"},
		"no process":      {[]string{"hold", "door", "/dev/video0"}, "hold:"},
		"device, no V4L2": {[]string{"capture", "/dev/null", "1"}, "ask /dev/null"},
	} {
		if err := tool(c.args); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
