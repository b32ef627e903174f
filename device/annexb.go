package device

import (
	"bytes"
	"errors"
	"fmt"
)

// maxUnitSize bounds an access unit from outside, bytes. The largest that
// H.264 level 5.2 allows for one picture is below it.
const maxUnitSize = 8 << 20

// H.264 NAL unit types, ITU-T H.264 table 7-1.
const (
	nalSlice       = 1
	nalPartitionA  = 2
	nalIDR         = 5
	nalSEI         = 6
	nalSPS         = 7
	nalPPS         = 8
	nalAUD         = 9
	nalEndSequence = 10
	nalEndStream   = 11
	nalFiller      = 12
	nalPrefix      = 14
	nalReserved18  = 18
)

var (
	startCode3 = []byte{0, 0, 1}
	startCode4 = []byte{0, 0, 0, 1}
)

// unitSplitter cuts an Annex B byte stream into access units. Bytes go in by
// write, as they come; whole units come out of next.
//
// A unit ends where a NAL unit follows that begins one: an access unit delimiter,
// SPS, PPS, SEI, or a slice whose first macroblock is the picture's first
// (H.264 section 7.4.1.2.3, without arbitrary slice order, which the profiles
// that phones play don't have).
type unitSplitter struct {
	buffer   []byte // begins with the unit being collected
	used     int    // bytes of buffer that next returned the last time
	scan     int    // no start code begins before this place, except known ones
	begun    bool   // buffer begins with a start code
	hasSlice bool   // the unit being collected has a slice
	torn     bool   // something came that belongs to a unit that was flushed
}

// write takes bytes in. What next returned before is not valid afterwards.
func (s *unitSplitter) write(data []byte) error {
	s.shift()
	if len(s.buffer)+len(data) > maxUnitSize {
		*s = unitSplitter{}
		return fmt.Errorf("h.264 access unit of more than %d MiB", maxUnitSize>>20)
	}
	s.buffer = append(s.buffer, data...)
	return nil
}

func (s *unitSplitter) shift() {
	if s.used == 0 {
		return
	}
	s.buffer = s.buffer[:copy(s.buffer, s.buffer[s.used:])]
	s.scan = max(s.scan-s.used, 0)
	s.used = 0
}

// next returns the next whole access unit, valid until the next call of any
// method, or nil when there is none yet.
func (s *unitSplitter) next() []byte {
	s.shift()
	for {
		i := bytes.Index(s.buffer[s.scan:], startCode3)
		if i < 0 {
			s.scan = max(s.scan, len(s.buffer)-2)
			s.forgetGarbage(max(len(s.buffer)-3, 0)) // a start code may have begun
			return nil
		}
		i += s.scan
		if !s.begun {
			before := i
			if i > 0 && s.buffer[i-1] == 0 { // a start code of four bytes
				before--
			}
			i -= s.forgetGarbage(before)
			s.begun = true
		}
		if i+4 >= len(s.buffer) { // the byte after the header tells of slices which they are
			s.scan = i
			return nil
		}
		kind, first := s.buffer[i+3]&0x1f, s.buffer[i+4]&0x80 != 0
		slice := kind == nalSlice || kind == nalPartitionA || kind == nalIDR
		if s.hasSlice && (beginsUnit(kind) || slice && first) {
			return s.cut(i)
		}
		if slice {
			s.torn = s.torn || !first && !s.hasSlice
			s.hasSlice = true
		}
		s.scan = i + 3
	}
}

// beginsUnit is for NAL units other than slices.
func beginsUnit(kind byte) bool {
	return kind >= nalSEI && kind <= nalAUD || kind >= nalPrefix && kind <= nalReserved18
}

// cut ends the unit before the start code at i, whose leading zero is the next one's.
func (s *unitSplitter) cut(i int) []byte {
	s.scan = i
	if s.buffer[i-1] == 0 {
		i--
	}
	s.used, s.hasSlice = i, false
	return s.buffer[:i]
}

// forgetGarbage drops what comes before the first start code, up to n bytes, and
// returns how many it dropped.
func (s *unitSplitter) forgetGarbage(n int) int {
	if s.begun || n == 0 {
		return 0
	}
	if len(bytes.Trim(s.buffer[:n], "\x00")) > 0 {
		s.torn = true
	}
	s.used = n
	s.shift()
	return n
}

// flushable tells whether what was collected may be a whole unit: it has a slice
// and ends neither in a zero, as no NAL unit does, nor right after a start code.
func (s *unitSplitter) flushable() bool {
	s.shift()
	return s.hasSlice && s.buffer[len(s.buffer)-1] != 0 && !bytes.HasPrefix(s.buffer[s.scan:], startCode3)
}

