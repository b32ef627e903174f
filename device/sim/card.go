package sim

import (
	"image"
	"math"
	"time"
)

// The luma of black and white in video (BT.601, limited range), and the grey
// behind the clock and the time code.
const (
	lumaBlack = 16
	lumaWhite = 235
	lumaGrey  = 60
	neutral   = 128
)

// card is the test card. What doesn't move is drawn once; each picture puts the
// background back where something moved and draws that anew.
type card struct {
	picture image.YCbCr
	still   image.YCbCr     // the background alone
	clock   image.Rectangle // where the time of day stands
	scale   int             // pixels to one dot of the font
	digits  [12]byte        // what stands there now
	ball    image.Rectangle // where the ball is now
	floor   image.Rectangle // where it may be
	cells   [codeRows][codeColumns]bool
	drawn   bool // digits and cells are in the picture
}

func newCard(width, height int) *card {
	bounds := image.Rect(0, 0, width, height)
	c := &card{still: *image.NewYCbCr(bounds, image.YCbCrSubsampleRatio420)}
	c.layOut(width, height)
	c.drawStill(width, height)
	c.picture = *image.NewYCbCr(bounds, image.YCbCrSubsampleRatio420)
	copy(c.picture.Y, c.still.Y)
	copy(c.picture.Cb, c.still.Cb)
	copy(c.picture.Cr, c.still.Cr)
	return c
}

// layOut shares the height: bars to 1/2, the ball's track to 2/3, the clock to
// 5/6, the time code from there to the bottom.
func (c *card) layOut(width, height int) {
	c.scale = max(min(width*8/10/(clockColumns), height/6/(fontHeight+3)), 1)
	w, h := clockColumns*c.scale, fontHeight*c.scale
	left, top := (width-w)/2&^1, (height*3/4-h/2)&^1
	c.clock = image.Rect(left, top, left+w, top+h)
	c.floor = image.Rect(0, height/2&^1, width, height*2/3&^1)
}

// drawStill draws bars of 75 % colour, a ramp of greys, and plain grey below.
func (c *card) drawStill(width, height int) {
	bars := [8][3]byte{{180, 128, 128}, {162, 44, 142}, {131, 156, 44}, {112, 72, 58}, {84, 184, 198}, {65, 100, 212}, {35, 212, 114}, {16, 128, 128}}
	fill(&c.still, c.still.Rect, lumaGrey, neutral, neutral)
	for i, bar := range bars {
		fill(&c.still, image.Rect(i*width/8&^1, 0, (i+1)*width/8&^1, height*2/5&^1), bar[0], bar[1], bar[2])
	}
	for i := range 16 {
		luma := byte(lumaBlack + i*(lumaWhite-lumaBlack)/15)
		fill(&c.still, image.Rect(i*width/16&^1, height*2/5&^1, (i+1)*width/16&^1, height/2&^1), luma, neutral, neutral)
	}
	fill(&c.still, c.clock.Inset(-2*c.scale), lumaBlack, neutral, neutral)
}

// draw makes the picture of a time.
func (c *card) draw(now time.Time, count int64) {
	c.drawBall(count)
	c.drawClock(now)
	code := TimeCode{Millis: uint32(now.UnixMilli()), Frame: uint16(count)}
	c.drawCode(code.cells())
	c.drawn = true
}

// drawBall moves a yellow ball to and fro, a whole way in 90 pictures, bouncing.
func (c *card) drawBall(count int64) {
	restore(&c.picture, &c.still, c.ball)
	size := c.floor.Dy() / 2 &^ 1
	phase := math.Abs(float64(count%180)/90 - 1)
	bounce := math.Abs(math.Sin(float64(count%180) / 180 * 6 * math.Pi))
	x := c.floor.Min.X + int(phase*float64(c.floor.Dx()-size))&^1
	y := c.floor.Max.Y - size - int(bounce*float64(c.floor.Dy()-size))&^1
	c.ball = image.Rect(x, y, x+size, y+size)
	radius := float64(size) / 2
	for dy := 0; dy < size; dy += 2 { // two rows at a time, as chroma has them
		height := radius - float64(dy) - 1
		half := int(math.Sqrt(max(radius*radius-height*height, 0))) &^ 1
		middle := x + size/2&^1
		fill(&c.picture, image.Rect(middle-half, y+dy, middle+half, y+dy+2), 210, 16, 146)
	}
}

// drawClock writes HH:MM:SS.mmm, only the digits that changed.
func (c *card) drawClock(now time.Time) {
	var room [32]byte
	text := [12]byte(now.AppendFormat(room[:0], "15:04:05.000"))
	for i, digit := range text {
		if c.drawn && c.digits[i] == digit {
			continue
		}
		glyph := fontGlyph(digit)
		for row := range fontHeight {
			for column := range fontWidth {
				luma := byte(lumaBlack)
				if glyph[row]>>(fontWidth-1-column)&1 == 1 {
					luma = lumaWhite
				}
				x := c.clock.Min.X + (i*(fontWidth+1)+column)*c.scale
				y := c.clock.Min.Y + row*c.scale
				fillLuma(&c.picture, image.Rect(x, y, x+c.scale, y+c.scale), luma)
			}
		}
	}
	c.digits = text
}

// drawCode draws the time code, only the cells that changed.
func (c *card) drawCode(cells [codeRows][codeColumns]bool) {
	for row := range cells {
		for column, white := range cells[row] {
			if c.drawn && c.cells[row][column] == white {
				continue
			}
			luma := byte(lumaBlack)
			if white {
				luma = lumaWhite
			}
			fillLuma(&c.picture, codeCell(c.picture.Rect.Dx(), c.picture.Rect.Dy(), row, column), luma)
		}
	}
	c.cells = cells
}

// fill paints a rectangle, clipped to the picture; its corners should be even.
func fill(p *image.YCbCr, r image.Rectangle, luma, cb, cr byte) {
	r = r.Intersect(p.Rect)
	fillLuma(p, r, luma)
	for y := r.Min.Y / 2; y < r.Max.Y/2; y++ {
		from, to := y*p.CStride+r.Min.X/2, y*p.CStride+r.Max.X/2
		set(p.Cb[from:to], cb)
		set(p.Cr[from:to], cr)
	}
}

func fillLuma(p *image.YCbCr, r image.Rectangle, luma byte) {
	r = r.Intersect(p.Rect)
	for y := r.Min.Y; y < r.Max.Y; y++ {
		set(p.Y[y*p.YStride+r.Min.X:y*p.YStride+r.Max.X], luma)
	}
}

func set(row []byte, v byte) {
	for i := range row {
		row[i] = v
	}
}

// restore copies a rectangle of even corners.
func restore(dst, src *image.YCbCr, r image.Rectangle) {
	for y := r.Min.Y; y < r.Max.Y; y++ {
		from, to := y*dst.YStride+r.Min.X, y*dst.YStride+r.Max.X
		copy(dst.Y[from:to], src.Y[from:to])
	}
	for y := r.Min.Y / 2; y < r.Max.Y/2; y++ {
		from, to := y*dst.CStride+r.Min.X/2, y*dst.CStride+r.Max.X/2
		copy(dst.Cb[from:to], src.Cb[from:to])
		copy(dst.Cr[from:to], src.Cr[from:to])
	}
}
