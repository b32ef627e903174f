package access

import (
	"time"

	"golang.org/x/time/rate"
)

const (
	// One address may be wrong triesPerAddress times, and then once each
	// tryAgain: less often than a claim dies of, so that one address can't keep
	// the owner out.
	triesPerAddress = 4
	tryAgain        = 4 * time.Minute

	// triesToClaim wrong tries, from wherever, end the claim of an appliance that
	// has no owner yet.
	triesToClaim = 5

	// triesAtAll may be wrong from all addresses together, and then one each
	// second.
	triesAtAll = 100

	// maxAddresses bounds the memory for addresses that were wrong.
	maxAddresses = 4096
)

// tries counts wrong secrets. Its owner guards it.
type tries struct {
	addresses map[string]*rate.Limiter
	all       *rate.Limiter
	claim     int // wrong ones since the newest claim was made
}

func newTries() *tries {
	return &tries{addresses: make(map[string]*rate.Limiter), all: rate.NewLimiter(rate.Every(time.Second), triesAtAll)}
}

// allowed tells how long an address has to wait before it may try; 0 is now.
func (t *tries) allowed(address string) time.Duration {
	wait := waitFor(t.all)
	if limiter := t.addresses[address]; limiter != nil {
		wait = max(wait, waitFor(limiter))
	}
	return wait
}

// waitFor is how long until the limiter has a whole token.
func waitFor(limiter *rate.Limiter) time.Duration {
	missing := 1 - limiter.Tokens()
	if missing <= 0 {
		return 0
	}
	return time.Duration(missing / float64(limiter.Limit()) * float64(time.Second))
}

// wrong notes a wrong secret.
func (t *tries) wrong(address string) {
	t.claim++
	t.all.Allow()
	limiter := t.addresses[address]
	if limiter == nil {
		t.forget()
		limiter = rate.NewLimiter(rate.Every(tryAgain), triesPerAddress)
		t.addresses[address] = limiter
	}
	limiter.Allow()
}

// forget makes room: of those whose limit is full again there is nothing to know;
// where that isn't enough, all who may try at least once more.
func (t *tries) forget() {
	for _, enough := range []float64{triesPerAddress, 1, 0} {
		if len(t.addresses) < maxAddresses {
			return
		}
		for address, limiter := range t.addresses {
			if limiter.Tokens() >= enough {
				delete(t.addresses, address)
			}
		}
	}
}
