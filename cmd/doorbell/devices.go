package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"doorbell/configs"
	"doorbell/device"
	"doorbell/device/sim"
	"doorbell/rtc"
)

// Names that stand for no device, and for a simulated one.
const (
	nameNone = "none"
	nameSim  = "sim"
	nameAuto = "auto"
	// nameRpicam is the camera module of a Raspberry Pi.
	nameRpicam = "rpicam"
)

// lineRetry is how long to wait before a button or light that failed is tried again, where no device comes meanwhile.
const lineRetry = 500 * time.Millisecond

// lineSteady is how long a button or light has to work for its next failure to be news.
const lineSteady = 5 * time.Second

type button interface {
	Run(ctx context.Context, pressed func(at time.Time)) error
}

type light interface {
	Set(on bool) error
	Close() error
}

// devices are the door's, as the configuration names them. This is the one place
// where `sim` means something.
type devices struct {
	// Fixed after newDevices.
	config  configs.Config
	log     *slog.Logger
	video   *device.Video // nil: none
	voice   *device.Voice // nil: none
	mixer   *device.Mixer // nil: none
	button  *sim.Button   // nil: not simulated
	speaker *sim.Speaker  // nil: not simulated
	ringing chan bool     // newest wish for the light, capacity 1
	chimes  chimes
	// arrivals tells when to try a lost device again.
	arrivals device.Arrivals
	echo     *device.EchoReference // nil: no echo is cancelled

	// Fixed before run.
	pressed      func(at time.Time)
	speakerState func(rtc.DeviceState)
	buttonState  func(rtc.DeviceState)
}

func newDevices(config configs.Config, log *slog.Logger) (*devices, error) {
	d := &devices{config: config, log: log, ringing: make(chan bool, 1)}
	if config.Camera.Source != nameNone {
		video, err := device.NewVideo(device.VideoOptions{
			Open:      d.openCamera,
			FrameRate: float64(config.Camera.FrameRate),
			BitRate:   config.Camera.BitRate,
			Encoder:   device.Encoder(config.Camera.Encoder),
			Transform: transformOf(config.Camera),
			Logger:    log,
		})
		if err != nil {
			return nil, fmt.Errorf("camera: %w", err)
		}
		d.video = video
	}
	m := config.Microphone
	if m.CancelEcho && m.Source != nameNone && config.Speaker.Source != nameNone {
		d.echo = device.NewEchoReference()
	}
	if m.Source != nameNone {
		d.voice = device.NewVoice(device.VoiceOptions{
			Open: d.openMicrophone, Packet: m.Packet, Logger: log,
			Clean: device.CleanOptions{Echo: d.echo, Noise: m.SuppressNoise, Gain: m.ControlGain, Logger: log},
		})
	}
	if config.Speaker.Source != nameNone {
		d.mixer = device.NewMixer(device.MixerOptions{Open: d.openSpeaker, Block: m.Packet, Arrivals: &d.arrivals, Logger: log, Changed: d.speakerChanged})
	}
	var err error
	if d.chimes, err = loadChimes(config.Chime); err != nil {
		return nil, err
	}
	if config.Speaker.Source == nameSim {
		d.speaker = sim.NewSpeaker()
	}
	if config.Button.Source == nameSim {
		d.button = sim.NewButton()
	}
	return d, nil
}

// openCamera opens what camera.source names.
func (d *devices) openCamera(ctx context.Context) (io.Closer, error) {
	c := d.config.Camera
	kind, path, _ := strings.Cut(c.Source, ":")
	switch {
	case c.Source == nameSim:
		return sim.NewCamera(sim.CameraOptions{Width: c.Width, Height: c.Height, FrameRate: float64(c.FrameRate)})
	case kind == "file" && path != "":
		return device.OpenFile(path)
	case kind == "pipe" && path != "":
		return device.OpenPipe(path)
	case kind == nameRpicam:
		return d.openRpicam(path)
	}
	format := c.Format
	if format == nameAuto {
		format = "" // the device's own choice
		if !transformOf(c).None() {
			format = "pictures"
		}
	}
	camera, err := device.OpenCamera(ctx, c.Source, device.CameraOptions{
		Format: format, Width: c.Width, Height: c.Height, FrameRate: float64(c.FrameRate), BitRate: c.BitRate,
		Image: imageOf(c),
	})
	if c.Source == nameAuto && errors.Is(err, device.ErrNotFound) && device.RpicamInstalled() {
		return d.openRpicam("")
	}
	return camera, err
}

// imageOf is how the camera is to make its pictures, in the order of the names.
func imageOf(c configs.Camera) []device.ImageControl {
	var wishes []device.ImageControl
	for name, value := range c.Image.Wishes() {
		if n, err := strconv.ParseFloat(value, 64); err == nil { // configs has seen to that
			wishes = append(wishes, device.ImageControl{Name: name, Value: n})
		}
	}
	slices.SortFunc(wishes, func(a, b device.ImageControl) int { return strings.Compare(a.Name, b.Name) })
	return wishes
}

// transformOf is what is done to the camera's pictures.
func transformOf(c configs.Camera) device.Transform {
	t := device.Transform{Rotate: c.Rotate, Mirror: c.Mirror}
	if c.Clock != nameNone {
		t.Clock = device.Clock{Place: c.Clock, Format: c.ClockFormat}
	}
	for _, m := range c.Mask {
		t.Masks = append(t.Masks, image.Rect(m.X, m.Y, m.X+m.Width, m.Y+m.Height))
	}
	return t
}

