package device

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	bufferCount  = 4
	stallTimeout = 3 * time.Second
	oldestStamp  = 5 * time.Second // older time stamps than that are not believed
	mostEIO      = 10              // in a row; the kernel calls single ones temporary
	vanishTime   = 50 * time.Millisecond
	// unbindTime is how long after it was pulled out a camera is closed. The kernel takes its USB interfaces from the
	// driver one by one. uvcvideo lets go of all of them when the last descriptor is closed (uvc_delete in
	// drivers/media/usb/uvc/uvc_driver.c, Linux 7.3): between two of them, the thread that closes dies in the kernel
	// (usb_unbind_interface), which has no driver there any more.
	unbindTime = 100 * time.Millisecond
)

// v4l2Stream is a device that is streaming into mapped buffers.
type v4l2Stream struct {
	// Fixed after opening.
	v4l2Device
	format   v4l2PixFormat // as the driver set it
	rate     float64       // pictures per second as the driver says; 0 if it doesn't
	stall    time.Duration // no good picture for so long: ErrStalled
	lends    bool          // pictures are handed on in the driver's buffers
	spare    int           // so many buffers may be kept by those who were lent them
	asked    bool          // for buffers, so that there is something to undo
	buffers  [][]byte
	wait     *waiter
	controls error  // which wishes for the picture could not be fulfilled
	free     func() // what belongs to the camera besides the device; nil: nothing does

	drops atomic.Uint64

	// Guarded by mu, which is held while reading.
	mu       sync.Mutex
	closed   bool
	counting bool   // sequence is valid
	sequence uint32 // of the last buffer taken
	failed   error  // what ended the stream
	exported []int  // descriptors of the buffers, by index
}

// start asks for buffers, maps and queues them, and starts the stream.
func (s *v4l2Stream) start() error {
	request := v4l2RequestBuffers{Count: bufferCount, Type: v4l2BufTypeVideoCapture, Memory: v4l2MemoryMMAP}
	if s.lends {
		request.Count = neverLent + mostLent
	}
	if err := s.ioctl(vidiocReqBufs, unsafe.Pointer(&request)); err != nil {
		return cameraError(s.path, "asking for buffers", err)
	}
	s.asked = true
	if request.Count < 2 {
		return fmt.Errorf("camera %s: the driver gave %d buffers; at least 2 are needed", s.path, request.Count)
	}
	for i := range request.Count {
		b := v4l2Buffer{Index: i, Type: v4l2BufTypeVideoCapture, Memory: v4l2MemoryMMAP}
		if err := s.ioctl(vidiocQueryBuf, unsafe.Pointer(&b)); err != nil {
			return cameraError(s.path, "looking for a buffer", err)
		}
		memory, err := s.k.Mmap(s.fd, b.offset(), int(b.Length))
		if err != nil {
			return fmt.Errorf("camera %s: mapping a buffer of %d bytes: %w", s.path, b.Length, err)
		}
		s.buffers = append(s.buffers, memory)
		if err := s.queue(i); err != nil {
			return err
		}
	}
	s.spare = min(len(s.buffers)-neverLent, mostLent)
	s.lends = s.lends && s.spare > 0
	kind := int32(v4l2BufTypeVideoCapture)
	if err := s.ioctl(vidiocStreamOn, unsafe.Pointer(&kind)); err != nil {
		return s.failure("starting to capture", err)
	}
	return nil
}

// failure is cameraError that knows a camera which is being pulled out.
func (s *v4l2Stream) failure(doing string, err error) error {
	if s.vanished(err, vanishTime) {
		err = errors.Join(err, unix.ENODEV)
	}
	return cameraError(s.path, doing, err)
}

