package guest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"
)

// transcript keeps all that was written to it, and lets many wait for what they look for.
type transcript struct {
	// Fixed at making. May be nil.
	copy io.Writer

	// Guarded by mu.
	mu      sync.Mutex
	b       bytes.Buffer
	changed chan struct{} // closed and replaced at each change; nil while nobody waits
}

func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.changed != nil {
		close(t.changed)
		t.changed = nil
	}
	t.b.Write(p)
	if t.copy != nil {
		return t.copy.Write(p)
	}
	return len(p), nil
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.String()
}

// wait waits until text has been written. The end of what writes is told by done.
func (t *transcript) wait(ctx context.Context, text string, done <-chan struct{}) error {
	for ended := false; ; {
		t.mu.Lock()
		found := bytes.Contains(t.b.Bytes(), []byte(text))
		if t.changed == nil {
			t.changed = make(chan struct{})
		}
		changed := t.changed
		t.mu.Unlock()
		if found {
			return nil
		}
		if ended {
			return fmt.Errorf("%q was never printed; it ended with:\n%s", text, lastLines(t.String(), 20))
		}
		select {
		case <-changed:
		case <-done:
			ended = true // once more: all has been written by now
		case <-ctx.Done():
			return fmt.Errorf("%q not printed yet: %w; so far:\n%s", text, context.Cause(ctx), lastLines(t.String(), 20))
		}
	}
}
