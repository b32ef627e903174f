package guest

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"

	"doorbell/device/guest/webcam"
)

// Bars are the colours of the pictures that MovingBars makes, from left to right: white, yellow, cyan,
// green, magenta, red, blue, black, at three quarters of full brightness.
func Bars() []color.RGBA {
	const v = 191
	return []color.RGBA{
		{v, v, v, 255}, {v, v, 0, 255}, {0, v, v, 255}, {0, v, 0, 255}, {v, 0, v, 255}, {v, 0, 0, 255}, {0, 0, v, 255}, {0, 0, 0, 255},
	}
}

// MovingBars is a stream of JPEG pictures, two seconds long before it repeats: Bars in the upper three
// quarters, and below them, on black, a white square that moves from the left to the right edge.
func MovingBars(width, height, frameRate int) (webcam.Stream, error) {
	s := webcam.Stream{Format: webcam.MJPEG, Width: width, Height: height, FrameRate: frameRate}
	bars := Bars()
	for n := range 2 * frameRate {
		picture := image.NewRGBA(image.Rect(0, 0, width, height))
		side := height / 4
		left := n * (width - side) / (2*frameRate - 1)
		for y := range height {
			for x := range width {
				c := bars[x*len(bars)/width]
				if y >= height-side {
					c = color.RGBA{A: 255}
					if x >= left && x < left+side {
						c = color.RGBA{255, 255, 255, 255}
					}
				}
				picture.SetRGBA(x, y, c)
			}
		}
		var b bytes.Buffer
		if err := jpeg.Encode(&b, picture, &jpeg.Options{Quality: 85}); err != nil {
			return s, err
		}
		s.Frames = append(s.Frames, b.Bytes())
	}
	return s, nil
}
