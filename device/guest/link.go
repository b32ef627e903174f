package guest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"doorbell/device/guest/agent"
)

// link is one connection to the guest's agent: it ends when the machine does, or is reset.
type link struct {
	// Fixed after newLink.
	conn  net.Conn
	hello chan agent.Hello // the guest's answer
	done  chan struct{}    // closed when the link has ended

	// Held while writing to conn.
	writing sync.Mutex

	// Guarded by mu.
	mu      sync.Mutex
	next    uint32
	streams map[uint32]*Process
	err     error // why it ended
}

func newLink(conn net.Conn) *link {
	return &link{conn: conn, hello: make(chan agent.Hello, 1), done: make(chan struct{}), streams: map[uint32]*Process{}}
}

// run reads what the guest says until the connection ends. Then every process of the link has ended.
func (l *link) run() {
	r := bufio.NewReaderSize(l.conn, 64<<10)
	for {
		f, err := agent.ReadFrame(r)
		if err == nil {
			err = l.handle(f)
		}
		if err != nil {
			l.fail(fmt.Errorf("%w: %w", ErrGone, err))
			return
		}
	}
}

func (l *link) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
	for _, p := range l.streams {
		p.end(agent.Exit{Code: -1}, err)
	}
	l.streams = nil
	close(l.done)
}

func (l *link) handle(f agent.Frame) error {
	if f.Kind == agent.KindHello {
		var h agent.Hello
		if err := json.Unmarshal(f.Body, &h); err != nil {
			return err
		}
		select {
		case l.hello <- h:
		default:
		}
		return nil
	}
	l.mu.Lock()
	p := l.streams[f.Stream]
	if f.Kind == agent.KindExit {
		delete(l.streams, f.Stream)
	}
	l.mu.Unlock()
	if p == nil {
		return fmt.Errorf("frame of kind %d for stream %d, which is not open", f.Kind, f.Stream)
	}
	return p.handle(f)
}

// greet waits until the guest is up.
func (l *link) greet(ctx context.Context) (agent.Hello, error) {
	if err := l.send(agent.KindHello, 0, agent.Hello{}); err != nil {
		return agent.Hello{}, err
	}
	select {
	case h := <-l.hello:
		return h, nil
	case <-l.done:
		return agent.Hello{}, l.err
	case <-ctx.Done():
		return agent.Hello{}, fmt.Errorf("no word from the guest's agent: %w", context.Cause(ctx))
	}
}

// open gives a new stream its number.
func (l *link) open(p *Process) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return l.err
	}
	l.next++
	p.stream = l.next
	l.streams[p.stream] = p
	return nil
}

func (l *link) send(kind agent.Kind, stream uint32, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return l.write(agent.Frame{Kind: kind, Stream: stream, Body: b})
}

func (l *link) write(f agent.Frame) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	if err := agent.WriteFrame(l.conn, f); err != nil {
		return fmt.Errorf("%w: %w", ErrGone, err)
	}
	return nil
}

// put sends a file.
func (l *link) put(ctx context.Context, name string, mode uint32, size int64, content io.Reader) error {
	p := newProcess(l, "put "+name, nil)
	if err := l.open(p); err != nil {
		return err
	}
	if err := l.send(agent.KindPut, p.stream, agent.Put{Path: name, Mode: mode, Size: size}); err != nil {
		return err
	}
	for b := make([]byte, 256<<10); ; {
		n, err := content.Read(b)
		if n > 0 {
			if err := l.write(agent.Frame{Kind: agent.KindData, Stream: p.stream, Body: b[:n]}); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) || ctx.Err() != nil {
			break // a file not whole is thrown away by the guest
		}
		if err != nil {
			return fmt.Errorf("put %s: %w", name, err)
		}
	}
	if err := l.write(agent.Frame{Kind: agent.KindEnd, Stream: p.stream}); err != nil {
		return err
	}
	return p.Wait(ctx)
}
