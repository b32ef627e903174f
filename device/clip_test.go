package device

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// wavOf is a WAV file of a tone, half of full scale, in each channel but odd ones, which are silent.
func wavOf(format, bits uint16, rate, channels, frames int, hertz float64) []byte {
	var data bytes.Buffer
	for i := range frames {
		v := 0.5 * math.Sin(2*math.Pi*hertz*float64(i)/float64(rate))
		for c := range channels {
			s := v * float64(1-c%2)
			switch {
			case format == wavFloat:
				_ = binary.Write(&data, binary.LittleEndian, float32(s))
			case bits == 8:
				data.WriteByte(byte(128 + s*127))
			default:
				data.Write(binary.LittleEndian.AppendUint32(nil, uint32(int32(s*math.MaxInt32)))[4-bits/8:])
			}
		}
	}
	var b bytes.Buffer
	header := wavFormat{format, uint16(channels), uint32(rate), uint32(rate*channels) * uint32(bits/8), uint16(channels) * bits / 8, bits}
	b.WriteString("RIFF\xff\xff\xff\xffWAVEfmt \x10\x00\x00\x00")
	_ = binary.Write(&b, binary.LittleEndian, header)
	b.WriteString("LIST\x03\x00\x00\x00odd\x00data") // a chunk of odd size, which is padded
	_ = binary.Write(&b, binary.LittleEndian, uint32(data.Len()))
	b.Write(data.Bytes())
	return b.Bytes()
}

func loadClip(t *testing.T, data []byte) (*Clip, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sound")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return LoadClip(path)
}

func (c *Clip) pcm() []int16 {
	pcm := make([]int16, len(c.samples))
	for i, s := range c.samples {
		pcm[i] = sampleOf(s)
	}
	return pcm
}

func TestLoadWAV(t *testing.T) {
	for _, c := range []struct {
		format, bits   uint16
		rate, channels int
	}{
		{wavPCM, 16, 48000, 1}, {wavPCM, 16, 44100, 2}, {wavPCM, 8, 11025, 1}, {wavPCM, 24, 96000, 2}, {wavPCM, 32, 8000, 1}, {wavFloat, 32, 22050, 1},
	} {
		const hertz = 1000
		clip, err := loadClip(t, wavOf(c.format, c.bits, c.rate, c.channels, c.rate, hertz))
		if err != nil {
			t.Errorf("%+v: %v", c, err)
			continue
		}
		if d := clip.Duration() - time.Second; d.Abs() > time.Millisecond {
			t.Errorf("%+v lasts %v", c, clip.Duration())
		}
		middle := clip.pcm()[4800:43200]
		want := -9.03 // of such a sine; half where the other channel is silent
		if c.channels == 2 {
			want -= 6.02
		}
		if pure, level := strength(middle, hertz), LevelDBFS(middle); pure < 0.999 || math.Abs(level-want) > 0.1 {
			t.Errorf("%+v: %.4f of it is the tone, %.2f dBFS, want %.2f", c, pure, level, want)
		}
	}
}

// Nothing above half of the new rate folds back into what is heard.
func TestResampleDoesNotFold(t *testing.T) {
	clip, err := loadClip(t, wavOf(wavPCM, 16, 96000, 1, 96000, 30000))
	if err != nil {
		t.Fatal(err)
	}
	if level := LevelDBFS(clip.pcm()); level > -45 {
		t.Errorf("30 kHz are heard with %.1f dBFS", level)
	}
}

// oggOf puts packets into Ogg pages of at most so many lacing values.
func oggOf(packets [][]byte, end int64, lacings int) []byte {
	var file bytes.Buffer
	var table, body []byte
	kind := byte(2) // first page
	page := func(position int64) {
		file.WriteString(oggMagic + "\x00")
		file.WriteByte(kind)
		_ = binary.Write(&file, binary.LittleEndian, position)
		file.Write([]byte{7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, byte(len(table))}) // serial, number, checksum
		file.Write(table)
		file.Write(body)
		table, body, kind = nil, nil, 0
	}
	for i, p := range packets {
		for n := len(p); ; n -= 255 {
			if len(table) == lacings {
				page(-1)
			}
			v := min(n, 255)
			table, body = append(table, byte(v)), append(body, p[len(p)-n:][:v]...)
			if n < 255 {
				break
			}
		}
		if i < 2 {
			page(0)
		}
	}
	page(end)
	return file.Bytes()
}

func opusFile(skip, gain int16, lacings int) []byte {
	head := append([]byte("OpusHead\x01\x01"), byte(skip), byte(skip>>8), 0x80, 0xbb, 0, 0, byte(gain), byte(gain>>8), 0)
	packets := append([][]byte{head, append([]byte("OpusTags"), make([]byte, 600)...)}, tonePackets(500, 0.3, 50)...)
	return oggOf(packets, int64(skip)+40000, lacings)
}

func TestLoadOpus(t *testing.T) {
	for _, lacings := range []int{1, 3, 255} {
		clip, err := loadClip(t, opusFile(312, -6*256, lacings))
		if err != nil {
			t.Fatal(err)
		}
		if len(clip.samples) != 40000 {
			t.Errorf("%d samples, want 40000", len(clip.samples))
		}
		middle := clip.pcm()[9600:38400]
		// 0.3 of full scale are -13.5 dBFS, and the file says 6 dB less.
		if pure, level := strength(middle, 500), LevelDBFS(middle); pure < 0.95 || math.Abs(level+19.5) > 0.7 {
			t.Errorf("%.3f of it is the tone, %.1f dBFS", pure, level)
		}
	}
}

