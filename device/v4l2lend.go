package device

import (
	"errors"
	"fmt"
	"image"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// mostLent is how many buffers an encoder may keep: one that it is busy with, and one that waits.
	mostLent = 2
	// neverLent is how many buffers stay with camera and reader: one that is being
	// filled, one to be filled next, and the newest, which is being looked at.
	neverLent = 3
)

// cameraBuffer is a buffer of the camera's driver, with a picture as the driver wrote
// it. The driver gets it back when nobody holds it any more.
type cameraBuffer struct {
	// Fixed after lend.
	camera *RawCamera
	index  uint32

	// Guarded by camera.mu.
	used    int  // bytes
	holders int  // 0: the driver has it
	shown   bool // the camera's picture is made of this one; with JPEG it was decoded to see that it is whole
}

// lend makes a Frame's buffer of one that was taken off the driver's queue. It is held
// until the next is read. The caller holds mu.
func (c *RawCamera) lend(index uint32, used int) *cameraBuffer {
	if c.lent == nil {
		c.lent = make([]cameraBuffer, len(c.buffers))
	}
	c.newest = &c.lent[index]
	*c.newest = cameraBuffer{camera: c, index: index, used: used, holders: 1}
	return c.newest
}

// hold keeps the buffer from the driver until release. It fails with ErrClosed.
func (b *cameraBuffer) hold() error {
	b.camera.mu.Lock()
	defer b.camera.mu.Unlock()
	if b.camera.closed {
		return ErrClosed
	}
	b.holders++
	return nil
}

// release undoes hold. Where the driver does not take the buffer, the next read fails.
func (b *cameraBuffer) release() {
	b.camera.mu.Lock()
	defer b.camera.mu.Unlock()
	b.drop()
}

// drop is release for those who hold mu.
func (b *cameraBuffer) drop() {
	if b.holders--; b.holders > 0 || b.camera.closed {
		return
	}
	_ = b.camera.giveBack(b.index) // which the next read tells of
}

// picture is what the buffer shows; it is valid as long as its Frame. Calling it again
// costs nothing.
func (b *cameraBuffer) picture() (*image.YCbCr, error) {
	b.camera.mu.Lock()
	defer b.camera.mu.Unlock()
	return b.show()
}

// show is picture for those who hold mu.
func (b *cameraBuffer) show() (*image.YCbCr, error) {
	c := b.camera
	if c.closed {
		return nil, ErrClosed
	}
	if !b.shown {
		if err := c.convert(c.picture, c.buffers[b.index][:b.used]); err != nil {
			return nil, fmt.Errorf("camera %s: %w", c.path, err)
		}
		b.shown = true
	}
	return c.picture, nil
}

// fill writes what the buffer shows into dst, which is laid out like that and has room
// for more rows: in one pass, but for formats that are alike in nothing.
func (b *cameraBuffer) fill(dst []byte, to layout) error {
	c := b.camera
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return ErrClosed
	}
	data := c.buffers[b.index][:b.used]
	switch {
	case c.jpeg != nil:
	case to.format == c.layout.format:
		c.layout.copyTo(dst, to, data)
		return nil
	case to.format == pixYU12 || to.format == pixYV12:
		return c.layout.convert(to.view(dst, c.layout.height), data)
	}
	p, err := b.show()
	if err == nil {
		to.fill(dst, p)
	}
	return err
}

// jpeg is the picture in the buffer as it came, with its Huffman tables. It is valid as
// long as its Frame.
func (b *cameraBuffer) jpeg() ([]byte, error) {
	c := b.camera
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, ErrClosed
	}
	return c.jpeg.withTables(c.buffers[b.index][:b.used])
}

var _ bufferSource = (*RawCamera)(nil)

// shape is how raw pictures lie in the buffers.
func (c *RawCamera) shape() layout { return c.layout }

// spares is how many buffers those may keep who were lent them.
func (c *RawCamera) spares() int { return c.spare }

// coded tells whether JPEG lies in the buffers.
func (c *RawCamera) coded() bool { return c.jpeg != nil }

// leaveCoded sets whether JPEG pictures stay as they are until somebody asks for what
// they show, since hardware decodes them; otherwise damaged ones are passed over.
func (c *RawCamera) leaveCoded(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left = on
}

// bufferLength is how many bytes each of the camera's buffers has at least.
func (s *v4l2Stream) bufferLength() uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	least := 0
	for i, memory := range s.buffers {
		if i == 0 || len(memory) < least {
			least = len(memory)
		}
	}
	return uint32(least)
}

// export makes each buffer a file that another driver can read from (VIDIOC_EXPBUF),
// in order of their indices. They are closed with the camera.
func (s *v4l2Stream) export() ([]int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	for i := len(s.exported); i < len(s.buffers); i++ {
		e := v4l2ExportBuffer{Type: v4l2BufTypeVideoCapture, Index: uint32(i), Flags: unix.O_RDWR | unix.O_CLOEXEC, FD: -1}
		if err := s.ioctl(vidiocExpBuf, unsafe.Pointer(&e)); err != nil {
			return nil, fmt.Errorf("camera %s does not share its buffers: %w", s.path, err)
		}
		s.exported = append(s.exported, int(e.FD))
	}
	return s.exported, nil
}

// unexport closes what export made.
func (s *v4l2Stream) unexport() error {
	var errs []error
	for _, fd := range s.exported {
		errs = append(errs, s.k.Close(fd))
	}
	s.exported = nil
	return errors.Join(errs...)
}
