package webcam

import (
	"encoding/binary"
	"unicode/utf16"
)

// Numbers of this camera.
const (
	vendor, product = 0x1d6b, 0x0102 // the Linux Foundation's webcam gadget

	controlInterface, streamInterface = 0, 1

	ordersUnit = 3 // number of the extension unit

	streamEndpoint = 0x81 // bulk, in
	packetSize     = 512  // of a high-speed bulk endpoint

	uvcVersion     = 0x0110
	clockFrequency = 48_000_000 // Hz
)

// Descriptor types (USB 2.0, table 9-5) and those of the video class (UVC 1.1, tables ).
const (
	typeDevice, typeConfiguration, typeString, typeInterface, typeEndpoint, typeAssociation = 1, 2, 3, 4, 5, 11

	classInterface = 0x24

	controlHeader, controlInput, controlOutput, controlExtension = 1, 2, 3, 6

	streamHeader, streamMJPEG, streamMJPEGFrame, streamColor, streamFrameBased, streamFrameBasedFrame = 1, 6, 7, 13, 16, 17
)

// descriptor puts the length before the parts: bytes, and 16 or 32 bit numbers.
func descriptor(parts ...any) []byte {
	b := []byte{0}
	for _, p := range parts {
		switch v := p.(type) {
		case int:
			b = append(b, byte(v))
		case uint16:
			b = binary.LittleEndian.AppendUint16(b, v)
		case uint32:
			b = binary.LittleEndian.AppendUint32(b, v)
		case []byte:
			b = append(b, v...)
		}
	}
	b[0] = byte(len(b))
	return b
}

func (c Camera) deviceDescriptor() []byte {
	// USB 2.0; class: interface association; strings 1 and 2; one configuration.
	return descriptor(typeDevice, uint16(0x0200), 0xef, 2, 1, 64, uint16(vendor), uint16(product), uint16(0x0100), 1, 2, 0, 1)
}

func (c Camera) stringDescriptor(index byte) []byte {
	text := map[byte]string{1: "doorbell", 2: c.Name}[index]
	if index == 0 {
		return descriptor(typeString, uint16(0x0409)) // English
	}
	if text == "" {
		return nil
	}
	var b []byte
	for _, u := range utf16.Encode([]rune(text)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return descriptor(typeString, b)
}

// extensionDescriptor is the H.264 payload's unit, with its control 9, the type of picture.
func extensionDescriptor() []byte {
	guid := []byte{0x41, 0x76, 0x9e, 0xa2, 0x04, 0xde, 0xe3, 0x47, 0x8b, 0x2b, 0xf4, 0x34, 0x1a, 0xff, 0x00, 0x3b}
	return descriptor(classInterface, controlExtension, ordersUnit, guid, 1, 1, 1, 2, uint16(1<<(pictureType-1)), 0)
}

func (c Camera) configurationDescriptor() []byte {
	var unit []byte
	source := 1
	if c.Orders {
		unit, source = extensionDescriptor(), ordersUnit
	}
	var b []byte
	for _, d := range [][]byte{
		descriptor(typeAssociation, controlInterface, 2, 14, 3, 0, 2), // a video collection of two interfaces
		descriptor(typeInterface, controlInterface, 0, 0, 14, 1, 0, 2),
		descriptor(classInterface, controlHeader, uint16(uvcVersion), uint16(13+18+9+len(unit)), uint32(clockFrequency), 1, streamInterface),
		descriptor(classInterface, controlInput, 1, uint16(0x0201), 0, 0, uint16(0), uint16(0), uint16(0), 3, 0, 0, 0), // a camera without controls
		unit,
		descriptor(classInterface, controlOutput, 2, uint16(0x0101), 0, source, 0),
		descriptor(typeInterface, streamInterface, 0, 1, 14, 2, 0, 0),
		c.streamDescriptors(),
		descriptor(typeEndpoint, streamEndpoint, 2, uint16(packetSize), 0),
	} {
		b = append(b, d...)
	}
	// Self-powered, no current drawn.
	return append(descriptor(typeConfiguration, uint16(9+len(b)), 2, 1, 0, 0xc0, 0), b...)
}

func (c Camera) streamDescriptors() []byte {
	var b []byte
	formats := c.formats()
	for i, f := range formats {
		sizes := c.sizes(f)
		if f == MJPEG {
			b = append(b, descriptor(classInterface, streamMJPEG, i+1, len(sizes), 0, 1, 0, 0, 0, 0)...)
		} else {
			guid := append([]byte(f), 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71)
			b = append(b, descriptor(classInterface, streamFrameBased, i+1, len(sizes), guid, 16, 1, 0, 0, 0, 0, 1)...)
		}
		for j, s := range sizes {
			b = append(b, s.frameDescriptor(j+1)...)
		}
		b = append(b, descriptor(classInterface, streamColor, 1, 1, 4)...) // BT.709 primaries, gamma; BT.601 matrix
	}
	sizes := make([]byte, len(formats)) // bmaControls: none
	total := 13 + len(formats) + len(b)
	header := descriptor(classInterface, streamHeader, len(formats), uint16(total), streamEndpoint, 0, 2, 0, 0, 0, 1, sizes)
	return append(header, b...)
}

func (s Stream) frameDescriptor(index int) []byte {
	bits := uint32(min(int64(s.largest())*8*int64(s.FrameRate), 1<<31))
	every := s.units()
	if s.Format == MJPEG {
		return descriptor(classInterface, streamMJPEGFrame, index, 0, uint16(s.Width), uint16(s.Height), bits, bits, uint32(s.largest()), every, 1, every)
	}
	return descriptor(classInterface, streamFrameBasedFrame, index, 0, uint16(s.Width), uint16(s.Height), bits, bits, every, 1, uint32(0), every)
}

// units is the frame interval in 100 ns, as the class counts it.
func (s Stream) units() uint32 { return uint32(10_000_000 / s.FrameRate) }
