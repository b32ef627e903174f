package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// hearsAtDoor waits until the door's loudspeaker plays that pitch (Hz).
func (p *process) hearsAtDoor(what string, hertz float64) {
	p.t.Helper()
	heard := 0.0
	err := poll(20*time.Second, func() bool {
		heard = *p.status().Devices["speaker"].Pitch
		return math.Abs(heard-hertz) < 12
	})
	if err != nil {
		p.t.Errorf("%s: the door plays %.0f Hz, want %.0f", what, heard, hertz)
	}
}

// TestChime presses the button: the visitor hears the built-in chime, its second
// note the longest, and one of the owner's.
func TestChime(t *testing.T) {
	t.Parallel()
	door := start(t, simulated)
	door.status()
	door.do("press")
	door.hearsAtDoor("the built-in chime", 523.25)

	var pcm bytes.Buffer
	for i := range 2 * 48000 {
		_ = binary.Write(&pcm, binary.LittleEndian, int16(12000*math.Sin(2*math.Pi*880*float64(i)/48000)))
	}
	path := filepath.Join(t.TempDir(), "own.wav")
	header := fmt.Appendf(nil, "RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x80\xbb\x00\x00\x00\x77\x01\x00\x02\x00\x10\x00data")
	header = binary.LittleEndian.AppendUint32(header, uint32(pcm.Len()))
	if err := os.WriteFile(path, append(header, pcm.Bytes()...), 0o600); err != nil {
		t.Fatal(err)
	}
	own := start(t, simulated+"chime: {press: "+path+"}\n")
	own.status()
	own.do("press")
	own.hearsAtDoor("the owner's chime", 880)

	silent := start(t, simulated+"chime: {press: none}\n")
	silent.status()
	silent.do("press")
	silent.wait("it to ring", func() bool { return silent.status().Door.Visit != nil })
	if pitch := *silent.status().Devices["speaker"].Pitch; pitch != 0 {
		t.Errorf("without a chime the door plays %.0f Hz", pitch)
	}
}

// TestChimeThatIsNone stops the start, and says why.
func TestChimeThatIsNone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "not.wav")
	if err := os.WriteFile(path, []byte("RIFF no wave"), 0o600); err != nil {
		t.Fatal(err)
	}
	door := start(t, simulated+"chime: {taken: "+path+"}\n")
	select {
	case err := <-door.exited:
		door.cmd = nil
		if err == nil || !strings.Contains(door.log.String(), "chime.taken: sound "+path) {
			t.Errorf("it ended with %v and says:\n%s", err, door.log)
		}
	case <-time.After(20 * time.Second):
		t.Error("it started with a chime that is no sound")
	}
}
