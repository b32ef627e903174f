package guest

import (
	"bytes"
	"image/jpeg"
	"testing"
)

func TestMovingBars(t *testing.T) {
	s, err := MovingBars(160, 96, 5)
	if err != nil || len(s.Frames) != 10 {
		t.Fatalf("%d frames, %v", len(s.Frames), err)
	}
	for n, x := range map[int]int{0: 12, 9: 148} { // the square, at the left and at the right
		picture, err := jpeg.Decode(bytes.NewReader(s.Frames[n]))
		if err != nil {
			t.Fatal(err)
		}
		if r, _, _, _ := picture.At(x, 84).RGBA(); r>>8 < 240 {
			t.Errorf("frame %d: no square at %d", n, x)
		}
		for i, c := range Bars() {
			r, g, b, _ := picture.At(i*20+10, 30).RGBA()
			for _, d := range []int{int(r>>8) - int(c.R), int(g>>8) - int(c.G), int(b>>8) - int(c.B)} {
				if d < -12 || d > 12 {
					t.Errorf("frame %d: bar %d is %d %d %d, want %v", n, i, r>>8, g>>8, b>>8, c)
				}
			}
		}
	}
}
