package device

import (
	"bytes"
	"fmt"
	"image"
	"slices"
	"testing"
	"time"
)

var quarterPast = time.Date(2026, 11, 24, 15, 4, 5, 0, time.Local)

func TestClockText(t *testing.T) {
	for format, want := range map[string]string{
		"": "2026-11-24 15:04:05", "iso": "2026-11-24 15:04:05", "european": "24.11.2026 15:04:05", "american": "11/24/2026 03:04:05 PM",
	} {
		if got := (Clock{Place: "top-left", Format: format}).text(quarterPast); got != want {
			t.Errorf("%s: %q, want %q", format, got, want)
		}
	}
	if got := (Clock{}).text(time.Unix(0, 0)); got != "----"+"---"+"---"+" --:--:--" {
		t.Errorf("a clock that isn't set says %q", got)
	}
	for _, bad := range []Clock{{Place: "middle"}, {Place: "top-left", Format: "roman"}} {
		if (Transform{Clock: bad}).check() == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
}

// On white, black and grey alike the clock stands in its corner, and nothing else changes;
// every digit looks different, so that each is there.
func TestClockIsReadable(t *testing.T) {
	for _, size := range []image.Point{{640, 360}, {1280, 720}, {360, 640}} {
		for _, place := range ClockPlaces() {
			for _, behind := range []byte{16, 128, 235} {
				t.Run(fmt.Sprint(size, place, behind), func(t *testing.T) { testClock(t, size, place, behind) })
			}
		}
	}
}

func testClock(t *testing.T, size image.Point, place string, behind byte) {
	p := newPicture(size.X, size.Y)
	for i := range p.Y {
		p.Y[i] = behind
	}
	before := slices.Clone(p.Y)
	turn := &transformer{Transform: Transform{Clock: Clock{Place: place}}}
	got := turn.apply(p, quarterPast)
	if !bytes.Equal(p.Y, before) {
		t.Error("the camera's own picture was changed")
	}
	box := turn.clock.label.Rect.Size()
	corner := image.Rectangle{Max: box}
	if place[len(place)-5:] == "right" {
		corner = corner.Add(image.Pt(size.X-box.X, 0))
	}
	if place[:3] == "bot" {
		corner = corner.Add(image.Pt(0, size.Y-box.Y))
	}
	dark, light := 0, 0
	for y := range size.Y {
		for x := range size.X {
			c := got.YCbCrAt(x, y)
			if !image.Pt(x, y).In(corner) {
				if c.Y != behind {
					t.Fatalf("%d,%d outside of the clock is %v", x, y, c)
				}
				continue
			}
			if c.Cb != 128 || c.Cr != 128 {
				t.Fatalf("%d,%d of the clock is coloured: %v", x, y, c)
			}
			if c.Y < 40 {
				dark++
			} else if c.Y > 200 {
				light++
			}
		}
	}
	if share := float64(light) / float64(dark+light); share < 0.08 || share > 0.5 || box.X > size.X*3/4 {
		t.Errorf("%.2f of the clock is light; its box is %v", share, box)
	}
	looks := map[string]bool{}
	for second := range 10 {
		turn.apply(p, quarterPast.Add(time.Duration(second-5)*time.Second)) // 15:04:00 to 09
		looks[string(turn.clock.label.Pix)] = true
	}
	if len(looks) != 10 {
		t.Errorf("10 seconds look like %d", len(looks))
	}
}

// Within one second nothing is drawn anew, and a new size is.
func TestClockIsPreparedOnceASecond(t *testing.T) {
	turn := &transformer{Transform: Transform{Clock: Clock{Place: "top-left"}}}
	p := newPicture(640, 360)
	turn.apply(p, quarterPast)
	if n := testing.AllocsPerRun(20, func() { turn.apply(p, quarterPast.Add(900*time.Millisecond)) }); n != 0 {
		t.Errorf("%g allocations for a picture", n)
	}
	small := turn.clock.label.Rect
	turn.apply(newPicture(1280, 720), quarterPast)
	if turn.clock.label.Rect.Dy() < small.Dy()*3/2 {
		t.Errorf("%v at 640x360, %v at 1280x720", small, turn.clock.label.Rect)
	}
	turn.apply(newPicture(16, 16), quarterPast) // smaller than the clock
}

func BenchmarkClock720p(b *testing.B) {
	p := newScene(1280, 720).next(0)
	turn := &transformer{Transform: Transform{Clock: Clock{Place: "bottom-right"}}}
	for i := 0; b.Loop(); i++ {
		turn.apply(p, quarterPast.Add(time.Duration(i)*time.Second/30))
	}
}
