package device

import (
	"bytes"
	"errors"
	"fmt"
)

// spsInfo is what a sequence parameter set says of its stream.
type spsInfo struct {
	profile       byte // profile_idc: 66 is Baseline
	constraints   byte // constraint_set0_flag in the highest bit
	level         byte // level_idc, ten times the level
	width, height int  // pixels, cropped
	rate          float64
	chroma        uint32 // chroma_format_idc; 1 is 4:2:0
	deep          bool   // more than 8 bits a sample
	interlaced    bool   // may have fields instead of pictures
	full          bool   // samples are of 0 to 255, not of 16 to 235
}

var errBadSPS = errors.New("h.264 sequence parameter set is damaged")

// parseSPS reads an SPS NAL unit, ITU-T H.264 sections 7.3.2.1.1 and E.1.1. The
// rate is 0 where the set has no timing.
func parseSPS(nal []byte) (spsInfo, error) {
	s, r, err := readSPS(nal)
	if err != nil {
		return s, err
	}
	if r.bits(1) == 1 {
		r.beforeSignal()
		s.full = r.signal()
		s.rate = r.timing()
	}
	if r.over {
		return s, errBadSPS
	}
	return s, nil
}

// readSPS reads an SPS up to its vui_parameters_present_flag, where r stands then.
func readSPS(nal []byte) (s spsInfo, r *bitReader, err error) {
	r = &bitReader{data: bytes.ReplaceAll(nal, []byte{0, 0, 3}, []byte{0, 0})}
	if r.bits(8)&0x1f != nalSPS {
		return s, r, errBadSPS
	}
	s.profile, s.constraints, s.level = byte(r.bits(8)), byte(r.bits(8)), byte(r.bits(8))
	r.golomb() // seq_parameter_set_id
	s.chroma = 1
	switch s.profile {
	case 100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135:
		s.chroma, s.deep = r.highProfile()
	}
	r.golomb() // log2_max_frame_num_minus4
	switch r.golomb() {
	case 0:
		r.golomb() // log2_max_pic_order_cnt_lsb_minus4
	case 1:
		r.bits(1)
		r.golomb()
		r.golomb()
		for range min(r.golomb(), 255) {
			r.golomb()
		}
	}
	r.golomb() // max_num_ref_frames
	r.bits(1)
	columns, rows := int(r.golomb())+1, int(r.golomb())+1
	frameOnly := r.bits(1)
	if frameOnly == 0 {
		s.interlaced = true
		r.bits(1)
		rows *= 2
	}
	r.bits(1) // direct_8x8_inference_flag
	if columns > 1024 || rows > 1024 {
		return s, r, errBadSPS
	}
	s.width, s.height = columns*16, rows*16
	if r.bits(1) == 1 {
		s.crop(r, s.chroma, frameOnly)
	}
	if r.over || s.width <= 0 || s.height <= 0 {
		return s, r, errBadSPS
	}
	return s, r, nil
}

// crop applies frame_cropping; its units are of chroma samples, table 6-1.
func (s *spsInfo) crop(r *bitReader, chroma, frameOnly uint32) {
	unitX, unitY := 1, 2-int(frameOnly)
	if chroma == 1 || chroma == 2 {
		unitX = 2
	}
	if chroma == 1 {
		unitY *= 2
	}
	left, right, top, bottom := r.golomb(), r.golomb(), r.golomb(), r.golomb()
	if max(left, right, top, bottom) > 16384 {
		r.over = true
		return
	}
	s.width -= unitX * int(left+right)
	s.height -= unitY * int(top+bottom)
}

// bitReader reads bits and Exp-Golomb codes. Past the end it reads zeros and
// sets over.
type bitReader struct {
	data []byte
	at   int
	over bool
}

func (r *bitReader) bits(n int) uint32 {
	var v uint32
	for range n {
		v <<= 1
		if r.at>>3 >= len(r.data) {
			r.over = true
			continue
		}
		v |= uint32(r.data[r.at>>3]>>(7-r.at&7)) & 1
		r.at++
	}
	return v
}

// golomb reads ue(v), section 9.1.
func (r *bitReader) golomb() uint32 {
	zeros := 0
	for r.bits(1) == 0 {
		if zeros++; zeros > 31 || r.over {
			r.over = true
			return 0
		}
	}
	return 1<<zeros - 1 + r.bits(zeros)
}

// highProfile reads what only the High profiles have: chroma_format_idc, and
// whether samples have more than 8 bits.
func (r *bitReader) highProfile() (chroma uint32, deep bool) {
	chroma = r.golomb()
	if chroma == 3 {
		r.bits(1)
	}
	deep = r.golomb() > 0 // bit_depth_luma_minus8
	deep = r.golomb() > 0 || deep
	r.bits(1)
	if r.bits(1) == 0 { // seq_scaling_matrix_present_flag
		return chroma, deep
	}
	lists := 8
	if chroma == 3 {
		lists = 12
	}
	for i := range lists {
		if r.bits(1) == 0 {
			continue
		}
		size := 16
		if i >= 6 {
			size = 64
		}
		r.scalingList(size)
	}
	return chroma, deep
}

// scalingList skips scaling_list(), section 7.3.2.1.1.1.
func (r *bitReader) scalingList(size int) {
	last, next := int32(8), int32(8)
	for range size {
		if next != 0 {
			code := r.golomb()
			delta := int32(code / 2)
			if code&1 == 1 {
				delta = int32((code + 1) / 2)
			} else {
				delta = -delta
			}
			next = (last + delta + 256) & 255
		}
		if next != 0 {
			last = next
		}
	}
}

// beforeSignal reads the VUI up to its video_signal_type_present_flag.
func (r *bitReader) beforeSignal() {
	if r.bits(1) == 1 && r.bits(8) == 255 { // aspect_ratio_idc: Extended_SAR
		r.bits(32)
	}
	if r.bits(1) == 1 { // overscan_info
		r.bits(1)
	}
}

// signal reads the VUI's video_signal_type: its video_full_range_flag.
func (r *bitReader) signal() (full bool) {
	if r.bits(1) == 1 {
		r.bits(3)
		full = r.bits(1) == 1
		if r.bits(1) == 1 {
			r.bits(24)
		}
	}
	return full
}

// timing reads the rest of the VUI as far as its timing: pictures per second, or 0.
func (r *bitReader) timing() float64 {
	if r.bits(1) == 1 { // chroma_loc_info
		r.golomb()
		r.golomb()
	}
	if r.bits(1) == 0 { // timing_info
		return 0
	}
	tick, scale := r.bits(32), r.bits(32)
	if tick == 0 || scale == 0 {
		return 0
	}
	return float64(scale) / float64(tick) / 2 // two fields to a picture, section E.2.1
}

// playable says why a browser could not show such a stream. All of them decode
// the Baseline, Main and High profiles of 8-bit 4:2:0 pictures, whatever was
// offered; none decodes interlaced ones in WebRTC.
func (s spsInfo) playable() error {
	switch s.profile {
	case 66, 77, 100:
	default:
		return fmt.Errorf("its H.264 has profile %d, which browsers don't show", s.profile)
	}
	if s.interlaced {
		return errors.New("its H.264 is interlaced, which browsers don't show")
	}
	if s.chroma != 1 || s.deep {
		return errors.New("its H.264 has other than 8-bit 4:2:0 pictures, which browsers don't show")
	}
	return nil
}
