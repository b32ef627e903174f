package device

import (
	"fmt"
	"image"
	"image/color"
	"slices"
	"strings"
	"time"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gomonobold"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

// Clock says where and how date and time are drawn into the picture.
type Clock struct {
	// Place is one of the corners that ClockPlaces names, or empty for no clock.
	Place string
	// Format is one that ClockFormats names. Default: the first.
	Format string
}

// ClockPlaces are the corners in which a clock can be.
func ClockPlaces() []string {
	return []string{"top-left", "top-right", "bottom-left", "bottom-right"}
}

// ClockFormats are the ways to write date and time: 2026-11-24 15:04:05,
// 24.11.2026 15:04:05, and 11/24/2026 03:04:05 PM.
func ClockFormats() []string { return []string{"iso", "european", "american"} }

// clockLayouts are the formats in the words of package time.
var clockLayouts = [...]string{"2006-01-02 15:04:05", "02.01.2006 15:04:05", "01/02/2006 03:04:05 PM"}

const (
	// clockShare is the picture's smaller side over the height of the letters: 15
	// pixels at 640x360, 30 at 1280x720. clockLeast is the least that can be read.
	clockShare = 24
	clockLeast = 12
	// clockKnown is the first year that is believed: a Raspberry Pi without network
	// comes up in the past.
	clockKnown = 2026
)

func (c Clock) check() error {
	if c.Place == "" {
		return nil
	}
	if !slices.Contains(ClockPlaces(), c.Place) {
		return fmt.Errorf("video clock at %q: must be at one of %s", c.Place, strings.Join(ClockPlaces(), ", "))
	}
	if c.Format != "" && !slices.Contains(ClockFormats(), c.Format) {
		return fmt.Errorf("video clock format %q: must be one of %s", c.Format, strings.Join(ClockFormats(), ", "))
	}
	_, err := clockFace(clockLeast)
	return err
}

// text is what the clock says: dashes for a time that can't be right.
func (c Clock) text(at time.Time) string {
	text := at.Format(clockLayouts[max(0, slices.Index(ClockFormats(), c.Format))])
	if at.Year() >= clockKnown {
		return text
	}
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return '-'
		}
		return r
	}, text)
}

func clockFace(height int) (font.Face, error) {
	parsed, err := opentype.Parse(gomonobold.TTF)
	if err != nil {
		return nil, fmt.Errorf("reading the clock's font: %w", err)
	}
	return opentype.NewFace(parsed, &opentype.FaceOptions{Size: float64(height), DPI: 72, Hinting: font.HintingFull})
}

// clockPainter draws a clock into pictures. What it draws is prepared once a second.
type clockPainter struct {
	Clock
	size   image.Point // of the pictures that face is for
	face   font.Face   // nil: not there yet
	second int64       // that label shows
	label  *image.Gray // luma, opaque: to be read whatever is behind it
}

// draw writes the time into a picture, which must be the caller's own.
func (c *clockPainter) draw(p *image.YCbCr, at time.Time) {
	size := p.Rect.Size()
	if c.face == nil || c.size != size {
		face, err := clockFace(max(clockLeast, min(size.X, size.Y)/clockShare))
		if err != nil {
			return // as NewVideo has said
		}
		c.face, c.size, c.label = face, size, nil
	}
	if c.label == nil || c.second != at.Unix() {
		c.second = at.Unix()
		c.prepare(c.text(at.Local()))
	}
	box := c.label.Rect.Size()
	if box.X > size.X || box.Y > size.Y {
		return // smaller than a clock
	}
	var from image.Point
	if strings.HasSuffix(c.Place, "right") {
		from.X = (size.X - box.X) &^ 1
	}
	if strings.HasPrefix(c.Place, "bottom") {
		from.Y = (size.Y - box.Y) &^ 1
	}
	for y := range box.Y {
		copy(p.Y[(from.Y+y)*p.YStride+from.X:], c.label.Pix[y*c.label.Stride:][:box.X])
	}
	for y := range box.Y / 2 {
		at := (from.Y/2+y)*p.CStride + from.X/2
		colourless(p.Cb[at : at+box.X/2])
		colourless(p.Cr[at : at+box.X/2])
	}
}

// prepare makes the label: light letters on black, in the range of video (16 to 235).
func (c *clockPainter) prepare(text string) {
	metrics := c.face.Metrics()
	margin := metrics.Height.Ceil() / 4
	width := (font.MeasureString(c.face, text).Ceil() + 2*margin + 1) &^ 1
	height := (metrics.Ascent.Ceil() + metrics.Descent.Ceil() + margin + 1) &^ 1
	if c.label == nil || c.label.Rect.Size() != image.Pt(width, height) {
		c.label = image.NewGray(image.Rect(0, 0, width, height))
	}
	for i := range c.label.Pix {
		c.label.Pix[i] = 16
	}
	drawer := font.Drawer{
		Dst: c.label, Src: image.NewUniform(color.Gray{Y: 235}), Face: c.face,
		Dot: fixed.P(margin, margin/2+metrics.Ascent.Ceil()),
	}
	drawer.DrawString(text)
}

// colourless takes the colour out of a row of chroma.
func colourless(row []byte) {
	for i := range row {
		row[i] = 128
	}
}
