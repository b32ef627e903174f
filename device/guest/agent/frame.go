// Package agent is the conversation between a test on the host and the small guest it has booted:
// frames over one byte stream (a virtio-serial port), many commands and files at a time.
//
// The host speaks first: it sends Hello, and the guest answers with Hello. Then each command or file has
// a stream number chosen by the host. A command is Start, then any number of Signal; the guest answers
// with Started, Stdout and Stderr, and one Exit. A file is Put, then Data, then End; the guest answers
// with one Exit.
package agent

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
)

// Kind says what a frame carries.
type Kind uint8

// The kinds of frame. The bodies of Hello, Start, Signal, Started, Put and Exit are JSON; those of
// Stdout, Stderr and Data are bytes; End has none.
const (
	KindHello Kind = iota + 1
	KindStart
	KindStarted
	KindSignal
	KindStdout
	KindStderr
	KindPut
	KindData
	KindEnd
	KindExit
)

// MaxBody is the largest body of one frame, in bytes.
const MaxBody = 1 << 20

// Frame is one message.
type Frame struct {
	Kind   Kind
	Stream uint32
	Body   []byte
}

// Hello is what the guest says of itself when the host asks.
type Hello struct {
	Release string // of the kernel, as uname -r prints it
	Boot    string // the kernel's boot id: another one after each reset
}

// Command is a program to start.
type Command struct {
	Args  []string // the first is looked up in PATH
	Env   []string // NAME=value, added to the guest's own
	Dir   string   // working directory, / where empty
	Stdin []byte   // the whole of its standard input, at most 512 KiB
}

// Started tells the process's number.
type Started struct{ PID int }

// Signal asks for a signal to the process; a Group one goes to all that it started too.
type Signal struct {
	Number int
	Group  bool
}

// Put announces a file of Size bytes, to be written whole or not at all.
type Put struct {
	Path string
	Mode uint32 // permission bits
	Size int64
}

// Exit ends a stream. Error is empty where the thing asked for was done, whatever the program's code.
type Exit struct {
	Code   int    // exit code, -1 where a signal ended it
	Signal int    // the signal that ended it, or 0
	Error  string // why it could not be started or written
}

const headerSize = 9 // kind, stream, length of the body

// WriteFrame writes one frame in one Write.
func WriteFrame(w io.Writer, f Frame) error {
	if len(f.Body) > MaxBody {
		return fmt.Errorf("frame: body of %d bytes, at most %d", len(f.Body), MaxBody)
	}
	b := make([]byte, headerSize, headerSize+len(f.Body))
	b[0] = byte(f.Kind)
	binary.BigEndian.PutUint32(b[1:], f.Stream)
	binary.BigEndian.PutUint32(b[5:], uint32(len(f.Body)))
	_, err := w.Write(append(b, f.Body...))
	return err
}

// WriteJSON writes a frame with v as its body.
func WriteJSON(w io.Writer, kind Kind, stream uint32, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return WriteFrame(w, Frame{kind, stream, body})
}

// ReadFrame reads one frame. It returns io.EOF only between frames.
func ReadFrame(r io.Reader) (Frame, error) {
	var h [headerSize]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return Frame{}, err
	}
	f := Frame{Kind: Kind(h[0]), Stream: binary.BigEndian.Uint32(h[1:])}
	n := binary.BigEndian.Uint32(h[5:])
	if f.Kind < KindHello || f.Kind > KindExit || n > MaxBody {
		return Frame{}, fmt.Errorf("frame: kind %d with %d bytes: not our protocol", h[0], n)
	}
	f.Body = make([]byte, n)
	if _, err := io.ReadFull(r, f.Body); err != nil {
		return Frame{}, io.ErrUnexpectedEOF
	}
	return f, nil
}
