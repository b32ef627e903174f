package device

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	pipeChunk   = 64 << 10 // what a pipe holds by default
	mostGarbage = 16 << 20 // bytes without one usable unit
)

// PipeCamera is a live stream that another program writes into a named pipe: Y4M,
// or H.264 in Annex B form. The writer may come, go and come back, with either.
// There is no queue but the pipe's own 64 KiB: a writer that is faster than the
// stream is read has to wait, so it should be one that writes live.
type PipeCamera struct {
	// Fixed after opening.
	path    string
	quiet   *waiter
	unnamed bool
	again   func() error // called when the writer has gone; its error ends the reading

	about   atomic.Pointer[string]
	waiting atomic.Bool
	drops   atomic.Uint64
	rate    atomic.Uint64 // float64 bits

	// Guarded by mu, which is held while reading.
	mu    sync.Mutex
	fd    int // -1 when closed
	head  []byte
	chunk []byte
	read  func(ctx context.Context) (Frame, error) // of the stream that is on; nil between streams
}

// OpenPipe opens a named pipe. It doesn't wait for a writer; reading does. The
// errors are *CameraError of kind ErrNotFound, ErrPermission or ErrNotCapture.
func OpenPipe(path string) (*PipeCamera, error) {
	c := &PipeCamera{path: path, fd: -1, chunk: make([]byte, pipeChunk)}
	c.again = c.reopen
	if err := c.reopen(); err != nil {
		return nil, err
	}
	quiet, err := newWaiter()
	if err != nil {
		return nil, errors.Join(err, unix.Close(c.fd))
	}
	c.quiet = quiet
	return c, nil
}

