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
	*fakeM2M
	publish func(memory []byte) (fd int) // makes a buffer a file

	// Set before it is opened.
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

	events int
	told   bool // of the surprise
	count  int
	ended  bool
}

func newFakeJPEG(t testing.TB, publish func([]byte) int) *fakeJPEG {
	c := &fakeJPEG{
		fakeM2M: newFakeM2M(t, "fake-jpeg"), publish: publish, name: pixMJPG, raw: []fourCC{pixYUYV, pixNV12, pixYU12}, padding: 1, least: 1,
	}
	c.work = c.decode
	return c
}

func (c *fakeJPEG) Open() (int, error) {
	c.count, c.events, c.told, c.ended = 0, 0, false, false
	c.formats = map[bool]m2mFormat{}
	return c.open()
}

func (c *fakeJPEG) Ioctl(_ int, request uintptr, argument unsafe.Pointer) error {
	switch request {
	case vidiocQueryCap:
		c.describe((*v4l2Capability)(argument))
	case vidiocEnumFmt:
		return c.enumerate((*v4l2FmtDesc)(argument), []fourCC{pixH264, c.name}, c.raw)
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
	case vidiocExpBuf:
		e := (*v4l2ExportBuffer)(argument)
		if output, ok := c.output(e.Type); !ok || output || c.private {
			return unix.ENOTTY
		}
		e.FD = int32(c.publish(c.memory[false][e.Index]))
	case vidiocDQBuf:
		if output, _ := c.output((*v4l2Buffer)(argument).Type); !output && c.ended && len(c.done[false]) == 0 {
			return unix.EPIPE
		}
		return c.buffers(request, argument)
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
	c.tell(c.formats[output], f)
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

// decode decodes what it can.
func (c *fakeJPEG) decode() {
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
