package device

import (
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// fakeM2M is what stands in for a memory-to-memory device of the kernel's, with what is
// common to encoders and decoders: two queues of buffers, in either of V4L2's APIs. It
// belongs to one goroutine.
type fakeM2M struct {
	t      testing.TB
	driver string
	work   func() // does what can be done, when there is something new

	planes bool // the API for several planes; set before it is opened

	fd      int
	formats map[bool]m2mFormat // by output
	memory  map[bool][][]byte
	queued  map[bool][]v4l2Buffer
	done    map[bool][]v4l2Buffer
	on      map[bool]bool
	mapped  int
}

// newFakeM2M makes one that complains at the test's end if it is still in use.
func newFakeM2M(t testing.TB, driver string) *fakeM2M {
	f := &fakeM2M{
		t: t, driver: driver, fd: -1, formats: map[bool]m2mFormat{}, memory: map[bool][][]byte{},
		queued: map[bool][]v4l2Buffer{}, done: map[bool][]v4l2Buffer{}, on: map[bool]bool{},
	}
	t.Cleanup(func() {
		if f.fd >= 0 || f.mapped != 0 || f.on[true] || f.on[false] {
			t.Errorf("%s is left behind: descriptor %d, %d mappings, streaming %v", driver, f.fd, f.mapped, f.on)
		}
	})
	return f
}

func (f *fakeM2M) open() (int, error) {
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_SEMAPHORE|unix.EFD_CLOEXEC)
	f.fd = fd
	return fd, err
}

// Close closes the device.
func (f *fakeM2M) Close(fd int) error {
	f.fd = -1
	return unix.Close(fd)
}

// output tells which queue a buffer type means. Types of the other API are none.
func (f *fakeM2M) output(kind uint32) (output, ok bool) {
	output = kind == v4l2BufTypeVideoOutput || kind == v4l2BufTypeVideoOutputMplane
	return output, f.planes == (kind == v4l2BufTypeVideoOutputMplane || kind == v4l2BufTypeVideoCaptureMplane)
}

// Mmap maps a buffer.
func (f *fakeM2M) Mmap(_ int, offset int64, length int) ([]byte, error) {
	f.mapped++
	return f.memory[offset>>30 != 0][offset%(1<<30)/4096][:length], nil
}

// Munmap undoes Mmap.
func (f *fakeM2M) Munmap([]byte) error { f.mapped--; return nil }

// has tells whether it is one of its buffers.
func (f *fakeM2M) has(memory []byte) bool {
	for _, buffers := range f.memory {
		for _, b := range buffers {
			if len(b) > 0 && &b[0] == &memory[0] {
				return true
			}
		}
	}
	return false
}

// wake makes the device readable once more.
func (f *fakeM2M) wake() { _, _ = unix.Write(f.fd, []byte{1, 0, 0, 0, 0, 0, 0, 0}) }

// describe is VIDIOC_QUERYCAP.
func (f *fakeM2M) describe(c *v4l2Capability) {
	copy(c.Driver[:], f.driver+"\x00")
	c.Capabilities = v4l2CapStreaming | v4l2CapVideoM2M
	if f.planes {
		c.Capabilities = v4l2CapStreaming | v4l2CapVideoM2MMplane
	}
}

// enumerate is VIDIOC_ENUM_FMT, of what the queues offer.
func (f *fakeM2M) enumerate(d *v4l2FmtDesc, output, capture []fourCC) error {
	isOutput, ok := f.output(d.Type)
	offered := capture
	if isOutput {
		offered = output
	}
	if !ok || int(d.Index) >= len(offered) {
		return unix.EINVAL
	}
	d.PixelFormat = offered[d.Index]
	return nil
}

// tell answers VIDIOC_S_FMT and VIDIOC_G_FMT.
func (f *fakeM2M) tell(now m2mFormat, to *v4l2Format) {
	to.Pix.PixelFormat, to.Pix.Width, to.Pix.Height = now.fourCC, now.width, now.height // the same in both APIs
	if !f.planes {
		to.Pix.BytesPerLine, to.Pix.SizeImage = now.stride, now.size
		return
	}
	mp := (*v4l2FormatMP)(unsafe.Pointer(to))
	mp.Pix.NumPlanes = 1
	mp.Pix.Planes[0] = v4l2PlanePixFormat{SizeImage: now.size, BytesPerLine: now.stride}
}

// buffers does what is to be done with buffers of its own.
func (f *fakeM2M) buffers(request uintptr, argument unsafe.Pointer) error {
	switch request {
	case vidiocReqBufs:
		r := (*v4l2RequestBuffers)(argument)
		output, _ := f.output(r.Type)
		f.memory[output] = nil
		for range r.Count {
			f.memory[output] = append(f.memory[output], make([]byte, f.formats[output].size))
		}
		return nil
	case vidiocStreamOn, vidiocStreamOff:
		output, _ := f.output(*(*uint32)(argument))
		f.on[output] = request == vidiocStreamOn
		if request == vidiocStreamOff {
			f.queued[output], f.done[output] = nil, nil
		}
		f.work()
		return nil
	}
	b := (*v4l2Buffer)(argument)
	output, ok := f.output(b.Type)
	if !ok || f.planes && b.Length != 1 {
		return unix.EINVAL
	}
	switch request {
	case vidiocQueryBuf:
		offset := b.Index * 4096
		if output {
			offset |= 1 << 30
		}
		f.answer(b, f.formats[output].size, 0, offset)
	case vidiocQBuf:
		f.queued[output] = append(f.queued[output], f.flat(b))
		f.work()
	case vidiocDQBuf:
		if len(f.done[output]) == 0 {
			return unix.EAGAIN
		}
		ready := f.done[output][0]
		f.done[output] = f.done[output][1:]
		if !output {
			var count [8]byte
			_, _ = unix.Read(f.fd, count[:])
		}
		b.Index, b.Flags, b.Seconds, b.Micros = ready.Index, ready.Flags, ready.Seconds, ready.Micros
		f.answer(b, f.formats[output].size, ready.BytesUsed, 0)
	default:
		return unix.ENOTTY
	}
	return nil
}

// flat is a buffer as the API for single planes describes it.
func (f *fakeM2M) flat(b *v4l2Buffer) v4l2Buffer {
	flat := *b
	if f.planes {
		p := f.plane(b)
		flat.BytesUsed, flat.Length, flat.Where = p.BytesUsed, p.Length, p.Where
	}
	return flat
}

func (f *fakeM2M) plane(b *v4l2Buffer) *v4l2Plane {
	return (*v4l2Plane)(*(*unsafe.Pointer)(unsafe.Pointer(&b.Where)))
}

// answer fills what the driver says of a buffer's memory.
func (f *fakeM2M) answer(b *v4l2Buffer, length, used, offset uint32) {
	if !f.planes {
		b.Length, b.BytesUsed = length, used
		*(*uint32)(unsafe.Pointer(&b.Where)) = offset
		return
	}
	p := f.plane(b)
	p.Length, p.BytesUsed = length, used
	*(*uint32)(unsafe.Pointer(&p.Where)) = offset
}
