// Command rpicamtest stands in for rpicam-vid where there is no camera module: it
// takes the options that doorbell gives, refuses others as the real one does, and
// writes a live stream of the simulated camera. Build it under the name rpicam-vid.
//
// The environment makes it fail: RPICAMTEST is "none" (no camera), "busy" (another
// program has it), "die:N" or "hang:N" (after N pictures).
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"doorbell/device"
	"doorbell/device/sim"
)

// errDead is the end that the environment asked for.
var errDead = errors.New("ERROR: *** the camera frontend has timed out ***")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Getenv("RPICAMTEST"), os.Stdout); err != nil && ctx.Err() == nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		os.Exit(255)
	}
}

// fault is what goes wrong, after so many pictures.
type fault struct {
	kind  string
	after int
}

func run(ctx context.Context, args []string, wrong string, out io.Writer) error {
	flags := flag.NewFlagSet("rpicam-vid", flag.ContinueOnError)
	var (
		codec   = flags.String("codec", "h264", "")
		output  = flags.String("output", "", "")
		timeout = flags.Int("timeout", 5000, "")
		width   = flags.Int("width", 0, "")
		height  = flags.Int("height", 0, "")
		rate    = flags.Float64("framerate", 30, "")
		intra   = flags.Int("intra", 60, "")
		bitRate = flags.Int("bitrate", 0, "")
		inline  = flags.Bool("inline", false, "")
		profile = flags.String("profile", "high", "")
		camera  = flags.Int("camera", 0, "")
		_       = flags.Bool("nopreview", false, "")
		_       = flags.Bool("flush", false, "")
		_       = flags.Float64("brightness", 0, "")
		_       = flags.Float64("contrast", 1, "")
		_       = flags.Float64("saturation", 1, "")
		_       = flags.Float64("ev", 0, "")
		_       = flags.Duration("flicker-period", 0, "")
		_       = flags.Int("shutter", 0, "")
	)
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("ERROR: *** %w ***", err)
	}
	kind, after, _ := strings.Cut(wrong, ":")
	n, _ := strconv.Atoi(after)
	switch {
	case kind == "none" || *camera > 0:
		return errors.New("ERROR: *** no cameras available ***")
	case kind == "busy":
		return errors.New("ERROR: *** failed to acquire camera /base/soc/i2c0mux/i2c@1/imx219@10 ***")
	case *output != "-" || *timeout != 0:
		return errors.New("this stand-in writes to standard output only, and for ever")
	}
	source, err := sim.NewCamera(sim.CameraOptions{Width: *width, Height: *height, FrameRate: *rate})
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()
	f := fault{kind, n}
	switch *codec {
	case "yuv420":
		return pictures(ctx, source, f, out)
	case "h264":
		if !*inline || *profile != "baseline" || *bitRate == 0 {
			return errors.New("a stream whose parameter sets come once, or of another profile, is of no use to a door")
		}
		return units(ctx, source, *rate, *bitRate, *intra, f, out)
	}
	return fmt.Errorf("ERROR: *** unrecognised codec %s ***", *codec)
}

// check does what is to go wrong when the picture n has been written.
func (f fault) check(ctx context.Context, n int) error {
	switch {
	case n != f.after || f.after == 0:
	case f.kind == "die":
		return errDead
	case f.kind == "hang":
		<-ctx.Done()
		return ctx.Err()
	}
	return nil
}

func pictures(ctx context.Context, source *sim.Camera, f fault, out io.Writer) error {
	for n := 1; ; n++ {
		p, _, err := source.ReadPicture(ctx)
		if err != nil {
			return err
		}
		if _, err := out.Write(bytes.Join([][]byte{p.Y, p.Cb, p.Cr}, nil)); err != nil {
			return err
		}
		if err := f.check(ctx, n); err != nil {
			return err
		}
	}
}

func units(ctx context.Context, source *sim.Camera, rate float64, bitRate, intra int, f fault, out io.Writer) error {
	video, err := device.NewVideo(device.VideoOptions{
		Open:      func(context.Context) (io.Closer, error) { return source, nil },
		FrameRate: rate, BitRate: bitRate, Encoder: device.EncoderSoftware,
		KeyFrameInterval: time.Duration(float64(intra) / rate * float64(time.Second)),
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	n := 0
	err = video.Stream(ctx, func(unit []byte, _ bool, _ time.Time) {
		if ctx.Err() != nil {
			return
		}
		_, failed := out.Write(unit)
		if n++; failed == nil {
			failed = f.check(ctx, n)
		}
		if failed != nil {
			cancel(failed)
		}
	})
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}
