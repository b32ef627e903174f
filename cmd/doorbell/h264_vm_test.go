//go:build vm && browser

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"strings"
	"testing"
	"time"

	"doorbell/device"
	"doorbell/device/guest"
	"doorbell/device/guest/webcam"
)

// What the webcam below encodes: a long stream with few key frames, so that one that comes soon was asked for.
const (
	ownWidth, ownHeight, ownRate = 640, 360, 15
	ownLength                    = 20 * time.Second
	ownKeys                      = 10 * time.Second
)

// ownH264 has a webcam that encodes by itself: `auto` takes its H.264, every phone sees it at once, and the
// door has next to nothing to do.
func (m *machine) ownH264(browser context.Context, anna *phone) {
	bars, err := guest.MovingBars(ownWidth, ownHeight, ownRate)
	m.must(err)
	camera := webcam.Camera{Streams: []webcam.Stream{bars, encodedStream(m.t, bars)}, Orders: true}
	usb, err := m.PlugUSBCamera(m.within(time.Minute), camera)
	m.must(err)
	m.stop()
	m.configure(usb.Device, false)
	m.sub("doctor", func(t *testing.T) {
		out, _ := m.Run(m.within(time.Minute), vmProgram, "doctor") // other things may be wrong with this machine
		if !strings.Contains(out, usb.Device+" H264 640x360") || !strings.Contains(out, "the camera's own H.264, passed on; it makes key frames on demand") {
			t.Errorf("it says:\n%s", out)
		}
	})
	m.launch()
	anna.online()
	bert := openPhone(m.t, browser, m.page(), "bert")
	bert.login()
	m.ring(anna)
	anna.seesBars(guest.Bars(), 0.5)
	m.t.Logf("processor time in 3 s, emulated: %v", m.spends())

	began := time.Now()
	bert.tap("doors button")
	bert.state("viewing")
	bert.seesMotion()
	if took := time.Since(began); took > ownKeys/2 {
		m.t.Errorf("a second phone saw the picture move after %v: no key frame was made for it", took)
	}
	if path := m.status().Devices["camera"].Path; !strings.Contains(path, "on demand") {
		m.t.Errorf("status says %q", path)
	}

	m.sub("pulled out", func(*testing.T) { usb = m.pulledOut(anna, usb, camera, takings) })
	anna.tap("hangUpBtn")
	anna.state("home")
	m.must(usb.Unplug(m.within(time.Minute)))
}

// encodedStream is the same pictures as H.264, over and over for ownLength, with a key frame every ownKeys.
func encodedStream(t *testing.T, pictures webcam.Stream) webcam.Stream {
	t.Helper()
	video, err := device.NewVideo(device.VideoOptions{
		Open:             func(context.Context) (io.Closer, error) { return &recorded{frames: pictures.Frames}, nil },
		FrameRate:        ownRate,
		BitRate:          400_000,
		KeyFrameInterval: ownKeys,
	})
	if err != nil {
		t.Fatal(err)
	}
	stream := webcam.Stream{Format: webcam.H264, Width: pictures.Width, Height: pictures.Height, FrameRate: pictures.FrameRate}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err = video.Stream(ctx, func(unit []byte, _ bool, _ time.Time) {
		stream.Frames = append(stream.Frames, bytes.Clone(unit))
		if len(stream.Frames) == int(ownLength.Seconds())*ownRate {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	return stream
}

// recorded is a camera that gives JPEG pictures as fast as they are taken, in a time of its own.
type recorded struct {
	frames [][]byte
	next   int
}

func (r *recorded) ReadPicture(ctx context.Context) (*image.YCbCr, time.Time, error) {
	if err := ctx.Err(); err != nil {
		return nil, time.Time{}, err
	}
	decoded, err := jpeg.Decode(bytes.NewReader(r.frames[r.next%len(r.frames)]))
	if err != nil {
		return nil, time.Time{}, err
	}
	picture, ok := decoded.(*image.YCbCr)
	if !ok {
		return nil, time.Time{}, fmt.Errorf("a picture is %T", decoded)
	}
	r.next++
	return picture, time.Unix(0, 0).Add(time.Duration(r.next) * time.Second / ownRate), nil
}

func (r *recorded) Close() error { return nil }
