package guest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
)

// A log of writes as dm-log-writes has it (Documentation/admin-guide/device-mapper/log-writes.rst) and QEMU's
// blklogwrites makes it: a sector that says how many entries there are, then for each entry a sector
// that describes it and the data written.
const (
	sectorSize      = 512
	physicalSize    = 4096 // what a disk writes whole
	writeLogMagic   = 0x6a736677736872
	writeLogVersion = 1

	flagFlush   = 1 << 0
	flagFUA     = 1 << 1
	flagDiscard = 1 << 2
)

// WriteLog is all that a guest did to a disk, in order: see Disk.Log.
type WriteLog struct {
	entries []logEntry
}

type logEntry struct {
	offset int64 // on the disk, bytes
	data   []byte
	flags  uint64
}

// ReadWriteLog reads the log of a guest that has ended.
func ReadWriteLog(name string) (*WriteLog, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	l, err := parseWriteLog(b)
	if err != nil {
		return nil, fmt.Errorf("log of writes %s: %w", name, err)
	}
	return l, nil
}

func parseWriteLog(b []byte) (*WriteLog, error) {
	var super struct {
		Magic, Version, Entries uint64
		SectorSize              uint32
	}
	if err := binary.Read(bytes.NewReader(b), binary.LittleEndian, &super); err != nil {
		return nil, fmt.Errorf("its beginning: %w", err)
	}
	if super.Magic != writeLogMagic || super.Version != writeLogVersion || super.SectorSize != sectorSize {
		return nil, fmt.Errorf("not one: %+v", super)
	}
	l := &WriteLog{}
	for at := uint64(sectorSize); uint64(len(l.entries)) < super.Entries; {
		var e struct{ Sector, Sectors, Flags, DataLength uint64 }
		if at >= uint64(len(b)) {
			return nil, fmt.Errorf("entry %d of %d: %w", len(l.entries), super.Entries, io.ErrUnexpectedEOF)
		}
		if err := binary.Read(bytes.NewReader(b[at:]), binary.LittleEndian, &e); err != nil {
			return nil, fmt.Errorf("entry %d: %w", len(l.entries), err)
		}
		at += sectorSize
		entry := logEntry{offset: int64(e.Sector) * sectorSize, flags: e.Flags}
		if length := e.Sectors * sectorSize; e.Flags&flagDiscard == 0 && length > 0 {
			if e.Sectors > uint64(len(b))/sectorSize || at+length > uint64(len(b)) {
				return nil, fmt.Errorf("entry %d: %d sectors: %w", len(l.entries), e.Sectors, io.ErrUnexpectedEOF)
			}
			entry.data = b[at : at+length]
			at += length
		}
		l.entries = append(l.entries, entry)
	}
	return l, nil
}

// Len is how many writes and flushes there were.
func (l *WriteLog) Len() int { return len(l.entries) }

// Cut makes of disk, which is as it was when the guest started, what a power cut after the first n entries
// can leave: all that had been flushed by then, and of what was written since each block of 4 KiB or not, by
// chance, since disks hold back and reorder what they were not told to flush, and tear it between physical sectors.
// (Smaller ones than that ext4 itself does not survive: a torn superblock.) It returns how many blocks were left to chance.
func (l *WriteLog) Cut(disk io.WriterAt, n int, chance *rand.Rand) (unsure int, err error) {
	flushed := -1
	for i, e := range l.entries[:n] {
		if e.flags&flagFlush != 0 {
			flushed = i
		}
	}
	for i, e := range l.entries[:n] {
		if i <= flushed || e.flags&flagFUA != 0 {
			if _, err := disk.WriteAt(e.data, e.offset); err != nil {
				return unsure, fmt.Errorf("entry %d: %w", i, err)
			}
			continue
		}
		for offset, rest := e.offset, e.data; len(rest) > 0; {
			size := min(len(rest), int(physicalSize-offset%physicalSize))
			unsure++
			if chance.IntN(2) == 0 {
				if _, err := disk.WriteAt(rest[:size], offset); err != nil {
					return unsure, fmt.Errorf("entry %d: %w", i, err)
				}
			}
			offset, rest = offset+int64(size), rest[size:]
		}
	}
	return unsure, nil
}

// Written returns what was last written at a place of the disk within the first n entries, or nil.
func (l *WriteLog) Written(n int, offset int64) []byte {
	for i := n - 1; i >= 0; i-- {
		e := l.entries[i]
		if at := offset - e.offset; at >= 0 && at < int64(len(e.data)) {
			return e.data[at:]
		}
	}
	return nil
}