// vanished tells whether an error came of the camera being pulled out meanwhile: the kernel stops the
// queue first (EINVAL) and fails its transfers (EIO, EPROTO, ESHUTDOWN), and takes the device away some
// milliseconds later, for which patience is.
func (s *v4l2Stream) vanished(err error, patience time.Duration) bool {
	for _, errno := range []error{unix.EINVAL, unix.EIO, unix.EPROTO, unix.ESHUTDOWN} {
		if !errors.Is(err, errno) {
			continue
		}
		for deadline := time.Now().Add(patience); ; {
			var c v4l2Capability
			if gone(s.ioctl(vidiocQueryCap, unsafe.Pointer(&c))) {
				return true
			}
			if !time.Now().Before(deadline) {
				return false
			}
			if _, err := s.wait.wait(context.Background(), -1, vanishTime/10); err != nil {
				return false // closed
			}
		}
	}
	return false
}

// queue gives a buffer to the driver to fill.
func (s *v4l2Stream) queue(index uint32) error {
	b := v4l2Buffer{Index: index, Type: v4l2BufTypeVideoCapture, Memory: v4l2MemoryMMAP}
	if err := s.ioctl(vidiocQBuf, unsafe.Pointer(&b)); err != nil {
		return s.failure("giving a buffer back", err)
	}
	return nil
}

// Close stops the stream and closes the device. It ends a read that is under
// way. Calling it again does nothing.
func (s *v4l2Stream) Close() error {
	s.wait.shut()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	return s.release()
}

// release undoes start, as far as that came.
func (s *v4l2Stream) release() error {
	var errs []error
	kind := int32(v4l2BufTypeVideoCapture)
	if s.asked { // otherwise it might be somebody else's stream
		if err := s.ioctl(vidiocStreamOff, unsafe.Pointer(&kind)); err != nil && !gone(err) {
			errs = append(errs, fmt.Errorf("camera %s: stopping: %w", s.path, err))
		}
	}
	if err := s.unexport(); err != nil {
		errs = append(errs, fmt.Errorf("camera %s: closing a shared buffer: %w", s.path, err))
	}
	for _, memory := range s.buffers {
		if err := s.k.Munmap(memory); err != nil {
			errs = append(errs, fmt.Errorf("camera %s: unmapping a buffer: %w", s.path, err))
		}
	}
	s.buffers = nil
	if request := (v4l2RequestBuffers{Type: v4l2BufTypeVideoCapture, Memory: v4l2MemoryMMAP}); s.asked {
		_ = s.ioctl(vidiocReqBufs, unsafe.Pointer(&request)) // closing frees them as well
	}
	if errors.Is(s.failed, ErrUnplugged) {
		time.Sleep(unbindTime)
	}
	if err := s.k.Close(s.fd); err != nil {
		errs = append(errs, fmt.Errorf("camera %s: closing: %w", s.path, err))
	}
	s.wait.release()
	if s.free != nil {
		s.free()
	}
	return errors.Join(errs...)
}

// read waits for a picture and lets use look at its bytes, which are valid only
// during that call. With newest set, older ones that wait are passed over.
// Damaged pictures, and those that use refuses, are counted and passed over.
func (s *v4l2Stream) read(ctx context.Context, newest bool, use func(data []byte, captured time.Time) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	index, err := s.take(ctx, newest, use)
	if err != nil {
		return err
	}
	return s.giveBack(index)
}

// giveBack gives the driver a buffer that was taken.
func (s *v4l2Stream) giveBack(index uint32) error {
	err := s.queue(index)
	if err != nil {
		s.failed = err
	}
	return err
}

// take is read whose buffer is not given back to the driver. The caller holds mu.
func (s *v4l2Stream) take(ctx context.Context, newest bool, use func(data []byte, captured time.Time) error) (index uint32, err error) {
	deadline := time.Now().Add(s.stall)
	var damage error
	for {
		b, err := s.next(ctx, newest, deadline)
		if errors.Is(err, ErrStalled) && damage != nil {
			err = &CameraError{Camera: s.path, Kind: ErrStalled, Cause: fmt.Errorf("nothing but damaged ones, the last: %w", damage), Hint: "try another cable or USB port"}
		}
		if err != nil {
			return 0, err
		}
		if b.Flags&v4l2BufFlagError != 0 {
			damage = errors.New("the driver marked it as damaged")
		} else if int(b.BytesUsed) > len(s.buffers[b.Index]) {
			damage = fmt.Errorf("%d bytes in a buffer of %d", b.BytesUsed, len(s.buffers[b.Index]))
		} else {
			damage = use(s.buffers[b.Index][:b.BytesUsed], s.captured(b))
		}
		if damage == nil {
			return b.Index, nil
		}
		if err := s.giveBack(b.Index); err != nil {
			return 0, err
		}
		s.drops.Add(1)
	}
}

