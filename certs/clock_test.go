package certs

import (
	"testing"
	"time"
)

// TestValidity looks at certificates made at all sorts of times: each must be valid
// at the times at which phones may come, which have the right time.
func TestValidity(t *testing.T) {
	date := func(year int, month time.Month) time.Time { return time.Date(year, month, 1, 0, 0, 0, 0, time.UTC) }
	never := time.Time{}
	tests := map[string]struct {
		now, known time.Time
		doubt      bool
		phones     []time.Time
	}{
		"all is well":                         {now: date(2027, 5), known: date(2027, 4), phones: []time.Time{date(2027, 5), date(2028, 5)}},
		"phones are a bit behind":             {now: date(2027, 5), known: date(2027, 4), phones: []time.Time{date(2027, 5).Add(-23 * time.Hour)}},
		"first start":                         {now: date(2027, 5), known: floor(), phones: []time.Time{date(2027, 5)}},
		"clock set back by a little":          {now: date(2027, 5), known: date(2027, 5).Add(time.Hour), phones: []time.Time{date(2027, 5)}},
		"1970, files of this year":            {now: time.Unix(10, 0), known: date(2027, 5), doubt: true, phones: []time.Time{date(2027, 5), date(2029, 7)}},
		"1970, first start":                   {now: time.Unix(10, 0), known: floor(), doubt: true, phones: []time.Time{floor(), date(2028, 3)}},
		"1970, nothing known":                 {now: time.Unix(10, 0), known: never, doubt: true, phones: []time.Time{floor()}},
		"the day when the system was built":   {now: date(2026, 3), known: date(2027, 5), doubt: true, phones: []time.Time{date(2027, 5), date(2028, 4)}},
		"right again, after once in the 2040": {now: date(2027, 5), known: date(2040, 1), doubt: true, phones: []time.Time{date(2027, 5), date(2028, 5)}},
	}
	for name, tt := range tests {
		from, until, doubt := validity(tt.now, tt.known)
		if doubt != tt.doubt {
			t.Errorf("%s: doubt is %t", name, doubt)
		}
		if days := until.Sub(from).Hours() / 24; days > 825 || !doubt && days > 397 {
			t.Errorf("%s: valid for %.0f days", name, days)
		}
		for _, at := range tt.phones {
			if at.Before(from) || at.After(until) {
				t.Errorf("%s: valid from %s until %s, not at %s", name, from, until, at)
			}
		}
	}
}
