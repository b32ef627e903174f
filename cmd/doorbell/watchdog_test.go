package main

import (
	"context"
	"image"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"doorbell/configs"
	"doorbell/device"
	"doorbell/rtc"
)

func TestProgress(t *testing.T) {
	start := time.Now()
	var p progress
	for i, step := range []struct {
		needed bool
		count  uint64
		at     time.Duration
		want   time.Duration
	}{
		{false, 0, 0, 0},
		{false, 0, time.Hour, 0},
		{true, 0, 2 * time.Hour, 0}, // needed from now on
		{true, 0, 2*time.Hour + time.Second, time.Second},
		{true, 7, 2*time.Hour + 3*time.Second, 0},
		{true, 7, 2*time.Hour + 8*time.Second, 5 * time.Second},
		{false, 7, 2*time.Hour + 9*time.Second, 0},
		{true, 7, 3 * time.Hour, 0},
	} {
		if got := p.idle(step.needed, step.count, start.Add(step.at)); got != step.want {
			t.Errorf("step %d: idle for %v, not %v", i, got, step.want)
		}
	}
}

// deadCamera is there and gives nothing.
type deadCamera struct{}

func (deadCamera) Close() error { return nil }

func (deadCamera) ReadPicture(ctx context.Context) (*image.YCbCr, time.Time, error) {
	<-ctx.Done()
	return nil, time.Time{}, ctx.Err()
}

func TestExamine(t *testing.T) {
	for _, test := range []struct {
		name string
		open func(context.Context) (io.Closer, error) // nil: simulated
		want string                                   // of the error; empty: none
	}{
		{"well", nil, ""},
		{"dead camera", func(context.Context) (io.Closer, error) { return deadCamera{}, nil }, "camera: nothing came"},
		{"camera away", func(context.Context) (io.Closer, error) { return nil, io.ErrUnexpectedEOF }, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := keptOpenProgram(t, test.open)
			sleeping := progress{moved: time.Now().Add(-captureLimit - time.Second)}
			err := poll(20*time.Second, func() bool {
				video := p.devices.video.State()
				return video.Progress > 0 || test.want != "" && video.Open
			})
			if err != nil {
				t.Fatal(err)
			}
			var got string
			if err := p.examine(t.Context(), &sleeping); err != nil {
				got = err.Error()
			}
			if test.want == "" && got != "" || !strings.Contains(got, test.want) {
				t.Errorf("found %q, not %q", got, test.want)
			}
		})
	}
}

// keptOpenProgram runs a door whose camera is always needed.
func keptOpenProgram(t *testing.T, open func(context.Context) (io.Closer, error)) *program {
	t.Helper()
	config := configs.Default()
	config.Camera = configs.Camera{Source: nameSim, Width: 320, Height: 180, FrameRate: 10, KeepOpen: true}
	config.Microphone.Source, config.Speaker.Source = nameSim, nameSim
	config.Button.Source, config.ICE = nameSim, configs.ICE{Loopback: true}
	p, err := newProgram(config, true, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if open != nil {
		if p.devices.video, err = device.NewVideo(device.VideoOptions{Open: open}); err != nil {
			t.Fatal(err)
		}
		p.door = rtc.New(p.doorOptions())
	}
	ctx, stop := context.WithCancel(t.Context())
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return p.door.Run(ctx) })
	t.Cleanup(func() {
		stop()
		if err := unlessStopped(group.Wait()); err != nil {
			t.Error(err)
		}
	})
	return p
}

func TestExamineHungLoop(t *testing.T) {
	p, err := newProgram(configs.Default(), true, slog.New(slog.DiscardHandler)) // whose door does not run
	if err != nil {
		t.Fatal(err)
	}
	var capture progress
	if err := p.examine(t.Context(), &capture); err == nil || !strings.Contains(err.Error(), "main loop") {
		t.Errorf("found %v", err)
	}
}

// The real program tells the service manager that it is ready, that it is alive,
// and that it stops.
func TestServiceManagerIsTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	expect := func(want string) {
		t.Helper()
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		buffer := make([]byte, 4096)
		for {
			n, err := conn.Read(buffer)
			if err != nil {
				t.Fatalf("waiting for %s: %v", want, err)
			}
			if string(buffer[:n]) == want {
				return
			}
		}
	}
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "400000")
	for _, command := range []string{"run", "relay"} {
		p := start(t, simulated, command)
		expect("READY=1")
		expect("WATCHDOG=1")
		expect("WATCHDOG=1")
		p.stop()
		expect("STOPPING=1")
	}
}
