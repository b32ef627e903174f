package device

import (
	"context"
	"io"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"doorbell/device/sim"
)

// pausingMicrophone hears the melody, but for a time in which there is a little noise.
type pausingMicrophone struct {
	*sim.Microphone
	from, to time.Duration // since the first sample
	at       time.Duration
}

func (m *pausingMicrophone) ReadSamples(ctx context.Context, pcm []int16) (time.Time, error) {
	captured, err := m.Microphone.ReadSamples(ctx, pcm)
	if m.at >= m.from && m.at < m.to {
		for i := range pcm {
			pcm[i] = int16(rand.IntN(21) - 10)
		}
	}
	m.at += durationOf(len(pcm))
	return captured, err
}

// In silence hardly anything is sent, the other end takes that for no loss, and the first
// sound after it is heard at once.
func TestSilenceIsNotSent(t *testing.T) {
	for _, length := range []time.Duration{10 * time.Millisecond, 20 * time.Millisecond} {
		t.Run(length.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { testSilence(t, length) })
		})
	}
}

func testSilence(t *testing.T, length time.Duration) {
	const from, to, end = 4 * time.Second, 12 * time.Second, 16 * time.Second
	ctx, cancel := context.WithTimeout(t.Context(), end)
	defer cancel()
	speaker := &recordingSpeaker{}
	mixer := NewMixer(MixerOptions{Block: length, Open: func(context.Context) (io.Closer, error) { return speaker, nil }})
	talker := mixer.Join()
	defer talker.Leave()
	done := make(chan error, 1)
	go func() { done <- mixer.Run(ctx) }()
	voice := NewVoice(VoiceOptions{Packet: length, Open: func(context.Context) (io.Closer, error) {
		return &pausingMicrophone{Microphone: sim.NewMicrophone(), from: from, to: to}, nil
	}})
	// So that no packet comes at the very instant at which it is mixed, or not.
	time.Sleep(length / 2)
	var bytes, packets [end / time.Second]int // of each second
	sequence, timestamp, begin := uint16(65500), uint32(0), time.Now()
	_ = voice.Stream(ctx, func(packet []byte, duration time.Duration, captured time.Time) {
		if duration != length || len(packet) > 0 && opusSamples(packet) != samplesIn(length) {
			t.Errorf("a packet of %v, %d samples", duration, opusSamples(packet))
		}
		second := int(captured.Sub(begin) / time.Second)
		bytes[second] += len(packet)
		if len(packet) > 0 {
			packets[second]++
			talker.Receive(sequence, timestamp, packet)
			sequence++
		}
		timestamp += uint32(samplesIn(duration))
	})
	<-done
	t.Logf("bytes in each second: %v; packets: %v; %+v", bytes, packets, talker.Counts())
	for second := range bytes {
		quiet := second >= 6 && second < 12
		if quiet && (bytes[second] > 400 || packets[second] > 12) || (second < 4 || second >= 12) && bytes[second] < 2000 {
			t.Errorf("%d bytes in second %d", bytes[second], second)
		}
	}
	if c := talker.Counts(); c.Lost+c.Late+c.Bad+c.Skipped > 0 || c.Concealed > 0 || c.Comfort < int64((to-from)*3/4/FrameDuration) {
		t.Errorf("%+v", c)
	}
	// The melody comes again with its first note. The loudspeaker is a block ahead.
	for _, at := range []time.Duration{to, to + 100*time.Millisecond} {
		late := 3*length + talker.Delay() // captured, waited for a block, and the loudspeaker's own
		if level := LevelDBFS(speaker.recorded(at+late, at+late+60*time.Millisecond)); level < sim.MelodyDBFS-6 {
			t.Errorf("%v after the silence: %.1f dBFS", at-to, level)
		}
	}
	if level := LevelDBFS(speaker.recorded(from+3*time.Second, to)); level > -60 {
		t.Errorf("silence sounds at %.1f dBFS", level)
	}
}

// A sound that goes on, as of an alarm or a tune, is no silence.
func TestLongToneIsNoSilence(t *testing.T) {
	for i, packet := range tonePackets(660, 0.3, 1000) {
		if len(packet) <= opusQuiet {
			t.Fatalf("%v of a tone are taken for silence", time.Duration(i)*FrameDuration)
		}
	}
}

// Packets of a silence that come with a gap between them are played as far apart as they
// were spoken, whether or not the network has brought them together.
func TestJitterKeepsSilences(t *testing.T) {
	var buffer jitterBuffer
	start := time.Now()
	quiet, loud := []byte{31 << 3}, opusSilence
	for i := range 3 { // 60 ms, of which the last says that silence begins
		buffer.put(uint16(i), uint32(i)*FrameSamples, [][]byte{loud, loud, quiet}[i], start)
	}
	buffer.put(3, 5*FrameSamples, loud, start) // 40 ms later, and come as early
	want := []jitterTurn{turnPacket, turnPacket, turnPacket, turnComfort, turnComfort, turnPacket}
	for i, w := range want {
		if turn, _, _ := buffer.take(start.Add(time.Duration(i) * FrameDuration)); turn != w {
			t.Errorf("turn %d is %d, want %d", i, turn, w)
		}
	}
	if c := buffer.counts; c.Lost+c.Skipped+c.Late > 0 {
		t.Errorf("%+v", c)
	}
}

// A phone that says no more after it began a silence is gone, not silent for ever.
func TestJitterEndsSilences(t *testing.T) {
	var buffer jitterBuffer
	start := time.Now()
	buffer.put(1, 0, []byte{31 << 3}, start)
	turns := map[jitterTurn]int{}
	for now := FrameDuration; now < 3*time.Second; now += FrameDuration {
		turn, _, _ := buffer.take(start.Add(now))
		turns[turn]++
	}
	if turns[turnPacket] != 1 || turns[turnComfort] < 50 || turns[turnComfort] > 65 || turns[turnWait] > 0 {
		t.Errorf("%v", turns)
	}
}

func TestLossMakesCopies(t *testing.T) {
	encoder, err := newOpusEncoder(32000, 5, 5)
	if err != nil {
		t.Fatal(err)
	}
	if err := encoder.expect(mostLoss); err != nil {
		t.Fatal(err)
	}
	if got, err := encoder.codec.PacketLossPerc(); err != nil || got != mostLoss {
		t.Errorf("prepares for %d %% (%v)", got, err)
	}
}
