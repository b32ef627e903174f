package rtc

import "time"

const (
	// After bandwidthCalm without a sign that what is sent is too much, a network is
	// taken for more again than its estimate: bandwidthStep times as much each ratePeriod.
	bandwidthCalm = 3 * time.Second
	bandwidthStep = 1.2
	// bandwidthEbb is what is left of that each ratePeriod while it is used up.
	bandwidthEbb = 0.95
	// bandwidthShy is what is left each ratePeriod, with such a sign, of the most that a
	// network is taken for.
	bandwidthShy = 0.85
	// quietLoss is the share of packets lost up to which a network is not full
	// (draft-ietf-rmcat-gcc-02 section 6).
	quietLoss = 0.02
)

// bandwidth is what a phone's network is taken to carry, bit/s. It is the estimate, as
// long as that tells something: at a sign that packets come later and later it falls
// below what is sent, and it can't grow to much more than that. Where nothing moves
// before the camera that is little, and a network with a moment's jitter would be taken
// for a bad one when somebody comes. (Others send padding to find out; the picture's
// own data does for a door.) It is pure: time comes in as arguments.
type bandwidth struct {
	rate int
	most int       // that rate may grow to above the estimate
	full time.Time // when a sign that the network is was seen last
}

// signs are what a connection knows of its network.
type signs struct {
	estimate int     // bit/s
	sent     int     // bit/s, since the last time
	starved  bool    // it is key frames alone, as more was too much
	late     bool    // packets come later and later
	lost     float64 // share of packets
}

// pictureRate is the bit rate of a picture that a network can be given which carries so
// much.
func pictureRate(carried int) int { return int(rateShare*float64(carried)) - rateSound }

// update takes in what is known now, and returns what the network carries.
func (b *bandwidth) update(now time.Time, s signs) int {
	if s.late || s.lost > quietLoss {
		b.full = now
		b.most = int(bandwidthShy * float64(b.most))
	}
	b.most = max(b.most, s.estimate)
	allowed := max(pictureRate(b.rate), rateFloor)
	switch {
	case now.Sub(b.full) < bandwidthCalm || s.starved:
		b.rate = s.estimate
	case s.sent < allowed/2: // which tells nothing of how much more there may be
		b.rate = min(int(bandwidthStep*float64(b.rate)), b.most)
	case s.sent > allowed*3/4: // a queue that only stands shows no sign: the estimate is right in the end
		b.rate = int(bandwidthEbb * float64(b.rate))
	}
	b.rate = max(b.rate, s.estimate)
	return b.rate
}
