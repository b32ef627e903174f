package device

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"unsafe"
)

// H.264 webcams take orders through an extension unit of their own (USB Device
// Class Definition for Video Devices: H.264 Payload, revision 1.0),
// which uvcvideo passes on but does not map to controls of V4L2.

// uvcXUQuery is struct uvc_xu_control_query of linux/uvcvideo.h.
type uvcXUQuery struct {
	Unit     uint8
	Selector uint8
	Query    uint8
	_        uint8
	Size     uint16
	_        uint16
	Data     unsafe.Pointer
}

const (
	uvciocCtrlQuery = (iocRead|iocWrite)<<30 | unsafe.Sizeof(uvcXUQuery{})<<16 | 'u'<<8 | 0x21

	uvcSetCurrent = 0x01 // UVC 1.1, table A-8
	uvcGetLength  = 0x85

	uvcxPictureType   = 0x09 // UVCX_PICTURE_TYPE_CONTROL, section 3.3.9
	uvcxBitRateLayers = 0x0e // UVCX_BITRATE_LAYERS, section 3.3.14

	uvcxIDRWithSets = 0x0002 // wPicType: an IDR picture with SPS and PPS before it
)

// uvcxGUID names that unit: a29e7641-de04-47e3-8b2b-f4341aff003b.
var uvcxGUID = [16]byte{0x41, 0x76, 0x9e, 0xa2, 0x04, 0xde, 0xe3, 0x47, 0x8b, 0x2b, 0xf4, 0x34, 0x1a, 0xff, 0x00, 0x3b}

// usbDescriptors reads the descriptors of the USB device behind a video node, or
// nil where it is none, and the number of the node's interface.
func usbDescriptors(path string) (descriptors []byte, control byte) {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	device := filepath.Join("/sys/class/video4linux", filepath.Base(path), "device")
	number, err := os.ReadFile(filepath.Join(device, "bInterfaceNumber"))
	if err != nil || len(number) < 2 {
		return nil, 0
	}
	device, err = filepath.EvalSymlinks(device)
	if err != nil {
		return nil, 0
	}
	descriptors, err = os.ReadFile(filepath.Join(filepath.Dir(device), "descriptors"))
	if err != nil {
		return nil, 0
	}
	return descriptors, hexDigit(number[0])<<4 | hexDigit(number[1])
}

func hexDigit(c byte) byte {
	if c >= 'a' {
		return c - 'a' + 10
	}
	return c - '0'
}

// uvcxUnit finds the H.264 extension unit of a video control interface in a
// device's descriptors, 0 where it has none.
func uvcxUnit(descriptors []byte, control byte) byte {
	const (
		typeInterface, typeClassInterface = 4, 0x24 // USB 2.0 table 9-5, UVC 1.1 table A-4
		extensionUnit                     = 6       // UVC 1.1 table A-5
	)
	inside := false
	for len(descriptors) >= 2 {
		n := int(descriptors[0])
		if n < 2 || n > len(descriptors) {
			return 0
		}
		d := descriptors[:n]
		descriptors = descriptors[n:]
		switch {
		case d[1] == typeInterface && n >= 9:
			inside = d[2] == control
		case inside && d[1] == typeClassInterface && n >= 20 && d[2] == extensionUnit && [16]byte(d[4:20]) == uvcxGUID:
			return d[3]
		}
	}
	return 0
}

// uvcxSet gives an order to the H.264 unit. It fails where the camera lacks it.
func (s *v4l2Stream) uvcxSet(unit, selector byte, data []byte) error {
	q := uvcXUQuery{Unit: unit, Selector: selector, Query: uvcSetCurrent, Size: uint16(len(data)), Data: unsafe.Pointer(&data[0])}
	return s.ioctl(uvciocCtrlQuery, unsafe.Pointer(&q))
}

// uvcxHas tells whether the unit has a control of that size.
func (s *v4l2Stream) uvcxHas(unit, selector byte, size int) bool {
	var length [2]byte
	q := uvcXUQuery{Unit: unit, Selector: selector, Query: uvcGetLength, Size: 2, Data: unsafe.Pointer(&length[0])}
	return s.ioctl(uvciocCtrlQuery, unsafe.Pointer(&q)) == nil && int(binary.LittleEndian.Uint16(length[:])) == size
}

// uvcxPicture is the payload that asks for a key frame, of all layers.
func uvcxPicture() []byte { return binary.LittleEndian.AppendUint16([]byte{0, 0}, uvcxIDRWithSets) }

// uvcxBitRate is the payload that sets peak and average rate, bit/s, of all layers.
func uvcxBitRate(rate int) []byte {
	b := binary.LittleEndian.AppendUint32([]byte{0, 0}, uint32(rate))
	return binary.LittleEndian.AppendUint32(b, uint32(rate))
}
