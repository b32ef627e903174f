package rtc

import (
	"context"
	"time"
)

// keyRequests merges the requests of many phones for a key frame.
type keyRequests struct {
	// Fixed after newKeyRequests.
	request func()
	wanted  chan struct{} // capacity 1
}

func newKeyRequests(request func()) *keyRequests {
	return &keyRequests{request: request, wanted: make(chan struct{}, 1)}
}

// want asks for a key frame; it never blocks.
func (k *keyRequests) want() {
	select {
	case k.wanted <- struct{}{}:
	default:
	}
}

// run passes requests on, at most one in [keyInterval], until ctx ends.
func (k *keyRequests) run(ctx context.Context) {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
		select {
		case <-ctx.Done():
			return
		case <-k.wanted:
			k.request()
			pause.Reset(keyInterval)
		}
	}
}
