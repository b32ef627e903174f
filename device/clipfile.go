package device

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"time"
)

const (
	// longestClip bounds a sound from a file.
	longestClip = 15 * time.Second
	// largestClip bounds its file, bytes: 15 s of 192 kHz stereo in 32 bits are 23 MB.
	largestClip = 32 << 20
)

// LoadClip reads a sound from a WAV file (PCM of 8, 16, 24 or 32 bits, or 32-bit
// floats; any rate and number of channels) or an Opus file (RFC 7845), of at most
// 15 s. The error says what is wrong with the file.
func LoadClip(path string) (*Clip, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("sound: %w", err)
	}
	data, err := io.ReadAll(io.LimitReader(f, largestClip+1))
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("sound %s: %w", path, err)
	}
	if len(data) > largestClip {
		return nil, fmt.Errorf("sound %s: it is larger than %d MiB: take a shorter one", path, largestClip>>20)
	}
	var samples []float32
	switch {
	case bytes.HasPrefix(data, []byte("RIFF")):
		samples, err = decodeWAV(data)
	case bytes.HasPrefix(data, []byte(oggMagic)):
		samples, err = decodeOggOpus(data)
	default:
		err = errors.New("it is neither WAV nor Opus")
	}
	if err != nil {
		return nil, fmt.Errorf("sound %s: %w", path, err)
	}
	if len(samples) == 0 || durationOf(len(samples)) > longestClip {
		return nil, fmt.Errorf("sound %s: it lasts %v: more than 0 s and up to %v are played", path, durationOf(len(samples)), longestClip)
	}
	return &Clip{samples: samples}, nil
}

// wavFormat is the start of a WAV file's fmt chunk.
type wavFormat struct {
	Format, Channels uint16
	Rate, ByteRate   uint32
	Block, Bits      uint16
}

const (
	wavPCM        = 1
	wavFloat      = 3
	wavExtensible = 0xfffe // the format is the first half of a GUID 24 bytes on
)

// decodeWAV reads RIFF WAVE (Microsoft, Multiple Channel Audio Data and WAVE Files).
func decodeWAV(data []byte) ([]float32, error) {
	if len(data) < 12 || string(data[8:12]) != "WAVE" {
		return nil, errors.New("it is a RIFF file, but no WAVE")
	}
	var format wavFormat
	for rest := data[12:]; len(rest) >= 8; {
		size := int64(binary.LittleEndian.Uint32(rest[4:]))
		body := rest[8:]
		whole := int(min(size, int64(len(body)))) // a recorder that was killed leaves a wrong size
		switch string(rest[:4]) {
		case "fmt ":
			if _, err := binary.Decode(body[:whole], binary.LittleEndian, &format); err != nil {
				return nil, errors.New("its format chunk is cut off")
			}
			if format.Format == wavExtensible && whole >= 26 {
				format.Format = binary.LittleEndian.Uint16(body[24:])
			}
		case "data":
			return format.decode(body[:whole])
		}
		rest = body[min(len(body), whole+whole&1):]
	}
	return nil, errors.New("it has no sound in it")
}

// decode turns frames into mono samples at 48 kHz.
func (f wavFormat) decode(data []byte) ([]float32, error) {
	channels, width := int(f.Channels), int(f.Bits)/8
	sample := f.sampler()
	switch {
	case channels < 1 || channels > 16 || f.Rate < 4000 || f.Rate > 192000:
		return nil, fmt.Errorf("its format of %d channels at %d Hz is not played", channels, f.Rate)
	case sample == nil:
		return nil, fmt.Errorf("its format %d of %d bits is not played: save it as 16-bit PCM", f.Format, f.Bits)
	}
	frames := len(data) / (channels * width)
	if seconds := float64(frames) / float64(f.Rate); seconds > longestClip.Seconds() {
		return nil, fmt.Errorf("it lasts %.1f s: up to %v are played", seconds, longestClip)
	}
	mono := make([]float32, frames)
	for i := range mono {
		sum := float32(0)
		for c := range channels {
			sum += sample(data[(i*channels+c)*width:])
		}
		mono[i] = sum / float32(channels)
	}
	return resample(mono, int(f.Rate)), nil
}

// sampler reads one sample, or is nil for a format that is not known.
func (f wavFormat) sampler() func([]byte) float32 {
	switch [2]uint16{f.Format, f.Bits} {
	case [2]uint16{wavPCM, 8}:
		return func(b []byte) float32 { return float32(int(b[0])-128) / 128 }
	case [2]uint16{wavPCM, 16}:
		return func(b []byte) float32 { return float32(int16(binary.LittleEndian.Uint16(b))) / (1 << 15) }
	case [2]uint16{wavPCM, 24}:
		return func(b []byte) float32 {
			return float32(int32(uint32(b[0])<<8|uint32(b[1])<<16|uint32(b[2])<<24)) / (1 << 31)
		}
	case [2]uint16{wavPCM, 32}:
		return func(b []byte) float32 { return float32(int32(binary.LittleEndian.Uint32(b))) / (1 << 31) }
	case [2]uint16{wavFloat, 32}:
		return func(b []byte) float32 {
			v := math.Float32frombits(binary.LittleEndian.Uint32(b))
			if v != v {
				return 0
			}
			return max(-1, min(1, v))
		}
	}
	return nil
}

// resampleTaps is half the length of the filter, in samples of the slower rate.
const resampleTaps = 16

// resample brings samples from a rate to 48 kHz with a windowed sinc.
func resample(in []float32, rate int) []float32 {
	if rate == SampleRate {
		return in
	}
	out := make([]float32, int(int64(len(in))*SampleRate/int64(rate)))
	step := float64(rate) / SampleRate
	cut := min(1, 1/step) // of the input's band, so that nothing folds back
	reach := resampleTaps / cut
	for i := range out {
		at := float64(i) * step
		sum, weights := 0.0, 0.0
		for j := max(0, int(math.Ceil(at-reach))); j <= min(len(in)-1, int(at+reach)); j++ {
			w := sinc((at-float64(j))*cut) * (0.5 + 0.5*math.Cos(math.Pi*(at-float64(j))/reach))
			sum, weights = sum+w*float64(in[j]), weights+w
		}
		if weights > 1e-9 {
			out[i] = float32(sum / weights)
		}
	}
	return out
}

func sinc(x float64) float64 {
	if math.Abs(x) < 1e-9 {
		return 1
	}
	return math.Sin(math.Pi*x) / (math.Pi * x)
}
