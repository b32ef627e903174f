package device

import (
	"errors"
	"fmt"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// m2mFormat is what matters of a format in either of V4L2's APIs.
type m2mFormat struct {
	fourCC        fourCC
	width, height uint32 // pixels; of raw pictures as they lie in memory
	stride, size  uint32 // bytes: of a row of the first plane, of a whole buffer
	full          bool   // asked for: the range of JPEG, not that of video
}

// m2mQueue is one of the two queues of a memory-to-memory device: OUTPUT, which
// takes what is to be converted, or CAPTURE, which gives what came of it
// (linux/Documentation/userspace-api/media/v4l/dev-encoder.rst). All of a picture
// lies in one buffer, whichever API the driver has.
type m2mQueue struct {
	// Fixed after newM2MQueue.
	device *v4l2Device
	kind   uint32     // V4L2_BUF_TYPE_...
	plane  *v4l2Plane // of the buffer that is handed over; nil with the API for single planes

	format  m2mFormat // as the driver set it
	buffers [][]byte
	idle    []uint32 // those that the driver does not have
	adopted []int    // descriptors of another driver's buffers; nil where it has its own
	length  uint32   // of each of those, bytes
	on      bool
}

// newM2MQueue makes the device's OUTPUT or CAPTURE queue.
func newM2MQueue(device *v4l2Device, output, planes bool) *m2mQueue {
	q := &m2mQueue{device: device, kind: v4l2BufTypeVideoCapture}
	switch {
	case output && planes:
		q.kind = v4l2BufTypeVideoOutputMplane
	case output:
		q.kind = v4l2BufTypeVideoOutput
	case planes:
		q.kind = v4l2BufTypeVideoCaptureMplane
	}
	if planes {
		q.plane = &v4l2Plane{}
	}
	return q
}

// formats lists what the queue takes or gives.
func (q *m2mQueue) formats() []fourCC {
	var found []fourCC
	for i := range uint32(mostEnumerated) {
		f := v4l2FmtDesc{Index: i, Type: q.kind}
		if q.device.ioctl(vidiocEnumFmt, unsafe.Pointer(&f)) != nil {
			break
		}
		found = append(found, f.PixelFormat)
	}
	return found
}

// setFormat asks for a format, and notes what the driver made of it.
func (q *m2mQueue) setFormat(want m2mFormat) error {
	var err error
	colorspace, quantization := uint32(v4l2ColorspaceSMPTE170M), uint32(v4l2QuantizationLimitedRange)
	if want.full {
		colorspace, quantization = v4l2ColorspaceJPEG, v4l2QuantizationFullRange
	}
	if q.plane != nil {
		f := v4l2FormatMP{Type: q.kind, Pix: v4l2PixFormatMP{
			Width: want.width, Height: want.height, PixelFormat: want.fourCC, Field: v4l2FieldNone,
			Colorspace: colorspace, Quantization: uint8(quantization), NumPlanes: 1,
		}}
		f.Pix.Planes[0] = v4l2PlanePixFormat{SizeImage: want.size, BytesPerLine: want.stride}
		err = q.device.ioctl(vidiocSetFmt, unsafe.Pointer(&f))
		q.format = f.plain()
		if err == nil && f.Pix.NumPlanes != 1 {
			err = fmt.Errorf("it wants %d buffers for a picture", f.Pix.NumPlanes)
		}
	} else {
		f := v4l2Format{Type: q.kind, Pix: v4l2PixFormat{
			Width: want.width, Height: want.height, PixelFormat: want.fourCC, Field: v4l2FieldNone, SizeImage: want.size, BytesPerLine: want.stride,
			Colorspace: colorspace, Priv: v4l2PrivMagic, Quantization: quantization,
		}}
		err = q.device.ioctl(vidiocSetFmt, unsafe.Pointer(&f))
		q.format = f.plain()
	}
	if err == nil && q.format.fourCC != want.fourCC {
		err = fmt.Errorf("it set %s", q.format.fourCC)
	}
	if err != nil {
		return fmt.Errorf("setting %s %dx%d: %w", want.fourCC, want.width, want.height, err)
	}
	return nil
}

// plain is what matters of a format.
func (f *v4l2FormatMP) plain() m2mFormat {
	plane := f.Pix.Planes[0]
	return m2mFormat{fourCC: f.Pix.PixelFormat, width: f.Pix.Width, height: f.Pix.Height, stride: plane.BytesPerLine, size: plane.SizeImage}
}

// plain is what matters of a format.
func (f *v4l2Format) plain() m2mFormat {
	return m2mFormat{fourCC: f.Pix.PixelFormat, width: f.Pix.Width, height: f.Pix.Height, stride: f.Pix.BytesPerLine, size: f.Pix.SizeImage}
}

// currentFormat is the format that the driver has chosen.
func (q *m2mQueue) currentFormat() (m2mFormat, error) {
	if q.plane != nil {
		f := v4l2FormatMP{Type: q.kind}
		err := q.device.ioctl(vidiocGetFmt, unsafe.Pointer(&f))
		return f.plain(), err
	}
	f := v4l2Format{Type: q.kind}
	err := q.device.ioctl(vidiocGetFmt, unsafe.Pointer(&f))
	return f.plain(), err
}

// start asks for buffers, maps them and lets the queue run. The driver may want
// more buffers than were asked for, or give fewer.
func (q *m2mQueue) start(count uint32) error {
	request := v4l2RequestBuffers{Count: count, Type: q.kind, Memory: v4l2MemoryMMAP}
	if err := q.device.ioctl(vidiocReqBufs, unsafe.Pointer(&request)); err != nil {
		return fmt.Errorf("asking for buffers: %w", err)
	}
	if request.Count == 0 {
		return errors.New("it gave no buffers")
	}
	for i := range request.Count {
		b := q.buffer(i)
		if err := q.device.ioctl(vidiocQueryBuf, unsafe.Pointer(&b)); err != nil {
			return fmt.Errorf("looking for a buffer: %w", err)
		}
		offset, length := b.offset(), b.Length
		if q.plane != nil {
			offset, length = q.plane.offset(), q.plane.Length
		}
		memory, err := q.device.k.Mmap(q.device.fd, offset, int(length))
		if err != nil {
			return fmt.Errorf("mapping a buffer of %d bytes: %w", length, err)
		}
		q.buffers, q.idle = append(q.buffers, memory), append(q.idle, i)
	}
	return q.run()
}

// run lets the queue run.
func (q *m2mQueue) run() error {
	kind := int32(q.kind)
	if err := q.device.ioctl(vidiocStreamOn, unsafe.Pointer(&kind)); err != nil {
		return fmt.Errorf("starting: %w", err)
	}
	q.on = true
	return nil
}

// stop takes all buffers back and frees them. It undoes as much as start did.
func (q *m2mQueue) stop() error {
	var errs []error
	kind := int32(q.kind)
	if q.on {
		errs = append(errs, q.device.ioctl(vidiocStreamOff, unsafe.Pointer(&kind)))
	}
	for _, memory := range q.buffers {
		if memory != nil {
			errs = append(errs, q.device.k.Munmap(memory))
		}
	}
	request := v4l2RequestBuffers{Type: q.kind, Memory: q.memory()}
	_ = q.device.ioctl(vidiocReqBufs, unsafe.Pointer(&request)) // closing frees them as well
	q.on, q.buffers, q.idle, q.adopted = false, nil, nil, nil
	return errors.Join(errs...)
}

// least is how many bytes each buffer has at least.
func (q *m2mQueue) least() uint32 {
	least := uint32(0)
	for i, memory := range q.buffers {
		if n := uint32(len(memory)); i == 0 || n < least {
			least = n
		}
	}
	return least
}

// export makes each buffer a file that another driver can read from (VIDIOC_EXPBUF), in
// order of their indices. The caller closes them, also those that come with an error.
func (q *m2mQueue) export() ([]int, error) {
	var exported []int
	for i := range q.buffers {
		e := v4l2ExportBuffer{Type: q.kind, Index: uint32(i), Flags: unix.O_RDWR | unix.O_CLOEXEC, FD: -1}
		if err := q.device.ioctl(vidiocExpBuf, unsafe.Pointer(&e)); err != nil {
			return exported, fmt.Errorf("it does not share its buffers: %w", err)
		}
		exported = append(exported, int(e.FD))
	}
	return exported, nil
}

// memory is whose buffers the queue has.
func (q *m2mQueue) memory() uint32 {
	if q.adopted != nil {
		return v4l2MemoryDMABUF
	}
	return v4l2MemoryMMAP
}

// buffer describes one to the driver.
func (q *m2mQueue) buffer(index uint32) v4l2Buffer {
	b := v4l2Buffer{Index: index, Type: q.kind, Memory: q.memory(), Field: v4l2FieldNone}
	if q.plane != nil {
		*q.plane = v4l2Plane{}
		b.Length = 1
		b.Where = uintptr(unsafe.Pointer(q.plane)) // which q keeps where it is
	}
	return b
}

// put hands an idle buffer to the driver, of OUTPUT with so many bytes in it.
// The driver gives the stamp back with what comes of them.
func (q *m2mQueue) put(index, used uint32, stamp int64) error {
	b := q.buffer(index)
	b.BytesUsed, b.Seconds, b.Micros = used, stamp/1e6, stamp%1e6
	where, length := &b.Where, &b.Length
	if q.plane != nil {
		where, length = &q.plane.Where, &q.plane.Length
		q.plane.BytesUsed, b.BytesUsed = used, 0
	}
	if *length = uint32(len(q.buffers[index])); q.adopted != nil {
		*length = q.length
		setDescriptor(where, q.adopted[index])
	}
	if err := q.device.ioctl(vidiocQBuf, unsafe.Pointer(&b)); err != nil {
		return fmt.Errorf("%w: %w", errNotTaken, err)
	}
	q.idle = slices.DeleteFunc(q.idle, func(i uint32) bool { return i == index })
	return nil
}

// m2mResult is a buffer that the driver is done with.
type m2mResult struct {
	index uint32
	data  []byte // what is in it
	flags uint32
	stamp int64
}

// errNothingYet says that the driver is done with no further buffer.
var errNothingYet = errors.New("nothing is ready yet")

// errNotTaken is what put fails with.
var errNotTaken = errors.New("giving it a buffer")

// errDrained says that the last of a drained queue has come (V4L2_BUF_FLAG_LAST).
var errDrained = errors.New("the queue is drained")

// take gets a buffer back, which is idle then. It never waits.
func (q *m2mQueue) take() (m2mResult, error) {
	b := q.buffer(0)
	err := q.device.ioctl(vidiocDQBuf, unsafe.Pointer(&b))
	switch {
	case errors.Is(err, unix.EAGAIN):
		return m2mResult{}, errNothingYet
	case errors.Is(err, unix.EPIPE):
		return m2mResult{}, errDrained
	case err != nil:
		return m2mResult{}, fmt.Errorf("taking a buffer: %w", err)
	case int(b.Index) >= len(q.buffers):
		return m2mResult{}, fmt.Errorf("it returned buffer %d of %d", b.Index, len(q.buffers))
	}
	q.idle = append(q.idle, b.Index)
	result := m2mResult{index: b.Index, flags: b.Flags, stamp: b.Seconds*1e6 + b.Micros}
	if q.adopted != nil {
		return result, nil // its bytes are not ours to look at
	}
	used, from := b.BytesUsed, uint32(0)
	if q.plane != nil {
		used, from = q.plane.BytesUsed, q.plane.DataOffset
	}
	memory := q.buffers[b.Index]
	if int64(used) > int64(len(memory)) || from > used {
		return m2mResult{}, fmt.Errorf("it says %d bytes are in a buffer of %d", used, len(memory))
	}
	result.data = memory[from:used]
	return result, nil
}
