package device

import (
	"bytes"
	"encoding/binary"
	"math"
	"path/filepath"
	"sync"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// fakeDriver stands in for the kernel: it does what linux/videodev2.h and the
// V4L2 documentation say that a driver does. Its device nodes become readable
// through an eventfd, so that the real poll works on them.
type fakeDriver struct {
	t     testing.TB
	nodes map[string]*fakeNode // by base name, such as video0
	mu    sync.Mutex
	open  map[int]*fakeNode
	files map[int][]byte // exported buffers, by descriptor
}

// fakeNode is one device. Fields are set before it is opened; what follows mu
// may be changed at any time with it held.
type fakeNode struct {
	capability v4l2Capability
	formats    []fakeFormat
	openErr    error
	formatErr  map[fourCC]error
	substitute fourCC // set instead of what is asked for
	echo       bool   // S_FMT returns the request; only G_FMT tells
	padding    uint32 // bytes added to each row
	controls   map[uint32]*v4l2QueryCtrl
	menu       []int64 // of the controls that are one; noItem is a gap
	exportErr  error
	few        uint32                             // buffers that it gives at most, unless 0
	damages    func(n uint32, data []byte) []byte // what becomes of a picture on its way; nil: nothing

	mu       sync.Mutex
	set      map[uint32]int32 // controls that were set
	orders   map[byte][]byte  // what the H.264 extension unit 12 was told, by selector
	format   v4l2PixFormat
	interval v4l2Fract
	memory   [][]byte
	queued   []uint32
	filled   []v4l2Buffer
	on       bool
	mapped   int
	dqErr    []error // for the next DQBUFs, before anything else
	capErr   error   // for QUERYCAP
	fd       int
	least    int // buffers that it ever had, once it streamed
}

const noItem = math.MinInt64

type fakeFormat struct {
	format fourCC
	sizes  []v4l2FrmSizeEnum
	rates  map[uint32][]v4l2Fract // by width
}

func discrete(width, height uint32) v4l2FrmSizeEnum {
	return v4l2FrmSizeEnum{Type: v4l2TypeDiscrete, Sizes: [6]uint32{width, height}}
}

func newFakeNode(formats ...fakeFormat) *fakeNode {
	n := &fakeNode{formats: formats, set: map[uint32]int32{}, orders: map[byte][]byte{}, fd: -1}
	copy(n.capability.Driver[:], "fake")
	copy(n.capability.Card[:], "Fake camera")
	copy(n.capability.BusInfo[:], "usb-1")
	n.capability.Capabilities = v4l2CapDeviceCaps | v4l2CapVideoCapture | v4l2CapStreaming | v4l2CapMetaCapture
	n.capability.DeviceCaps = v4l2CapVideoCapture | v4l2CapStreaming
	return n
}

func newFakeDriver(t testing.TB, nodes map[string]*fakeNode) *fakeDriver {
	d := &fakeDriver{t: t, nodes: nodes, open: map[int]*fakeNode{}, files: map[int][]byte{}}
	t.Cleanup(func() {
		for fd, n := range d.open {
			t.Errorf("device %d was not closed", fd)
			_ = unix.Close(n.fd)
		}
		if len(d.files) > 0 {
			t.Errorf("%d exported buffers were not closed", len(d.files))
		}
		for name, n := range nodes {
			if n.mapped != 0 || n.on {
				t.Errorf("%s: %d buffers still mapped, streaming %v", name, n.mapped, n.on)
			}
		}
	})
	return d
}

func (d *fakeDriver) Open(path string) (int, error) {
	n := d.nodes[filepath.Base(path)]
	if n == nil {
		return -1, unix.ENOENT
	}
	if n.openErr != nil {
		return -1, n.openErr
	}
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_SEMAPHORE|unix.EFD_CLOEXEC)
	if err != nil {
		d.t.Fatal(err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open[fd], n.fd = n, fd
	return fd, nil
}

func (d *fakeDriver) Close(fd int) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n := d.open[fd]; n != nil {
		n.fd = -1
	}
	delete(d.open, fd)
	delete(d.files, fd)
	return unix.Close(fd)
}

// export makes a buffer a file.
func (d *fakeDriver) export(n *fakeNode, e *v4l2ExportBuffer) error {
	if n.exportErr != nil {
		return n.exportErr
	}
	if int(e.Index) >= len(n.memory) || e.Type != v4l2BufTypeVideoCapture {
		return unix.EINVAL
	}
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.files[fd], e.FD = n.memory[e.Index], int32(fd)
	return nil
}

// file is the buffer that a descriptor stands for.
func (d *fakeDriver) file(fd int) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.files[fd]
}

