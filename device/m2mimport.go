package device

import (
	"errors"
	"fmt"
	"slices"
	"time"
	"unsafe"
)

// notImportedError is why an encoder doesn't read the source's buffers in place, and is
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

// bufferSource has the buffers in which the pictures lie that an encoder is to read in
// place: a camera, or a decoder of what a camera gives.
type bufferSource interface {
	fmt.Stringer
	shape() layout        // how they lie there
	bufferLength() uint32 // how many bytes each buffer has at least
	// export returns the buffers' descriptors, by their indices. The source closes them.
	export() ([]int, error)
	spares() int // so many buffers may be kept from it
}

// lentBuffer is a source's buffer that an encoder has.
type lentBuffer interface{ release() }

// chooseSource finds where the pictures are to be read in place: in the camera's
// buffers, or, where those have JPEG, in those of a device that decodes it. Otherwise it
// says why they are to be copied.
func (e *m2mEncoder) chooseSource() error {
	c := e.settings.camera
	switch {
	case c == nil:
		return errors.New("they do not lie in a camera's buffers")
	case e.settings.copies != nil:
		return e.settings.copies
	case !c.coded():
		e.source = c
		return nil
	}
	d, err := e.openDecoder()
	if err != nil {
		return err
	}
	e.source, e.decoder = d, d
	return nil
}

// openDecoder opens a decoder for the camera's JPEG pictures.
func (e *m2mEncoder) openDecoder() (*m2mDecoder, error) {
	info, b := e.settings.decoder, e.settings.first
	if info == nil || b == nil {
		return nil, errors.New("no device here decodes the camera's JPEG")
	}
	offered := e.raw.formats()
	p := codedPictures{format: info.format, width: e.settings.width, height: e.settings.height, size: max(b.camera.bufferLength(), uint32(e.settings.width*e.settings.height))}
	for _, f := range m2mRawFormats {
		if slices.Contains(offered, f) {
			p.wanted = append(p.wanted, f)
		}
	}
	reference, err := b.picture()
	if err == nil {
		p.check = func(l layout, raw []byte) (full bool, err error) { return rangeOf(l, raw, reference) }
		p.sample, err = b.jpeg()
	}
	if err != nil {
		return nil, err
	}
	return openM2MDecoder(e.device.k, info.CodecInfo, p)
}

// fullRange tells whether the pictures have the range of JPEG, not that of video.
func (e *m2mEncoder) fullRange() bool { return e.decoder != nil && e.decoder.full }

// importBuffers makes the encoder read the source's buffers in place, where both
// drivers can and the pictures lie there as the encoder wants them.
func (e *m2mEncoder) importBuffers() error {
	if f, l := e.raw.format, e.source.shape(); f.fourCC != l.format || int(f.stride) != l.stride || int(f.height) != l.height {
		return fmt.Errorf("it wants %s in %d rows of %d bytes, %s gives %s in %d of %d", f.fourCC, f.height, f.stride, e.giver(), l.format, l.height, l.stride)
	}
	if length := e.source.bufferLength(); length < e.raw.format.size {
		return fmt.Errorf("it wants buffers of %d bytes, those of %s are of %d", e.raw.format.size, e.giver(), length)
	}
	descriptors, err := e.source.export()
	if err != nil {
		return err
	}
	if err := e.raw.adopt(descriptors, e.source.bufferLength()); err != nil {
		return err
	}
	e.lent = make([]lentBuffer, len(descriptors))
	if e.decoder != nil {
		e.settings.camera.leaveCoded(true)
	}
	return nil
}

// giver names the source in few words.
func (e *m2mEncoder) giver() string {
	if e.decoder != nil {
		return "the decoder"
	}
	return "the camera"
}

// leaveSource ends what chooseSource began. The driver has none of its buffers any more.
func (e *m2mEncoder) leaveSource() error {
	d := e.decoder
	e.source, e.decoder, e.lent = nil, nil, nil
	if d == nil {
		return nil
	}
	e.settings.camera.leaveCoded(false)
	return d.close()
}

// way says whether pictures are copied on their way to the encoder, and why.
func (e *m2mEncoder) way() string {
	switch {
	case e.decoder != nil:
		return fmt.Sprintf("which reads the pictures as the hardware, %s, decodes them from JPEG", e.decoder)
	case e.copied == nil:
		return "which reads the pictures in the camera's buffers"
	}
	return "which gets copies of the pictures: " + e.copied.Error()
}

// encodeBuffer is encode of what lies in a camera's buffer, of the camera that the
// encoder was opened for. Where the encoder keeps as many buffers as the source can
// spare, the picture is left out. It fails with *notImportedError where the driver
// doesn't take the buffer, or gives none back for half a second.
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
	if e.decoder != nil {
		return e.encodeCoded(b, captured, emit)
	}
	if err := b.hold(); err != nil {
		return err
	}
	return e.giveLent(b, b.index, captured, emit)
}

// encodeCoded is encodeBuffer of a JPEG picture that a device decodes.
func (e *m2mEncoder) encodeCoded(b *cameraBuffer, captured time.Time, emit func(m2mUnit) error) error {
	data, err := b.jpeg()
	if err != nil {
		return err
	}
	var failed error // in encoding, not in decoding
	patience := time.Duration(float64(time.Second) / e.settings.rate)
	err = e.decoder.decode(data, captured, patience, func(p decodedPicture, captured time.Time) error {
		failed = e.giveLent(p, p.index, captured, emit)
		return failed
	})
	if err != nil && failed == nil {
		err = &notImportedError{fmt.Errorf("decoder %s: %w", e.decoder, err)}
	}
	return err
}

// giveLent is give of a buffer that is lent. Where the driver doesn't take it, it is
// given back to its owner.
func (e *m2mEncoder) giveLent(b lentBuffer, index uint32, captured time.Time, emit func(m2mUnit) error) error {
	e.lent[index] = b
	err := e.give(index, captured, false, emit)
	if errors.Is(err, errNotTaken) {
		e.letGo(index)
		return &notImportedError{errors.Unwrap(err)} // without the encoder's name
	}
	return err
}

// spare tells whether the source has a buffer to spare.
func (e *m2mEncoder) spare(emit func(m2mUnit) error) (bool, error) {
	for _, look := range []func() error{e.takeBack, func() error { return e.collect(0, emit) }, e.takeBack} {
		if err := look(); err != nil {
			return false, err
		}
		if e.away() < e.source.spares() {
			e.late = 0
			return true, nil
		}
	}
	if e.late++; e.late == 1 {
		e.lateSince = time.Now()
	}
	if e.late > int(e.settings.rate*m2mLate.Seconds()) || time.Since(e.lateSince) > m2mLate {
		return false, &notImportedError{fmt.Errorf("it keeps more than the %d that %s can spare", e.source.spares(), e.giver())}
	}
	return false, nil
}

// away counts the source's buffers that the driver has.
func (e *m2mEncoder) away() int {
	n := 0
	for _, b := range e.lent {
		if b != nil {
			n++
		}
	}
	return n
}

// letGo gives a buffer that the driver is done with back to the source, if it is one of
// the source's.
func (e *m2mEncoder) letGo(index uint32) {
	if e.lent == nil || e.lent[index] == nil {
		return
	}
	e.lent[index].release()
	e.lent[index] = nil
}
