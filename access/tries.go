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
)

// tries counts wrong secrets. Its owner guards it.
type tries struct {
	each  *Limiter
	all   *rate.Limiter
	claim int // wrong ones since the newest claim was made
}

func newTries() *tries {
	return &tries{each: NewLimiter(tryAgain, triesPerAddress), all: rate.NewLimiter(rate.Every(time.Second), triesAtAll)}
}

// allowed tells how long an address has to wait before it may try; 0 is now.
func (t *tries) allowed(address string) time.Duration {
	return max(waitFor(t.all), t.each.Wait(address))
}

// wrong notes a wrong secret.
func (t *tries) wrong(address string) {
	t.claim++
	t.all.Allow()
	t.each.Note(address)
}
