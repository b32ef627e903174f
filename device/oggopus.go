package device

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// oggMagic begins each page of an Ogg file.
const oggMagic = "OggS"

// oggPackets takes the packets of the first stream out of an Ogg file (RFC 3533,
// section 6), and the position at which the last page says that it ends.
func oggPackets(data []byte) (packets [][]byte, end int64, err error) {
	const header = 27
	var open []byte // of a packet that goes on
	var serial uint32
	for n := 0; len(data) > 0; n++ {
		if len(data) < header || string(data[:4]) != oggMagic || len(data) < header+int(data[26]) {
			return nil, 0, errors.New("its Ogg pages are damaged")
		}
		lacing := data[header : header+int(data[26])]
		size := 0
		for _, v := range lacing {
			size += int(v)
		}
		body := data[header+len(lacing):]
		if len(body) < size {
			return nil, 0, errors.New("its last Ogg page is cut off")
		}
		stream, position := binary.LittleEndian.Uint32(data[14:]), int64(binary.LittleEndian.Uint64(data[6:]))
		data = body[size:]
		if n == 0 {
			serial = stream
		}
		if stream != serial {
			continue
		}
		if position >= 0 { // -1: no packet ends on this page
			end = position
		}
		for _, v := range lacing {
			open = append(open, body[:v]...)
			body = body[v:]
			if v < 255 {
				packets, open = append(packets, open), nil
			}
		}
	}
	return packets, end, nil
}

// decodeOggOpus reads Opus in Ogg (RFC 7845): header, comments, then sound.
func decodeOggOpus(data []byte) ([]float32, error) {
	packets, end, err := oggPackets(data)
	if err != nil {
		return nil, err
	}
	if len(packets) < 2 || len(packets[0]) < 19 || string(packets[0][:8]) != "OpusHead" {
		return nil, errors.New("it is an Ogg file, but no Opus")
	}
	head := packets[0]
	if channels, family := head[9], head[18]; channels < 1 || channels > 2 || family != 0 {
		return nil, fmt.Errorf("it has %d channels: one or two are played", channels)
	}
	skip := int(binary.LittleEndian.Uint16(head[10:]))
	gain := float32(math.Pow(10, float64(int16(binary.LittleEndian.Uint16(head[16:])))/256/20))
	decoder, err := newOpusDecoder()
	if err != nil {
		return nil, err
	}
	var samples []float32
	for _, packet := range packets[2:] {
		if len(samples) > skip+samplesIn(longestClip)+opusMaxSamples {
			break // longer than is played: the caller says so
		}
		pcm, err := decoder.decode(packet)
		if err != nil {
			return nil, err
		}
		for _, s := range pcm {
			samples = append(samples, s*gain)
		}
	}
	if end > 0 && end < int64(len(samples)) {
		samples = samples[:end]
	}
	return samples[min(skip, len(samples)):], nil
}