// next takes a filled buffer off the driver's queue, the newest if wanted.
func (s *v4l2Stream) next(ctx context.Context, newest bool, deadline time.Time) (*v4l2Buffer, error) {
	if s.failed != nil && !s.closed {
		return nil, s.failed
	}
	for failures := 0; ; {
		events, err := s.wait.wait(ctx, s.fd, max(time.Until(deadline), 0))
		if err != nil {
			return nil, err
		}
		late := !time.Now().Before(deadline)
		if events == 0 || late && failures > 0 {
			return nil, &CameraError{Camera: s.path, Kind: ErrStalled, Cause: fmt.Errorf("none for %v", s.stall), Hint: "unplug it and plug it in again"}
		}
		b, err := s.dequeue()
		if err == nil && newest {
			b, err = s.drain(b)
		}
		if err == nil {
			return b, nil
		}
		temporary := errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EIO)
		patience := vanishTime
		if temporary {
			patience = 0
		}
		broken := events&(unix.POLLERR|unix.POLLHUP|unix.POLLNVAL) != 0
		if gone(err) || broken || s.vanished(err, patience) {
			s.failed = &CameraError{Camera: s.path, Kind: ErrUnplugged, Cause: err, Hint: "plug it in again"}
			return nil, s.failed
		}
		if failures++; !temporary || failures >= mostEIO && errors.Is(err, unix.EIO) {
			s.failed = fmt.Errorf("camera %s: taking a picture: %w", s.path, err)
			return nil, s.failed
		}
	}
}

// drain goes on from b to the newest buffer, giving older ones back.
func (s *v4l2Stream) drain(b *v4l2Buffer) (*v4l2Buffer, error) {
	for range len(s.buffers) {
		newer, err := s.dequeue()
		if err != nil { // EAGAIN as a rule; others come again at the next read
			return b, nil
		}
		if newer.Flags&v4l2BufFlagError != 0 && b.Flags&v4l2BufFlagError == 0 {
			newer, b = b, newer // keep the good one
		}
		s.drops.Add(1)
		if err := s.queue(b.Index); err != nil {
			return nil, err
		}
		b = newer
	}
	return b, nil
}

// dequeue is VIDIOC_DQBUF. Gaps in the sequence are pictures that were lost.
func (s *v4l2Stream) dequeue() (*v4l2Buffer, error) {
	b := &v4l2Buffer{Type: v4l2BufTypeVideoCapture, Memory: v4l2MemoryMMAP}
	if err := s.ioctl(vidiocDQBuf, unsafe.Pointer(b)); err != nil {
		return nil, err
	}
	if int(b.Index) >= len(s.buffers) {
		return nil, fmt.Errorf("the driver returned buffer %d of %d", b.Index, len(s.buffers))
	}
	if gap := b.Sequence - s.sequence; s.counting && gap > 1 && gap < 1<<31 {
		s.drops.Add(uint64(gap - 1))
	}
	s.counting, s.sequence = true, b.Sequence
	return b, nil
}

// captured turns the driver's monotonic time stamp into Go's time. Some drivers
// stamp with the time at which the next picture is due: never later than now.
func (s *v4l2Stream) captured(b *v4l2Buffer) time.Time {
	now := time.Now()
	var monotonic unix.Timespec
	if b.Flags&v4l2BufFlagStampMask != v4l2BufFlagStampMonotone || unix.ClockGettime(unix.CLOCK_MONOTONIC, &monotonic) != nil {
		return now
	}
	stamp := time.Duration(b.Seconds)*time.Second + time.Duration(b.Micros)*time.Microsecond
	age := time.Duration(monotonic.Nano()) - stamp
	if age < 0 || age > oldestStamp {
		return now
	}
	return now.Add(-age)
}