// flush returns what was collected as a unit, or nil if it has no slice. It is
// valid until the next call of any method.
func (s *unitSplitter) flush() []byte {
	s.shift()
	if !s.hasSlice {
		return nil
	}
	s.used, s.scan, s.hasSlice, s.begun = len(s.buffer), len(s.buffer), false, false
	return s.buffer
}

// wasTorn tells, once, whether a unit was flushed before it was whole.
func (s *unitSplitter) wasTorn() bool {
	torn := s.torn
	s.torn = false
	return torn
}

// eachNAL calls visit for each NAL unit of an access unit, without start codes
// and trailing zeros.
func eachNAL(unit []byte, visit func(nal []byte)) {
	i := bytes.Index(unit, startCode3)
	for i >= 0 {
		unit = unit[i+3:]
		i = bytes.Index(unit, startCode3)
		nal := unit
		if i >= 0 {
			nal = unit[:i]
		}
		if nal = bytes.TrimRight(nal, "\x00"); len(nal) > 0 {
			visit(nal)
		}
	}
}

var errNoSlice = errors.New("h.264 access unit has no slice")

var errNoKeyFrame = errors.New("h.264 stream has not had a key frame with its SPS and PPS yet")

// unitNormalizer puts access units into one form: 4-byte start codes, no
// delimiters or filler, SPS and PPS before each IDR picture.
type unitNormalizer struct {
	fullRange bool // the pictures have the range of JPEG, which the encoder does not say; set before the first unit

	sets    []byte // the newest SPS and PPS, with start codes
	hasSPS  bool   // sets has an SPS
	started bool   // an IDR picture has come
	out     []byte
	info    spsInfo // of the newest SPS
}

// normalize returns the unit in that form, valid until the next call, and
// whether it is a key frame. Until the first key frame it fails with errNoKeyFrame.
func (n *unitNormalizer) normalize(unit []byte) (out []byte, key bool, err error) {
	var sps, pps, slices int
	eachNAL(unit, func(nal []byte) {
		switch nal[0] & 0x1f {
		case nalSPS:
			sps++
		case nalPPS:
			pps++
		case nalIDR:
			key = true
			slices++
		case nalSlice, nalPartitionA:
			slices++
		}
	})
	n.keepSets(unit, sps > 0, pps > 0)
	if slices == 0 {
		return nil, false, errNoSlice
	}
	if key && !n.hasSPS || !key && !n.started {
		return nil, false, errNoKeyFrame
	}
	n.started = true
	n.out = n.out[:0]
	if key {
		n.out = append(n.out, n.sets...)
	}
	eachNAL(unit, func(nal []byte) {
		switch nal[0] & 0x1f {
		case nalAUD, nalEndSequence, nalEndStream, nalFiller:
		case nalSPS:
			if !key {
				n.out = appendNAL(n.out, n.ranged(nal))
			}
		case nalPPS:
			if !key {
				n.out = appendNAL(n.out, nal)
			}
		default:
			n.out = appendNAL(n.out, nal)
		}
	})
	return n.out, key, nil
}

// ranged is an SPS that says which range the pictures have. One that can't be read stays
// as it is.
func (n *unitNormalizer) ranged(sps []byte) []byte {
	if !n.fullRange {
		return sps
	}
	if said, err := withFullRange(sps); err == nil {
		return said
	}
	return sps
}

func appendNAL(out, nal []byte) []byte { return append(append(out, startCode4...), nal...) }

// keepSets remembers the parameter sets of a unit: with an SPS all of them, with
// PPS alone those after the SPS that is known.
func (n *unitNormalizer) keepSets(unit []byte, sps, pps bool) {
	if !sps && !pps {
		return
	}
	kept := n.sets
	n.sets = nil
	if !sps {
		eachNAL(kept, func(nal []byte) {
			if nal[0]&0x1f == nalSPS {
				n.sets = appendNAL(n.sets, nal)
			}
		})
	}
	eachNAL(unit, func(nal []byte) {
		switch nal[0] & 0x1f {
		case nalSPS:
			n.hasSPS = true
			if info, err := parseSPS(nal); err == nil {
				n.info = info
			}
			n.sets = appendNAL(n.sets, n.ranged(nal))
		case nalPPS:
			n.sets = appendNAL(n.sets, nal)
		}
	})
	if !pps { // an SPS alone: the PPS that are known follow it
		eachNAL(kept, func(nal []byte) {
			if nal[0]&0x1f == nalPPS {
				n.sets = appendNAL(n.sets, nal)
			}
		})
	}
}