func TestLoadClipRefuses(t *testing.T) {
	wav, opus := wavOf(wavPCM, 16, 48000, 1, 4800, 500), opusFile(0, 0, 255)
	for name, c := range map[string]struct {
		data []byte
		says string
	}{
		"nothing":          {nil, "neither WAV nor Opus"},
		"an MP3 file":      {[]byte("ID3\x04"), "neither WAV nor Opus"},
		"too long":         {wavOf(wavPCM, 8, 8000, 1, 8000*16, 500), "lasts 16.0 s"},
		"without sound":    {wav[:40], "no sound"},
		"of no length":     {wavOf(wavPCM, 16, 48000, 1, 0, 500), "lasts 0s"},
		"of 64-bit floats": {wavOf(wavFloat, 64, 48000, 1, 0, 500), "save it as 16-bit PCM"},
		"of 1 Hz":          {wavOf(wavPCM, 16, 1, 1, 1, 500), "not played"},
		"cut off":          {opus[:len(opus)-9], "cut off"},
		"no Opus":          {oggOf([][]byte{[]byte("\x01vorbis and so on and on"), nil}, 0, 255), "no Opus"},
	} {
		if _, err := loadClip(t, c.data); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, which doesn't say %q", name, err, c.says)
		}
	}
	if _, err := LoadClip("/no/such/file"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	if c, err := loadClip(t, wav[:len(wav)-1001]); err != nil || c.Duration() > 90*time.Millisecond {
		t.Errorf("a recording that was broken off: %v", err) // is played as far as it goes
	}
}

func FuzzLoadClip(f *testing.F) {
	f.Add(wavOf(wavPCM, 24, 8000, 2, 80, 500))
	f.Add(opusFile(312, 0, 3))
	f.Fuzz(func(_ *testing.T, data []byte) {
		_, _ = decodeWAV(data)
		_, _ = decodeOggOpus(data)
	})
}

// The built-in chimes are loud enough, and neither clip nor end with a crack.
func TestBuiltInChimes(t *testing.T) {
	for name, c := range map[string]*Clip{"press": PressChime(), "taken": TakenChime()} {
		peak, sum := float32(0), 0.0
		for _, s := range c.samples {
			peak, sum = max(peak, s, -s), sum+float64(s*s)
		}
		last := c.samples[len(c.samples)-1]
		if peak > limiterCeiling || peak < 0.2 || math.Abs(float64(last)) > 0.001 || math.Abs(float64(c.samples[0])) > 0.001 {
			t.Errorf("%s: peak %.2f, begins with %.4f, ends with %.4f", name, peak, c.samples[0], last)
		}
	}
	pcm := PressChime().pcm()
	if e, c := strength(pcm[:samplesIn(500*time.Millisecond)], 659.26), strength(pcm[samplesIn(900*time.Millisecond):], 523.25); e < 0.5 || c < 0.5 {
		t.Errorf("its notes are E5 with %.2f and C5 with %.2f of the sound", e, c)
	}
}

// A clip opens the loudspeaker, is played as it is, and lets it be closed.
func TestMixerPlays(t *testing.T) {
	mixing(t, func(m *Mixer, speaker *recordingSpeaker) {
		m.Play(&Clip{samples: floats(tone(700, 0.5, 0, SampleRate))})
		time.Sleep(300 * time.Millisecond)
		m.Play(&Clip{samples: floats(tone(900, 0.5, 0, SampleRate))}) // another press
		time.Sleep(2 * time.Second)
		synctest.Wait()
		all := speaker.recorded(0, time.Minute)
		if d := durationOf(len(all)) - 1300*time.Millisecond; d.Abs() > 60*time.Millisecond {
			t.Errorf("%v of sound was played", durationOf(len(all)))
		}
		if a, b := strength(all[:9600], 700), strength(all[24000:60000], 900); a < 0.99 || b < 0.99 {
			t.Errorf("the first tone is %.2f, the second %.2f of the sound", a, b)
		}
		if s := m.State(); s.State != SoundIdle || !speaker.closed {
			t.Errorf("afterwards: %+v, closed %v", s, speaker.closed)
		}
	})
}

// A chime is heard beside a voice, and not minutes later where there is no loudspeaker.
func TestMixerPlaysInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		speaker, plugged := &recordingSpeaker{}, time.Now().Add(5*time.Second)
		m := NewMixer(MixerOptions{Open: func(context.Context) (io.Closer, error) {
			if time.Now().Before(plugged) {
				return nil, ErrNoSoundCard
			}
			return speaker, nil
		}})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- m.Run(ctx) }()
		m.Play(PressChime())
		time.Sleep(10 * time.Second)
		if n := len(speaker.recorded(0, time.Minute)); n > 0 {
			t.Errorf("%v of a chime were played, seconds late", durationOf(n))
		}
		m.Play(PressChime().ScaledTo(50))
		time.Sleep(500 * time.Millisecond)
		if got := strength(speaker.recorded(100*time.Millisecond, 400*time.Millisecond), 659.26); got < 0.5 {
			t.Errorf("the second press is heard with %.2f", got)
		}
		cancel()
		<-done
	})
}
