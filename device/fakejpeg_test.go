package device

import (
	"bytes"
	"image"
	"image/jpeg"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// fakeJPEG stands in for the kernel with one stateful decoder of JPEG: it does what
// dev-decoder.rst says, and really decodes, with image/jpeg. It belongs to one goroutine.
type fakeJPEG struct {
	t       testing.TB
	publish func(memory []byte) (fd int) // makes a buffer a file

	// Set before it is opened.
	planes    bool     // the API for several planes
	name      fourCC   // of JPEG
	raw       []fourCC // what CAPTURE gives
	padding   uint32   // bytes added to each row
	limited   bool     // pictures come in the range of video
	wrong     bool     // pictures are upside down
	left      int32    // where they begin in the buffer
	small     bool     // they come in half the size
	late      bool     // it tells of their size in an event alone
	surprise  bool     // it says with the first picture that rows have 64 bytes more
	deaf      bool     // nothing ever comes out
	private   bool     // its buffers are not shared
	hold      int      // pictures that it keeps inside
	failFrom  int      // from that picture on none can be decoded, unless 0
	endsAfter int      // so many pictures its queue ends as at another format, unless 0
	least     int32    // buffers that it needs

	fd      int
	formats map[bool]m2mFormat // by output
	memory  map[bool][][]byte
	queued  map[bool][]v4l2Buffer
	done    map[bool][]v4l2Buffer
	on      map[bool]bool
	mapped  int
	events  int
	told    bool // of the surprise
	count   int
	ended   bool
}

func newFakeJPEG(t testing.TB, publish func([]byte) int) *fakeJPEG {
	c := &fakeJPEG{
		t: t, publish: publish, name: pixMJPG, raw: []fourCC{pixYUYV, pixNV12, pixYU12}, padding: 1, least: 1, fd: -1, formats: map[bool]m2mFormat{},
		memory: map[bool][][]byte{}, queued: map[bool][]v4l2Buffer{}, done: map[bool][]v4l2Buffer{}, on: map[bool]bool{},
	}
	t.Cleanup(func() {
		if c.fd >= 0 || c.mapped != 0 || c.on[true] || c.on[false] {
			t.Errorf("the decoder is left behind: descriptor %d, %d mappings, streaming %v", c.fd, c.mapped, c.on)
		}
	})
	return c
}

func (c *fakeJPEG) Open() (int, error) {
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_SEMAPHORE|unix.EFD_CLOEXEC)
	c.fd, c.count, c.events, c.told, c.ended = fd, 0, 0, false, false
	c.formats = map[bool]m2mFormat{}
	return fd, err
}

func (c *fakeJPEG) Close(fd int) error {
	c.fd = -1
	return unix.Close(fd)
}

// output tells which queue a buffer type means. Types of the other API are none.
func (c *fakeJPEG) output(kind uint32) (output, ok bool) {
	output = kind == v4l2BufTypeVideoOutput || kind == v4l2BufTypeVideoOutputMplane
	return output, c.planes == (kind == v4l2BufTypeVideoOutputMplane || kind == v4l2BufTypeVideoCaptureMplane)
}

func (c *fakeJPEG) Mmap(_ int, offset int64, length int) ([]byte, error) {
	c.mapped++
	return c.memory[offset>>30 != 0][offset%(1<<30)/4096][:length], nil
}

// has tells whether it is one of its buffers.
func (c *fakeJPEG) has(memory []byte) bool {
	for _, buffers := range c.memory {
		for _, b := range buffers {
			if &b[0] == &memory[0] {
				return true
			}
		}
	}
	return false
}

func (c *fakeJPEG) Munmap([]byte) error { c.mapped--; return nil }

func (c *fakeJPEG) wake() { _, _ = unix.Write(c.fd, []byte{1, 0, 0, 0, 0, 0, 0, 0}) }

