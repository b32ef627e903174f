package certs

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"doorbell/certs/pebble"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("CERTS_RENEW"); dir != "" {
		renewForEver(dir)
	}
	pebble.Main()
	goleak.VerifyTestMain(m)
}

// renewForEver is the process that gets killed: it opens the authority, and has a new
// address at each handshake.
func renewForEver(dir string) {
	n := byte(0)
	fmt.Println("begun")
	a, err := Open(Options{
		Dir: dir, Names: func() []string { return []string{"doorbell.local"} },
		Addresses: func() []netip.Addr { return []netip.Addr{netip.AddrFrom4([4]byte{10, 0, 0, n})} },
		Logger:    slog.New(slog.DiscardHandler),
	})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	fmt.Println("authority", a.Fingerprint())
	for ; ; n++ {
		if _, err := a.GetCertificate(nil); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		fmt.Println("server", n)
	}
}

// logBook is a log that a test reads.
type logBook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logBook) Write(data []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(data)
}

func (l *logBook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func newLog() (*slog.Logger, *logBook) {
	book := new(logBook)
	return slog.New(slog.NewTextHandler(book, nil)), book
}
