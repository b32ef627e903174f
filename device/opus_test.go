package device

import (
	"math"
	"testing"
)

func TestOpusThereAndBack(t *testing.T) {
	decoder, err := newOpusDecoder()
	if err != nil {
		t.Fatal(err)
	}
	var pcm []int16
	bytes := 0
	for _, packet := range tonePackets(660, 0.3, 50) {
		bytes += len(packet)
		if n := opusSamples(packet); n != FrameSamples {
			t.Errorf("a packet of %d samples", n)
		}
		sound, err := decoder.decode(packet)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range sound {
			pcm = append(pcm, sampleOf(s))
		}
	}
	if got := strength(pcm[SampleRate/2:], 660); got < 0.95 {
		t.Errorf("%.2f of the sound is the tone", got)
	}
	if level := LevelDBFS(pcm[SampleRate/2:]); math.Abs(level+13.5) > 1 {
		t.Errorf("level %.1f dBFS", level)
	}
	if rate := bytes * 8; rate < 16000 || rate > 48000 {
		t.Errorf("%d bit/s, aimed at 32000", rate)
	}
}

func TestOpusSamples(t *testing.T) {
	tests := []struct {
		packet []byte
		want   int
	}{
		{nil, 0},
		{[]byte{0 << 3}, 480},               // SILK 10 ms
		{[]byte{3 << 3}, 2880},              // SILK 60 ms
		{[]byte{3<<3 | 1}, 5760},            // two of them
		{[]byte{3<<3 | 3, 3}, 0},            // three: 180 ms, too long
		{[]byte{12<<3 | 2}, 960},            // hybrid, 2 of 10 ms
		{[]byte{16 << 3}, 120},              // CELT 2.5 ms
		{[]byte{31 << 3}, 960},              // CELT 20 ms
		{[]byte{31<<3 | 4}, 960},            // the same, stereo
		{[]byte{31<<3 | 3}, 0},              // count missing
		{[]byte{31<<3 | 3, 0}, 0},           // no frames
		{[]byte{31<<3 | 3, 0x80 | 6}, 5760}, // six, with the VBR bit
	}
	for _, test := range tests {
		if got := opusSamples(test.packet); got != test.want {
			t.Errorf("% x: %d samples, want %d", test.packet, got, test.want)
		}
	}
}

func TestOpusDecoderBadPacket(t *testing.T) {
	decoder, err := newOpusDecoder()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := decoder.decode([]byte{3<<3 | 3, 63, 1, 2}); err == nil {
		t.Error("no error")
	}
	if _, err := decoder.conceal(FrameSamples); err != nil {
		t.Errorf("after it: %v", err)
	}
}

func BenchmarkOpusEncode(b *testing.B) {
	encoder, err := newOpusEncoder(32000, 5, 5)
	if err != nil {
		b.Fatal(err)
	}
	pcm := tone(660, 0.3, 0, FrameSamples)
	laps(b, nil, func(int) {
		if _, err := encoder.encode(pcm); err != nil {
			b.Fatal(err)
		}
	})
}

func BenchmarkOpusDecode(b *testing.B) {
	decoder, err := newOpusDecoder()
	if err != nil {
		b.Fatal(err)
	}
	packets := tonePackets(660, 0.3, 50)
	laps(b, nil, func(i int) {
		if _, err := decoder.decode(packets[i%len(packets)]); err != nil {
			b.Fatal(err)
		}
	})
}
