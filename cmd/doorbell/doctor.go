package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"doorbell/configs"
	"doorbell/device"
	"doorbell/rtc"
)

// doctorTimeout bounds the look at one device.
const doctorTimeout = 10 * time.Second

type doctorCommand struct{}

// finding is what the doctor says of one thing.
type finding struct {
	what    string
	detail  string
	problem error
	// rest are further lines: what else there is to choose from.
	rest []string
}

// Run looks at everything, and fails if anything is wrong.
func (doctorCommand) Run(e *environment) error {
	config, err := e.config()
	if err != nil {
		return err
	}
	running := e.ask("GET", "status", nil) == nil
	healthy := true
	for _, f := range examine(e.ctx, config, running) {
		mark := "ok   "
		if f.problem != nil {
			mark, healthy = "WRONG", false
			f.detail = f.problem.Error()
		}
		lines := append(strings.Split(f.detail, "\n"), f.rest...) // there may be several problems
		_, _ = fmt.Fprintf(e.stdout, "%s  %-11s %s\n", mark, f.what, lines[0])
		for _, line := range lines[1:] {
			_, _ = fmt.Fprintf(e.stdout, "                     %s\n", line)
		}
	}
	if running {
		_, _ = fmt.Fprintln(e.stdout, "\nA doorbell is running here, and holds its devices and ports; `doorbell status` tells how they do.")
	}
	if !healthy {
		return errReported
	}
	return nil
}

// examine looks at each thing that the configuration names. What a running
// doorbell holds is not opened.
func examine(ctx context.Context, config configs.Config, running bool) []finding {
	return []finding{
		examineCamera(ctx, config, running),
		examineSound(ctx, "microphone", config.Microphone.Source, device.ListMicrophones, running, openMicrophoneOnce),
		examineSound(ctx, "speaker", config.Speaker.Source, device.ListSpeakers, running, openSpeakerOnce),
		examineEcho(ctx, config, running),
		examineLine("button", config.Button.Source),
		examineLine("light", config.Light.Source),
		examinePort(ctx, "page", config.Listen, 80, 8080, running),
		examinePort(ctx, "https", config.TLS.Listen, 443, 8443, running),
		examineCertificate(config),
		examineAccess(config),
		examineMedia(config.ICE, running),
	}
}

func examineCamera(ctx context.Context, config configs.Config, running bool) finding {
	f := finding{what: "camera"}
	source := config.Camera.Source
	for _, camera := range device.ListCameras() {
		line := camera.String()
		if camera.Problem != nil {
			line = fmt.Sprintf("%s: %v", camera.Path, camera.Problem)
		}
		f.rest = append(f.rest, line)
		if len(camera.Controls) > 0 {
			f.rest = append(f.rest, "  camera.image: "+strings.Join(camera.Controls, ", "))
		}
	}
	if source == nameNone {
		f.detail = "none is configured"
		return f
	}
	f.detail = source
	if running {
		return f
	}
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	d, err := newDevices(config, newLogger(config.Log, os.Stderr))
	if err != nil {
		f.problem = err
		return f
	}
	first := make(chan struct{})
	streaming, stop := context.WithCancel(ctx)
	defer stop()
	var once bool
	err = d.video.Stream(streaming, func([]byte, bool, time.Time) {
		if !once {
			once = true
			close(first)
			stop()
		}
	})
	select {
	case <-first:
		state := d.video.State()
		f.detail = state.Source
		if state.Width != 0 { // it is encoded here
			f.rest = append([]string{"VP8 for phones that take no H.264"}, f.rest...)
		} else {
			f.rest = append([]string{"no VP8 for phones that take no H.264: " + device.ErrNoPictures.Error()}, f.rest...)
		}
		if state.Controls != "" {
			f.problem = errors.New(state.Controls)
		}
		if state.Path != "" {
			f.rest = append([]string{state.Path}, f.rest...)
		}
	default:
		if ctx.Err() != nil {
			err = fmt.Errorf("no picture came within %s", doctorTimeout)
		}
		f.problem = fmt.Errorf("camera: %s: %w", source, err)
	}
	return f
}

func openMicrophoneOnce(ctx context.Context, name string) (string, error) {
	microphone, err := device.OpenMicrophone(ctx, name, device.SoundOptions{})
	if err != nil {
		return "", err
	}
	samples := make([]int16, device.FrameSamples)
	_, err = microphone.ReadSamples(ctx, samples)
	if closed := microphone.Close(); err == nil {
		err = closed
	}
	return fmt.Sprintf("%s, %.0f dBFS", microphone.Description(), device.LevelDBFS(samples)), err
}

func openSpeakerOnce(ctx context.Context, name string) (string, error) {
	speaker, err := device.OpenSpeaker(ctx, name, device.SoundOptions{})
	if err != nil {
		return "", err
	}
	err = speaker.WriteSamples(ctx, make([]int16, device.FrameSamples))
	if closed := speaker.Close(); err == nil {
		err = closed
	}
	return speaker.Description(), err
}

func examineSound(ctx context.Context, what, source string, list func() ([]device.Sound, error), running bool,
	try func(context.Context, string) (string, error),
) finding {
	f := finding{what: what, detail: source}
	switch source {
	case nameNone:
		f.detail = "none is configured"
		return f
	case nameSim:
		return f
	}
	found, err := list()
	for _, sound := range found {
		line := fmt.Sprintf("%s: %s", sound.ID, sound.Name)
		if sound.Problem != nil {
			line += fmt.Sprintf(": %v", sound.Problem)
		}
		f.rest = append(f.rest, line)
	}
	if err != nil || running {
		f.problem = err
		return f
	}
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	f.detail, f.problem = try(ctx, source)
	return f
}

// examineEcho plays a chirp and listens for it.
func examineEcho(ctx context.Context, config configs.Config, running bool) finding {
	f := finding{what: "echo", detail: "not measured"}
	simulated := func(source string) bool { return source == nameNone || source == nameSim }
	if running || simulated(config.Microphone.Source) || simulated(config.Speaker.Source) {
		return f
	}
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	reference := device.NewEchoReference()
	microphone, err := device.OpenMicrophone(ctx, config.Microphone.Source, device.SoundOptions{})
	if err != nil {
		return f // the microphone's own finding says why
	}
	speaker, err := device.OpenSpeaker(ctx, config.Speaker.Source, device.SoundOptions{Echo: reference})
	if err != nil {
		_ = microphone.Close()
		return f
	}
	report, err := device.MeasureEcho(ctx, microphone, speaker, reference)
	f.detail, f.problem = report.String(), errors.Join(err, speaker.Close(), microphone.Close())
	return f
}

func examineLine(what, source string) finding {
	f := finding{what: what, detail: source}
	switch source {
	case nameNone:
		f.detail = "none is configured"
		return f
	case nameSim:
		return f
	}
	line, err := device.FindLine(source)
	if err != nil {
		f.problem = err
		return f
	}
	f.detail = line.ID()
	return f
}

func examineMedia(ice configs.ICE, running bool) finding {
	f := finding{what: "media port", detail: "UDP and TCP " + strconv.Itoa(ice.Port)}
	if f.problem = rtc.CheckPort(ice.Port); f.problem != nil || running {
		return f
	}
	addrs, err := rtc.ProbePort(ice.Port, ice.Loopback)
	if err != nil {
		f.problem = fmt.Errorf("%w (another program has it: stop that one, or set ice.port)", err)
		return f
	}
	if len(addrs) == 0 {
		f.problem = fmt.Errorf("this machine has no network address yet: connect it to the network of the phones")
		return f
	}
	f.detail += " on " + strings.Join(addrs, ", ")
	return f
}
