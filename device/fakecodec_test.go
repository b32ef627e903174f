package device

import (
	"image"
	"path/filepath"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// fakeCodec stands in for the kernel with one stateful encoder: it does what
// dev-encoder.rst says, and really encodes, with OpenH264. It belongs to one
// goroutine.
type fakeCodec struct {
	t testing.TB

	// Set before it is opened.
	planes    bool     // the API for several planes
	raw       []fourCC // what OUTPUT takes
	align     uint32   // rows and columns are rounded up to that
	hold      int      // pictures that it keeps inside
	separate  bool     // SPS and PPS come in a buffer of their own
	failAfter int      // pictures; then EIO. 0: never
	deaf      bool     // nothing ever comes out
	controls  map[uint32]bool
	adopts    func(fd int) []byte // finds another driver's buffer; nil: it takes none
	silent    bool                // it does not say so: Linux before 4.20
	refuses   int                 // from this one on they are refused, unless 0
	adopted   int                 // so many pictures were in buffers of another driver

	set     map[uint32]int32
	crop    image.Point
	formats map[bool]m2mFormat // by output
	memory  map[bool][][]byte
	queued  map[bool][]v4l2Buffer
	done    map[bool][]v4l2Buffer
	on      map[bool]bool
	mapped  int
	fd      int
	encoder *h264Encoder
	inside  []fakePicture
	count   int
	stopped bool
}

const v4l2BufCapMMAP = 0x01 // V4L2_BUF_CAP_SUPPORTS_MMAP

type fakePicture struct {
	v4l2Buffer
	picture *image.YCbCr // nil: it is still in the buffer
}

func newFakeCodec(t testing.TB) *fakeCodec {
	c := &fakeCodec{
		t: t, raw: []fourCC{pixNV12, pixYU12}, align: 1, controls: map[uint32]bool{}, set: map[uint32]int32{},
		formats: map[bool]m2mFormat{}, memory: map[bool][][]byte{}, queued: map[bool][]v4l2Buffer{}, done: map[bool][]v4l2Buffer{}, on: map[bool]bool{}, fd: -1,
	}
	for _, id := range []uint32{v4l2CIDBitRate, v4l2CIDGOPSize, v4l2CIDForceKeyFrame, v4l2CIDH264Level, v4l2CIDH264Profile} {
		c.controls[id] = true
	}
	t.Cleanup(func() {
		if c.fd >= 0 || c.mapped != 0 || c.on[true] || c.on[false] {
			t.Errorf("left behind: descriptor %d, %d mappings, streaming %v", c.fd, c.mapped, c.on)
		}
	})
	return c
}

func (c *fakeCodec) Open(path string) (int, error) {
	if filepath.Base(path) != "video11" {
		return -1, unix.ENOENT
	}
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_SEMAPHORE|unix.EFD_CLOEXEC)
	c.fd, c.stopped, c.inside, c.count = fd, false, nil, 0
	return fd, err
}

func (c *fakeCodec) Close(fd int) error {
	c.fd = -1
	if c.encoder != nil {
		_ = c.encoder.close()
		c.encoder = nil
	}
	return unix.Close(fd)
}

// output tells which queue a buffer type means. Types of the other API are none.
func (c *fakeCodec) output(kind uint32) (output, ok bool) {
	switch kind {
	case v4l2BufTypeVideoOutput, v4l2BufTypeVideoOutputMplane:
		output = true
	}
	return output, c.planes == (kind == v4l2BufTypeVideoOutputMplane || kind == v4l2BufTypeVideoCaptureMplane)
}

func (c *fakeCodec) Mmap(_ int, offset int64, length int) ([]byte, error) {
	c.mapped++
	return c.memory[offset>>30 != 0][offset%(1<<30)/4096][:length], nil
}

func (c *fakeCodec) Munmap([]byte) error { c.mapped--; return nil }

