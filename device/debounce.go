package device

import "time"

// debounce turns a contact's edges into presses. A contact bounces for some milliseconds
// each time it moves; it has moved when it has been quiet for the settle time. It is
// pure: times come in as arguments.
//
// Whoever drives it reports each edge, and once restless is false, or has become so, the
// level it then reads.
type debounce struct {
	settle time.Duration // how long quiet is
	down   bool          // the level when it was quiet last: pressed
	moving bool          // there were edges since
	first  time.Time     // the first of them
	last   time.Time     // the latest of them
}

// edge takes note of an edge.
func (d *debounce) edge(at time.Time) {
	if !d.moving {
		d.moving, d.first = true, at
	}
	d.last = at
}

// restless returns how long it is still to be watched for edges at now before it is quiet.
func (d *debounce) restless(now time.Time) (time.Duration, bool) {
	left := d.settle - now.Sub(d.last)
	return left, d.moving && left > 0
}

// level takes note of a level that was read while it was quiet. It returns the time of a
// press when this is one. A level that changed without an edge counts as an edge at now.
func (d *debounce) level(pressed bool, now time.Time) (press time.Time, is bool) {
	if !d.moving {
		if pressed != d.down {
			d.edge(now)
		}
		return time.Time{}, false
	}
	is = pressed && !d.down
	d.down, d.moving = pressed, false
	return d.first, is
}
