package webcam

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// device is a plugged-in camera.
type device struct {
	// Fixed.
	camera Camera
	out    io.Writer

	// Owned by loop.
	probe    [probeSize]byte // as negotiated last
	pending  []request       // bulk transfers that wait for a picture
	stream   Stream          // chosen by the last commit
	next     int             // frame to show
	rest     []byte          // of the frame being sent
	frameBit byte            // turns over with each frame
	tick     *time.Ticker
}

// Run is a plugged-in camera on one end of a stream whose other end the host controller has. It returns
// nil when that end is closed: the camera has been pulled out. When ctx ends, it pulls itself out.
func Run(ctx context.Context, c Camera, conn net.Conn) error {
	if err := c.Check(); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	var readError error // written before requests is closed
	requests := make(chan request)
	go func() {
		defer close(requests)
		for r := bufio.NewReader(conn); ; {
			q, err := readRequest(r)
			if err != nil {
				readError = err
				return
			}
			requests <- q
		}
	}()
	d := &device{camera: c, out: conn}
	d.stream, _, _ = c.stream(1, 1)
	d.probe = d.negotiated(d.probe[:])
	err := d.loop(requests)
	conn.Close()
	for range requests { // until the reader has ended
	}
	if err == nil {
		err = readError
	}
	if ctx.Err() != nil || pulledOut(err) {
		return nil
	}
	return err
}

func pulledOut(err error) bool {
	for _, end := range []error{io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, net.ErrClosed, os.ErrClosed, syscall.EPIPE, syscall.ECONNRESET} {
		if errors.Is(err, end) {
			return true
		}
	}
	return false
}

// loop answers requests until there are no more, and shows pictures at their pace.
func (d *device) loop(requests <-chan request) error {
	d.tick = time.NewTicker(d.stream.interval())
	defer d.tick.Stop()
	for {
		select {
		case q, ok := <-requests:
			if !ok {
				return nil
			}
			if err := d.handle(q); err != nil {
				return err
			}
		case <-d.tick.C:
			if len(d.pending) > 0 && len(d.rest) == 0 {
				d.rest = d.stream.Frames[d.next%len(d.stream.Frames)]
				d.next++
				d.frameBit ^= 1
			}
			if err := d.send(); err != nil {
				return err
			}
		}
	}
}

func (d *device) handle(q request) error {
	switch {
	case q.command == unlink:
		return d.takeBack(q)
	case q.endpoint == 0:
		in, ok := d.control(q)
		if !ok {
			return d.answer(q.complete(stall, nil))
		}
		return d.answer(q.complete(0, in))
	case q.in && q.endpoint == streamEndpoint&0xf:
		d.pending = append(d.pending, q)
		return d.send()
	}
	return d.answer(q.complete(stall, nil))
}

// takeBack withdraws a transfer that waits for a picture, or says that it is too late for that.
func (d *device) takeBack(q request) error {
	for i, p := range d.pending {
		if p.sequence == q.victim {
			d.pending = append(d.pending[:i], d.pending[i+1:]...)
			d.rest = nil // streaming ends: the frame is not finished later
			return d.answer(q.withdrawn(connectionLost))
		}
	}
	return d.answer(q.withdrawn(0))
}

// send puts as much of the frame as there are transfers for into them. Each is a payload of its own (UVC
// 1.1, 2.4.3.2): two bytes of header, and shorter than the transfer, which ends it.
func (d *device) send() error {
	const headerLength, endOfFrame, endOfHeader = 2, 0x02, 0x80
	for len(d.rest) > 0 && len(d.pending) > 0 {
		q := d.pending[0]
		d.pending = d.pending[1:]
		n := max(0, min(len(d.rest), q.length-headerLength-1))
		bits := endOfHeader | d.frameBit
		if n == len(d.rest) {
			bits |= endOfFrame
		}
		if err := d.answer(q.complete(0, append([]byte{headerLength, bits}, d.rest[:n]...))); err != nil {
			return err
		}
		d.rest = d.rest[n:]
	}
	return nil
}

func (d *device) answer(b []byte) error {
	_, err := d.out.Write(b)
	return err
}
