package device

import (
	"fmt"
	"time"

	"github.com/hraban/opus"
)

const (
	// opusMaxPacket is the largest Opus packet taken from the network, in bytes: what fits an
	// Ethernet frame. 20 ms at 510 kbit/s, the highest rate, are 1275 (RFC 6716, section 3.2.1).
	opusMaxPacket = 1500
	// opusMaxSamples is the longest packet: 120 ms (RFC 6716, section 3.2.5).
	opusMaxSamples = SampleRate / 1000 * 120
	// opusLeast is the shortest piece of sound that is made up: 2.5 ms.
	opusLeast = SampleRate / 400
)

// opusQuiet is the length in bytes up to which a packet has nothing in it: it says that
// silence, or a noise that goes on, has begun (RFC 6716, section 2.1.9, and opus_encoder.h).
const opusQuiet = 2

// opusEncoder turns 10 or 20 ms blocks into packets. One goroutine uses it.
type opusEncoder struct {
	codec  *opus.Encoder
	packet [opusMaxPacket]byte
	loss   int // that it prepares for, percent
	gate   silenceGate
	pauses bool // silence is not sent
	quiet  bool // the block before was not worth a packet
}

// newOpusEncoder returns an encoder with in-band forward error correction: each packet of
// speech carries a coarse copy of the one before. While nobody speaks it gives a packet
// each 400 ms at least, which tells how the noise sounds (RFC 7587, section 3.1.3).
func newOpusEncoder(bitRate, complexity, expectedLoss int) (*opusEncoder, error) {
	codec, err := opus.NewEncoder(SampleRate, 1, opus.AppVoIP)
	if err != nil {
		return nil, fmt.Errorf("opus encoder: %w", err)
	}
	settings := []struct {
		name string
		err  error
	}{
		{"bit rate", codec.SetBitrate(bitRate)},
		{"complexity", codec.SetComplexity(complexity)},
		{"forward error correction", codec.SetInBandFEC(true)},
		{"expected loss", codec.SetPacketLossPerc(expectedLoss)},
		{"discontinuous transmission", codec.SetDTX(false)},
	}
	for _, s := range settings {
		if s.err != nil {
			return nil, fmt.Errorf("opus encoder: setting the %s: %w", s.name, s.err)
		}
	}
	return &opusEncoder{codec: codec, loss: expectedLoss}, nil
}

// expect prepares for another share of lost packets, in percent.
func (e *opusEncoder) expect(loss int) error {
	if loss == e.loss {
		return nil
	}
	e.loss = loss
	if err := e.codec.SetPacketLossPerc(loss); err != nil {
		return fmt.Errorf("opus encoder: setting the expected loss: %w", err)
	}
	return nil
}

// encode returns the packet of 480 or 960 samples, which is valid until the next call, or
// none where the other end knows how to go on. The first packet of a silence is given,
// though it is empty: it tells the silence from a loss.
func (e *opusEncoder) encode(pcm []int16) ([]byte, error) {
	if silent := e.gate.silent(pcm); silent != e.pauses {
		e.pauses = silent
		if err := e.codec.SetDTX(silent); err != nil {
			return nil, fmt.Errorf("opus encoder: setting discontinuous transmission: %w", err)
		}
	}
	n, err := e.codec.Encode(pcm, e.packet[:])
	if err != nil {
		return nil, fmt.Errorf("opus encoder: %w", err)
	}
	was := e.quiet
	if e.quiet = n <= opusQuiet; e.quiet && was {
		return nil, nil
	}
	return e.packet[:n], nil
}

// opusDecoder turns packets into mono sound, from mono and stereo packets alike, and
// makes up for lost ones. One goroutine uses it. What its methods return is valid until
// the next call.
type opusDecoder struct {
	codec *opus.Decoder
	pcm   [opusMaxSamples]float32
}

// newOpusDecoder returns a decoder.
func newOpusDecoder() (*opusDecoder, error) {
	codec, err := opus.NewDecoder(SampleRate, 1)
	if err != nil {
		return nil, fmt.Errorf("opus decoder: %w", err)
	}
	return &opusDecoder{codec: codec}, nil
}

// decode returns a packet's sound, full scale being 1.
func (d *opusDecoder) decode(packet []byte) ([]float32, error) {
	n, err := d.codec.DecodeFloat32(packet, d.pcm[:])
	if err != nil {
		return nil, fmt.Errorf("opus decoder: %w", err)
	}
	return d.pcm[:n], nil
}

// repair returns n samples for the lost packet before next, from the copy that next
// carries of it, or by concealment where it carries none.
func (d *opusDecoder) repair(next []byte, n int) ([]float32, error) {
	if err := d.codec.DecodeFECFloat32(next, d.pcm[:n:n]); err != nil {
		return nil, fmt.Errorf("opus decoder: recovering a packet: %w", err)
	}
	return d.pcm[:n], nil
}

// conceal returns n samples that go on from what was heard last.
func (d *opusDecoder) conceal(n int) ([]float32, error) {
	if err := d.codec.DecodePLCFloat32(d.pcm[:n:n]); err != nil {
		return nil, fmt.Errorf("opus decoder: concealing a packet: %w", err)
	}
	return d.pcm[:n], nil
}

// opusSamples reads from the first bytes of a packet how many 48 kHz samples it holds, or
// 0 if it isn't an Opus packet (RFC 6716, section 3.1).
func opusSamples(packet []byte) int {
	if len(packet) == 0 {
		return 0
	}
	toc := packet[0]
	frames := 2
	switch toc & 3 {
	case 0:
		frames = 1
	case 3:
		if len(packet) < 2 {
			return 0
		}
		frames = int(packet[1] & 0x3f)
	}
	if n := frames * samplesIn(opusFrame(toc>>3)); n <= opusMaxSamples {
		return n
	}
	return 0
}

// opusFrame is how long one frame of a configuration lasts (RFC 6716, table 2).
func opusFrame(configuration byte) time.Duration {
	switch {
	case configuration < 12: // SILK: 10, 20, 40, 60 ms
		return [...]time.Duration{10, 20, 40, 60}[configuration%4] * time.Millisecond
	case configuration < 16: // hybrid: 10, 20 ms
		return [...]time.Duration{10, 20}[configuration%2] * time.Millisecond
	default: // CELT: 2.5, 5, 10, 20 ms
		return 2500 * time.Microsecond << (configuration % 4)
	}
}
