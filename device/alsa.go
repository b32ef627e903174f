package device

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"time"
	"unsafe"

	"github.com/gen2brain/malgo"
)

const (
	// alsaPeriod is how much sound a card hands over at once. Speaker to microphone takes
	// 23 to 40 ms with 10 ms and 64 to 73 ms with 20 ms (measured).
	alsaPeriod = 10 * time.Millisecond
	// alsaPeriods is how many periods the card itself buffers.
	alsaPeriods = 3
)

// alsaDisconnected is what miniaudio logs, again and again, when a card was unplugged; it
// does nothing else about it. 8 is SND_PCM_STATE_DISCONNECTED (alsa-lib, pcm.h).
const alsaDisconnected = "POLLERR detected. status = 8"

// openALSA opens and starts the ALSA device id for the port, which gets its end. moved is
// called on the card's own thread with its samples, to read or to fill.
func openALSA(direction soundDirection, id string, port *soundPort, moved func(pcm []int16)) error {
	backend, err := malgo.InitContext([]malgo.Backend{malgo.BackendAlsa}, malgo.ContextConfig{}, alsaLog(port))
	if err != nil {
		if errors.Is(err, malgo.ErrNoBackend) {
			return fmt.Errorf("loading ALSA: %w: install the package libasound2 (Debian 13: libasound2t64)", err)
		}
		return fmt.Errorf("starting ALSA: %w", err)
	}
	release := func() {
		if err := backend.Uninit(); err != nil {
			port.logger.Warn("ending ALSA", "device", port.label, "error", err)
		}
		backend.Free()
	}
	device, err := startALSA(backend.Context, direction, id, moved)
	if err != nil {
		release()
		return err
	}
	port.ring.force(nil, time.Now())
	port.shut = func() {
		// Uninit alone never wakes a thread that spins on a card that was unplugged; Stop does.
		if err := device.Stop(); err != nil {
			port.logger.Debug("stopping the card", "device", port.label, "error", err)
		}
		device.Uninit()
		release()
	}
	return nil
}

// startALSA opens one device of an ALSA context and starts it.
func startALSA(backend malgo.Context, direction soundDirection, id string, moved func(pcm []int16)) (*malgo.Device, error) {
	var deviceID malgo.DeviceID
	if len(id) >= len(deviceID) {
		return nil, fmt.Errorf("%w: the name is too long", ErrNoSuchSound)
	}
	copy(deviceID[:], id)
	var pinner runtime.Pinner // InitDevice hands the id on to C inside a structure
	pinner.Pin(&deviceID)
	defer pinner.Unpin()

	kind, half := malgo.Capture, malgo.SubConfig{DeviceID: unsafe.Pointer(&deviceID), Format: malgo.FormatS16, Channels: 1}
	if direction == soundPlayback {
		kind = malgo.Playback
	}
	config := malgo.DefaultDeviceConfig(kind)
	config.Capture, config.Playback = half, half
	config.SampleRate = SampleRate
	config.PeriodSizeInMilliseconds = uint32(alsaPeriod / time.Millisecond)
	config.Periods = alsaPeriods
	config.NoFixedSizedCallback = 1 // the ring takes any size; this saves miniaudio's own buffer

	device, err := malgo.InitDevice(backend, config, malgo.DeviceCallbacks{Data: func(out, in []byte, _ uint32) {
		if direction == soundCapture {
			moved(samplesOf(in))
		} else {
			moved(samplesOf(out))
		}
	}})
	if err != nil {
		return nil, alsaError(err)
	}
	if err := device.Start(); err != nil {
		device.Uninit()
		return nil, alsaError(err)
	}
	return device, nil
}

// alsaLog hears what miniaudio has to say, above all that the card was unplugged. It is
// called on the card's thread, without a pause between two calls where it goes wrong.
func alsaLog(port *soundPort) malgo.LogProc {
	return func(message string) {
		switch {
		case strings.Contains(message, alsaDisconnected):
			port.lose()
		case strings.Contains(message, "POLLERR"):
			// Nothing more is known; the watchdog decides.
		default:
			port.logger.Debug("ALSA", "device", port.label, "message", strings.TrimSpace(message))
		}
	}
}

// alsaError puts miniaudio's words for errno into ours (ma_result_from_errno).
func alsaError(err error) error {
	switch {
	case errors.Is(err, malgo.ErrBusy), errors.Is(err, malgo.ErrUnavailable):
		return fmt.Errorf("%w: %w", ErrSoundBusy, err)
	case errors.Is(err, malgo.ErrAccessDenied), errors.Is(err, malgo.ErrInvalidOperation):
		return fmt.Errorf("%w: %w", ErrSoundPermission, err)
	case errors.Is(err, malgo.ErrDoesNotExist):
		return fmt.Errorf("%w: %w", ErrNoSuchSound, err)
	}
	return err
}

// samplesOf takes native-endian bytes of C memory for samples, without a copy.
func samplesOf(raw []byte) []int16 {
	if len(raw) < 2 {
		return nil
	}
	return unsafe.Slice((*int16)(unsafe.Pointer(unsafe.SliceData(raw))), len(raw)/2)
}

// openSound resolves name and opens it, or says what is wrong. ALSA can take long to
// open a device and can't be interrupted: where ctx ends first, a goroutine waits for it
// and closes it again.
func openSound(ctx context.Context, direction soundDirection, name string, logger *slog.Logger, size time.Duration, moved func(*soundPort) func([]int16)) (*soundPort, error) {
	system := systemSound()
	id, err := system.resolve(direction, name)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if _, err := system.list(direction); err != nil {
		return nil, fmt.Errorf("%s %q: %w", direction, name, err) // and spare the log ALSA's own words
	}
	port := newSoundPort(fmt.Sprintf("%s %q", direction, id), size, logger)
	opened := make(chan error, 1)
	go func() { opened <- openALSA(direction, id, port, moved(port)) }()
	select {
	case err := <-opened:
		if err != nil {
			return nil, system.explain(direction, name, id, err)
		}
		return port, nil
	case <-ctx.Done():
		go func() {
			if err := <-opened; err == nil {
				_ = port.Close() // logs what goes wrong
			}
		}()
		return nil, fmt.Errorf("%s %q: opening it: %w", direction, name, ctx.Err())
	}
}
