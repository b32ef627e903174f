package device

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"image"
	"io"
	"strings"
	"testing"
)

// y4m writes a stream of that picture: colour is its C tag, words more tags.
func y4m(width, height int, colour, words string, count int) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "YUV4MPEG2 W%d H%d F30:1 Ip A1:1 C%s%s\n", width, height, colour, words)
	h := y4mHeader{width: width, height: height, rate: 30, subsampling: image.YCbCrSubsampleRatio420}
	if err := h.setColour(colour); err != nil {
		panic(err)
	}
	for range count {
		raw := make([]byte, h.pictureSize())
		if h.mono {
			for i := range raw {
				raw[i] = colourAt(i%width, i/width).Y
			}
		} else {
			p := h.view(raw)
			for y := range height {
				for x := range width {
					c := colourAt(x, y)
					p.Y[p.YOffset(x, y)], p.Cb[p.COffset(x, y)], p.Cr[p.COffset(x, y)] = c.Y, c.Cb, c.Cr
				}
			}
		}
		b.WriteString("FRAME\n")
		b.Write(raw)
	}
	return b.Bytes()
}

func TestY4MEveryColour(t *testing.T) {
	for _, colour := range []string{"420", "420jpeg", "420mpeg2", "420paldv", "422", "444", "mono"} {
		for _, size := range []image.Point{{64, 48}, {33, 17}} {
			r, err := newY4MReader(bufio.NewReader(bytes.NewReader(y4m(size.X, size.Y, colour, "", 3))))
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				p, err := r.next()
				if err != nil {
					t.Fatal(err)
				}
				if colour != "mono" {
					checkColours(t, colour, p, size.X, size.Y)
				} else if c := p.YCbCrAt(9, 7); c.Y != colourAt(9, 7).Y || c.Cb != 128 || c.Cr != 128 {
					t.Errorf("mono: %v", c)
				}
			}
			if _, err := r.next(); !errors.Is(err, io.EOF) {
				t.Errorf("at the end: %v", err)
			}
		}
	}
}

func TestY4MHeader(t *testing.T) {
	for line, want := range map[string]y4mHeader{
		"YUV4MPEG2 W64 H48": {width: 64, height: 48, rate: 25},
		"YUV4MPEG2 W64 H48 F30000:1001 Ip A0:0 XYSCSS=420JPEG": {width: 64, height: 48, rate: 30000.0 / 1001},
		"YUV4MPEG2 H48 W64 F0:0 C420jpeg XCOLORRANGE=FULL":     {width: 64, height: 48, rate: 25, fullRange: true},
	} {
		want.subsampling = image.YCbCrSubsampleRatio420
		if got, err := parseY4MHeader(line); err != nil || got != want {
			t.Errorf("%s: %+v, %v", line, got, err)
		}
	}
	for _, line := range []string{
		"", "YUV4MPEG", "YUV4MPEG2", "YUV4MPEG2 W64", "YUV4MPEG2 Wx H48", "YUV4MPEG2 W-64 H48", "YUV4MPEG2 W99999 H99999",
		"YUV4MPEG2 W64 H48 C420p10", "YUV4MPEG2 W64 H48 Fx:1", "YUV4MPEG2 W64 H48 F99999:1", "YUV4MPEG2 W64 H48 F-1:1",
	} {
		if h, err := parseY4MHeader(line); err == nil {
			t.Errorf("%q was taken: %+v", line, h)
		}
	}
}

func TestY4MFullRange(t *testing.T) {
	r, err := newY4MReader(bufio.NewReader(bytes.NewReader(y4m(64, 48, "420", " XCOLORRANGE=FULL", 1))))
	if err != nil {
		t.Fatal(err)
	}
	p, err := r.next()
	if err != nil || p.Y[0] != newToLimited().luma[16] {
		t.Errorf("%d, %v", p.Y[0], err)
	}
}

func TestY4MDamage(t *testing.T) {
	good := string(y4m(64, 48, "420", "", 1))
	for name, c := range map[string]struct {
		stream string
		eof    bool
	}{
		"cut off":           {good[:len(good)-1], true},
		"cut off in FRAME":  {good + "FRA", true},
		"no FRAME":          {good + "FRAMES\n" + strings.Repeat("x", 9999), false},
		"an endless header": {"YUV4MPEG2 " + strings.Repeat("X", 5000), false},
	} {
		r, err := newY4MReader(bufio.NewReader(strings.NewReader(c.stream)))
		for i := 0; err == nil && i < 3; i++ {
			_, err = r.next()
		}
		if err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) != c.eof {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// drops fails in every second read, as a pipe does when it is cancelled.
type drops struct {
	r    io.Reader
	fail bool
}

func (d *drops) Read(p []byte) (int, error) {
	if d.fail = !d.fail; d.fail {
		return 0, errors.New("cancelled")
	}
	return d.r.Read(p[:min(len(p), 100)])
}

func TestY4MGoesOnWhereItWasCancelled(t *testing.T) {
	source := &drops{r: bytes.NewReader(y4m(64, 48, "420", "", 2))}
	header := bufio.NewReaderSize(source, 16)
	_, _ = header.Peek(0)
	line := make([]byte, len("YUV4MPEG2 W64 H48 F30:1 Ip A1:1 C420\n"))
	if _, err := io.ReadFull(source.r, line); err != nil {
		t.Fatal(err)
	}
	h, err := parseY4MHeader(strings.TrimSpace(string(line)))
	if err != nil {
		t.Fatal(err)
	}
	r := &y4mReader{header: h, source: header, raw: make([]byte, h.pictureSize()), picture: newPicture(h.width, h.height)}
	for range 2 {
		p, err := r.next()
		for i := 0; err != nil && i < 1000; i++ {
			p, err = r.next()
		}
		if err != nil {
			t.Fatal(err)
		}
		checkColours(t, "cancelled often", p, 64, 48)
	}
}

func FuzzY4M(f *testing.F) {
	for _, colour := range []string{"420", "422", "444", "mono"} {
		f.Add(y4m(18, 16, colour, "", 2))
	}
	f.Add([]byte("YUV4MPEG2 W16 H16 F0:0\nFRAME Ix\n"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		if h, err := parseY4MHeader(string(bytes.SplitN(stream, []byte("\n"), 2)[0])); err == nil && h.width*h.height > 1<<20 {
			return // allowed, but slow to fuzz
		}
		r, err := newY4MReader(bufio.NewReader(bytes.NewReader(stream)))
		for err == nil {
			var p *image.YCbCr
			if p, err = r.next(); err == nil {
				if _, bad := evenPicture(p); bad != nil {
					t.Fatalf("%+v gave a picture that can't be encoded: %v", r.header, bad)
				}
			}
		}
	})
}