func (d *fakeDriver) node(fd int) *fakeNode {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.open[fd]
}

func (d *fakeDriver) Mmap(fd int, offset int64, length int) ([]byte, error) {
	n := d.node(fd)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mapped++
	return n.memory[offset/4096][:length], nil
}

func (d *fakeDriver) Munmap(memory []byte) error {
	for _, n := range d.nodes {
		n.mu.Lock()
		for _, m := range n.memory {
			if &m[0] == &memory[0] {
				n.mapped--
			}
		}
		n.mu.Unlock()
	}
	return nil
}

func (d *fakeDriver) Ioctl(fd int, request uintptr, argument unsafe.Pointer) error {
	n := d.node(fd)
	n.mu.Lock()
	defer n.mu.Unlock()
	switch request {
	case vidiocQueryCap:
		if n.capErr != nil {
			return n.capErr
		}
		*(*v4l2Capability)(argument) = n.capability
	case vidiocExpBuf:
		return d.export(n, (*v4l2ExportBuffer)(argument))
	case vidiocEnumFmt, vidiocEnumSizes, vidiocEnumInterval:
		return n.enumerate(request, argument)
	case vidiocSetFmt:
		return n.setFormat((*v4l2Format)(argument))
	case vidiocGetFmt:
		(*v4l2Format)(argument).Pix = n.format
	case vidiocGetParm, vidiocSetParm:
		p := (*v4l2StreamParm)(argument)
		if request == vidiocSetParm && n.interval.Numerator == 0 {
			n.interval = p.TimePerFrame
		}
		p.Capability, p.TimePerFrame = v4l2ParmTimePerFrame, n.interval
	case vidiocQueryCtrl:
		q := (*v4l2QueryCtrl)(argument)
		if n.controls[q.ID] == nil {
			return unix.EINVAL
		}
		*q = *n.controls[q.ID]
	case vidiocQueryMenu:
		m := (*v4l2QueryMenu)(argument)
		if int(m.Index) >= len(n.menu) || n.menu[m.Index] == noItem {
			return unix.EINVAL
		}
		binary.NativeEndian.PutUint64(m.Value[:], uint64(n.menu[m.Index]))
	case vidiocGetCtrl:
		c := (*v4l2Control)(argument)
		if n.controls[c.ID] == nil {
			return unix.EINVAL
		}
		c.Value = n.controls[c.ID].Default
		if value, ok := n.set[c.ID]; ok {
			c.Value = value
		}
	case vidiocSetCtrl:
		c := (*v4l2Control)(argument)
		n.set[c.ID] = c.Value
	case uvciocCtrlQuery:
		q := (*uvcXUQuery)(argument)
		if q.Unit != 12 { // as uvc_xu_ctrl_query says it
			return unix.ENOENT
		}
		n.orders[q.Selector] = bytes.Clone(unsafe.Slice((*byte)(q.Data), q.Size))
	default:
		return n.stream(request, argument)
	}
	return nil
}

func (n *fakeNode) enumerate(request uintptr, argument unsafe.Pointer) error {
	if request == vidiocEnumFmt {
		f := (*v4l2FmtDesc)(argument)
		if int(f.Index) >= len(n.formats) {
			return unix.EINVAL
		}
		f.PixelFormat = n.formats[f.Index].format
		copy(f.Description[:], f.PixelFormat.String()+" pictures")
		return nil
	}
	for _, f := range n.formats {
		if s := (*v4l2FrmSizeEnum)(argument); request == vidiocEnumSizes && s.PixelFormat == f.format && int(s.Index) < len(f.sizes) {
			s.Type, s.Sizes = f.sizes[s.Index].Type, f.sizes[s.Index].Sizes
			return nil
		}
		if request != vidiocEnumInterval {
			continue
		}
		if v := (*v4l2FrmIvalEnum)(argument); v.PixelFormat == f.format && int(v.Index) < len(f.rates[v.Width]) {
			v.Type, v.Intervals[0] = v4l2TypeDiscrete, f.rates[v.Width][v.Index]
			return nil
		}
	}
	return unix.EINVAL
}

