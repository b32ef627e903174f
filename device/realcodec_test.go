package device

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"slices"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// These tests look at the kernel's own test driver for codecs, vicodec, where the environment names its nodes:
// DOORBELL_TEST_ENCODER=/dev/video0 DOORBELL_TEST_DECODER=/dev/video1. Its format is FWHT, which proves how the driver
// is talked to, not H.264.

const (
	pixFWHT fourCC = 'F' | 'W'<<8 | 'H'<<16 | 'T'<<24

	v4l2CIDFWHTIntraQP = 0x00990a22 // V4L2_CID_FWHT_I_FRAME_QP
	v4l2CIDFWHTInterQP = 0x00990a23 // V4L2_CID_FWHT_P_FRAME_QP

	fwhtIntra = 1 << 10 // V4L2_FWHT_FL_I_FRAME
)

// fwhtHeader is struct fwht_cframe_hdr, drivers/media/test-drivers/vicodec/codec-fwht.h.
type fwhtHeader struct {
	Magic                                                                 [8]byte
	Version, Width, Height, Flags, Colorspace, XferFunc, Enc, Range, Size uint32
}

// The encoder is found among all nodes, and nothing else is taken for one.
func TestRealEncoderIsFound(t *testing.T) {
	env := environment(t, "DOORBELL_TEST_ENCODER", "DOORBELL_TEST_DECODER")
	found := findEncoders(linux{}, videoNodes("/dev"), pixFWHT)
	if len(found) != 1 || found[0].Path != env[0] || found[0].Driver != "vicodec" {
		t.Errorf("found %v, want %s", found, env[0])
	}
	if found := ListEncoders(); len(found) != 0 {
		t.Errorf("found %v for H.264, which vicodec does not make", found)
	}
	for _, info := range ListCameras() {
		if info.Driver == "vicodec" && info.Problem == nil {
			t.Errorf("%s is taken for a camera", info.Path)
		}
	}
}