// openRpicam opens a camera module: 0, the first, where index is empty. H.264 comes
// out of the Pi's own encoder where it has one.
func (d *devices) openRpicam(index string) (io.Closer, error) {
	c := d.config.Camera
	n, err := strconv.Atoi(cmp.Or(index, "0"))
	if err != nil {
		return nil, fmt.Errorf("camera rpicam:%s: not the number of a camera: %w", index, err)
	}
	pictures := c.Format == "raw" || c.Format == nameAuto && (!transformOf(c).None() || c.Encoder == string(device.EncoderSoftware) || len(device.ListEncoders()) == 0)
	return device.OpenRpicam(device.RpicamOptions{
		Index: n, Width: c.Width, Height: c.Height, FrameRate: float64(c.FrameRate), BitRate: c.BitRate, Pictures: pictures,
		Image: imageOf(c),
	})
}

func (d *devices) openMicrophone(ctx context.Context) (io.Closer, error) {
	if d.config.Microphone.Source == nameSim {
		return sim.NewMicrophone(), nil
	}
	return device.OpenMicrophone(ctx, d.config.Microphone.Source, device.SoundOptions{})
}

func (d *devices) openSpeaker(ctx context.Context) (io.Closer, error) {
	if d.speaker != nil {
		return keptOpen{d.speaker}, nil
	}
	return device.OpenSpeaker(ctx, d.config.Speaker.Source, device.SoundOptions{Echo: d.echo})
}

// keptOpen is the simulated loudspeaker, which goes on telling what it heard
// after it was closed.
type keptOpen struct{ *sim.Speaker }

// Close does nothing.
func (keptOpen) Close() error { return nil }

// join adds a phone's voice to the loudspeaker (rtc.JoinVoice).
func (d *devices) join() (func(uint16, uint32, []byte), func()) {
	talker := d.mixer.Join()
	return talker.Receive, talker.Leave
}

func (d *devices) speakerChanged(state device.SoundState) {
	d.speakerState(map[device.SoundState]rtc.DeviceState{
		device.SoundNone: rtc.DeviceNone, device.SoundIdle: rtc.DeviceIdle,
		device.SoundOpen: rtc.DeviceOK, device.SoundLost: rtc.DeviceLost,
	}[state])
}

// showRinging switches the light. It never blocks.
func (d *devices) showRinging(on bool) {
	select {
	case <-d.ringing:
	default:
	}
	d.ringing <- on
}

// run runs loudspeaker, button and light until ctx ends. A device that fails is
// tried again; the rest goes on without it.
func (d *devices) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return d.arrivals.Run(ctx, d.log) })
	if d.mixer != nil {
		group.Go(func() error { return d.mixer.Run(ctx) })
	}
	group.Go(func() error { return d.runButton(ctx) })
	group.Go(func() error { return d.runLight(ctx) })
	return group.Wait()
}

func (d *devices) openButton() (button, error) {
	c := d.config.Button
	if d.button != nil {
		return d.button, nil
	}
	return device.OpenButton(c.Source, device.ButtonOptions{Pull: device.Pull(c.Pull), ActiveHigh: c.ActiveHigh, Settle: c.Settle, Logger: d.log})
}

func (d *devices) runButton(ctx context.Context) error {
	if d.config.Button.Source == nameNone {
		return nil
	}
	return d.runLine(ctx, func() error {
		b, err := d.openButton()
		if err == nil {
			d.buttonState(rtc.DeviceOK)
			err = b.Run(ctx, d.pressed)
		}
		if ctx.Err() == nil {
			d.buttonState(rtc.DeviceLost)
		}
		return err
	}, func(err error) {
		d.log.Error("the button does not work; it is tried again", "button", d.config.Button.Source, "error", err)
	})
}

// runLine runs what has a line, until ctx ends: when it has failed it is tried again, at once when a device came. The
// log hears of a failure once, not at each try.
func (d *devices) runLine(ctx context.Context, run func() error, tell func(error)) error {
	said := ""
	for ctx.Err() == nil {
		begin, arrival := time.Now(), d.arrivals.Next()
		err := run()
		if time.Since(begin) > lineSteady {
			said, arrival = "", d.arrivals.Next() // what came while it worked is not this one
		}
		if ctx.Err() == nil && err != nil && err.Error() != said {
			said = err.Error()
			tell(err)
		}
		select {
		case <-ctx.Done():
		case <-arrival:
		case <-time.After(lineRetry):
		}
	}
	return ctx.Err()
}

func (d *devices) openLight() (light, error) {
	if d.config.Light.Source == nameSim {
		return sim.NewLight(), nil
	}
	return device.OpenLight(d.config.Light.Source, device.LightOptions{})
}

// runLight shows that it rings. A light that does not work is no reason not to ring.
func (d *devices) runLight(ctx context.Context) error {
	if d.config.Light.Source == nameNone {
		return nil
	}
	on := false
	return d.runLine(ctx, func() error {
		l, err := d.openLight()
		if err != nil {
			return err
		}
		err = l.Set(on)
		for err == nil && ctx.Err() == nil {
			select {
			case <-ctx.Done():
			case on = <-d.ringing:
				err = l.Set(on)
			}
		}
		if err != nil {
			_ = l.Close() // fails for the same reason
			return err
		}
		return l.Close()
	}, func(err error) {
		d.log.Error("the light does not work; it is tried again", "light", d.config.Light.Source, "error", err)
	})
}
