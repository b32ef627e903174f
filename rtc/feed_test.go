package rtc

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestKeyRequestsMerge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var asked []time.Duration
		k := newKeyRequests(func() { asked = append(asked, time.Since(start)) })
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { k.run(ctx) })
		for range 100 { // a phone every 10 ms
			k.want()
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(time.Second)
		cancel()
		running.Wait()
		want := []time.Duration{0, keyInterval, 2 * keyInterval, 3 * keyInterval, 4 * keyInterval}
		if !slices.Equal(asked, want) {
			t.Errorf("key frames were asked for at %v, want %v", asked, want)
		}
	})
}

// TestFeedRetries watches a device that fails at every start: it is tried
// again, later each time, and not once more after nobody wants it. The log says so once.
func TestFeedRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var opened []time.Duration
		var states []DeviceState
		var log bytes.Buffer
		f := newFeed("camera", slog.New(slog.NewTextHandler(&log, nil)),
			func(s DeviceState) { states = append(states, s) }, never, func() {},
			func(context.Context, func()) error {
				opened = append(opened, time.Since(start))
				return errors.New("no such device")
			})
		stop := runFeed(t, f)
		f.want(true)
		time.Sleep(6 * time.Second)
		f.want(false)
		time.Sleep(time.Minute)
		stop()
		ms := time.Millisecond
		want := []time.Duration{0, 250 * ms, 750 * ms, 1750 * ms, 2750 * ms, 3750 * ms, 4750 * ms, 5750 * ms}
		if !slices.Equal(opened, want) {
			t.Errorf("opened at %v, want %v", opened, want)
		}
		if states[0] != DeviceLost || states[len(states)-1] != DeviceIdle {
			t.Errorf("states %v", states)
		}
		if n := strings.Count(log.String(), "no such device"); n != 1 {
			t.Errorf("the log says it %d times:\n%s", n, log.String())
		}
	})
}

// runFeed runs a feed until stop is called.
func runFeed(t *testing.T, f *feed) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { f.run(ctx) })
	return func() {
		cancel()
		running.Wait()
	}
}

// never is for devices that nobody plugs in.
func never() <-chan struct{} { return nil }

// TestFeedTriesWhatArrives watches a device that is back at some time: it is tried then, and not only when its time has come.
// What came while it worked doesn't count.
func TestFeedTriesWhatArrives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var there atomic.Bool
		var arrival atomic.Value // chan struct{}
		arrival.Store(make(chan struct{}))
		arrive := func() { close(arrival.Swap(make(chan struct{})).(chan struct{})) }
		next := func() <-chan struct{} { return arrival.Load().(chan struct{}) }
		var opened []time.Duration
		unplugged := make(chan struct{})
		f := newFeed("camera", slog.New(slog.DiscardHandler), func(DeviceState) {}, next, func() {},
			func(ctx context.Context, delivered func()) error {
				opened = append(opened, time.Since(start))
				if !there.Load() {
					return errors.New("no such device")
				}
				delivered()
				<-unplugged
				return errors.New("unplugged")
			})
		stop := runFeed(t, f)
		f.want(true)
		time.Sleep(2 * time.Second)
		there.Store(true)
		arrive() // at 2 s
		time.Sleep(3 * time.Second)
		arrive() // something else
		time.Sleep(time.Second)
		there.Store(false)
		close(unplugged) // at 6 s
		time.Sleep(400 * time.Millisecond)
		arrive() // something else again
		time.Sleep(300 * time.Millisecond)
		stop()
		ms := time.Millisecond
		want := []time.Duration{0, 250 * ms, 750 * ms, 1750 * ms, 2000 * ms, 6250 * ms, 6400 * ms, 6650 * ms}
		if !slices.Equal(opened, want) {
			t.Errorf("opened at %v, want %v", opened, want)
		}
	})
}

// TestFeedStops closes a device in the middle of a stream.
func TestFeedStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		running, opened := false, 0
		f := newFeed("camera", slog.New(slog.DiscardHandler), func(DeviceState) {}, never, func() { running = false },
			func(ctx context.Context, delivered func()) error {
				running = true
				opened++
				delivered()
				<-ctx.Done()
				return ctx.Err()
			})
		stop := runFeed(t, f)
		for range 3 {
			f.want(true)
			f.want(true)
			synctest.Wait()
			if !running {
				t.Fatal("wanted, but not open")
			}
			f.want(false)
			synctest.Wait()
			if running {
				t.Fatal("not wanted, but open")
			}
		}
		f.want(true)
		synctest.Wait()
		stop()
		if running || opened != 4 {
			t.Errorf("running %t after %d openings, want false after 4", running, opened)
		}
	})
}

// TestFeedTellsAStall watches a device that stays open and gives nothing.
func TestFeedTellsAStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var states []DeviceState
		f := newFeed("camera", slog.New(slog.DiscardHandler), func(s DeviceState) { states = append(states, s) }, never, func() {},
			func(ctx context.Context, delivered func()) error {
				for range 3 {
					delivered()
					delivered()
					time.Sleep(2 * stallTime)
				}
				<-ctx.Done()
				return ctx.Err()
			})
		stop := runFeed(t, f)
		f.want(true)
		time.Sleep(20 * stallTime)
		f.want(false)
		synctest.Wait()
		stop()
		want := []DeviceState{DeviceOK, DeviceLost, DeviceOK, DeviceLost, DeviceOK, DeviceLost, DeviceIdle}
		if !slices.Equal(states, want) {
			t.Errorf("states %v, want %v", states, want)
		}
	})
}
