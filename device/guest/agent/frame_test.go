package agent

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

func TestFrameThereAndBack(t *testing.T) {
	var b bytes.Buffer
	sent := []Frame{{KindHello, 0, []byte("{}")}, {KindStdout, 7, bytes.Repeat([]byte{1}, MaxBody)}, {KindEnd, 1<<32 - 1, []byte{}}}
	for _, f := range sent {
		if err := WriteFrame(&b, f); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range sent {
		got, err := ReadFrame(&b)
		if err != nil || got.Kind != want.Kind || got.Stream != want.Stream || !bytes.Equal(got.Body, want.Body) {
			t.Errorf("kind %d stream %d with %d bytes (%v), want %d, %d and %d", got.Kind, got.Stream, len(got.Body), err, want.Kind, want.Stream, len(want.Body))
		}
	}
	if _, err := ReadFrame(&b); !errors.Is(err, io.EOF) {
		t.Errorf("after the last: %v, want EOF", err)
	}
}

func TestFrameRefused(t *testing.T) {
	if err := WriteFrame(io.Discard, Frame{Kind: KindData, Body: make([]byte, MaxBody+1)}); err == nil {
		t.Error("wrote a body larger than allowed")
	}
	for name, b := range map[string][]byte{
		"no kind":      {0, 0, 0, 0, 0, 0, 0, 0, 0},
		"unknown kind": {99, 0, 0, 0, 0, 0, 0, 0, 0},
		"too large":    {1, 0, 0, 0, 0, 0xff, 0, 0, 0},
		"half a body":  {1, 0, 0, 0, 0, 0, 0, 0, 2, 'x'},
		"half a head":  {1, 0},
	} {
		if f, err := ReadFrame(bytes.NewReader(b)); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("%s: read %v, %v", name, f, err)
		}
	}
}
