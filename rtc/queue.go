package rtc

import "sync"

// queue is an unbounded mailbox: put never blocks, so that callbacks of a
// library may post from wherever they run without stopping it.
type queue[T any] struct {
	ready chan struct{} // holds one token while items wait

	mu    sync.Mutex // guards what follows
	items []T
}

func newQueue[T any]() *queue[T] {
	return &queue[T]{ready: make(chan struct{}, 1)}
}

// put adds item at the end.
func (q *queue[T]) put(item T) {
	q.mu.Lock()
	q.items = append(q.items, item)
	q.mu.Unlock()
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// take returns all waiting items in the order in which they were put. The
// reader waits on ready before it.
func (q *queue[T]) take() []T {
	q.mu.Lock()
	defer q.mu.Unlock()
	items := q.items
	q.items = nil
	return items
}
