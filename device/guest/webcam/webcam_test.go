package webcam

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// host is the other end of the wire: a host controller with one device.
type host struct {
	t        *testing.T
	conn     net.Conn
	sequence uint32
}

// plugged runs a camera for one test.
func plugged(t *testing.T, c Camera) *host {
	ours, theirs := net.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- Run(context.Background(), c, theirs) }()
	t.Cleanup(func() {
		ours.Close()
		if err := <-ended; err != nil {
			t.Errorf("pulled out, it ended with %v", err)
		}
	})
	return &host{t: t, conn: ours}
}

// submit sends a transfer and returns its sequence number.
func (h *host) submit(endpoint uint32, in bool, length int, setup [8]byte, data []byte) uint32 {
	h.sequence++
	b := make([]byte, headerSize)
	direction := uint32(0)
	if in {
		direction = 1
	}
	for i, v := range []uint32{submit, h.sequence, 1, direction, endpoint, 0, uint32(length)} {
		binary.BigEndian.PutUint32(b[4*i:], v)
	}
	copy(b[40:], setup[:])
	if _, err := h.conn.Write(append(b, data...)); err != nil {
		h.t.Fatal(err)
	}
	return h.sequence
}

// answer reads one answer: its command, its sequence, its status and what came in.
func (h *host) answer(in bool) (command, sequence uint32, status int32, data []byte) {
	b := make([]byte, headerSize)
	if _, err := io.ReadFull(h.conn, b); err != nil {
		h.t.Fatal(err)
	}
	at := func(i int) uint32 { return binary.BigEndian.Uint32(b[i:]) }
	if at(0) == submitted && in {
		data = make([]byte, at(24))
		if _, err := io.ReadFull(h.conn, data); err != nil {
			h.t.Fatal(err)
		}
	}
	return at(0), at(4), int32(at(20)), data
}

// control carries out a control transfer.
func (h *host) control(kind, what byte, value, index, length uint16, data ...byte) ([]byte, int32) {
	h.t.Helper()
	setup := [8]byte{kind, what}
	binary.LittleEndian.PutUint16(setup[2:], value)
	binary.LittleEndian.PutUint16(setup[4:], index)
	binary.LittleEndian.PutUint16(setup[6:], length)
	in := kind&0x80 != 0
	asked := h.submit(0, in, int(length), setup, data)
	_, sequence, status, answer := h.answer(in)
	if sequence != asked {
		h.t.Fatalf("answer to %d, asked %d", sequence, asked)
	}
	return answer, status
}

func twoFormats() Camera {
	return Camera{Name: "cam", Streams: []Stream{
		{MJPEG, 640, 360, 30, [][]byte{[]byte("first"), []byte("second")}},
		{H264, 1280, 720, 25, [][]byte{bytes.Repeat([]byte{7}, 100)}},
		{MJPEG, 320, 180, 10, [][]byte{[]byte("small")}},
	}}
}

func TestDescriptors(t *testing.T) {
	h := plugged(t, twoFormats())
	if b, status := h.control(0x80, getDescriptor, typeDevice<<8, 0, 64); status != 0 || len(b) != 18 || b[0] != 18 {
		t.Errorf("device descriptor % x, status %d", b, status)
	}
	b, _ := h.control(0x80, getDescriptor, typeConfiguration<<8, 0, 9)
	total := binary.LittleEndian.Uint16(b[2:])
	b, _ = h.control(0x80, getDescriptor, typeConfiguration<<8, 0, total)
	if len(b) != int(total) {
		t.Fatalf("configuration has %d bytes, says %d", len(b), total)
	}
	var found []byte // subtypes of the streaming interface's descriptors
	streaming, header := false, 0
	for rest := b; len(rest) > 0; rest = rest[rest[0]:] {
		if rest[0] < 2 || int(rest[0]) > len(rest) {
			t.Fatalf("a descriptor of %d bytes with %d left", rest[0], len(rest))
		}
		if rest[1] == typeInterface {
			streaming = rest[2] == streamInterface
		}
		if rest[1] == classInterface && streaming {
			if rest[2] == streamHeader {
				header = int(binary.LittleEndian.Uint16(rest[4:]))
			}
			header -= int(rest[0])
			found = append(found, rest[2])
		}
	}
	want := []byte{streamHeader, streamMJPEG, streamMJPEGFrame, streamMJPEGFrame, streamColor, streamFrameBased, streamFrameBasedFrame, streamColor}
	if !bytes.Equal(found, want) || header != 0 {
		t.Errorf("streaming descriptors %v, want %v; the header's total is off by %d", found, want, header)
	}
	if b, _ := h.control(0x80, getDescriptor, typeString<<8|2, 0, 255); string(b) != "\x08\x03c\x00a\x00m\x00" {
		t.Errorf("name % x", b)
	}
	for _, unknown := range []uint16{typeString<<8 | 9, 15 << 8} {
		if _, status := h.control(0x80, getDescriptor, unknown, 0, 255); status != stall {
			t.Errorf("descriptor %#x: status %d, want a stall", unknown, status)
		}
	}
}

