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
	*fakeM2M

	// Set before it is opened.
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
	c := &fakeCodec{fakeM2M: newFakeM2M(t, "fake-codec"), raw: []fourCC{pixNV12, pixYU12}, align: 1, controls: map[uint32]bool{}, set: map[uint32]int32{}}
	c.work = c.encodeAll
	for _, id := range []uint32{v4l2CIDBitRate, v4l2CIDGOPSize, v4l2CIDForceKeyFrame, v4l2CIDH264Level, v4l2CIDH264Profile} {
		c.controls[id] = true
	}
	return c
}

func (c *fakeCodec) Open(path string) (int, error) {
	if filepath.Base(path) != "video11" {
		return -1, unix.ENOENT
	}
	c.stopped, c.inside, c.count = false, nil, 0
	return c.open()
}

func (c *fakeCodec) Close(fd int) error {
	if c.encoder != nil {
		_ = c.encoder.close()
		c.encoder = nil
	}
	return c.fakeM2M.Close(fd)
}

func (c *fakeCodec) Ioctl(_ int, request uintptr, argument unsafe.Pointer) error {
	switch request {
	case vidiocQueryCap:
		c.describe((*v4l2Capability)(argument))
	case vidiocEnumFmt:
		return c.enumerate((*v4l2FmtDesc)(argument), c.raw, []fourCC{pixMJPG, pixH264})
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
		c.encodeAll()
	case vidiocReqBufs:
		return c.request((*v4l2RequestBuffers)(argument))
	case vidiocQBuf:
		return c.queue((*v4l2Buffer)(argument))
	case vidiocDQBuf:
		if c.failAfter > 0 && c.count >= c.failAfter {
			return unix.EIO
		}
		return c.buffers(request, argument)
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
	c.tell(set, f)
	return nil
}

// request is VIDIOC_REQBUFS, which may be for buffers of another driver.
func (c *fakeCodec) request(r *v4l2RequestBuffers) error {
	capabilities := uint32(v4l2BufCapMMAP)
	output, _ := c.output(r.Type)
	if output && c.adopts != nil {
		capabilities |= v4l2BufCapDMABUF
	}
	foreign := r.Memory == v4l2MemoryDMABUF
	if foreign && capabilities&v4l2BufCapDMABUF == 0 {
		return unix.EINVAL
	}
	if r.Capabilities = capabilities; c.silent {
		r.Capabilities = 0
	}
	if foreign {
		c.memory[output] = make([][]byte, r.Count)
		return nil
	}
	return c.buffers(vidiocReqBufs, unsafe.Pointer(r))
}

// queue is VIDIOC_QBUF.
func (c *fakeCodec) queue(b *v4l2Buffer) error {
	if b.Memory == v4l2MemoryDMABUF {
		flat := c.flat(b)
		if err := c.adopt(&flat); err != nil {
			return err
		}
	}
	return c.buffers(vidiocQBuf, unsafe.Pointer(b))
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

// encodeAll encodes what it can.
func (c *fakeCodec) encodeAll() {
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
	c.wake()
}
