package device

import (
	"bytes"
	"errors"
	"image"
	"path/filepath"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// codedAs is the kernel with a camera of the test's own, video0, that gives JPEG. To the kernel's decoder it says
// FWHT for JPEG, and gives it the unit that shows the same as the picture.
type codedAs struct {
	linux
	camera  *fakeDriver
	decoder string
	units   map[string][]byte // by JPEG picture

	fd      int // the decoder's
	offsets map[uint32]int64
	memory  map[int64][]byte
}

func (k *codedAs) Open(path string) (int, error) {
	if path == "/dev/video0" {
		return k.camera.Open(path)
	}
	fd, err := k.linux.Open(path)
	if path == k.decoder {
		k.fd, k.offsets, k.memory = fd, map[uint32]int64{}, map[int64][]byte{}
	}
	return fd, err
}

func (k *codedAs) Mmap(fd int, offset int64, length int) ([]byte, error) {
	if k.camera.node(fd) != nil {
		return k.camera.Mmap(fd, offset, length)
	}
	memory, err := k.linux.Mmap(fd, offset, length)
	if fd == k.fd && err == nil {
		k.memory[offset] = memory
	}
	return memory, err
}

func (k *codedAs) Munmap(memory []byte) error {
	for _, own := range k.camera.nodes["video0"].memory {
		if &own[0] == &memory[0] {
			return k.camera.Munmap(memory)
		}
	}
	return k.linux.Munmap(memory)
}

func (k *codedAs) Close(fd int) error {
	if k.camera.node(fd) != nil {
		return k.camera.Close(fd)
	}
	return k.linux.Close(fd)
}

func (k *codedAs) Ioctl(fd int, request uintptr, argument unsafe.Pointer) error {
	if k.camera.node(fd) != nil {
		return k.camera.Ioctl(fd, request, argument)
	}
	if fd != k.fd {
		return k.linux.Ioctl(fd, request, argument)
	}
	output := func(kind uint32) bool { return kind == v4l2BufTypeVideoOutput || kind == v4l2BufTypeVideoOutputMplane }
	f, b := (*v4l2Format)(argument), (*v4l2Buffer)(argument)
	switch {
	case request == vidiocSetFmt && output(f.Type):
		f.Pix.PixelFormat = pixFWHT
		err := k.linux.Ioctl(fd, request, argument)
		f.Pix.PixelFormat = pixMJPG
		return err
	case request == vidiocQBuf && output(b.Type):
		used := &b.BytesUsed
		if b.Type == v4l2BufTypeVideoOutputMplane {
			used = &(*v4l2Plane)(*(*unsafe.Pointer)(unsafe.Pointer(&b.Where))).BytesUsed
		}
		memory := k.memory[k.offsets[b.Index]]
		unit := k.units[string(memory[:*used])]
		if unit == nil {
			return unix.EINVAL
		}
		*used = uint32(copy(memory, unit))
	case request == vidiocQueryBuf && output(b.Type):
		err := k.linux.Ioctl(fd, request, argument)
		k.offsets[b.Index] = b.offset()
		if b.Type == v4l2BufTypeVideoOutputMplane {
			k.offsets[b.Index] = (*v4l2Plane)(*(*unsafe.Pointer)(unsafe.Pointer(&b.Where))).offset()
		}
		return err
	}
	return k.linux.Ioctl(fd, request, argument)
}

// fwhtOf encodes pictures, each by itself.
func fwhtOf(t *testing.T, path string, pictures []*image.YCbCr) [][]byte {
	t.Helper()
	size := pictures[0].Rect.Size()
	e, err := openM2MEncoder(linux{}, path, pixFWHT, encoderSettings{width: size.X, height: size.Y, rate: 30, keyInterval: time.Second / 30})
	if err != nil {
		t.Fatal(err)
	}
	e.device.setControl(v4l2CIDFWHTIntraQP, 1)
	var units [][]byte
	emit := func(u m2mUnit) error {
		units = append(units, bytes.Clone(u.data))
		return nil
	}
	for _, p := range pictures {
		err = errors.Join(err, e.encode(p, time.Now(), false, emit))
	}
	if err := errors.Join(err, e.drain(emit), e.close()); err != nil || len(units) != len(pictures) {
		t.Fatalf("%d units of %d pictures, %v", len(units), len(pictures), err)
	}
	return units
}

// A camera's coded pictures go through the kernel's decoder and, in its buffers, through the kernel's encoder, and come
// out as they were, in the range that they had.
func TestRealEncoderReadsWhatIsDecoded(t *testing.T) {
	env := environment(t, "DOORBELL_TEST_ENCODER", "DOORBELL_TEST_DECODER")
	before := descriptors(t)
	for _, c := range []struct {
		size image.Point
		full bool
	}{{image.Pt(640, 480), true}, {image.Pt(640, 480), false}, {image.Pt(642, 362), true}} {
		const n = 6
		film := newScene(c.size.X, c.size.Y)
		var coded []*image.YCbCr // what the decoder makes
		var jpegs [][]byte
		for i := range n {
			p := newPicture(c.size.X, c.size.Y)
			to420(p, film.next(i))
			jpegs = append(jpegs, asJPEG(p))
			if c.full {
				fullRange(p)
			}
			coded = append(coded, p)
		}
		node := newFakeNode(fakeFormat{format: pixMJPG, sizes: []v4l2FrmSizeEnum{discrete(uint32(c.size.X), uint32(c.size.Y))}})
		k := &codedAs{camera: newFakeDriver(t, map[string]*fakeNode{"video0": node}), decoder: env[1], units: map[string][]byte{}, fd: -1}
		for i, unit := range fwhtOf(t, env[0], coded) {
			k.units[string(jpegs[i])] = unit
		}
		opened, err := openCamera(t.Context(), k, "/dev/video0", "", CameraOptions{Width: c.size.X, Height: c.size.Y})
		if err != nil {
			t.Fatal(err)
		}
		i := &importing{camera: opened.(*RawCamera)}
		var stamps []time.Time
		for turn, data := range jpegs {
			node.deliver(data, stamped(0))
			f, err := i.camera.readFrame(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if turn == 0 {
				i.encoder, err = openM2MEncoder(k, env[0], pixFWHT, encoderSettings{
					width: c.size.X, height: c.size.Y, rate: 5, keyInterval: time.Second, camera: i.camera, first: f.buffer,
					decoder: &decoderInfo{CodecInfo{Path: env[1], Driver: filepath.Base(env[1])}, pixMJPG},
				})
				if err != nil {
					t.Fatal(err)
				}
				if i.encoder.copied != nil || i.encoder.decoder == nil || i.encoder.raw.memory() != v4l2MemoryDMABUF {
					t.Fatalf("%v: %v", c.size, i.encoder.copied)
				}
				if i.encoder.decoder.full != c.full {
					t.Errorf("%v: the range of JPEG: %v", c.size, i.encoder.decoder.full)
				}
				i.encoder.device.setControl(v4l2CIDFWHTIntraQP, 1)
				i.encoder.device.setControl(v4l2CIDFWHTInterQP, 1)
			}
			if err := i.encoder.encodeBuffer(f.buffer, f.Captured, false, i.emit); err != nil {
				t.Fatalf("%v: picture %d: %v", c.size, turn, err)
			}
			stamps = append(stamps, f.Captured)
		}
		i.close(t, env[1], coded, stamps)
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors, %d before", after, before)
	}
}