func (c *fakeCodec) Ioctl(_ int, request uintptr, argument unsafe.Pointer) error {
	switch request {
	case vidiocQueryCap:
		caps := (*v4l2Capability)(argument)
		copy(caps.Driver[:], "fake-codec\x00")
		caps.Capabilities = v4l2CapStreaming | v4l2CapVideoM2M
		if c.planes {
			caps.Capabilities = v4l2CapStreaming | v4l2CapVideoM2MMplane
		}
	case vidiocEnumFmt:
		f := (*v4l2FmtDesc)(argument)
		output, ok := c.output(f.Type)
		offered := []fourCC{pixMJPG, pixH264}
		if output {
			offered = c.raw
		}
		if !ok || int(f.Index) >= len(offered) {
			return unix.EINVAL
		}
		f.PixelFormat = offered[f.Index]
	case vidiocSetFmt:
		return c.setFormat(argument)
	case vidiocSetSelection:
		s := (*v4l2Selection)(argument)
		c.crop = image.Pt(int(s.Width), int(s.Height))
	case vidiocSetParm:
	case vidiocQueryCtrl:
		q := (*v4l2QueryCtrl)(argument)
		if !c.controls[q.ID] {
			return unix.EINVAL
		}
		*q = v4l2QueryCtrl{ID: q.ID, Maximum: 1 << 30}
	case vidiocSetCtrl:
		ctrl := (*v4l2Control)(argument)
		c.set[ctrl.ID] = ctrl.Value
	case vidiocEncoderCmd:
		c.stopped = true
		c.work()
	default:
		return c.buffers(request, argument)
	}
	return nil
}

func (c *fakeCodec) setFormat(argument unsafe.Pointer) error {
	f := (*v4l2Format)(argument)
	output, ok := c.output(f.Type)
	if !ok {
		return unix.EINVAL
	}
	set := m2mFormat{fourCC: f.Pix.PixelFormat, width: f.Pix.Width, height: f.Pix.Height} // the first three are the same in both APIs
	if output {
		up := func(n uint32) uint32 { return (n + c.align - 1) / c.align * c.align }
		set.width, set.height = up(set.width), up(set.height)
		set.stride = up(set.width + 1)
		set.size = set.stride * set.height * 3 / 2
		if set.fourCC == pixYUYV {
			set.stride = up(2*set.width + 1)
			set.size = set.stride * set.height
		}
		c.crop = image.Pt(int(set.width), int(set.height))
	} else {
		set.size = set.width * set.height
	}
	c.formats[output] = set
	if !c.planes {
		f.Pix.Width, f.Pix.Height, f.Pix.BytesPerLine, f.Pix.SizeImage = set.width, set.height, set.stride, set.size
		return nil
	}
	mp := (*v4l2FormatMP)(argument)
	mp.Pix.Width, mp.Pix.Height = set.width, set.height
	mp.Pix.Planes[0] = v4l2PlanePixFormat{SizeImage: set.size, BytesPerLine: set.stride}
	return nil
}

func (c *fakeCodec) buffers(request uintptr, argument unsafe.Pointer) error {
	switch request {
	case vidiocReqBufs:
		r := (*v4l2RequestBuffers)(argument)
		output, _ := c.output(r.Type)
		c.memory[output] = nil
		if r.Capabilities = v4l2BufCapMMAP; output && c.adopts != nil {
			r.Capabilities |= v4l2BufCapDMABUF
		}
		if r.Memory == v4l2MemoryDMABUF {
			if r.Capabilities&v4l2BufCapDMABUF == 0 {
				return unix.EINVAL
			}
			c.memory[output] = make([][]byte, r.Count)
		}
		if c.silent {
			r.Capabilities = 0
		}
		if r.Memory == v4l2MemoryDMABUF {
			return nil
		}
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
			p := (*v4l2Plane)(*(*unsafe.Pointer)(unsafe.Pointer(&b.Where)))
			queued.BytesUsed, queued.Length, queued.Where = p.BytesUsed, p.Length, p.Where
		}
		if b.Memory == v4l2MemoryDMABUF {
			if err := c.adopt(&queued); err != nil {
				return err
			}
		}
		c.queued[output] = append(c.queued[output], queued)
		c.work()
	case vidiocDQBuf:
		return c.dequeue(b, output)
	default:
		return unix.ENOTTY
	}
	return nil
}

// adopt looks for the buffer of another driver's.
func (c *fakeCodec) adopt(b *v4l2Buffer) error {
	memory := c.adopts(int(*(*int32)(unsafe.Pointer(&b.Where))))
	if memory == nil || int(b.Length) > len(memory) || int(b.Length) < int(c.formats[true].size) {
		return unix.EINVAL
	}
	if c.adopted++; c.refuses > 0 && c.adopted >= c.refuses {
		return unix.EFAULT
	}
	c.memory[true][b.Index] = memory
	return nil
}