// newPipe is the reading end of an unnamed pipe, which the camera closes.
func newPipe(r *os.File, name string) (*PipeCamera, error) {
	fd, err := unix.FcntlInt(r.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	quiet, err := newWaiter()
	if err := errors.Join(err, unix.SetNonblock(fd, true), r.Close()); err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	c := &PipeCamera{path: name, fd: fd, quiet: quiet, chunk: make([]byte, pipeChunk)}
	c.name("starting")
	return c, nil
}

// reopen opens the pipe afresh, so that a writer that has gone is no longer
// seen. The old descriptor is closed afterwards: a writer just coming finds
// a reader all the time.
func (c *PipeCamera) reopen() error {
	fd, err := unix.Open(c.path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	e := &CameraError{Camera: "pipe:" + c.path, Cause: err}
	switch {
	case errors.Is(err, unix.EINTR):
		return c.reopen()
	case errors.Is(err, fs.ErrNotExist):
		e.Kind, e.Hint = ErrNotFound, "make it with `mkfifo "+c.path+"`"
		return e
	case errors.Is(err, fs.ErrPermission):
		e.Kind, e.Hint = ErrPermission, "let the user that runs doorbell read it"
		return e
	case err != nil:
		e.Kind = ErrNotCapture
		return e
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFIFO {
		e.Kind, e.Cause, e.Hint = ErrNotCapture, errors.Join(err, unix.Close(fd)), "it is not a named pipe; for a recording use `camera: file:PATH`"
		return e
	}
	if c.fd >= 0 {
		_ = unix.Close(c.fd)
	}
	c.fd, c.read, c.head = fd, nil, nil
	c.describe("waiting for a writer")
	c.waiting.Store(true)
	c.rate.Store(0)
	return nil
}

func (c *PipeCamera) describe(what string) {
	if c.unnamed {
		return
	}
	text := "pipe:" + c.path + " " + what
	c.about.Store(&text)
}

// name says what an unnamed pipe is, which what comes through it does not change.
func (c *PipeCamera) name(what string) {
	text := c.path + " " + what
	c.about.Store(&text)
	c.unnamed = true
}

func (c *PipeCamera) setRate(rate float64) { c.rate.Store(math.Float64bits(rate)) }

// String is such as "pipe:/run/cam Y4M 1280x720 at 30", or that it waits for a writer.
func (c *PipeCamera) String() string { return *c.about.Load() }

// FrameRate is what a Y4M stream says of itself, in pictures per second; 0 while
// nothing is known.
func (c *PipeCamera) FrameRate() float64 { return math.Float64frombits(c.rate.Load()) }

// Waiting tells that no program writes into the pipe now.
func (c *PipeCamera) Waiting() bool { return c.waiting.Load() }

// Drops counts what came damaged or before the first key frame.
func (c *PipeCamera) Drops() uint64 { return c.drops.Load() }

// Close closes the pipe and ends a read that is under way.
func (c *PipeCamera) Close() error {
	c.quiet.shut()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fd < 0 {
		return nil
	}
	err := unix.Close(c.fd)
	c.fd = -1
	c.quiet.release()
	return err
}

// ReadFrame waits for the next picture or access unit, and for a writer where
// there is none. It fails with the context's error, ErrClosed, or ErrNotCapture
// where what is written is neither Y4M nor Annex B.
func (c *PipeCamera) ReadFrame(ctx context.Context) (Frame, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		var f Frame
		var err error
		if c.read == nil {
			err = c.begin(ctx)
		} else if f, err = c.read(ctx); err == nil {
			return f, nil
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			if err := c.again(); err != nil {
				return Frame{}, err
			}
		case errors.Is(err, ErrClosed), ctx.Err() != nil:
			return Frame{}, err
		default:
			return Frame{}, &CameraError{Camera: "pipe:" + c.path, Kind: ErrNotCapture, Cause: err,
				Hint: "write Y4M (ffmpeg: -f yuv4mpegpipe -pix_fmt yuv420p) or H.264 in Annex B form (rpicam-vid: --codec h264 --inline)"}
		}
	}
}

// begin waits for the first bytes of a stream and finds out what it is.
func (c *PipeCamera) begin(ctx context.Context) error {
	for {
		n, _, err := c.fill(ctx, -1)
		if err != nil {
			return err
		}
		c.head = append(c.head, c.chunk[:n]...)
		c.waiting.Store(false)
		if !bytes.HasPrefix([]byte(y4mMagic), c.head[:min(len(c.head), len(y4mMagic))]) {
			break
		}
		if len(c.head) > maxY4MLine || bytes.IndexByte(c.head, '\n') >= 0 {
			return c.beginY4M(ctx)
		}
	}
	stream := &pipeUnits{pipe: c, patience: leastPatience}
	c.describe("H.264")
	c.read = stream.next
	return stream.splitter.write(c.head)
}

// fill reads what there is into chunk. With a timeout that is not negative, it
// returns n 0 and no error when nothing came in that time. At the end of the
// writer it is io.EOF.
func (c *PipeCamera) fill(ctx context.Context, timeout time.Duration) (n int, at time.Time, err error) {
	for {
		events, err := c.quiet.wait(ctx, c.fd, timeout)
		if err != nil || events == 0 {
			return 0, time.Now(), err
		}
		n, err := unix.Read(c.fd, c.chunk)
		switch {
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return 0, time.Now(), fmt.Errorf("reading: %w", err)
		case n == 0:
			return 0, time.Now(), io.EOF
		}
		return n, time.Now(), nil
	}
}

// pipeBytes is the pipe as an io.Reader.
type pipeBytes struct {
	pipe *PipeCamera
	ctx  context.Context // of the read that is under way
	rest []byte          // read, but not yet taken
	last time.Time       // when the newest bytes came
}

// Read gives what is there and waits where there is nothing.
func (b *pipeBytes) Read(p []byte) (int, error) {
	if len(b.rest) == 0 {
		n, at, err := b.pipe.fill(b.ctx, -1)
		if err != nil {
			return 0, err
		}
		b.rest, b.last = b.pipe.chunk[:n], at
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

// beginY4M reads the stream's header and sets read.
func (c *PipeCamera) beginY4M(ctx context.Context) error {
	from := &pipeBytes{pipe: c, ctx: ctx, rest: c.head, last: time.Now()}
	reader, err := newY4MReader(bufio.NewReaderSize(from, pipeChunk))
	if err != nil {
		return err
	}
	c.describe(reader.header.String())
	c.setRate(reader.header.rate)
	c.read = func(ctx context.Context) (Frame, error) {
		from.ctx = ctx
		p, err := reader.next()
		return Frame{Picture: p, Captured: from.last}, err
	}
	return nil
}
