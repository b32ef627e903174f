package device

import (
	"errors"
	"fmt"
	"time"
	"unsafe"
)

// notImportedError is why an encoder doesn't read the camera's buffers in place, and is
// given copies: found when it is opened, or while it works. Then it is to be opened anew.
type notImportedError struct{ cause error }

func (e *notImportedError) Error() string { return e.cause.Error() }
func (e *notImportedError) Unwrap() error { return e.cause }

// adopt makes OUTPUT take the buffers of another driver in place of its own, each of so
// many bytes and known by its descriptor (V4L2_MEMORY_DMABUF), and lets the queue run
// (linux/Documentation/userspace-api/media/v4l/dmabuf.rst).
func (q *m2mQueue) adopt(descriptors []int, length uint32) error {
	asked := v4l2RequestBuffers{Type: q.kind, Memory: v4l2MemoryMMAP}
	if err := q.device.ioctl(vidiocReqBufs, unsafe.Pointer(&asked)); err != nil {
		return fmt.Errorf("asking what buffers it takes: %w", err)
	}
	// Kernels before 4.20 don't say, and have to be tried.
	if asked.Capabilities != 0 && asked.Capabilities&v4l2BufCapDMABUF == 0 {
		return errors.New("it takes no buffers but its own")
	}
	request := v4l2RequestBuffers{Count: uint32(len(descriptors)), Type: q.kind, Memory: v4l2MemoryDMABUF}
	if err := q.device.ioctl(vidiocReqBufs, unsafe.Pointer(&request)); err != nil {
		return fmt.Errorf("it takes no buffers but its own: %w", err)
	}
	q.adopted, q.length = descriptors, length
	q.buffers = make([][]byte, len(descriptors)) // none of them mapped
	for i := range q.buffers {
		q.idle = append(q.idle, uint32(i))
	}
	err := fmt.Errorf("it has room for %d of %d buffers", request.Count, len(descriptors))
	if request.Count >= uint32(len(descriptors)) {
		err = q.run()
	}
	if err != nil {
		return errors.Join(err, q.stop())
	}
	return nil
}

// importBuffers makes the encoder read the camera's buffers in place, where both
// drivers can and the pictures lie there as the encoder wants them.
func (e *m2mEncoder) importBuffers() error {
	c := e.settings.camera
	if c == nil {
		return errors.New("they do not lie in a camera's buffers")
	}
	if e.settings.copies != nil {
		return e.settings.copies
	}
	if f, l := e.raw.format, c.layout; f.fourCC != l.format || int(f.stride) != l.stride || int(f.height) != l.height {
		return fmt.Errorf("it wants %s in %d rows of %d bytes, the camera gives %s in %d of %d", f.fourCC, f.height, f.stride, l.format, l.height, l.stride)
	}
	if length := c.bufferLength(); length < e.raw.format.size {
		return fmt.Errorf("it wants buffers of %d bytes, the camera's are of %d", e.raw.format.size, length)
	}
	descriptors, err := c.export()
	if err != nil {
		return err
	}
	if err := e.raw.adopt(descriptors, c.bufferLength()); err != nil {
		return err
	}
	e.lent = make([]*cameraBuffer, len(descriptors))
	return nil
}

// way says whether pictures are copied on their way to the encoder, and why.
func (e *m2mEncoder) way() string {
	if e.copied == nil {
		return "which reads the pictures in the camera's buffers"
	}
	return "which gets copies of the pictures: " + e.copied.Error()
}

// encodeBuffer is encode of what lies in a camera's buffer, of the camera that the
// encoder was opened for. Where the encoder keeps as many buffers as the camera can
// spare, the picture is left out. It fails with *notImportedError where the driver
// doesn't take the buffer, or gives none back for half a second's pictures.
func (e *m2mEncoder) encodeBuffer(b *cameraBuffer, captured time.Time, key bool, emit func(m2mUnit) error) error {
	if e.lent == nil {
		if err := e.room(emit); err != nil {
			return err
		}
		index := e.raw.idle[0]
		if err := b.fill(e.raw.buffers[index], e.layout); err != nil {
			return err
		}
		return e.give(index, captured, key, emit)
	}
	e.keyWanted = e.keyWanted || key
	if spare, err := e.spare(emit); err != nil || !spare {
		return err
	}
	if err := b.hold(); err != nil {
		return err
	}
	e.lent[b.index] = b
	err := e.give(b.index, captured, false, emit)
	if errors.Is(err, errNotTaken) {
		e.lent[b.index] = nil
		b.release()
		return &notImportedError{errors.Unwrap(err)} // without the encoder's name
	}
	return err
}

// spare tells whether the camera has a buffer to spare.
func (e *m2mEncoder) spare(emit func(m2mUnit) error) (bool, error) {
	for _, look := range []func() error{e.takeBack, func() error { return e.collect(0, emit) }, e.takeBack} {
		if err := look(); err != nil {
			return false, err
		}
		if e.away() < e.settings.camera.spare {
			e.late = 0
			return true, nil
		}
	}
	if e.late++; e.late > int(e.settings.rate/2) {
		return false, &notImportedError{fmt.Errorf("it keeps more than the %d that the camera can spare", e.settings.camera.spare)}
	}
	return false, nil
}

// away counts the camera's buffers that the driver has.
func (e *m2mEncoder) away() int {
	n := 0
	for _, b := range e.lent {
		if b != nil {
			n++
		}
	}
	return n
}

// letGo gives a buffer that the driver is done with back to the camera, if it is one of
// the camera's.
func (e *m2mEncoder) letGo(index uint32) {
	if e.lent == nil || e.lent[index] == nil {
		return
	}
	e.lent[index].release()
	e.lent[index] = nil
}