func (n *fakeNode) setFormat(f *v4l2Format) error {
	if f.Type != v4l2BufTypeVideoCapture {
		return unix.EINVAL
	}
	if err := n.formatErr[f.Pix.PixelFormat]; err != nil {
		return err
	}
	asked := f.Pix
	n.format = f.Pix
	if n.substitute != 0 {
		n.format.PixelFormat = n.substitute
	}
	switch p := &n.format; p.PixelFormat {
	case pixYUYV, pixUYVY:
		p.BytesPerLine = 2*p.Width + n.padding
		p.SizeImage = p.BytesPerLine * p.Height
	case pixMJPG, pixH264:
		p.BytesPerLine, p.SizeImage = 0, p.Width*p.Height*2
	default:
		p.BytesPerLine = p.Width + n.padding
		p.SizeImage = p.BytesPerLine * (p.Height + (p.Height+1)/2)
	}
	f.Pix = n.format
	if n.echo {
		f.Pix = asked
	}
	return nil
}

func (n *fakeNode) stream(request uintptr, argument unsafe.Pointer) error {
	switch request {
	case vidiocReqBufs:
		r := (*v4l2RequestBuffers)(argument)
		if r.Memory != v4l2MemoryMMAP || n.on {
			return unix.EINVAL
		}
		if r.Count > 0 {
			n.memory, n.least = nil, int(r.Count)
		}
		if n.few > 0 {
			r.Count = min(r.Count, n.few)
		}
		for range r.Count {
			n.memory = append(n.memory, make([]byte, n.format.SizeImage))
		}
	case vidiocQueryBuf:
		b := (*v4l2Buffer)(argument)
		b.Length = n.format.SizeImage
		*(*uint32)(unsafe.Pointer(&b.Where)) = b.Index * 4096
	case vidiocQBuf:
		n.queued = append(n.queued, (*v4l2Buffer)(argument).Index)
	case vidiocStreamOn:
		n.on = true
	case vidiocStreamOff:
		n.on, n.queued, n.filled = false, nil, nil
	case vidiocDQBuf:
		return n.dequeue((*v4l2Buffer)(argument))
	default:
		return unix.ENOTTY
	}
	return nil
}

func (n *fakeNode) dequeue(b *v4l2Buffer) error {
	if len(n.dqErr) > 0 {
		err := n.dqErr[0]
		n.dqErr = n.dqErr[1:]
		return err
	}
	if len(n.filled) == 0 {
		return unix.EAGAIN
	}
	var count [8]byte
	_, _ = unix.Read(n.fd, count[:])
	*b = n.filled[0]
	n.filled = n.filled[1:]
	n.least = min(n.least, len(n.filled)+len(n.queued))
	return nil
}

// signal makes the device readable once more.
func (n *fakeNode) signal() {
	_, _ = unix.Write(n.fd, []byte{1, 0, 0, 0, 0, 0, 0, 0})
}

// deliver fills the next queued buffer as a driver would; b gives its flags and
// what else is wanted. It tells whether there was a buffer to fill.
func (n *fakeNode) deliver(data []byte, b v4l2Buffer) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.queued) == 0 || !n.on {
		return false
	}
	if n.damages != nil {
		data = n.damages(b.Sequence, data)
	}
	b.Index, n.queued = n.queued[0], n.queued[1:]
	b.BytesUsed = uint32(copy(n.memory[b.Index], data))
	n.filled = append(n.filled, b)
	n.signal()
	return true
}

// stamped is a buffer that was captured so long ago.
func stamped(age time.Duration) v4l2Buffer {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
	at := time.Duration(now.Nano()) - age
	return v4l2Buffer{Flags: v4l2BufFlagStampMonotone, Seconds: int64(at / time.Second), Micros: int64(at % time.Second / time.Microsecond)}
}
