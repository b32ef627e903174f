package device

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"periph.io/x/conn/v3/gpio"

	"doorbell/device/buttontest"
)

// fakePin is a line whose level a test moves, as *gpioioctl.GPIOLine behaves.
type fakePin struct {
	edges chan struct{}

	mu sync.Mutex
	// Guarded by mu.
	level  gpio.Level
	pull   gpio.Pull
	open   bool
	failIn error
	broken bool // edges fail at once, and levels are low
}

func newFakePin() *fakePin {
	return &fakePin{edges: make(chan struct{}, 16), level: gpio.High}
}

func (p *fakePin) In(pull gpio.Pull, edge gpio.Edge) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failIn != nil {
		return p.failIn
	}
	p.pull, p.open = pull, true
	return nil
}

func (p *fakePin) WaitForEdge(timeout time.Duration) bool {
	if timeout <= 0 {
		panic("0 and negative timeouts don't do what they should")
	}
	p.mu.Lock()
	broken := p.broken
	p.mu.Unlock()
	if broken {
		return false
	}
	select {
	case <-p.edges:
		return true
	case <-time.After(timeout):
		return false
	}
}

func (p *fakePin) Read() gpio.Level {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.level && !gpio.Level(p.broken)
}

func (p *fakePin) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = false
}

// set moves the level, which is an edge; like the kernel's, the queue of edges is short.
func (p *fakePin) set(level gpio.Level) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.level = level
	select {
	case p.edges <- struct{}{}:
	default:
	}
}

// fakeLine is a line that is nowhere.
func fakeLine() Line {
	return Line{Chip: "gpiochip0", Label: "fake", Number: 17, Name: "GPIO17", taken: new(atomic.Bool)}
}

// fakeButton is a button on a fake line whose chip is fine until gone holds an error.
func fakeButton(t *testing.T, pin *fakePin, gone *atomic.Pointer[error], options ButtonOptions) *Button {
	t.Helper()
	watch := func() (func() error, error) {
		return func() error {
			if err := gone.Load(); err != nil {
				return *err
			}
			return nil
		}, nil
	}
	b, err := newButton(fakeLine(), pin, watch, options)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestButtonSuite(t *testing.T) {
	t.Parallel()
	var pin *fakePin
	buttontest.Run(t, func(t *testing.T) buttontest.Button {
		pin = newFakePin()
		return fakeButton(t, pin, new(atomic.Pointer[error]), ButtonOptions{})
	}, func(*testing.T) { pin.set(gpio.Low) }, func(*testing.T) { pin.set(gpio.High) })
}

// The suite on a line of the kernel's gpio-sim, where one is named. It is pressed through
// sysfs: DOORBELL_TEST_BUTTON is the line, DOORBELL_TEST_BUTTON_PULL its file `pull`.
func TestRealButton(t *testing.T) {
	name, pull := os.Getenv("DOORBELL_TEST_BUTTON"), os.Getenv("DOORBELL_TEST_BUTTON_PULL")
	if name == "" || pull == "" {
		t.Skip("DOORBELL_TEST_BUTTON and DOORBELL_TEST_BUTTON_PULL name no button")
	}
	move := func(level string) func(t *testing.T) {
		return func(t *testing.T) {
			if err := os.WriteFile(pull, []byte(level), 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	move("pull-up")(t)
	buttontest.Run(t, func(t *testing.T) buttontest.Button {
		b, err := OpenButton(name, ButtonOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}, move("pull-down"), move("pull-up"))
}

// A real button, pressed by a person: DOORBELL_TEST_BUTTON_BY_HAND is its line, such as GPIO17.
func TestButtonByHand(t *testing.T) {
	name := os.Getenv("DOORBELL_TEST_BUTTON_BY_HAND")
	if name == "" {
		t.Skip("DOORBELL_TEST_BUTTON_BY_HAND names no button")
	}
	button, err := OpenButton(name, ButtonOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	presses, done := make(chan time.Time, 16), make(chan error, 1)
	go func() { done <- button.Run(ctx, func(at time.Time) { presses <- at }) }()
	t.Log("press the button three times, within a minute")
	for n := range 3 {
		select {
		case <-presses:
			t.Logf("press %d", n+1)
		case err := <-done:
			t.Fatalf("%d presses, then: %v", n, err)
		}
	}
	select {
	case <-presses:
		t.Error("a press too many is reported: does the button bounce for longer than the settle time?")
	case <-time.After(2 * time.Second):
	}
	cancel()
	<-done
}

func TestButtonPresses(t *testing.T) {
	ms := time.Millisecond
	tests := []struct {
		name    string
		options ButtonOptions
		before  gpio.Level
		moves   map[time.Duration]gpio.Level
		pull    gpio.Pull
		want    []time.Duration
	}{
		{"bouncing", ButtonOptions{}, gpio.High, map[time.Duration]gpio.Level{250 * ms: gpio.Low, 251 * ms: gpio.High, 255 * ms: gpio.Low, 500 * ms: gpio.High}, gpio.PullUp, []time.Duration{250 * ms}},
		{"active high", ButtonOptions{ActiveHigh: true}, gpio.Low, map[time.Duration]gpio.Level{250 * ms: gpio.High, 500 * ms: gpio.Low}, gpio.PullDown, []time.Duration{250 * ms}},
		{"held at the start", ButtonOptions{Pull: PullNone}, gpio.Low, nil, gpio.Float, []time.Duration{100 * ms}},
		{"held at the start, ignored", ButtonOptions{IgnoreHeld: true}, gpio.Low, map[time.Duration]gpio.Level{250 * ms: gpio.High, 500 * ms: gpio.Low}, gpio.PullUp, []time.Duration{500 * ms}},
		{"long settling", ButtonOptions{Settle: 200 * ms}, gpio.High, map[time.Duration]gpio.Level{250 * ms: gpio.Low, 400 * ms: gpio.High, 550 * ms: gpio.Low}, gpio.PullUp, []time.Duration{250 * ms}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				pin := newFakePin()
				pin.level = test.before
				button := fakeButton(t, pin, new(atomic.Pointer[error]), test.options)
				begin := time.Now()
				for at, level := range test.moves {
					time.AfterFunc(at, func() { pin.set(level) })
				}
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				defer cancel()
				var got []time.Duration
				if err := button.Run(ctx, func(at time.Time) { got = append(got, at.Sub(begin)) }); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Run returned %v", err)
				}
				if !slices.Equal(got, test.want) {
					t.Errorf("pressed at %v, want %v", got, test.want)
				}
				if took := time.Since(begin); took > 2*time.Second+buttonPoll {
					t.Errorf("ended %v after its context", took-2*time.Second)
				}
				if pin.open || pin.pull != test.pull || button.line.taken.Load() {
					t.Errorf("pull %v, want %v; open %v", pin.pull, test.pull, pin.open)
				}
			})
		})
	}
}

func TestButtonWhoseChipGoes(t *testing.T) {
	for _, noticed := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			pin := newFakePin()
			var gone atomic.Pointer[error]
			button := fakeButton(t, pin, &gone, ButtonOptions{})
			time.AfterFunc(time.Second, func() {
				if noticed {
					err := button.line.goneError()
					gone.Store(&err)
				}
				pin.mu.Lock()
				pin.broken = true // and so the line reads as pressed
				pin.mu.Unlock()
			})
			err := button.Run(t.Context(), func(time.Time) {
				if noticed {
					t.Error("a press is reported")
				}
			})
			if !errors.Is(err, ErrLineGone) || noticed && !strings.Contains(err.Error(), "until it is back") {
				t.Errorf("Run returned %v", err)
			}
		})
	}
}

func TestButtonThatNeverRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		pin := newFakePin()
		button := fakeButton(t, pin, new(atomic.Pointer[error]), ButtonOptions{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		go func() {
			for level := gpio.Low; ctx.Err() == nil; level = !level {
				pin.set(level)
				time.Sleep(7 * time.Millisecond)
			}
		}()
		_ = button.Run(ctx, func(time.Time) { t.Error("a press is reported") })
		if n := strings.Count(log.String(), "never becomes quiet"); n != 1 {
			t.Errorf("%d warnings: %s", n, log.String())
		}
	})
}

func TestButtonErrors(t *testing.T) {
	for words, want := range map[string]error{
		"line_request ioctl: device or resource busy":  ErrLineBusy,
		"line_request ioctl: operation not permitted":  ErrLinePermission,
		"line_request ioctl: permission denied":        ErrLinePermission,
		"line_request ioctl: no such device":           ErrLineGone,
		"line_request ioctl: invalid argument":         nil,
		"GPIOLine.Out(): line_request ioctl: no space": nil,
	} {
		pin := newFakePin()
		pin.failIn = errors.New(words)
		button := fakeButton(t, pin, new(atomic.Pointer[error]), ButtonOptions{})
		for range 2 { // the second time it must not be busy by itself
			err := button.Run(t.Context(), nil)
			if err == nil || want != nil && !errors.Is(err, want) || want != ErrLineBusy && errors.Is(err, ErrLineBusy) {
				t.Errorf("%s: %v", words, err)
			}
		}
	}
	for _, options := range []ButtonOptions{{Pull: "sideways"}, {Settle: -1}, {Settle: time.Minute}} {
		if _, err := newButton(fakeLine(), newFakePin(), nil, options); err == nil {
			t.Errorf("%+v: no error", options)
		}
	}
}

func TestButtonTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		button := fakeButton(t, newFakePin(), new(atomic.Pointer[error]), ButtonOptions{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		done := make(chan error, 1)
		go func() { done <- button.Run(ctx, nil) }()
		synctest.Wait()
		if err := button.Run(ctx, nil); !errors.Is(err, ErrLineBusy) {
			t.Errorf("a second Run returned %v", err)
		}
		<-done
	})
}

func TestOpenWithoutGPIO(t *testing.T) {
	if nodes, _ := filepath.Glob("/dev/gpiochip*"); len(nodes) > 0 {
		t.Skip("this machine has GPIO")
	}
	if _, err := OpenButton("GPIO17", ButtonOptions{}); !errors.Is(err, ErrNoGPIO) {
		t.Errorf("button: %v", err)
	}
	if _, err := OpenLight("GPIO27", LightOptions{}); !errors.Is(err, ErrNoGPIO) {
		t.Errorf("light: %v", err)
	}
	if _, err := ListLines(); !errors.Is(err, ErrNoGPIO) {
		t.Errorf("list: %v", err)
	}
}