// answer fills what the driver says of a buffer's memory.
func (c *fakeCodec) answer(b *v4l2Buffer, length, used, offset uint32) {
	if !c.planes {
		b.Length, b.BytesUsed = length, used
		*(*uint32)(unsafe.Pointer(&b.Where)) = offset
		return
	}
	p := (*v4l2Plane)(*(*unsafe.Pointer)(unsafe.Pointer(&b.Where)))
	p.Length, p.BytesUsed = length, used
	*(*uint32)(unsafe.Pointer(&p.Where)) = offset
}

func (c *fakeCodec) dequeue(b *v4l2Buffer, output bool) error {
	if c.failAfter > 0 && c.count >= c.failAfter {
		return unix.EIO
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
	return nil
}

// work encodes what it can.
func (c *fakeCodec) work() {
	for len(c.queued[true]) > 0 && c.on[true] {
		in := fakePicture{v4l2Buffer: c.queued[true][0]}
		c.queued[true] = c.queued[true][1:]
		if in.Memory == v4l2MemoryMMAP {
			c.read(&in)
		}
		c.inside = append(c.inside, in)
	}
	for len(c.inside) > 0 && !c.deaf && (len(c.inside) > c.hold || c.stopped) && len(c.queued[false]) > 1 {
		c.encode(c.inside[0])
		c.inside = c.inside[1:]
	}
	if c.stopped && len(c.inside) == 0 && len(c.queued[false]) > 0 {
		c.give(nil, 0, 0, v4l2BufFlagLast)
		c.stopped = false
	}
}

// read reads a picture out of its buffer, which is done with then.
func (c *fakeCodec) read(in *fakePicture) {
	f := c.formats[true]
	in.picture = newPicture(c.crop.X, c.crop.Y)
	l := layout{format: f.fourCC, width: c.crop.X, height: int(f.height), stride: int(f.stride)}
	if int(in.BytesUsed) < l.size() {
		c.t.Errorf("%d bytes of a picture of %d", in.BytesUsed, l.size())
	}
	whole := newPicture(c.crop.X, int(f.height))
	if err := l.convert(whole, c.memory[true][in.Index]); err != nil {
		c.t.Error(err)
	}
	to420(in.picture, whole)
	c.done[true] = append(c.done[true], in.v4l2Buffer)
}

func (c *fakeCodec) encode(in fakePicture) {
	if in.picture == nil {
		c.read(&in)
	}
	if c.encoder == nil {
		var err error
		c.encoder, err = newH264Encoder(encoderSettings{width: c.crop.X, height: c.crop.Y, rate: 30, keyInterval: time.Minute, bitRate: 4e6})
		if err != nil {
			c.t.Fatal(err)
		}
		c.encoder.wantKey = true
	}
	force := c.set[v4l2CIDForceKeyFrame] != 0
	delete(c.set, v4l2CIDForceKeyFrame)
	unit, key, err := c.encoder.encodeOne(in.picture, force)
	if err != nil {
		c.t.Fatal(err)
	}
	c.count++
	if unit == nil { // hardware leaves none out
		c.t.Fatal("the encoder behind the fake left a picture out")
	}
	flags := uint32(0)
	if key {
		flags = v4l2BufFlagKeyFrame
	}
	if key && c.separate {
		var sets, rest []byte
		eachNAL(unit, func(nal []byte) {
			if kind := nal[0] & 0x1f; kind == nalSPS || kind == nalPPS {
				sets = appendNAL(sets, nal)
			} else {
				rest = appendNAL(rest, nal)
			}
		})
		c.give(sets, in.Seconds, in.Micros, 0)
		unit = rest
	}
	c.give(unit, in.Seconds, in.Micros, flags)
}

// give puts what was encoded into the next buffer of CAPTURE.
func (c *fakeCodec) give(data []byte, seconds, micros int64, flags uint32) {
	b := c.queued[false][0]
	c.queued[false] = c.queued[false][1:]
	b.BytesUsed, b.Seconds, b.Micros, b.Flags = uint32(copy(c.memory[false][b.Index], data)), seconds, micros, flags
	c.done[false] = append(c.done[false], b)
	_, _ = unix.Write(c.fd, []byte{1, 0, 0, 0, 0, 0, 0, 0})
}
