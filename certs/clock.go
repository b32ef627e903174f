package certs

import "time"

const (
	day = 24 * time.Hour
	// lifetime is how long a server certificate is valid. Apple takes 825 days from
	// private authorities (support.apple.com/103769) and 398 from public ones; the
	// smaller one is what all others will take in the long run.
	lifetime = 397 * day
	// doubtfulLifetime is it for one made while the clock was wrong: as far as Apple
	// goes, since nobody knows what the time is.
	doubtfulLifetime = 825*day - time.Second
	// margin is how far the clocks of phones may be behind ours.
	margin = day
)

// floor is a time that has passed for sure: a clock that shows an earlier one is
// wrong.
func floor() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }

// validity tells from when until when a certificate made at now is to be valid. A
// Raspberry Pi has no clock that runs without power: it may think it is 1970, or the
// day when its system was built. known is the newest time that is known to have
// passed. doubt is true if the clock can't be right.
func validity(now, known time.Time) (from, until time.Time, doubt bool) {
	from = presumed(now, known).Add(-margin)
	if plausible(now, known) {
		return from, from.Add(lifetime), false
	}
	return from, from.Add(doubtfulLifetime), true
}

// plausible tells whether the clock may be right.
func plausible(now, known time.Time) bool {
	return !now.Before(floor()) && !now.Before(known.Add(-margin))
}

// presumed is what the time seems to be. It is not simply the later one: a clock
// that once was far in the future leaves files behind that must not count for ever.
func presumed(now, known time.Time) time.Time {
	switch {
	case !now.Before(floor()):
		return now
	case known.Before(floor()):
		return floor()
	}
	return known
}
