package device

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// OpenFile opens a recording that is played in a loop at its own rate: Y4M
// gives a *Y4MFile, H.264 in Annex B form an *H264File. Its content tells which
// it is, not its name. The errors are *CameraError of kind ErrNotFound,
// ErrPermission or ErrNotCapture.
func OpenFile(path string) (io.Closer, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fileError(path, err)
	}
	camera, err := openRecording(path, f)
	if err != nil {
		_ = f.Close()
		return nil, &CameraError{Camera: "file:" + path, Kind: ErrNotCapture, Cause: err,
			Hint: "convert it: `ffmpeg -i FILE -pix_fmt yuv420p out.y4m`"}
	}
	return camera, nil
}

func fileError(path string, err error) error {
	e := &CameraError{Camera: "file:" + path, Kind: ErrNotCapture, Cause: err}
	switch {
	case errors.Is(err, os.ErrNotExist):
		e.Kind, e.Hint = ErrNotFound, "look at the path in the configuration"
	case errors.Is(err, os.ErrPermission):
		e.Kind, e.Hint = ErrPermission, "let the user that runs doorbell read it"
	}
	return e
}

func openRecording(path string, f *os.File) (io.Closer, error) {
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return nil, errors.Join(err, errors.New("not a regular file; for a named pipe use `camera: pipe:PATH`"))
	}
	source := bufio.NewReaderSize(f, 256<<10)
	head, err := source.Peek(len(y4mMagic))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case string(head) == y4mMagic:
		return openY4M(path, f, source)
	case bytes.HasPrefix(head, startCode3), bytes.HasPrefix(head, startCode4):
		return openH264(path, f, source)
	}
	return nil, errors.New("it is neither Y4M nor H.264 in Annex B form")
}

// recording is what both kinds of files have in common.
type recording struct {
	// Fixed after opening.
	path string
	end  context.CancelCauseFunc // ends reads with ErrClosed
	done context.Context

	drops atomic.Uint64

	// Guarded by mu, which is held while reading.
	mu     sync.Mutex
	file   *os.File
	source *bufio.Reader
	pacer  framePacer
}

func (r *recording) init(path string, f *os.File, source *bufio.Reader, rate float64) {
	r.path, r.file, r.source, r.pacer.rate = path, f, source, rate
	r.done, r.end = context.WithCancelCause(context.Background())
}

// Close closes the file and ends a read that is under way.
func (r *recording) Close() error {
	r.end(ErrClosed)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.file == nil {
		return nil
	}
	err := r.file.Close()
	r.file = nil
	return err
}

// FrameRate is the recording's own rate in pictures per second.
func (r *recording) FrameRate() float64 { return r.pacer.rate }

// Drops counts the pictures that were passed over because they were late.
func (r *recording) Drops() uint64 { return r.drops.Load() }

// wait waits for the next picture's time; Close ends it as the context does.
func (r *recording) wait(ctx context.Context) (due time.Time, late int64, err error) {
	if r.done.Err() != nil {
		return due, 0, ErrClosed
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(r.done, func() { cancel(ErrClosed) })()
	due, late, err = r.pacer.wait(ctx)
	if err != nil && errors.Is(context.Cause(ctx), ErrClosed) {
		err = ErrClosed
	}
	return due, late, err
}

// rewind goes back to a place in the file, for the next round.
func (r *recording) rewind(to int64) error {
	if _, err := r.file.Seek(to, io.SeekStart); err != nil {
		return err
	}
	r.source.Reset(r.file)
	return nil
}

// Y4MFile is a recording of raw pictures.
type Y4MFile struct {
	recording
	reader *y4mReader // Guarded by mu.
	first  int64      // where the first picture begins. Fixed after opening.
}

func openY4M(path string, f *os.File, source *bufio.Reader) (*Y4MFile, error) {
	reader, err := newY4MReader(source)
	if err != nil {
		return nil, err
	}
	at, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, err
	}
	c := &Y4MFile{reader: reader, first: at - int64(source.Buffered())}
	c.init(path, f, source, reader.header.rate)
	if err := reader.skip(); err != nil {
		return nil, fmt.Errorf("it has no whole picture: %w", err)
	}
	return c, c.rewind(c.first)
}

