package device

import (
	"bytes"
	"errors"
	"slices"
	"testing"
)

// encoded is n access units of a real stream, the first and every fifth a key frame.
func encoded(t testing.TB, n, width, height int) [][]byte {
	t.Helper()
	e := testEncoder(t, encoderSettings{width: width, height: height, rate: 25})
	pictures := newScene(width, height)
	var units [][]byte
	for i := 0; len(units) < n; i++ {
		unit, _, err := e.encodeOne(pictures.next(i), len(units)%5 == 0)
		if err != nil {
			t.Fatal(err)
		}
		if unit != nil {
			units = append(units, bytes.Clone(unit))
		}
	}
	return units
}

// split feeds a stream in pieces and returns the units.
func split(t testing.TB, stream []byte, piece int) [][]byte {
	t.Helper()
	var s unitSplitter
	var units [][]byte
	for part := range slices.Chunk(stream, piece) {
		if err := s.write(part); err != nil {
			t.Fatal(err)
		}
		for unit := s.next(); unit != nil; unit = s.next() {
			units = append(units, bytes.Clone(unit))
		}
	}
	if unit := s.flush(); unit != nil {
		units = append(units, bytes.Clone(unit))
	}
	return units
}

func TestSplitterFindsTheUnits(t *testing.T) {
	want := encoded(t, 12, 160, 120)
	for _, piece := range []int{1, 2, 3, 5, 100, 4096, 1 << 20} {
		got := split(t, bytes.Join(want, nil), piece)
		if len(got) != len(want) {
			t.Fatalf("in pieces of %d: %d units, not %d", piece, len(got), len(want))
		}
		for i := range want {
			if !bytes.Equal(got[i], want[i]) {
				t.Errorf("in pieces of %d: unit %d differs", piece, i)
			}
		}
	}
}

const (
	sc3 = "\x00\x00\x01"
	sc4 = "\x00\x00\x00\x01"
)

func TestSplitterBoundaries(t *testing.T) {
	first, second := sc3+"\x41\x9a1", sc3+"\x41\x4a2" // a picture's first slice, and another of it
	for name, units := range map[string][]string{
		"slices alone":    {first, first, first},
		"several slices":  {first + second + second, first + second, first},
		"delimiters":      {sc4 + "\x09\xf0" + first, sc4 + "\x09\xf0" + first + second},
		"sets and SEI":    {sc4 + "\x67s" + sc4 + "\x68p" + sc3 + "\x06e" + sc3 + "\x65\x88i", sc4 + "\x06e" + first, first},
		"filler at end":   {first + sc3 + "\x0c\xff\x80", first},
		"end of sequence": {first + sc3 + "\x0a", sc4 + "\x67s" + first},
	} {
		for _, piece := range []int{1, 4, 1000} {
			got := split(t, []byte(joined(units)), piece)
			if len(got) != len(units) {
				t.Errorf("%s in pieces of %d: %q", name, piece, got)
				continue
			}
			for i := range units {
				if string(got[i]) != units[i] {
					t.Errorf("%s in pieces of %d: unit %d is %q, not %q", name, piece, i, got[i], units[i])
				}
			}
		}
	}
}

func joined(units []string) string {
	var b bytes.Buffer
	for _, u := range units {
		b.WriteString(u)
	}
	return b.String()
}

func TestSplitterFlushes(t *testing.T) {
	var s unitSplitter
	feed := func(data string) {
		if err := s.write([]byte(data)); err != nil {
			t.Fatal(err)
		}
		for s.next() != nil {
			continue
		}
	}
	feed("rubbish" + sc4 + "\x67s" + sc4 + "\x68p")
	if !s.wasTorn() || s.flushable() || s.flush() != nil {
		t.Error("parameter sets alone are no unit; rubbish before them is")
	}
	feed(sc4 + "\x65\x88i")
	if !s.flushable() {
		t.Error("a slice was not enough")
	}
	feed("\x00")
	if s.flushable() {
		t.Error("a unit that ends in a zero was taken as whole")
	}
	feed("\x01x")
	if got := s.flush(); string(got) != sc4+"\x67s"+sc4+"\x68p"+sc4+"\x65\x88i\x00\x01x" {
		t.Errorf("flushed %q", got)
	}
	feed(sc4 + "\x41\x9ax")
	if s.wasTorn() {
		t.Error("torn, though a whole unit was flushed")
	}
	s.flush()
	feed("more" + sc4 + "\x41\x9ax" + sc3)
	if !s.wasTorn() || s.wasTorn() || s.flushable() {
		t.Error("what comes after a flushed unit and belongs to it was not noticed once")
	}
	s = unitSplitter{}
	feed(sc4 + "\x41\x4ax")
	if !s.wasTorn() {
		t.Error("a later slice at the beginning was not noticed")
	}
}

