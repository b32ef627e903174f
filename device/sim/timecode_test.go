package sim

import (
	"errors"
	"image"
	"image/color"
	"math/rand/v2"
	"testing"
	"time"
)

func TestTimeCodeComesBackFromAnySize(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, size := range []image.Point{{160, 120}, {320, 240}, {640, 360}, {642, 362}, {1280, 720}, {1920, 1080}} {
		c := newCard(size.X, size.Y)
		for i := range 20 {
			want := TimeCode{Millis: random.Uint32(), Frame: uint16(random.Uint32())}
			c.drawCode(want.cells())
			c.drawn = true
			if got, err := ReadTimeCode(&c.picture); err != nil || got != want {
				t.Fatalf("%v, %d: %v %v, want %v", size, i, got, err, want)
			}
		}
	}
}

// A canvas of another size, in RGBA, with noise.
func TestTimeCodeSurvivesScalingAndNoise(t *testing.T) {
	c := newCard(640, 360)
	want := TimeCode{Millis: 0xdeadbeef, Frame: 4711}
	c.drawCode(want.cells())
	random := rand.New(rand.NewPCG(3, 4))
	for _, size := range []image.Point{{320, 180}, {375, 211}, {500, 600}, {1920, 1080}} {
		canvas := image.NewRGBA(image.Rect(7, 9, 7+size.X, 9+size.Y))
		for y := range size.Y {
			for x := range size.X {
				r, g, b, _ := c.picture.At(x*640/size.X, y*360/size.Y).RGBA()
				noise := func(v uint32) uint8 { return uint8(min(max(int(v>>8)+random.IntN(61)-30, 0), 255)) }
				canvas.Set(7+x, 9+y, color.RGBA{noise(r), noise(g), noise(b), 255})
			}
		}
		if got, err := ReadTimeCode(canvas); err != nil || got != want {
			t.Errorf("%v: %v %v, want %v", size, got, err, want)
		}
	}
}

func TestTimeCodeIsRefused(t *testing.T) {
	c := newCard(640, 360)
	if _, err := ReadTimeCode(&c.picture); !errors.Is(err, ErrNoTimeCode) {
		t.Errorf("plain grey: %v", err)
	}
	if _, err := ReadTimeCode(image.NewGray(image.Rect(0, 0, 0, 0))); !errors.Is(err, ErrNoTimeCode) {
		t.Errorf("no picture: %v", err)
	}
	cells := TimeCode{Millis: 5}.cells()
	cells[0][20] = !cells[0][20]
	c.drawCode(cells)
	c.drawn = true
	if _, err := ReadTimeCode(&c.picture); !errors.Is(err, ErrDamagedTimeCode) {
		t.Errorf("a flipped bit: %v", err)
	}
	cells[0][0] = false
	c.drawCode(cells)
	if _, err := ReadTimeCode(&c.picture); !errors.Is(err, ErrNoTimeCode) {
		t.Errorf("a wrong marker: %v", err)
	}
}

func TestChecksumIsTheWellKnownOne(t *testing.T) {
	crc := uint16(0xffff)
	for _, b := range []byte("123456789") {
		crc = crc16(crc, b)
	}
	if crc != 0x29b1 {
		t.Errorf("CRC of 123456789 is %#04x, not 0x29b1", crc)
	}
}

func TestGeometryAsDocumented(t *testing.T) {
	if got, want := codeCell(640, 360, 0, 0), image.Rect(32, 306, 48, 324); got != want {
		t.Errorf("first cell at 640x360 is %v, want %v", got, want)
	}
	if got, want := codeCell(1280, 720, 1, 35), image.Rect(1184, 648, 1216, 684); got != want {
		t.Errorf("last cell at 1280x720 is %v, want %v", got, want)
	}
}

func TestTimeCodeTime(t *testing.T) {
	for _, away := range []time.Duration{0, time.Second, -time.Hour, 20 * 24 * time.Hour, -20 * 24 * time.Hour} {
		for _, near := range []time.Time{time.UnixMilli(1<<32*400 - 1000), time.UnixMilli(1<<32*400 + 5), time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC)} {
			want := near.Add(away)
			if got := (TimeCode{Millis: uint32(want.UnixMilli())}).Time(near); !got.Equal(want) {
				t.Errorf("%v near %v is %v", want, near, got)
			}
		}
	}
}