func TestNegotiation(t *testing.T) {
	for name, c := range map[string]struct {
		format, size         byte
		wantFormat, wantSize byte
		interval             uint32
		largest              uint32
	}{
		"first":         {1, 1, 1, 1, 333333, 6},
		"second size":   {1, 2, 1, 2, 1000000, 5},
		"second format": {2, 1, 2, 1, 400000, 100},
		"none named":    {0, 0, 1, 1, 333333, 6},
		"not there":     {9, 9, 2, 1, 400000, 100},
	} {
		t.Run(name, func(t *testing.T) {
			h := plugged(t, twoFormats())
			wish := make([]byte, probeSize)
			wish[2], wish[3] = c.format, c.size
			if _, status := h.control(0x21, setCurrent, probeControl<<8, streamInterface, probeSize, wish...); status != 0 {
				t.Fatalf("status %d", status)
			}
			b, _ := h.control(0xa1, getCurrent, probeControl<<8, streamInterface, probeSize)
			if len(b) != probeSize || b[2] != c.wantFormat || b[3] != c.wantSize {
				t.Fatalf("format and size of % x, want %d and %d", b, c.wantFormat, c.wantSize)
			}
			if got := binary.LittleEndian.Uint32(b[4:]); got != c.interval {
				t.Errorf("interval %d, want %d", got, c.interval)
			}
			if got := binary.LittleEndian.Uint32(b[18:]); got != c.largest {
				t.Errorf("largest frame %d, want %d", got, c.largest)
			}
		})
	}
}

// picture gives the camera transfers and reads until a frame is whole.
func (h *host) picture(length int) (frame []byte, payloads int, bit byte) {
	for {
		h.submit(1, true, length, [8]byte{}, nil)
		_, _, status, b := h.answer(true)
		if status != 0 || len(b) < 2 || len(b) >= length {
			h.t.Fatalf("status %d with %d bytes in a transfer of %d", status, len(b), length)
		}
		frame = append(frame, b[2:]...)
		payloads++
		if b[1]&2 != 0 {
			return frame, payloads, b[1] & 1
		}
	}
}

func TestPicturesAtTheirPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := Camera{Name: "cam", Streams: []Stream{{MJPEG, 64, 32, 10, [][]byte{[]byte("first picture"), []byte("second")}}}}
		h := plugged(t, c)
		if _, status := h.control(0x21, setCurrent, commitControl<<8, streamInterface, probeSize, make([]byte, probeSize)...); status != 0 {
			t.Fatalf("commit: status %d", status)
		}
		last := byte(9)
		began := time.Now()
		for i, want := range []string{"first picture", "second", "first picture"} {
			got, payloads, bit := h.picture(8)
			if string(got) != want || payloads != (len(want)+4)/5 {
				t.Errorf("picture %d is %q in %d payloads, want %q", i, got, payloads, want)
			}
			if bit == last {
				t.Errorf("picture %d has the frame bit of the one before", i)
			}
			if after := time.Since(began); after != time.Duration(i+1)*100*time.Millisecond {
				t.Errorf("picture %d came after %v", i, after)
			}
			last = bit
		}
	})
}