// Pictures of all kinds of sizes go through encoder and decoder, and come out as they went in.
func TestRealEncoderEncodes(t *testing.T) {
	env := environment(t, "DOORBELL_TEST_ENCODER", "DOORBELL_TEST_DECODER")
	before := descriptors(t)
	for _, size := range []image.Point{{640, 360}, {1280, 720}, {642, 362}, {650, 366}} {
		settings := encoderSettings{width: size.X, height: size.Y, rate: 30, keyInterval: 200 * time.Millisecond}
		e, err := openM2MEncoder(linux{}, env[0], pixFWHT, settings)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%v: raw %+v, coded %+v", size, e.raw.format, e.coded.format)
		e.device.setControl(v4l2CIDFWHTIntraQP, 1)
		e.device.setControl(v4l2CIDFWHTInterQP, 1)
		pictures, began := newScene(size.X, size.Y), time.Now()
		var units [][]byte
		var stamps []time.Time
		emit := func(u m2mUnit) error {
			units, stamps = append(units, bytes.Clone(u.data)), append(stamps, u.captured)
			return nil
		}
		const n = 8
		for i := range n {
			if err := e.encode(pictures.next(i), began.Add(time.Duration(i)*time.Second/30), false, emit); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(e.drain(emit), e.close()); err != nil {
			t.Fatal(err)
		}
		if len(units) != n {
			t.Fatalf("%v: %d units of %d pictures", size, len(units), n)
		}
		again := newScene(size.X, size.Y)
		decoded := decodeFWHT(t, env[1], size, units)
		var intra []int
		for i, unit := range units {
			var h fwhtHeader
			if err := binary.Read(bytes.NewReader(unit), binary.BigEndian, &h); err != nil || h.Magic != [8]byte{0x4f, 0x4f, 0x4f, 0x4f, 0xff, 0xff, 0xff, 0xff} {
				t.Fatalf("%v: unit %d is no FWHT: %+v, %v", size, i, h, err)
			}
			if int(h.Width) != size.X || int(h.Height) != size.Y || int(h.Size)+int(unsafe.Sizeof(h)) != len(unit) {
				t.Errorf("%v: unit %d is of %dx%d and %d bytes, of which came %d", size, i, h.Width, h.Height, h.Size, len(unit))
			}
			if h.Flags&fwhtIntra != 0 {
				intra = append(intra, i)
			}
			if d := stamps[i].Sub(began) - time.Duration(i)*time.Second/30; d.Abs() > time.Millisecond {
				t.Errorf("%v: unit %d is stamped %v off", size, i, d)
			}
			want := again.next(i)
			if off := max(meanDifference(want.Y, decoded[i].Y), meanDifference(want.Cb, decoded[i].Cb), meanDifference(want.Cr, decoded[i].Cr)); off > 3 {
				t.Errorf("%v: picture %d came back %.1f off", size, i, off)
			}
		}
		if !slices.Equal(intra, []int{0, 6}) { // 200 ms at 30 pictures a second
			t.Errorf("%v: intra frames at %v", size, intra)
		}
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors, %d before", after, before)
	}
}

// decodeFWHT is vicodec's decoder
// (linux/Documentation/userspace-api/media/v4l/dev-decoder.rst): the coded format, the first unit, the raw format that
// the driver read from it, and on.
func decodeFWHT(t *testing.T, path string, size image.Point, units [][]byte) []*image.YCbCr {
	t.Helper()
	fd, err := (linux{}).Open(path)
	if err != nil {
		t.Fatal(err)
	}
	device := &v4l2Device{k: linux{}, fd: fd, path: path}
	var c v4l2Capability
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(device.ioctl(vidiocQueryCap, unsafe.Pointer(&c)))
	planes, _ := memoryToMemory(&c)
	coded, raw := newM2MQueue(device, true, planes), newM2MQueue(device, false, planes)
	defer func() { must(errors.Join(coded.stop(), raw.stop(), linux{}.Close(fd))) }()
	must(coded.setFormat(m2mFormat{fourCC: pixFWHT, width: uint32(size.X), height: uint32(size.Y), size: 4 << 20}))
	must(coded.start(2))
	var pictures []*image.YCbCr
	for i, unit := range units {
		for len(coded.idle) == 0 {
			poll(t, fd, unix.POLLOUT)
			_, err := coded.take()
			must(err)
		}
		index := coded.idle[0]
		must(coded.put(index, uint32(copy(coded.buffers[index], unit)), 0))
		if i == 0 {
			must(raw.setFormat(m2mFormat{fourCC: pixYU12, width: uint32(size.X), height: uint32(size.Y)}))
			must(raw.start(2))
			for _, index := range slices.Clone(raw.idle) {
				must(raw.put(index, 0, 0))
			}
		}
		poll(t, fd, unix.POLLIN)
		r, err := raw.take()
		must(err)
		l := layout{format: pixYU12, width: size.X, height: int(raw.format.height), stride: int(raw.format.stride)}
		whole := newPicture(size.X, l.height)
		must(l.convert(whole, r.data))
		p := newPicture(size.X, size.Y)
		to420(p, whole)
		pictures = append(pictures, p)
		must(raw.put(r.index, 0, 0))
	}
	return pictures
}

func poll(t *testing.T, fd int, events int16) {
	t.Helper()
	fds := []unix.PollFd{{Fd: int32(fd), Events: events}}
	if n, err := unix.Poll(fds, 5000); err != nil || n == 0 || fds[0].Revents&events == 0 {
		t.Fatalf("waited for %#x: %#x, %v", events, fds[0].Revents, err)
	}
}

func BenchmarkRealEncoder(b *testing.B) {
	env := environment(b, "DOORBELL_TEST_ENCODER")
	e, err := openM2MEncoder(linux{}, env[0], pixFWHT, encoderSettings{width: 640, height: 360, rate: 30, keyInterval: time.Second})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = e.close() }()
	p := newScene(640, 360).next(0)
	for b.Loop() {
		if err := e.encode(p, time.Now(), false, func(m2mUnit) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}
