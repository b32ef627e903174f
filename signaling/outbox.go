package signaling

import "sync"

// closure says how a connection is to end.
type closure struct {
	code  int // WebSocket close code; 0 ends it without a close frame
	text  string
	flush bool // what waits in the queue is sent first
}

// outbox is the bounded queue in front of one reader. Putting into it never blocks.
type outbox struct {
	// Fixed after newOutbox.
	ready               chan struct{} // has a token when there is something to take
	maxFrames, maxBytes int

	// Guarded by mu.
	mu     sync.Mutex
	frames []*frame
	bytes  int
	cause  *closure // set once closed
}

func newOutbox(l Limits) *outbox {
	return &outbox{ready: make(chan struct{}, 1), maxFrames: l.SendQueue, maxBytes: 8 * int(l.MaxMessage+overhead)}
}

// push queues f. It is false when f doesn't fit in any more. Once the outbox is
// closed, f is quietly thrown away.
func (o *outbox) push(f *frame) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.cause != nil {
		return true
	}
	if len(o.frames) >= o.maxFrames || o.bytes+len(f.data) > o.maxBytes {
		return false
	}
	o.frames = append(o.frames, f)
	o.bytes += len(f.data)
	o.wake()
	return true
}

// shut closes the outbox, the first time it is called.
func (o *outbox) shut(c closure) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.cause != nil {
		return
	}
	if !c.flush {
		o.frames, o.bytes = nil, 0
	}
	o.cause = &c
	o.wake()
}

// next takes the oldest frame. It is nil when there is none; then the closure
// tells whether there will be more: it is nil while the outbox is open.
func (o *outbox) next() (*frame, *closure) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.frames) == 0 {
		o.frames = nil // the backing array goes too: most queues are empty for long
		return nil, o.cause
	}
	f := o.frames[0]
	o.frames[0], o.frames = nil, o.frames[1:]
	o.bytes -= len(f.data)
	return f, nil
}

// open tells whether shut has not been called yet.
func (o *outbox) open() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.cause == nil
}

// wake gives the reader a token, if it has none. The caller holds mu.
func (o *outbox) wake() {
	select {
	case o.ready <- struct{}{}:
	default:
	}
}
