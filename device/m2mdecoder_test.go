package device

import (
	"bytes"
	"flag"
	"image"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"doorbell/device/h264test"
	"doorbell/device/jpegtest"
)

// asJPEG is a picture in the range of video as a camera's JPEG.
func asJPEG(p *image.YCbCr) []byte {
	full := newPicture(p.Rect.Dx(), p.Rect.Dy())
	to420(full, p)
	fullRange(full)
	data, err := jpegtest.Encode(full, 95)
	if err != nil {
		panic(err)
	}
	return data
}

// fullRange brings a picture from the range of video to that of JPEG.
func fullRange(p *image.YCbCr) {
	for i, v := range p.Y {
		p.Y[i] = byte(min(max((int(v)-16)*255/219, 0), 255))
	}
	for _, plane := range [][]byte{p.Cb, p.Cr} {
		for i, v := range plane {
			plane[i] = byte(min(max((int(v)-128)*255/224+128, 0), 255))
		}
	}
}

// newJPEGMachine is a machine with a camera that gives JPEG, a decoder for it, and an encoder.
func newJPEGMachine(t *testing.T, width, height uint32) *fakeMachine {
	m := newFakeMachine(t, newFakeNode(fakeFormat{format: pixMJPG, sizes: []v4l2FrmSizeEnum{discrete(width, height)}}))
	m.jpeg = newFakeJPEG(t, m.publish)
	return m
}

// publish makes a decoder's buffer a file, which the fake driver closes.
func (m *fakeMachine) publish(memory []byte) int {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		m.t.Fatal(err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.files[fd] = memory
	return fd
}

// The camera's JPEG goes through the hardware's decoder and encoder without a look at it, wherever the decoder shows
// that it can, and otherwise, whenever that turns out, through libjpeg-turbo.
func TestHardwareDecodesJPEG(t *testing.T) {
	const width, height = 320, 112
	const decoded = "which reads the pictures as the hardware, /dev/video10 (fake-jpeg), decodes them from JPEG"
	const copied = "which gets copies of the pictures: "
	for name, test := range map[string]struct {
		change func(m *fakeMachine)
		says   string
	}{
		"one plane":               {func(*fakeMachine) {}, decoded},
		"several planes":          {func(m *fakeMachine) { m.jpeg.planes, m.codec.planes = true, true }, decoded},
		"NV12":                    {func(m *fakeMachine) { m.jpeg.raw = []fourCC{pixNV12} }, decoded},
		"called JPEG":             {func(m *fakeMachine) { m.jpeg.name = pixJPEG }, decoded},
		"the range of video":      {func(m *fakeMachine) { m.jpeg.limited = true }, decoded},
		"one kept":                {func(m *fakeMachine) { m.jpeg.hold = 1 }, decoded},
		"one kept by each":        {func(m *fakeMachine) { m.jpeg.hold, m.codec.hold = 1, 1 }, decoded},
		"its size comes late":     {func(m *fakeMachine) { m.jpeg.late = true }, decoded},
		"no least number":         {func(m *fakeMachine) { m.jpeg.least = 0 }, decoded},
		"other rows than it said": {func(m *fakeMachine) { m.jpeg.surprise = true }, copied + "it wants YU12 in 112 rows of 321 bytes, the decoder gives YU12 in 112 of 385"},
		"rows of another length":  {func(m *fakeMachine) { m.jpeg.padding = 33 }, copied + "it wants YU12 in 112 rows of 321 bytes, the decoder gives YU12 in 112 of 353"},
		"no decoder":              {func(m *fakeMachine) { m.jpeg = nil }, copied + "no device here decodes the camera's JPEG"},
		"no raw picture":          {func(m *fakeMachine) { m.jpeg.raw = []fourCC{pixYUYV} }, copied + "no device here decodes"},
		"not the encoder's":       {func(m *fakeMachine) { m.jpeg.raw, m.codec.raw = []fourCC{pixNV21}, []fourCC{pixYU12} }, copied + "decoder /dev/video10 (fake-jpeg): it gives none of [YU12], but [NV21]"},
		"another picture":         {func(m *fakeMachine) { m.jpeg.wrong = true }, "it makes another picture"},
		"a smaller picture":       {func(m *fakeMachine) { m.jpeg.small = true }, "it does not tell of what size its pictures are"},
		"elsewhere in the buffer": {func(m *fakeMachine) { m.jpeg.left = 16 }, "begin at 16,0"},
		"nothing comes":           {func(m *fakeMachine) { m.jpeg.deaf = true }, "no picture has come out of it in 500ms"},
		"its own buffers":         {func(m *fakeMachine) { m.jpeg.private = true }, "it does not share its buffers"},
		"encoder has its own":     {func(m *fakeMachine) { m.codec.adopts = nil }, copied + "it takes no buffers but its own"},
		"the first is too much":   {func(m *fakeMachine) { m.jpeg.failFrom = 1 }, "it can't decode the camera's pictures"},
		"a later one is too much": {func(m *fakeMachine) { m.jpeg.failFrom = 7 }, "it can't decode 3 pictures in a row"},
		"it ends":                 {func(m *fakeMachine) { m.jpeg.endsAfter = 7 }, "another format now"},
		"the encoder refuses":     {func(m *fakeMachine) { m.codec.refuses = 7 }, copied + "giving it a buffer: bad address"},
		"the encoder keeps many":  {func(m *fakeMachine) { m.codec.hold = 2 }, "it keeps more than the 2 that the decoder can spare"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newJPEGMachine(t, width, height)
			test.change(m)
			least := filmed * 3 / 4
			if strings.Contains(test.says, "keeps more") {
				least = filmed / 4
			}
			out := m.run(t, width, height, least)
			out.path = strings.ReplaceAll(out.path, m.dir, "/dev")
			if !strings.Contains(out.path, test.says) {
				t.Errorf("the path is %q, which doesn't say %q", out.path, test.says)
			}
			if test.says == decoded && m.codec.adopted < len(out.seen) {
				t.Errorf("%d of %d pictures were read in the decoder's buffers", m.codec.adopted, len(out.seen))
			}
			if want := test.says == decoded && !m.jpeg.limited; want != (out.full && m.codec.adopted >= len(out.seen)) {
				t.Errorf("the stream says that the range is that of JPEG: %v", out.full)
			}
		})
	}
}

