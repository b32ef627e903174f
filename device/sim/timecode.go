package sim

import (
	"errors"
	"image"
	"image/color"
	"time"
)

// TimeCode is what the strip of black and white cells in the test card says.
//
// Geometry, relative to a picture of width W and height H, so that it can be read
// at any size at which the picture is shown whole:
//
//   - The strip has 2 rows of 36 cells. The cell in row r (0, 1) and column c (0 to
//     35) covers x from (c+2)·W/40 to (c+3)·W/40 and y from (17+r)·H/20 to
//     (18+r)·H/20. At 640x360 that is 16x18 pixels.
//   - Read a cell as the mean luma of its inner half: the middle half of its width
//     by the middle half of its height.
//   - Columns 0, 1, 34 and 35 are markers: row 0 white black ... black white, row 1
//     black white ... white black. The threshold between black and white is the
//     mean of the eight markers; if the means of the black and of the white ones
//     are less than 40 of 255 apart, or one is on the wrong side, there is no code.
//   - Columns 2 to 33 are 32 bits, the highest first, white is 1. Row 0 is
//     milliseconds since 1970 (Unix time) modulo 2^32. Row 1 is the frame counter
//     modulo 2^16, then a checksum of 16 bits.
//   - The checksum is CRC-16/CCITT-FALSE (polynomial 0x1021, start 0xffff, not
//     reflected, not inverted) over six bytes: row 0 and then the frame counter,
//     the highest byte first. The CRC of the text "123456789" is 0x29b1.
type TimeCode struct {
	Millis uint32 // Unix time in milliseconds modulo 2^32, that is 49.7 days
	Frame  uint16 // number of the picture since the camera was opened, modulo 2^16
}

// Errors of ReadTimeCode.
var (
	ErrNoTimeCode      = errors.New("picture has no time code")
	ErrDamagedTimeCode = errors.New("time code's checksum is wrong")
)

// Time is the code's time next to a time that is known to be within 24 days of it.
func (t TimeCode) Time(near time.Time) time.Time {
	ahead := int32(t.Millis - uint32(near.UnixMilli()))
	return time.UnixMilli(near.UnixMilli() + int64(ahead))
}

const (
	codeRows    = 2
	codeColumns = 36
	leastSwing  = 40 // of luma between black and white
)

// codeCell is the place of a cell in a picture.
func codeCell(width, height, row, column int) image.Rectangle {
	at := func(n, of, size int) int { return (n*size + of/2) / of }
	return image.Rect(at(column+2, 40, width), at(17+row, 20, height), at(column+3, 40, width), at(18+row, 20, height))
}

// marker tells whether a column is a marker, and of which colour.
func marker(row, column int) (is, white bool) {
	switch column {
	case 0, codeColumns - 1:
		return true, row == 0
	case 1, codeColumns - 2:
		return true, row != 0
	}
	return false, false
}

// cells lays the code out: true is white.
func (t TimeCode) cells() (cells [codeRows][codeColumns]bool) {
	rows := [codeRows]uint32{t.Millis, uint32(t.Frame)<<16 | uint32(t.checksum())}
	for row := range cells {
		for column := range cells[row] {
			is, white := marker(row, column)
			if !is {
				white = rows[row]>>(33-column)&1 == 1
			}
			cells[row][column] = white
		}
	}
	return cells
}

func (t TimeCode) checksum() uint16 {
	crc := uint16(0xffff)
	for _, b := range []byte{byte(t.Millis >> 24), byte(t.Millis >> 16), byte(t.Millis >> 8), byte(t.Millis), byte(t.Frame >> 8), byte(t.Frame)} {
		crc = crc16(crc, b)
	}
	return crc
}

// crc16 is one step of CRC-16/CCITT-FALSE.
func crc16(crc uint16, b byte) uint16 {
	crc ^= uint16(b) << 8
	for range 8 {
		if crc&0x8000 != 0 {
			crc = crc<<1 ^ 0x1021
		} else {
			crc <<= 1
		}
	}
	return crc
}

// ReadTimeCode reads the code from a picture of a test card at any size. It fails
// with ErrNoTimeCode or ErrDamagedTimeCode.
func ReadTimeCode(img image.Image) (TimeCode, error) {
	var luma [codeRows][codeColumns]int
	var black, white int
	for row := range luma {
		for column := range luma[row] {
			v := cellLuma(img, row, column)
			luma[row][column] = v
			if is, isWhite := marker(row, column); is && isWhite {
				white += v
			} else if is {
				black += v
			}
		}
	}
	threshold := (black + white) / 8
	if (white-black)/4 < leastSwing {
		return TimeCode{}, ErrNoTimeCode
	}
	var rows [codeRows]uint32
	for row := range luma {
		for column, v := range luma[row] {
			if is, isWhite := marker(row, column); is && isWhite != (v > threshold) {
				return TimeCode{}, ErrNoTimeCode
			} else if is {
				continue
			}
			rows[row] <<= 1
			if v > threshold {
				rows[row] |= 1
			}
		}
	}
	code := TimeCode{Millis: rows[0], Frame: uint16(rows[1] >> 16)}
	if code.checksum() != uint16(rows[1]) {
		return TimeCode{}, ErrDamagedTimeCode
	}
	return code, nil
}

// cellLuma is the mean luma of a cell's inner half.
func cellLuma(img image.Image, row, column int) int {
	bounds := img.Bounds()
	cell := codeCell(bounds.Dx(), bounds.Dy(), row, column).Add(bounds.Min)
	inner := image.Rect(cell.Min.X+cell.Dx()/4, cell.Min.Y+cell.Dy()/4, cell.Max.X-cell.Dx()/4, cell.Max.Y-cell.Dy()/4)
	sum, n := 0, 0
	yuv, fast := img.(*image.YCbCr)
	for y := inner.Min.Y; y < inner.Max.Y; y++ {
		for x := inner.Min.X; x < inner.Max.X; x++ {
			if fast {
				sum += int(yuv.Y[yuv.YOffset(x, y)])
			} else {
				sum += int(color.GrayModel.Convert(img.At(x, y)).(color.Gray).Y)
			}
			n++
		}
	}
	return sum / max(n, 1)
}
