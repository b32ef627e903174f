package rtc

import (
	"log/slog"
	"testing"
	"time"
)

// TestCertificateLasts proves that a door may run for years, and may have begun in 1970.
func TestCertificateLasts(t *testing.T) {
	n, err := newNetwork(ICEOptions{Loopback: true}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := n.close(); err != nil {
			t.Error(err)
		}
	}()
	for _, c := range n.config.Certificates {
		if until := c.Expires(); until.Before(time.Now().AddDate(100, 0, 0)) {
			t.Errorf("no calls after %v", until)
		}
	}
	if len(n.config.Certificates) != 1 {
		t.Errorf("%d certificates, want one for all connections", len(n.config.Certificates))
	}
}
