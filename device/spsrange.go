package device

import "bytes"

// withFullRange returns an SPS that says, in its VUI, that the pictures have the range
// and the colours of JPEG (JFIF 1.02: all of 0 to 255, BT.601 from sRGB); ITU-T H.264
// sections E.1.1 and E.2.1. All else stays as it was.
func withFullRange(nal []byte) ([]byte, error) {
	_, r, err := readSPS(nal)
	if err != nil {
		return nil, err
	}
	w := &bitWriter{}
	w.copy(r.data, 0, r.at)
	vui := r.bits(1) == 1
	w.bits(1, 1)
	if vui {
		from := r.at
		r.beforeSignal()
		w.copy(r.data, from, r.at)
		r.signal()
	} else {
		w.bits(0, 2) // aspect_ratio_info, overscan_info
	}
	w.bits(1, 1)  // video_signal_type
	w.bits(5, 3)  // video_format: unspecified
	w.bits(1, 1)  // video_full_range_flag
	w.bits(1, 1)  // colour_description
	w.bits(1, 8)  // colour_primaries: BT.709, those of sRGB
	w.bits(13, 8) // transfer_characteristics: IEC 61966-2-1, sRGB
	w.bits(6, 8)  // matrix_coefficients: BT.601
	if vui {
		w.copy(r.data, r.at, stopBit(r.data))
	} else {
		w.bits(0, 6) // chroma_loc_info, timing_info, both HRD, pic_struct, bitstream_restriction
	}
	if r.over {
		return nil, errBadSPS
	}
	w.bits(1, 1) // rbsp_stop_one_bit, and zeros up to the byte's end
	return escaped(w.data), nil
}

// stopBit is where the rbsp_stop_one_bit is: the last that is set.
func stopBit(data []byte) int {
	data = bytes.TrimRight(data, "\x00")
	at := 8*len(data) - 1
	for at > 0 && data[at>>3]>>(7-at&7)&1 == 0 {
		at--
	}
	return at
}

// escaped puts emulation_prevention_three_byte where it has to be, H.264 section 7.4.1.1.
func escaped(rbsp []byte) []byte {
	var out []byte
	for _, b := range rbsp {
		if b <= 3 && bytes.HasSuffix(out, []byte{0, 0}) {
			out = append(out, 3)
		}
		out = append(out, b)
	}
	return out
}

// bitWriter writes bits, the highest first.
type bitWriter struct {
	data []byte
	n    int // bits
}

func (w *bitWriter) bits(value uint32, n int) {
	for i := n - 1; i >= 0; i-- {
		if w.n%8 == 0 {
			w.data = append(w.data, 0)
		}
		w.data[w.n/8] |= byte(value>>i&1) << (7 - w.n%8)
		w.n++
	}
}

// copy writes bits of data.
func (w *bitWriter) copy(data []byte, from, to int) {
	r := &bitReader{data: data, at: from}
	for r.at < to {
		w.bits(r.bits(1), 1)
	}
}
