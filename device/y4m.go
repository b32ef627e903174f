package device

import (
	"bufio"
	"errors"
	"fmt"
	"image"
	"io"
	"strconv"
	"strings"
)

// y4mMagic begins every Y4M stream (yuv4mpeg(5)).
const y4mMagic = "YUV4MPEG2"

const (
	maxY4MLine   = 1024 // bytes of a header line
	defaultRate  = 25   // pictures per second of streams that don't say
	greatestRate = 240
)

// y4mHeader is the first line of a Y4M stream.
type y4mHeader struct {
	width, height int
	rate          float64 // pictures per second; defaultRate where the stream doesn't say
	mono          bool
	subsampling   image.YCbCrSubsampleRatio
	fullRange     bool
}

// parseY4MHeader reads the stream's header line, without its newline.
func parseY4MHeader(line string) (y4mHeader, error) {
	h := y4mHeader{rate: defaultRate, subsampling: image.YCbCrSubsampleRatio420}
	words := strings.Fields(line)
	if len(words) == 0 || words[0] != y4mMagic {
		return h, errors.New("y4m stream doesn't begin with " + y4mMagic)
	}
	for _, word := range words[1:] {
		value := word[1:]
		var err error
		switch word[0] {
		case 'W':
			h.width, err = strconv.Atoi(value)
		case 'H':
			h.height, err = strconv.Atoi(value)
		case 'F':
			h.rate, err = parseRatio(value)
		case 'C':
			err = h.setColour(value)
		case 'X':
			h.fullRange = h.fullRange || value == "COLORRANGE=FULL"
		}
		if err != nil {
			return h, fmt.Errorf("y4m header %q: %w", word, err)
		}
	}
	if h.width < 16 || h.height < 16 || h.width > maxPictureSide || h.height > maxPictureSide {
		return h, fmt.Errorf("y4m pictures of %dx%d: sides must be 16 to %d pixels", h.width, h.height, maxPictureSide)
	}
	return h, nil
}

// parseRatio reads a rate such as 30000:1001; 0:0 stands for unknown.
func parseRatio(text string) (float64, error) {
	over, under, _ := strings.Cut(text, ":")
	a, errA := strconv.ParseUint(over, 10, 32)
	b, errB := strconv.ParseUint(under, 10, 32)
	if err := errors.Join(errA, errB); err != nil {
		return 0, err
	}
	if a == 0 || b == 0 {
		return defaultRate, nil
	}
	rate := float64(a) / float64(b)
	if rate < 0.1 || rate > greatestRate {
		return 0, fmt.Errorf("%g pictures a second; must be 0.1 to %d", rate, greatestRate)
	}
	return rate, nil
}

func (h *y4mHeader) setColour(name string) error {
	switch name {
	case "420", "420jpeg", "420mpeg2", "420paldv":
		h.subsampling = image.YCbCrSubsampleRatio420
	case "422":
		h.subsampling = image.YCbCrSubsampleRatio422
	case "444":
		h.subsampling = image.YCbCrSubsampleRatio444
	case "mono":
		h.mono = true
	default:
		return errors.New("must be 420, 420jpeg, 420mpeg2, 420paldv, 422, 444 or mono, 8 bits a sample (ffmpeg: -pix_fmt yuv420p)")
	}
	return nil
}

// view lays the planes of one picture over data, which pictureSize gave the size of.
func (h y4mHeader) view(data []byte) *image.YCbCr {
	p := &image.YCbCr{YStride: h.width, SubsampleRatio: h.subsampling, Rect: image.Rect(0, 0, h.width, h.height)}
	chromaHeight := h.height
	p.CStride = h.width
	if h.subsampling != image.YCbCrSubsampleRatio444 {
		p.CStride = (h.width + 1) / 2
	}
	if h.subsampling == image.YCbCrSubsampleRatio420 {
		chromaHeight = (h.height + 1) / 2
	}
	luma, chroma := h.width*h.height, p.CStride*chromaHeight
	p.Y, p.Cb, p.Cr = data[:luma], data[luma:luma+chroma], data[luma+chroma:luma+2*chroma]
	return p
}

// pictureSize is the number of bytes of one picture.
func (h y4mHeader) pictureSize() int {
	luma := h.width * h.height
	switch {
	case h.mono:
		return luma
	case h.subsampling == image.YCbCrSubsampleRatio444:
		return 3 * luma
	case h.subsampling == image.YCbCrSubsampleRatio422:
		return luma + 2*((h.width+1)/2*h.height)
	}
	return luma + 2*((h.width+1)/2*((h.height+1)/2))
}

// String is such as "Y4M 1280x720 at 30".
func (h y4mHeader) String() string {
	return fmt.Sprintf("Y4M %dx%d at %.4g", h.width, h.height, h.rate)
}

// y4mReader reads pictures from a stream. Where reading fails on the way, it
// goes on from there the next time.
type y4mReader struct {
	header  y4mHeader
	source  *bufio.Reader
	line    []byte // of the next FRAME line, as far as it has come
	started bool   // the FRAME line has come
	filled  int    // bytes of raw that have come
	raw     []byte
	picture *image.YCbCr
	limited *toLimited // nil where the stream's range is that of video
}

// newY4MReader reads the stream's header.
func newY4MReader(source *bufio.Reader) (*y4mReader, error) {
	r := &y4mReader{source: source}
	line, err := r.readLine()
	if err != nil {
		return nil, err
	}
	if r.header, err = parseY4MHeader(line); err != nil {
		return nil, err
	}
	r.raw, r.picture = make([]byte, r.header.pictureSize()), newPicture(r.header.width, r.header.height)
	if r.header.fullRange {
		r.limited = newToLimited()
	}
	return r, nil
}

// readLine reads one line of bounded length. Before its first byte the end of
// the stream is io.EOF.
func (r *y4mReader) readLine() (string, error) {
	for len(r.line) < maxY4MLine {
		c, err := r.source.ReadByte()
		if err != nil {
			if len(r.line) > 0 && errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return "", err
		}
		if c == '\n' {
			line := string(r.line)
			r.line = r.line[:0]
			return line, nil
		}
		r.line = append(r.line, c)
	}
	return "", fmt.Errorf("y4m header line is longer than %d bytes", maxY4MLine)
}

// frameLine reads the line before a picture.
func (r *y4mReader) frameLine() error {
	if r.started {
		return nil
	}
	line, err := r.readLine()
	if err != nil {
		return err
	}
	if line != "FRAME" && !strings.HasPrefix(line, "FRAME ") {
		return errors.New("y4m stream has no FRAME where one should be")
	}
	r.started, r.filled = true, 0
	return nil
}

// next reads a picture, valid until the next call. At the end it is io.EOF, or
// io.ErrUnexpectedEOF within a picture.
func (r *y4mReader) next() (*image.YCbCr, error) {
	if err := r.frameLine(); err != nil {
		return nil, err
	}
	n, err := io.ReadFull(r.source, r.raw[r.filled:])
	r.filled += n
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err
	}
	r.started = false
	if r.header.mono {
		grey(r.picture, r.raw, r.header.width)
	} else {
		to420(r.picture, r.header.view(r.raw))
	}
	if r.limited != nil {
		r.limited.apply(r.picture)
	}
	return r.picture, nil
}

// restart forgets what was read on the way; the source is at a FRAME line again.
func (r *y4mReader) restart() { r.line, r.started = r.line[:0], false }

// skip passes over a picture.
func (r *y4mReader) skip() error {
	if err := r.frameLine(); err != nil {
		return err
	}
	n, err := r.source.Discard(len(r.raw) - r.filled)
	r.filled += n
	r.started = err != nil
	return err
}