// ReadPicture waits until the next picture is due and returns it, valid until
// the next call. Pictures whose time has gone are passed over.
func (c *Y4MFile) ReadPicture(ctx context.Context) (*image.YCbCr, time.Time, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	due, late, err := c.wait(ctx)
	if err != nil {
		return nil, due, err
	}
	c.drops.Add(uint64(late))
	// After a long pause there is no need to go through every round missed.
	for range min(late, int64(c.pacer.rate)+1) {
		if err := c.round(c.reader.skip); err != nil {
			return nil, due, err
		}
	}
	var p *image.YCbCr
	err = c.round(func() error {
		p, err = c.reader.next()
		return err
	})
	return p, due, err
}

// round reads, from the start again where the file ends.
func (c *Y4MFile) round(read func() error) error {
	err := read()
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) { // a cut-off last picture is left out
		c.reader.restart()
		if err = c.rewind(c.first); err == nil {
			err = read()
		}
	}
	if err != nil {
		return fmt.Errorf("camera file:%s: %w", c.path, err)
	}
	return nil
}

// String is such as "file:/srv/door.y4m Y4M 640x360 at 25".
func (c *Y4MFile) String() string { return "file:" + c.path + " " + c.reader.header.String() }

// H264File is a recording of H.264 in Annex B form. It is played at the rate
// that its SPS gives, or 25 pictures a second where that has no timing.
type H264File struct {
	recording
	about string // Fixed after opening.

	// Guarded by mu.
	splitter unitSplitter
	units    unitNormalizer
	chunk    []byte
}

func openH264(path string, f *os.File, source *bufio.Reader) (*H264File, error) {
	c := &H264File{chunk: make([]byte, 64<<10)}
	c.init(path, f, source, defaultRate)
	if _, _, err := c.next(); err != nil {
		return nil, err
	}
	if rate := c.units.info.rate; rate >= 1 && rate <= greatestRate {
		c.pacer.rate = rate
	}
	c.about = fmt.Sprintf("file:%s H.264 %dx%d at %.4g", path, c.units.info.width, c.units.info.height, c.pacer.rate)
	return c, c.restart()
}

func (c *H264File) restart() error {
	c.splitter, c.units = unitSplitter{}, unitNormalizer{}
	return c.rewind(0)
}

// ReadAccessUnit waits until the next access unit is due and returns it, valid
// until the next call: 4-byte start codes, SPS and PPS before each key frame.
// None is left out, or the following could not be decoded; when it was not read
// for a second or more, it goes on from where it was.
func (c *H264File) ReadAccessUnit(ctx context.Context) (unit []byte, key bool, captured time.Time, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	due, late, err := c.wait(ctx)
	if err != nil {
		return nil, false, due, err
	}
	if float64(late) < c.pacer.rate {
		c.pacer.count -= late // to be caught up
	}
	unit, key, err = c.next()
	if errors.Is(err, io.EOF) {
		if err = c.restart(); err == nil {
			unit, key, err = c.next()
		}
	}
	if err != nil {
		return nil, false, due, fmt.Errorf("camera file:%s: %w", c.path, err)
	}
	return unit, key, due, nil
}

// next returns the next unit of the file, io.EOF at its end.
func (c *H264File) next() ([]byte, bool, error) {
	for damaged := error(io.EOF); ; {
		raw := c.splitter.next()
		if raw == nil {
			n, err := c.source.Read(c.chunk)
			if err == nil {
				err = c.splitter.write(c.chunk[:n])
			}
			if errors.Is(err, io.EOF) {
				if raw = c.splitter.flush(); raw == nil {
					return nil, false, damaged
				}
			} else if err != nil {
				return nil, false, err
			} else {
				continue
			}
		}
		unit, key, err := c.units.normalize(raw)
		if err == nil {
			return unit, key, nil
		}
		if !c.units.started {
			damaged = err
		}
	}
}

// String is such as "file:/srv/door.h264 H.264 1280x720 at 25".
func (c *H264File) String() string { return c.about }
