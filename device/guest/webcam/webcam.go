// Package webcam is a USB camera made of software: it speaks USB/IP, so that Linux's virtual host
// controller (vhci_hcd) takes it for a device that was plugged in, and its stock driver (uvcvideo) makes
// a video device of it. It shows pictures that were compressed beforehand, over and over.
//
// Sources: Documentation/usb/usbip_protocol.rst of the kernel; USB Device Class Definition for Video
// Devices, revision 1.1, its frame-based payload, and the H.264 Payload, revision 1.0.
package webcam

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Format is how a stream's pictures are compressed.
type Format string

// The formats: one JPEG picture, or one H.264 access unit with start codes, in each frame.
const (
	MJPEG Format = "MJPG"
	H264  Format = "H264"
)

// Stream is what the camera offers in one format and size.
type Stream struct {
	Format        Format
	Width, Height int
	FrameRate     int // pictures a second, 1 to 120
	Frames        [][]byte
}

func (s Stream) interval() time.Duration { return time.Second / time.Duration(s.FrameRate) }

// Camera says what is plugged in. Fixed once it runs.
type Camera struct {
	Name    string // what the driver calls it
	Streams []Stream
	// Orders gives it the extension unit of H.264 webcams, of which it knows how to make a key frame: it goes on
	// with its stream's next one.
	Orders bool
}

// Check says what is wrong with a camera.
func (c Camera) Check() error {
	if len(c.Streams) == 0 {
		return errors.New("webcam: no streams")
	}
	for i, s := range c.Streams {
		switch {
		case s.Format != MJPEG && s.Format != H264:
			return fmt.Errorf("webcam: stream %d: format %q", i, s.Format)
		case s.Width < 1 || s.Width > 1<<15 || s.Height < 1 || s.Height > 1<<15:
			return fmt.Errorf("webcam: stream %d: size %dx%d", i, s.Width, s.Height)
		case s.FrameRate < 1 || s.FrameRate > 120:
			return fmt.Errorf("webcam: stream %d: %d frames a second", i, s.FrameRate)
		case len(s.Frames) == 0:
			return fmt.Errorf("webcam: stream %d: no frames", i)
		}
	}
	return nil
}

// formats lists the camera's formats in the order of their descriptors; number 1 is the first.
func (c Camera) formats() []Format {
	var list []Format
	for _, s := range c.Streams {
		if !slices.Contains(list, s.Format) {
			list = append(list, s.Format)
		}
	}
	return list
}

// sizes lists the streams of a format; number 1 is the first.
func (c Camera) sizes(f Format) []Stream {
	return slices.DeleteFunc(slices.Clone(c.Streams), func(s Stream) bool { return s.Format != f })
}

// stream finds the stream that a host names by format and size, both counted from 1. A host may name
// one that is not there; it gets the nearest that is.
func (c Camera) stream(format, size byte) (Stream, byte, byte) {
	formats := c.formats()
	format = max(1, min(format, byte(len(formats))))
	sizes := c.sizes(formats[format-1])
	size = max(1, min(size, byte(len(sizes))))
	return sizes[size-1], format, size
}

// largest is the size in bytes of a stream's largest frame.
func (s Stream) largest() int {
	n := 0
	for _, f := range s.Frames {
		n = max(n, len(f))
	}
	return n
}

// nextKey is the number, from n on, of the stream's next frame with an IDR picture (NAL unit type 5), or n where it has none.
func (s Stream) nextKey(n int) int {
	for i := n; i < n+len(s.Frames); i++ {
		for rest := s.Frames[i%len(s.Frames)]; ; {
			at := bytes.Index(rest, []byte{0, 0, 1})
			if at < 0 || at+3 >= len(rest) {
				break
			}
			if rest = rest[at+3:]; rest[0]&0x1f == 5 {
				return i
			}
		}
	}
	return n
}
