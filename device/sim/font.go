package sim

// The clock's font: digits of 5x7 dots and one column between them.
const (
	fontWidth    = 5
	fontHeight   = 7
	clockColumns = 12*(fontWidth+1) - 1
)

// fontGlyph is one character as rows of dots, the left one in the highest of
// five bits. What the font doesn't have is blank.
func fontGlyph(c byte) [fontHeight]byte {
	switch c {
	case '0':
		return [...]byte{0b01110, 0b10001, 0b10011, 0b10101, 0b11001, 0b10001, 0b01110}
	case '1':
		return [...]byte{0b00100, 0b01100, 0b00100, 0b00100, 0b00100, 0b00100, 0b01110}
	case '2':
		return [...]byte{0b01110, 0b10001, 0b00001, 0b00110, 0b01000, 0b10000, 0b11111}
	case '3':
		return [...]byte{0b01110, 0b10001, 0b00001, 0b00110, 0b00001, 0b10001, 0b01110}
	case '4':
		return [...]byte{0b00010, 0b00110, 0b01010, 0b10010, 0b11111, 0b00010, 0b00010}
	case '5':
		return [...]byte{0b11111, 0b10000, 0b11110, 0b00001, 0b00001, 0b10001, 0b01110}
	case '6':
		return [...]byte{0b00110, 0b01000, 0b10000, 0b11110, 0b10001, 0b10001, 0b01110}
	case '7':
		return [...]byte{0b11111, 0b00001, 0b00010, 0b00100, 0b01000, 0b01000, 0b01000}
	case '8':
		return [...]byte{0b01110, 0b10001, 0b10001, 0b01110, 0b10001, 0b10001, 0b01110}
	case '9':
		return [...]byte{0b01110, 0b10001, 0b10001, 0b01111, 0b00001, 0b00010, 0b01100}
	case ':':
		return [...]byte{0b00000, 0b00100, 0b00100, 0b00000, 0b00100, 0b00100, 0b00000}
	case '.':
		return [...]byte{0b00000, 0b00000, 0b00000, 0b00000, 0b00000, 0b01100, 0b01100}
	}
	return [fontHeight]byte{}
}
