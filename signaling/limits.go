package signaling

import "time"

// Limits bound what one WebSocket, one address and all together may use of the
// relay. Zero stands for the default.
type Limits struct {
	// MaxMessage is the largest message taken, in bytes; a larger one ends the
	// socket with close code 1009. Default 256 KiB (a browser's offer is about 6 kB).
	MaxMessage int64
	// MaxConns is how many sockets may be open at once. Default 1024.
	MaxConns int
	// MaxConnsPerAddr is how many of these from one IPv4 address or one IPv6
	// /64. Default 64. Behind a reverse proxy all come from one address.
	MaxConnsPerAddr int
	// MaxCalls is how many offers made by one client may stand. Default 256.
	MaxCalls int
	// MessagesPerSecond, pings included, may be sent for long by one socket, and
	// Burst at once, where each full 8 KiB of a message count as one more. What is
	// beyond is thrown away with one error too-fast, and when another Burst follows
	// the socket ends with close code 1008. Defaults 50 and 200.
	MessagesPerSecond float64
	Burst             int
	// PingInterval is how often the other end is asked for a sign of life, and
	// PongTimeout how much later than that it is given up. Defaults 20 s and 10 s.
	PingInterval, PongTimeout time.Duration
	// LoginTimeout is how long a socket may stay without logging in. Default 1 h:
	// the base dialect's page opens its socket before its person types a name.
	LoginTimeout time.Duration
	// WriteTimeout is how long the network may take for one message. Default 10 s.
	WriteTimeout time.Duration
	// SendQueue is how many messages may wait for one slow reader (and no more
	// than about 8 times MaxMessage bytes) before it is dropped. Default 512: more
	// than one sender's Burst, or that could have another dropped.
	SendQueue int
}

// overhead is by how many bytes a relayed message may be longer than the one
// that came in: the sender's name, and JSON escapes in our short fields.
const overhead = 32 << 10

func (l Limits) withDefaults() Limits {
	setDefault(&l.MaxMessage, 256<<10)
	setDefault(&l.MaxConns, 1024)
	setDefault(&l.MaxConnsPerAddr, 64)
	setDefault(&l.MaxCalls, 256)
	setDefault(&l.MessagesPerSecond, 50)
	setDefault(&l.Burst, 200)
	setDefault(&l.PingInterval, 20*time.Second)
	setDefault(&l.PongTimeout, 10*time.Second)
	setDefault(&l.LoginTimeout, time.Hour)
	setDefault(&l.WriteTimeout, 10*time.Second)
	setDefault(&l.SendQueue, 512)
	return l
}

func setDefault[T int | int64 | float64 | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

// verdict is what a bucket says about one message.
type verdict int

const (
	inTime  verdict = iota // take it
	tooFast                // throw it away and say so
	stillOn                // throw it away
	flood                  // end it
)

// bucket is a token bucket that tells a short burst from a flood.
type bucket struct {
	// Fixed.
	rate, burst float64
	// Owned by the reader of the socket.
	tokens  float64
	last    time.Time
	strikes int // messages thrown away since it was last quiet
}

func newBucket(l Limits) *bucket {
	return &bucket{rate: l.MessagesPerSecond, burst: float64(l.Burst), tokens: float64(l.Burst), last: time.Now()}
}

// take judges a message of so many bytes.
func (b *bucket) take(size int) verdict {
	now := time.Now()
	b.tokens = min(b.burst, b.tokens+b.rate*now.Sub(b.last).Seconds())
	b.last = now
	if b.tokens >= b.burst/2 {
		b.strikes = 0
	}
	if cost := min(b.burst, float64(1+size/(8<<10))); b.tokens >= cost {
		b.tokens -= cost
		return inTime
	}
	b.strikes++
	switch {
	case b.strikes == 1:
		return tooFast
	case float64(b.strikes) > b.burst:
		return flood
	}
	return stillOn
}
