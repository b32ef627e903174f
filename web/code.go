package web

import (
	"encoding/base64"
	"fmt"
	"strings"

	"rsc.io/qr"
)

// quiet is the empty margin around a QR code, in modules (ISO/IEC 18004, section 6.3.8).
const quiet = 4

// codeImage is a QR code of a text as the URL of an SVG image: black on white in the dark too, as cameras want it.
func codeImage(text string) (string, error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return "", fmt.Errorf("making a QR code: %w", err)
	}
	var path strings.Builder
	for y := range code.Size {
		for x := range code.Size {
			if code.Black(x, y) {
				_, _ = fmt.Fprintf(&path, "M%d %dh1v1h-1z", x+quiet, y+quiet)
			}
		}
	}
	size := code.Size + 2*quiet
	image := fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" shape-rendering="crispEdges">`+
		`<path fill="#fff" d="M0 0h%dv%dH0z"/><path d="%s"/></svg>`, size, size, size, size, path.String())
	return "data:image/svg+xml;base64," + base64.StdEncoding.EncodeToString([]byte(image)), nil
}
