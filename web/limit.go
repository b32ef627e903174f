package web

import (
	"net"
	"sync"
)

// maxPerAddress is how many connections one address (see Address) may have at once: a page needs six at most, and behind one
// address there may be a household with its phones.
const maxPerAddress = 256

// limited is a listener that closes at once what comes from an address with too many connections, so that nobody can use up
// what all share.
type limited struct {
	net.Listener

	mu    sync.Mutex // guards what follows
	count map[string]int
}

func limit(listener net.Listener) *limited {
	return &limited{Listener: listener, count: make(map[string]int)}
}

// Accept returns the next connection within the limit.
func (l *limited) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		address := Address(conn.RemoteAddr().String())
		if l.enter(address) {
			return &counted{Conn: conn, leave: sync.OnceFunc(func() { l.exit(address) })}, nil
		}
		_ = conn.Close()
	}
}

func (l *limited) enter(address string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.count[address] >= maxPerAddress {
		return false
	}
	l.count[address]++
	return true
}

func (l *limited) exit(address string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.count[address]--; l.count[address] == 0 {
		delete(l.count, address)
	}
}

// counted is a connection that gives its place back when it is closed.
type counted struct {
	net.Conn
	leave func()
}

// Close closes the connection.
func (c *counted) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
