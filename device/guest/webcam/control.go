package webcam

import "encoding/binary"

// Requests of USB 2.0, table 9-4, and of the video class, UVC 1.1, table A-8.
const (
	getStatus, clearFeature, getDescriptor, getConfiguration, setConfiguration, getInterface, setInterface = 0, 1, 6, 8, 9, 10, 11

	setCurrent, getCurrent, getMinimum, getMaximum, getLength, getInfo, getDefault = 0x01, 0x81, 0x82, 0x83, 0x85, 0x86, 0x87

	probeControl, commitControl = 1, 2
	probeSize                   = 34 // of the structure that both take, UVC 1.1, table 4-75

	pictureType     = 9 // control of the extension unit: layer and type of the next picture, 2 bytes each
	pictureTypeSize = 4

	maxPayload = 64 << 10 // bytes, that the driver makes its transfers of
)

// control answers a control transfer; not ok is a stall.
func (d *device) control(q request) (in []byte, ok bool) {
	kind, what := q.setup[0], q.setup[1]
	value := binary.LittleEndian.Uint16(q.setup[2:])
	index := binary.LittleEndian.Uint16(q.setup[4:])
	length := int(binary.LittleEndian.Uint16(q.setup[6:]))
	switch kind & 0x60 {
	case 0x00:
		in, ok = d.standard(what, value)
	case 0x20:
		switch {
		case byte(index) == streamInterface:
			in, ok = d.negotiate(what, value>>8, q.data)
		case index == ordersUnit<<8|controlInterface && value>>8 == pictureType && d.camera.Orders:
			in, ok = d.order(what)
		}
	}
	return in[:min(len(in), length)], ok
}

func (d *device) standard(what byte, value uint16) (in []byte, ok bool) {
	switch what {
	case getStatus:
		return []byte{0, 0}, true
	case getConfiguration:
		return []byte{1}, true
	case getInterface:
		return []byte{0}, true
	case setConfiguration, setInterface, clearFeature:
		d.rest = nil
		return nil, true
	case getDescriptor:
		switch value >> 8 {
		case typeDevice:
			in = d.camera.deviceDescriptor()
		case typeConfiguration:
			in = d.camera.configurationDescriptor()
		case typeString:
			in = d.camera.stringDescriptor(byte(value))
		}
		return in, in != nil
	}
	return nil, false
}

// negotiate answers the video class's probe and commit.
func (d *device) negotiate(what byte, selector uint16, data []byte) (in []byte, ok bool) {
	if selector != probeControl && selector != commitControl {
		return nil, false
	}
	switch what {
	case setCurrent:
		d.probe = d.negotiated(data)
		if selector == commitControl {
			d.stream, _, _ = d.camera.stream(d.probe[2], d.probe[3])
			d.rest, d.next = nil, 0
			d.tick.Reset(d.stream.interval())
		}
		return nil, true
	case getCurrent, getMinimum, getMaximum:
		return d.probe[:], true
	case getDefault:
		first := d.negotiated(nil)
		return first[:], true
	case getLength:
		return []byte{probeSize, 0}, true
	case getInfo:
		return []byte{3}, true // can be got and set
	}
	return nil, false
}

// order answers the extension unit's control. Whatever picture is asked for, the next one is a key frame.
func (d *device) order(what byte) (in []byte, ok bool) {
	switch what {
	case setCurrent:
		d.next = d.stream.nextKey(d.next)
		return nil, true
	case getCurrent, getMinimum, getMaximum, getDefault:
		return make([]byte, pictureTypeSize), true
	case getLength:
		return []byte{pictureTypeSize, 0}, true
	case getInfo:
		return []byte{3}, true // can be got and set
	}
	return nil, false
}

// negotiated is what the camera makes of a host's wish.
func (d *device) negotiated(wish []byte) (b [probeSize]byte) {
	copy(b[:], wish)
	var s Stream
	s, b[2], b[3] = d.camera.stream(b[2], b[3])
	binary.LittleEndian.PutUint32(b[4:], s.units())
	binary.LittleEndian.PutUint32(b[18:], uint32(s.largest()))
	binary.LittleEndian.PutUint32(b[22:], maxPayload)
	binary.LittleEndian.PutUint32(b[26:], clockFrequency)
	b[30] = 3 // frame bit and end-of-frame bit are used
	return b
}