// A key frame comes when the extension unit is told so, and not before.
func TestKeyFrameOnOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key, delta := []byte("\x00\x00\x01\x65k"), []byte("\x00\x00\x01\x41d")
		c := Camera{Name: "cam", Streams: []Stream{{H264, 64, 32, 10, [][]byte{key, delta, delta, delta, delta, key, delta}}}, Orders: true}
		h := plugged(t, c)
		const unit = ordersUnit<<8 | controlInterface
		if b, status := h.control(0xa1, getLength, pictureType<<8, unit, 2); status != 0 || !bytes.Equal(b, []byte{4, 0}) {
			t.Errorf("length % x, status %d", b, status)
		}
		if _, status := h.control(0x21, setCurrent, commitControl<<8, streamInterface, probeSize, make([]byte, probeSize)...); status != 0 {
			t.Fatalf("commit: status %d", status)
		}
		for i, want := range [][]byte{key, delta, key, delta, key} {
			if i == 2 {
				if _, status := h.control(0x21, setCurrent, pictureType<<8, unit, 4, 0, 0, 2, 0); status != 0 {
					t.Errorf("order: status %d", status)
				}
			}
			if got, _, _ := h.picture(64); !bytes.Equal(got, want) {
				t.Errorf("frame %d is %q, want %q", i, got, want)
			}
		}
		for _, other := range []uint16{pictureType + 1, 0} {
			if _, status := h.control(0xa1, getLength, other<<8, unit, 2); status != stall {
				t.Errorf("control %d: status %d, want a stall", other, status)
			}
		}
	})
	plain := plugged(t, twoFormats())
	if _, status := plain.control(0xa1, getLength, pictureType<<8, ordersUnit<<8|controlInterface, 2); status != stall {
		t.Errorf("a camera without the unit: status %d, want a stall", status)
	}
}

func TestTakenBack(t *testing.T) {
	h := plugged(t, twoFormats())
	// A transfer that is too short for a picture stays until taken back: with no commit, 33 ms at most.
	waiting := h.submit(1, true, 1<<16, [8]byte{}, nil)
	b := make([]byte, headerSize)
	for i, v := range []uint32{unlink, waiting + 1, 1, 0, 0, waiting} {
		binary.BigEndian.PutUint32(b[4*i:], v)
	}
	if _, err := h.conn.Write(b); err != nil {
		t.Fatal(err)
	}
	command, sequence, status, _ := h.answer(true)
	if command == submitted { // the picture came first
		command, sequence, status, _ = h.answer(true)
		status += connectionLost
	}
	if command != unlinked || sequence != waiting+1 || status != connectionLost {
		t.Errorf("command %d, sequence %d, status %d", command, sequence, status)
	}
}

func TestConfusedHost(t *testing.T) {
	h := plugged(t, twoFormats())
	if _, status := h.control(0xa1, getCurrent, 7<<8, 0, 4); status != stall {
		t.Errorf("a control of the other interface: status %d", status)
	}
	h.submit(3, false, 4, [8]byte{}, []byte("data"))
	if _, _, status, _ := h.answer(false); status != stall {
		t.Errorf("an endpoint that is not there: status %d", status)
	}
	for name, b := range map[string][]byte{
		"unknown command": {0, 0, 0, 9},
		"huge transfer":   append([]byte{0, 0, 0, 1}, bytes.Repeat([]byte{0xff}, 44)...),
	} {
		if _, err := readRequest(bytes.NewReader(append(b, make([]byte, headerSize)...))); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestCheck(t *testing.T) {
	frames := [][]byte{{1}}
	for name, c := range map[string]Camera{
		"nothing": {}, "format": {Streams: []Stream{{"YUYV", 1, 1, 1, frames}}}, "size": {Streams: []Stream{{MJPEG, 0, 1, 1, frames}}},
		"rate": {Streams: []Stream{{MJPEG, 1, 1, 0, frames}}}, "frames": {Streams: []Stream{{MJPEG, 1, 1, 1, nil}}},
	} {
		if c.Check() == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := twoFormats().Check(); err != nil {
		t.Error(err)
	}
}

func TestFreePort(t *testing.T) {
	head := "hub port sta spd dev      sockfd local_busid\n"
	if n, err := freePort(head + "hs  0000 006 003 00010001 000003 1-1\nss  0008 004 000 00000000 000000 0-0\nhs  0002 004 000 00000000 000000 0-0\n"); err != nil || n != 2 {
		t.Errorf("free port %d, %v", n, err)
	}
	if _, err := freePort(head); err == nil {
		t.Error("found a port in an empty table")
	}
}
