package main

import (
	"context"
	"errors"
	"time"
)

var errTimeout = errors.New("waited in vain")

// poll asks again and again until it is done, or the time is over.
func poll(timeout time.Duration, done func() bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			return errTimeout
		case <-ticker.C:
		}
	}
	return nil
}