func TestSplitterIsBounded(t *testing.T) {
	var s unitSplitter
	err := s.write([]byte(sc4 + "\x65\x88"))
	for i := 0; err == nil && i < 10; i++ {
		for s.next() != nil {
			continue
		}
		err = s.write(bytes.Repeat([]byte{0x55}, 1<<20))
	}
	if err == nil {
		t.Error("a unit of more than 10 MiB was taken")
	}
	s = unitSplitter{}
	for range 20 { // without a start code nothing is kept
		if err := s.write(bytes.Repeat([]byte{0x55}, 1<<20)); err != nil || s.next() != nil {
			t.Fatal("garbage", err)
		}
	}
	if len(s.buffer) > 4 {
		t.Errorf("%d bytes of garbage kept", len(s.buffer))
	}
}

func TestNormalizer(t *testing.T) {
	var n unitNormalizer
	sets := sc4 + "\x67one" + sc4 + "\x68two"
	for i, c := range []struct {
		in, out string
		key     bool
		err     error
	}{
		{sc3 + "\x41\x9a", "", false, errNoKeyFrame},
		{sc3 + "\x65\x88", "", true, errNoKeyFrame}, // without SPS and PPS
		{sc3 + "\x09\xf0" + sc3 + "\x67one" + sc3 + "\x68two\x00\x00" + sc3 + "\x06e" + sc3 + "\x65\x88", sets + sc4 + "\x06e" + sc4 + "\x65\x88", true, nil},
		{sc3 + "\x09\xf0" + sc3 + "\x41\x9a" + sc3 + "\x41\x4a" + sc3 + "\x0c\xff", sc4 + "\x41\x9a" + sc4 + "\x41\x4a", false, nil},
		{sc3 + "\x65\x88", sets + sc4 + "\x65\x88", true, nil},
		{sc3 + "\x68new" + sc3 + "\x65\x88", sc4 + "\x67one" + sc4 + "\x68new" + sc4 + "\x65\x88", true, nil},
		{sc3 + "\x67alt" + sc3 + "\x65\x88", sc4 + "\x67alt" + sc4 + "\x68new" + sc4 + "\x65\x88", true, nil},
	} {
		out, key, err := n.normalize([]byte(c.in))
		if string(out) != c.out || !errors.Is(err, c.err) || c.err == nil && key != c.key {
			t.Errorf("%d: %q, key %v, %v", i, out, key, err)
		}
	}
	if _, _, err := n.normalize([]byte(sc3 + "\x09\xf0")); err == nil {
		t.Error("a unit without a slice was taken")
	}
}

// x264SPS is of x264: High profile, 1920x1080 at 25, with a VUI.
var x264SPS = []byte{0x67, 0x64, 0x00, 0x28, 0xac, 0xd9, 0x40, 0x78, 0x02, 0x27, 0xe5, 0x84, 0x00, 0x00, 0x03, 0x00, 0x04, 0x00, 0x00, 0x03, 0x00, 0xc8, 0x3c, 0x60, 0xc6, 0x58}

func TestParseSPS(t *testing.T) {
	for _, c := range []struct {
		name string
		nal  []byte
		want spsInfo
	}{
		{"x264 high 1920x1080 at 25", x264SPS,
			spsInfo{profile: 100, level: 40, width: 1920, height: 1080, rate: 25, chroma: 1}},
	} {
		if got, err := parseSPS(c.nal); err != nil || got != c.want {
			t.Errorf("%s: %+v, %v, want %+v", c.name, got, err, c.want)
		}
	}
	for _, nal := range [][]byte{nil, {0x67}, {0x68, 1, 2, 3}, {0x67, 66, 0, 30}, {0x67, 66, 0, 30, 0, 0, 0, 0, 0, 0}, bytes.Repeat([]byte{0x67}, 40)} {
		if got, err := parseSPS(nal); err == nil && (got.width > 16384 || got.height > 32768) {
			t.Errorf("%x: %+v", nal, got)
		}
	}
	if _, err := parseSPS([]byte{0x67, 66, 0, 30}); err == nil {
		t.Error("a cut-off SPS was taken")
	}
}

func FuzzAnnexB(f *testing.F) {
	units := encoded(f, 3, 32, 32)
	f.Add(bytes.Join(units, nil), uint8(7))
	f.Add([]byte(sc4+"\x67s"+sc4+"\x68p"+sc3+"\x65\x88i\x00\x00"+sc3+"\x41\x9a"), uint8(1))
	f.Add([]byte("\x00\x00\x00\x00\x00\x01"), uint8(0))
	f.Fuzz(func(t *testing.T, stream []byte, piece uint8) {
		whole, parts := split(t, stream, 1<<20), split(t, stream, int(piece)+1)
		if len(whole) != len(parts) {
			t.Fatalf("%d units at once, %d in pieces of %d", len(whole), len(parts), int(piece)+1)
		}
		var n unitNormalizer
		for i, unit := range whole {
			if !bytes.Equal(unit, parts[i]) {
				t.Fatalf("unit %d differs", i)
			}
			out, key, err := n.normalize(unit)
			if err != nil {
				continue
			}
			if again, key2, err := new(unitNormalizer).normalize(out); key && (err != nil || !key2 || !bytes.Equal(again, out)) {
				t.Fatalf("a key frame doesn't stand by itself: %q, %v", out, err)
			}
		}
		eachNAL(stream, func(nal []byte) { _, _ = parseSPS(nal) })
	})
}