func (c *fakeJPEG) Ioctl(_ int, request uintptr, argument unsafe.Pointer) error {
	switch request {
	case vidiocQueryCap:
		caps := (*v4l2Capability)(argument)
		copy(caps.Driver[:], "fake-jpeg\x00")
		caps.Capabilities = v4l2CapStreaming | v4l2CapVideoM2M
		if c.planes {
			caps.Capabilities = v4l2CapStreaming | v4l2CapVideoM2MMplane
		}
	case vidiocEnumFmt:
		f := (*v4l2FmtDesc)(argument)
		output, ok := c.output(f.Type)
		offered := c.raw
		if output {
			offered = []fourCC{pixH264, c.name}
		}
		if !ok || int(f.Index) >= len(offered) {
			return unix.EINVAL
		}
		f.PixelFormat = offered[f.Index]
	case vidiocSubscribeEvent:
	case vidiocDQEvent:
		if c.events == 0 {
			return unix.ENOENT
		}
		c.events--
		(*v4l2Event)(argument).Type = v4l2EventSourceChange
	case vidiocGetFmt, vidiocSetFmt:
		return c.format(request == vidiocSetFmt, (*v4l2Format)(argument))
	case vidiocGetSelection:
		s := (*v4l2Selection)(argument)
		if s.Type != v4l2BufTypeVideoCapture || s.Target != v4l2SelectionCompose {
			return unix.EINVAL
		}
		s.Left = c.left
	case vidiocGetCtrl:
		control := (*v4l2Control)(argument)
		if control.ID != v4l2CIDMinBuffersForCapture || c.least == 0 {
			return unix.EINVAL
		}
		control.Value = c.least
	default:
		return c.buffers(request, argument)
	}
	return nil
}

func (c *fakeJPEG) format(set bool, f *v4l2Format) error {
	output, ok := c.output(f.Type)
	if !ok {
		return unix.EINVAL
	}
	if output && set {
		c.formats[true] = m2mFormat{fourCC: f.Pix.PixelFormat, width: f.Pix.Width, height: f.Pix.Height, size: f.Pix.Width * f.Pix.Height}
		if !c.late {
			c.shape(pixYU12)
		}
	}
	if !output && c.formats[false].width == 0 {
		return unix.EACCES
	}
	if !output && set {
		c.shape(f.Pix.PixelFormat)
	}
	now := c.formats[output]
	f.Pix.PixelFormat, f.Pix.Width, f.Pix.Height = now.fourCC, now.width, now.height // the same in both APIs
	if !c.planes {
		f.Pix.BytesPerLine, f.Pix.SizeImage = now.stride, now.size
		return nil
	}
	mp := (*v4l2FormatMP)(unsafe.Pointer(f))
	mp.Pix.NumPlanes = 1
	mp.Pix.Planes[0] = v4l2PlanePixFormat{SizeImage: now.size, BytesPerLine: now.stride}
	return nil
}

// shape sets the format of raw pictures.
func (c *fakeJPEG) shape(format fourCC) {
	f := m2mFormat{fourCC: format, width: c.formats[true].width, height: c.formats[true].height}
	if c.small {
		f.width, f.height = f.width/2, f.height/2
	}
	f.stride = f.width + c.padding
	if c.told {
		f.stride += 64
	}
	f.size = f.stride * f.height * 3 / 2
	c.formats[false] = f
}

