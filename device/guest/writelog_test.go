package guest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
)

// writeLog is a log in QEMU's format: each entry a sector of the byte given, in a block of its own, or a flush for 0.
func writeLog(sectors ...byte) []byte {
	sector := func(v any) []byte {
		b := new(bytes.Buffer)
		binary.Write(b, binary.LittleEndian, v)
		return append(b.Bytes(), make([]byte, sectorSize-b.Len())...)
	}
	b := sector(struct {
		Magic, Version, Entries uint64
		SectorSize              uint32
	}{writeLogMagic, 1, uint64(len(sectors)), sectorSize})
	for i, s := range sectors {
		if s == 0 {
			b = append(b, sector([]uint64{0, 0, flagFlush, 0})...)
			continue
		}
		b = append(b, sector([]uint64{uint64(i) * 8, 1, 0, 0})...)
		b = append(b, bytes.Repeat([]byte{s}, sectorSize)...)
	}
	return b
}

// memory is a disk.
type memory []byte

func (m memory) WriteAt(b []byte, at int64) (int, error) { return copy(m[at:], b), nil }

func TestCutKeepsWhatWasFlushed(t *testing.T) {
	l, err := parseWriteLog(writeLog(1, 2, 0, 4, 5))
	if err != nil || l.Len() != 5 {
		t.Fatalf("%d entries, %v", l.Len(), err)
	}
	seen := map[[2]byte]bool{}
	for seed := range uint64(100) {
		disk := make(memory, 5*physicalSize)
		unsure, err := l.Cut(disk, 5, rand.New(rand.NewPCG(seed, 0)))
		if err != nil || unsure != 2 || disk[0] != 1 || disk[physicalSize] != 2 {
			t.Fatalf("flushed sectors are %d and %d, %d unsure, %v", disk[0], disk[physicalSize], unsure, err)
		}
		seen[[2]byte{disk[3*physicalSize], disk[4*physicalSize]}] = true
	}
	if len(seen) != 4 {
		t.Errorf("of two sectors not flushed were left: %v, want all four ways", seen)
	}
	if b := l.Written(4, 3*physicalSize+1); len(b) != sectorSize-1 || b[0] != 4 {
		t.Errorf("last written: %v", b)
	}
	if b := l.Written(3, 3*physicalSize); b != nil {
		t.Errorf("not yet written: %v", b)
	}
}

func TestWriteLogDamaged(t *testing.T) {
	whole := writeLog(1)
	for name, b := range map[string][]byte{"empty": nil, "not a log": make([]byte, 4096), "no entry": whole[:512], "no data": whole[:1024]} {
		if l, err := parseWriteLog(b); err == nil {
			t.Errorf("%s: %v", name, l)
		}
	}
	if _, err := parseWriteLog(whole[:1024]); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%v", err)
	}
}
