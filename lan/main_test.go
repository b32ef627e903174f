package lan

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if name := os.Getenv("LAN_RESPOND"); name != "" {
		respond(name, os.Getenv("LAN_KEPT"))
		return
	}
	goleak.VerifyTestMain(m)
}

// respond is the process that a test runs in a network of its own: a responder until
// its standard input ends. What it claims it writes to its standard output.
func respond(name, kept string) {
	r, err := NewResponder(Options{
		Name: name, Kept: kept, Claimed: func(name string) { fmt.Println("claimed", name) },
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		fmt.Println("error", err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- r.Run(ctx) }()
	fmt.Println("addresses", Addresses())
	_, _ = io.Copy(io.Discard, os.Stdin)
	cancel()
	if err := <-done; err != nil {
		fmt.Println("error", err)
	}
	if err := goleak.Find(); err != nil {
		fmt.Println("error", err)
	}
	fmt.Println("ended", r.Name())
}