func (c *fakeJPEG) buffers(request uintptr, argument unsafe.Pointer) error {
	switch request {
	case vidiocReqBufs:
		r := (*v4l2RequestBuffers)(argument)
		output, _ := c.output(r.Type)
		c.memory[output] = nil
		for range r.Count {
			c.memory[output] = append(c.memory[output], make([]byte, c.formats[output].size))
		}
		return nil
	case vidiocStreamOn, vidiocStreamOff:
		output, _ := c.output(*(*uint32)(argument))
		c.on[output] = request == vidiocStreamOn
		if request == vidiocStreamOff {
			c.queued[output], c.done[output] = nil, nil
		}
		c.work()
		return nil
	case vidiocExpBuf:
		e := (*v4l2ExportBuffer)(argument)
		if output, ok := c.output(e.Type); !ok || output || c.private {
			return unix.ENOTTY
		}
		e.FD = int32(c.publish(c.memory[false][e.Index]))
		return nil
	}
	b := (*v4l2Buffer)(argument)
	output, ok := c.output(b.Type)
	if !ok || c.planes && b.Length != 1 {
		return unix.EINVAL
	}
	switch request {
	case vidiocQueryBuf:
		offset := b.Index * 4096
		if output {
			offset |= 1 << 30
		}
		c.answer(b, c.formats[output].size, 0, offset)
	case vidiocQBuf:
		queued := *b
		if c.planes {
			queued.BytesUsed = (*v4l2Plane)(*(*unsafe.Pointer)(unsafe.Pointer(&b.Where))).BytesUsed
		}
		c.queued[output] = append(c.queued[output], queued)
		c.work()
	case vidiocDQBuf:
		if !output && c.ended && len(c.done[false]) == 0 {
			return unix.EPIPE
		}
		if len(c.done[output]) == 0 {
			return unix.EAGAIN
		}
		ready := c.done[output][0]
		c.done[output] = c.done[output][1:]
		if !output {
			var count [8]byte
			_, _ = unix.Read(c.fd, count[:])
		}
		b.Index, b.Flags, b.Seconds, b.Micros = ready.Index, ready.Flags, ready.Seconds, ready.Micros
		c.answer(b, c.formats[output].size, ready.BytesUsed, 0)
	default:
		return unix.ENOTTY
	}
	return nil
}

// answer fills what the driver says of a buffer's memory.
func (c *fakeJPEG) answer(b *v4l2Buffer, length, used, offset uint32) {
	if !c.planes {
		b.Length, b.BytesUsed = length, used
		*(*uint32)(unsafe.Pointer(&b.Where)) = offset
		return
	}
	p := (*v4l2Plane)(*(*unsafe.Pointer)(unsafe.Pointer(&b.Where)))
	p.Length, p.BytesUsed = length, used
	*(*uint32)(unsafe.Pointer(&p.Where)) = offset
}

// work decodes what it can.
func (c *fakeJPEG) work() {
	if c.on[true] && len(c.queued[true]) > 0 && c.late && c.formats[false].width == 0 {
		c.shape(pixYU12)
		c.events++
		c.wake()
	}
	for c.on[true] && c.on[false] && !c.deaf && !c.ended && len(c.queued[true]) > c.hold*min(c.count, 1) && len(c.queued[false]) > 0 {
		if c.surprise && !c.told {
			c.told = true
			c.events++
			c.wake()
			return
		}
		in, out := c.queued[true][0], c.queued[false][0]
		c.queued[true], c.queued[false] = c.queued[true][1:], c.queued[false][1:]
		out.Seconds, out.Micros, out.Flags = in.Seconds, in.Micros, 0
		c.count++
		out.BytesUsed = c.formats[false].size
		p, err := jpeg.Decode(bytes.NewReader(c.memory[true][in.Index][:in.BytesUsed]))
		if err != nil || c.failFrom > 0 && c.count >= c.failFrom {
			out.Flags, out.BytesUsed = v4l2BufFlagError, 0
		} else {
			c.lay(p.(*image.YCbCr), c.memory[false][out.Index])
		}
		if c.ended = c.endsAfter > 0 && c.count == c.endsAfter; c.ended {
			out.Flags |= v4l2BufFlagLast
		}
		c.done[true], c.done[false] = append(c.done[true], in), append(c.done[false], out)
		c.wake()
	}
}

// lay writes a picture into a buffer.
func (c *fakeJPEG) lay(p *image.YCbCr, memory []byte) {
	f := c.formats[false]
	l := layout{format: f.fourCC, width: int(f.width), height: int(f.height), stride: int(f.stride)}
	laid := newPicture(l.width, l.height)
	to420(laid, p)
	if c.wrong {
		for i, v := range laid.Y {
			laid.Y[i] = 255 - v
		}
	}
	if c.limited {
		newToLimited().apply(laid)
	}
	l.fill(memory, laid)
}
