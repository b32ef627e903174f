package webcam

import (
	"encoding/binary"
	"fmt"
	"io"
)

// Commands and answers of USB/IP.
const (
	submit         = 1
	unlink         = 2
	submitted      = 3
	unlinked       = 4
	headerSize     = 48
	maxTransfer    = 16 << 20
	stall          = -32  // -EPIPE
	connectionLost = -104 // -ECONNRESET: the request was taken back in time
)

// request is what the host controller asks: a transfer, or that one be taken back.
type request struct {
	command  uint32
	sequence uint32
	in       bool
	endpoint uint32
	length   int     // of the transfer's buffer
	victim   uint32  // the sequence to take back
	setup    [8]byte // of a control transfer
	data     []byte  // that the host sends
}

// readRequest reads one request.
func readRequest(r io.Reader) (request, error) {
	var h [headerSize]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return request{}, err
	}
	at := func(i int) uint32 { return binary.BigEndian.Uint32(h[i:]) }
	q := request{command: at(0), sequence: at(4), in: at(12) == 1, endpoint: at(16)}
	switch q.command {
	case unlink:
		q.victim = at(20)
		return q, nil
	case submit:
		if at(24) > maxTransfer {
			return q, fmt.Errorf("webcam: a transfer of %d bytes", at(24))
		}
		q.length = int(at(24))
		copy(q.setup[:], h[40:])
		if !q.in {
			q.data = make([]byte, q.length)
			if _, err := io.ReadFull(r, q.data); err != nil {
				return q, io.ErrUnexpectedEOF
			}
		}
		return q, nil
	}
	return q, fmt.Errorf("webcam: USB/IP command %d", q.command)
}

// complete is the answer to a transfer: its status, and what it brings in.
func (q request) complete(status int32, in []byte) []byte {
	b := make([]byte, headerSize, headerSize+len(in))
	binary.BigEndian.PutUint32(b[0:], submitted)
	binary.BigEndian.PutUint32(b[4:], q.sequence)
	binary.BigEndian.PutUint32(b[20:], uint32(status))
	n := len(in)
	if !q.in && status == 0 {
		n = len(q.data)
	}
	binary.BigEndian.PutUint32(b[24:], uint32(n))
	return append(b, in...)
}

// withdrawn is the answer to a request that another be taken back.
func (q request) withdrawn(status int32) []byte {
	b := make([]byte, headerSize)
	binary.BigEndian.PutUint32(b[0:], unlinked)
	binary.BigEndian.PutUint32(b[4:], q.sequence)
	binary.BigEndian.PutUint32(b[20:], uint32(status))
	return b
}
