//go:build browser

package main

import (
	_ "embed"
	"math"
	"testing"
	"time"
)

// probeScript measures in the page what is seen and heard there.
//
//go:embed testdata/probe.js
var probeScript string

// picture is one that the page showed.
type picture struct {
	At  float64  `json:"at"`  // ms since 1970
	Age *float64 `json:"age"` // ms since the door took it; nil: its time code can't be read
}

// pitch is what 20 ms of sound were.
type pitch struct {
	At   float64 `json:"at"`   // ms since 1970
	Note float64 `json:"note"` // Hz; 0: none of the melody's
}

// probe begins to measure what the page shows and sounds, in a call.
func (p *phone) probe() {
	p.t.Helper()
	eval[bool](p, probeScript)
	eval[bool](p, "probe.sees() && probe.hears()")
}

// perceived is what a page showed and sounded for a while.
type perceived struct {
	seconds  float64
	begun    float64 // ms since 1970
	pictures []picture
	pitches  []pitch
	lags     figures // of the melody's notes, ms
}

// perceives measures for a while.
func (p *phone) perceives(d time.Duration) perceived {
	p.t.Helper()
	eval[bool](p, "probe.forget()")
	begun := time.Now()
	<-time.After(d)
	return perceived{
		seconds: time.Since(begun).Seconds(), begun: float64(begun.UnixMicro()) / 1000,
		pictures: eval[[]picture](p, "probe.pictures()"),
		pitches:  eval[[]pitch](p, "probe.pitches()"),
		lags:     eval[figures](p, "probe.lags()"),
	}
}

// ages is how old the pictures were when they were shown, in ms.
func (p perceived) ages() (ages figures) {
	for _, picture := range p.pictures {
		if picture.Age != nil {
			ages = append(ages, *picture.Age)
		}
	}
	return ages
}

// rate is how many pictures were shown in a second.
func (p perceived) rate() float64 { return float64(len(p.pictures)) / p.seconds }

// longest is the longest time without a new picture, in ms.
func (p perceived) longest() (gap float64) {
	last := p.begun
	for _, picture := range p.pictures {
		gap, last = max(gap, picture.At-last), picture.At
	}
	return max(gap, p.begun+1000*p.seconds-last)
}

// understood is the share of the time in which a note of the melody is heard.
func (p perceived) understood() float64 {
	found := 0
	for _, pitch := range p.pitches {
		if pitch.Note != 0 {
			found++
		}
	}
	return float64(found) / math.Max(1, float64(len(p.pitches)))
}

// backAfter is how long after that time a picture was shown that was taken since, in ms.
func (p perceived) backAfter(restored time.Time) float64 {
	since := float64(restored.UnixMicro()) / 1000
	for _, picture := range p.pictures {
		if picture.Age != nil && picture.At-*picture.Age >= since {
			return picture.At - since
		}
	}
	return math.Inf(1)
}

// heardAfter is the same for the melody.
func (p perceived) heardAfter(restored time.Time) float64 {
	since := float64(restored.UnixMicro()) / 1000
	for _, pitch := range p.pitches {
		if pitch.Note != 0 && pitch.At >= since {
			return pitch.At - since
		}
	}
	return math.Inf(1)
}

// TestBrowserProbe sees that the measuring measures: what it says of a call in which
// nothing is wrong is as it must be.
func TestBrowserProbe(t *testing.T) {
	door, anna := house(t)
	anna.answersThe(door)
	anna.probe()
	got := anna.perceives(5 * time.Second)
	t.Logf("%.1f pictures a second of an age of %.0f ms, longest gap %.0f ms; sound %.0f ms late (%d notes), %.0f %% found",
		got.rate(), got.ages().at(0.5), got.longest(), got.lags.at(0.5), len(got.lags), 100*got.understood())
	if age := got.ages().at(0.5); age <= 0 || age > 1000 || len(got.ages()) < len(got.pictures)/2 {
		t.Errorf("%d of %d pictures have a time code, %.0f ms old", len(got.ages()), len(got.pictures), age)
	}
	if age, says := got.ages().at(0.5), eval[float64](anna, "Number(document.getElementById('stage').dataset.age)"); math.Abs(age-says) > 150 {
		t.Errorf("pictures are %.0f ms old, the page says %.0f", age, says)
	}
	if lag := got.lags.at(0.5); lag <= 0 || lag > 390 || len(got.lags) < 5 {
		t.Errorf("%d notes are heard, %.0f ms late", len(got.lags), lag)
	}
	if share := got.understood(); share < 0.7 || share > 1 {
		t.Errorf("a note is found in %.0f %% of the time", 100*share)
	}
}