// Pictures that come damaged are left out, whoever decodes, and nothing else is.
func TestDamagedJPEGIsLeftOut(t *testing.T) {
	const width, height = 320, 112
	for name, hardware := range map[string]bool{"hardware": true, "software": false} {
		t.Run(name, func(t *testing.T) {
			m := newJPEGMachine(t, width, height)
			if !hardware {
				m.jpeg = nil
			}
			m.camera.damages = func(n uint32, data []byte) []byte {
				switch n % 8 {
				case 3:
					return data[:40]
				case 5:
					return slices.Concat(data[:len(data)/2], bytes.Repeat([]byte{0xff, 0xc4}, 40))
				}
				return data
			}
			out := m.run(t, width, height, filmed/2)
			for n := range out.seen {
				if n%8 == 3 {
					t.Errorf("picture %d was damaged, and came out", n)
				}
			}
			if hardware != strings.Contains(out.path, "decodes them from JPEG") {
				t.Errorf("the path is %q", out.path)
			}
		})
	}
}

// The stream says what range its pictures have, and nothing else about it changes.
func TestSPSSaysFullRange(t *testing.T) {
	e := testEncoder(t, encoderSettings{width: 322, height: 178, rate: 30})
	unit, _, err := e.encodeOne(newScene(322, 178).next(0), true)
	if err != nil {
		t.Fatal(err)
	}
	all := [][]byte{}
	eachNAL(unit, func(nal []byte) {
		if nal[0]&0x1f == nalSPS {
			all = append(all, bytes.Clone(nal))
		}
	})
	all = append(all, x264SPS)
	for _, sps := range all {
		before, err := parseSPS(sps)
		if err != nil {
			t.Fatal(err)
		}
		said, err := withFullRange(sps)
		if err != nil {
			t.Fatal(err)
		}
		after, err := parseSPS(said)
		if err != nil {
			t.Fatalf("% x: %v", said, err)
		}
		if before.full = true; after != before {
			t.Errorf("% x: %+v, was %+v", said, after, before)
		}
		if again, err := withFullRange(said); err != nil || !bytes.Equal(again, said) {
			t.Errorf("said again: % x, %v, was % x", again, err, said)
		}
		if bytes.Contains(said, []byte{0, 0, 1}) || bytes.Contains(said, []byte{0, 0, 0}) {
			t.Errorf("% x has a start code in it", said)
		}
		for n := range sps {
			_, _ = withFullRange(sps[:n]) // which must not panic
		}
	}
}

