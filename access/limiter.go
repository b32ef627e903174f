package access

import (
	"time"

	"golang.org/x/time/rate"
)

// maxAddresses bounds the memory for addresses.
const maxAddresses = 4096

// Limiter bounds how often each address may do something. Its owner guards it.
type Limiter struct {
	// Fixed after NewLimiter.
	every time.Duration
	burst int

	addresses map[string]*rate.Limiter
}

// NewLimiter lets each address do something burst times, and then once each every.
func NewLimiter(every time.Duration, burst int) *Limiter {
	return &Limiter{every: every, burst: burst, addresses: make(map[string]*rate.Limiter)}
}

// Wait tells how long an address has to wait until it may; 0 is now.
func (l *Limiter) Wait(address string) time.Duration {
	if limiter := l.addresses[address]; limiter != nil {
		return waitFor(limiter)
	}
	return 0
}

// Note counts that an address did it.
func (l *Limiter) Note(address string) {
	limiter := l.addresses[address]
	if limiter == nil {
		l.forget()
		limiter = rate.NewLimiter(rate.Every(l.every), l.burst)
		l.addresses[address] = limiter
	}
	limiter.Allow()
}

// waitFor is how long until the limiter has a whole token.
func waitFor(limiter *rate.Limiter) time.Duration {
	missing := 1 - limiter.Tokens()
	if missing <= 0 {
		return 0
	}
	return time.Duration(missing / float64(limiter.Limit()) * float64(time.Second))
}

// forget makes room: of those whose limit is full again there is nothing to know;
// where that isn't enough, those who may at least once more; else all.
func (l *Limiter) forget() {
	for _, enough := range []float64{float64(l.burst), 1, 0} {
		if len(l.addresses) < maxAddresses {
			return
		}
		for address, limiter := range l.addresses {
			if limiter.Tokens() >= enough {
				delete(l.addresses, address)
			}
		}
	}
}
