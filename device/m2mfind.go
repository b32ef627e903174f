package device

import (
	"fmt"
	"slices"
	"unsafe"
)

// CodecInfo is a hardware encoder or decoder of this machine.
type CodecInfo struct {
	Path   string // such as /dev/video11
	Driver string // such as bcm2835-codec
	Card   string // its maker's name for it
}

// String is such as "/dev/video11 (bcm2835-codec)".
func (c CodecInfo) String() string { return fmt.Sprintf("%s (%s)", c.Path, c.Driver) }

// ListEncoders finds the kernel's stateful encoders for H.264, in order of their
// numbers. Each device is asked what it is; none is known by name.
func ListEncoders() []CodecInfo { return findEncoders(linux{}, videoNodes("/dev"), pixH264) }

// findEncoders finds what takes raw pictures and gives that format.
func findEncoders(k kernel, paths []string, format fourCC) []CodecInfo {
	return findCodecs(k, paths, func(output, capture []fourCC) bool { return slices.Contains(capture, format) && someRaw(output) })
}

// decoderInfo is a decoder of JPEG, and which of its two names it knows JPEG by.
type decoderInfo struct {
	CodecInfo
	format fourCC
}

// findDecoder finds the first device that takes JPEG pictures and gives raw ones, or nil.
func findDecoder(k kernel, paths []string) *decoderInfo {
	for _, format := range []fourCC{pixMJPG, pixJPEG} {
		found := findCodecs(k, paths, func(output, capture []fourCC) bool { return slices.Contains(output, format) && someRaw(capture) })
		if len(found) > 0 {
			return &decoderInfo{found[0], format}
		}
	}
	return nil
}

// findCodecs finds the memory-to-memory devices of which fits says so, by the formats
// that they take (OUTPUT) and give (CAPTURE).
func findCodecs(k kernel, paths []string, fits func(output, capture []fourCC) bool) []CodecInfo {
	var found []CodecInfo
	for _, path := range paths {
		fd, err := k.Open(path)
		if err != nil {
			continue
		}
		d := &v4l2Device{k: k, fd: fd, path: path}
		var c v4l2Capability
		if d.ioctl(vidiocQueryCap, unsafe.Pointer(&c)) == nil {
			planes, ok := memoryToMemory(&c)
			if ok && fits(newM2MQueue(d, true, planes).formats(), newM2MQueue(d, false, planes).formats()) {
				found = append(found, CodecInfo{Path: path, Driver: cString(c.Driver[:]), Card: cString(c.Card[:])})
			}
		}
		_ = k.Close(fd) // it was only asked
	}
	return found
}

// someRaw tells whether there is a format among them in which pictures can be handed over.
func someRaw(formats []fourCC) bool {
	return slices.ContainsFunc(m2mRawFormats[:], func(f fourCC) bool { return slices.Contains(formats, f) })
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
