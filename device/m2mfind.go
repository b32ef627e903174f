package device

import (
	"fmt"
	"slices"
	"unsafe"
)

// EncoderInfo is a hardware encoder of this machine.
type EncoderInfo struct {
	Path   string // such as /dev/video11
	Driver string // such as bcm2835-codec
	Card   string // its maker's name for it
}

// String is such as "/dev/video11 (bcm2835-codec)".
func (e EncoderInfo) String() string { return fmt.Sprintf("%s (%s)", e.Path, e.Driver) }

// ListEncoders finds the kernel's stateful encoders for H.264, in order of their
// numbers. Each device is asked what it is; none is known by name.
func ListEncoders() []EncoderInfo { return findEncoders(linux{}, videoNodes("/dev"), pixH264) }

func findEncoders(k kernel, paths []string, format fourCC) []EncoderInfo {
	var found []EncoderInfo
	for _, path := range paths {
		fd, err := k.Open(path)
		if err != nil {
			continue
		}
		if info, ok := inspectEncoder(&v4l2Device{k: k, fd: fd, path: path}, format); ok {
			found = append(found, info)
		}
		_ = k.Close(fd) // it was only asked
	}
	return found
}

// inspectEncoder tells whether a device takes raw pictures and gives that format.
func inspectEncoder(d *v4l2Device, format fourCC) (EncoderInfo, bool) {
	var c v4l2Capability
	if d.ioctl(vidiocQueryCap, unsafe.Pointer(&c)) != nil {
		return EncoderInfo{}, false
	}
	planes, ok := memoryToMemory(&c)
	if !ok || !slices.Contains(newM2MQueue(d, false, planes).formats(), format) {
		return EncoderInfo{}, false
	}
	raw := newM2MQueue(d, true, planes).formats()
	if !slices.ContainsFunc(m2mRawFormats[:], func(f fourCC) bool { return slices.Contains(raw, f) }) {
		return EncoderInfo{}, false
	}
	return EncoderInfo{Path: d.path, Driver: cString(c.Driver[:]), Card: cString(c.Card[:])}, true
}

// memoryToMemory tells whether a device converts what it is given, and whether by
// the API for several planes.
func memoryToMemory(c *v4l2Capability) (planes, ok bool) {
	capabilities := c.Capabilities
	if capabilities&v4l2CapDeviceCaps != 0 {
		capabilities = c.DeviceCaps
	}
	const single, both = v4l2CapVideoM2M, v4l2CapVideoM2MMplane
	return capabilities&single == 0, capabilities&(single|both) != 0 && capabilities&v4l2CapStreaming != 0
}