var writeBars = flag.Bool("write-bars", false, "write the stream that TestBrowserShowsFullRange plays")

// barsFile is played to a browser, which shows whether it heeds the SPS.
const barsFile = "../cmd/doorbell/testdata/fullrange.h264"

// barsOf are the luma and chroma of the bars in it, left to right: black, dark grey, middle grey, white, red.
var barsOf = [][3]byte{{0, 128, 128}, {60, 128, 128}, {128, 128, 128}, {255, 128, 128}, {76, 85, 255}}

// The file is what the encoder makes of the bars, with an SPS that says which range they have.
func TestFullRangeBars(t *testing.T) {
	const width, height = 320, 176
	p := newPicture(width, height)
	for y := range height {
		for x := range width {
			bar := barsOf[x*len(barsOf)/width]
			p.Y[p.YOffset(x, y)], p.Cb[p.COffset(x, y)], p.Cr[p.COffset(x, y)] = bar[0], bar[1], bar[2]
		}
	}
	e := testEncoder(t, encoderSettings{width: width, height: height, rate: 30, bitRate: 2e6})
	normalizer := unitNormalizer{fullRange: true}
	var stream []byte
	for i := range 10 {
		for y := range 8 { // something moves
			copy(p.Y[y*p.YStride:], bytes.Repeat([]byte{byte(50 + 20*i)}, width))
		}
		unit, _, err := e.encodeOne(p, false)
		if err == nil && unit != nil {
			unit, _, err = normalizer.normalize(unit)
			stream = append(stream, unit...)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if *writeBars {
		if err := os.WriteFile(barsFile, stream, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile(barsFile)
	if err != nil {
		t.Fatal(err)
	}
	for name, stream := range map[string][]byte{"made now": stream, "kept": kept} {
		decoder, err := h264test.New()
		if err != nil {
			t.Fatal(err)
		}
		defer decoder.Close()
		splitter, n := unitSplitter{}, 0
		if err := splitter.write(append(stream, startCode4...)); err != nil {
			t.Fatal(err)
		}
		for unit := splitter.next(); unit != nil; unit = splitter.next() {
			if n++; n == 1 && !saysFullRange(t, unit) {
				t.Errorf("%s: its SPS doesn't say the range of JPEG", name)
			}
			got, err := decoder.Decode(unit)
			if err != nil || got == nil {
				t.Fatal(got, err)
			}
			for i, bar := range barsOf {
				x := (2*i + 1) * width / (2 * len(barsOf))
				if v := got.Y[got.YOffset(x, height/2)]; max(v, bar[0])-min(v, bar[0]) > 3 {
					t.Errorf("%s: bar %d is %d, want %d", name, i, v, bar[0])
				}
			}
		}
		if n < 5 {
			t.Errorf("%s: %d pictures", name, n)
		}
	}
}
