package device_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"doorbell/device"
	"doorbell/device/devicetest"
	"doorbell/device/sim"
)

var (
	_ devicetest.Pictures    = (*device.RawCamera)(nil)
	_ devicetest.Pictures    = (*device.Y4MFile)(nil)
	_ devicetest.Pictures    = (*sim.Camera)(nil)
	_ devicetest.AccessUnits = (*device.H264Camera)(nil)
	_ devicetest.AccessUnits = (*device.H264File)(nil)
)

func openSim(t testing.TB, width, height int) *sim.Camera {
	t.Helper()
	c, err := sim.NewCamera(sim.CameraOptions{Width: width, Height: height})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestSimCameraConforms(t *testing.T) {
	devicetest.Camera(t, func(t *testing.T) io.Closer { return openSim(t, 320, 240) })
}

// The real devices. They are those of virtual machines with the kernel's own test
// driver too: DOORBELL_TEST_CAMERA=/dev/video0 (or auto), and optionally
// DOORBELL_TEST_CAMERA_FORMAT, which is CameraOptions.Format; and one that gives
// MJPEG, DOORBELL_TEST_CAMERA_MJPEG.
func TestV4L2CameraConforms(t *testing.T) {
	for _, info := range device.ListCameras() {
		t.Log(info)
	}
	t.Run("raw", func(t *testing.T) {
		conforms(t, os.Getenv("DOORBELL_TEST_CAMERA"), os.Getenv("DOORBELL_TEST_CAMERA_FORMAT"))
	})
	t.Run("MJPEG", func(t *testing.T) { conforms(t, os.Getenv("DOORBELL_TEST_CAMERA_MJPEG"), "mjpeg") })
}

func conforms(t *testing.T, path, format string) {
	if path == "" {
		t.Skip("the environment names no camera")
	}
	options := device.CameraOptions{Width: 640, Height: 360, Format: format}
	devicetest.Camera(t, func(t *testing.T) io.Closer {
		c, err := device.OpenCamera(t.Context(), path, options)
		if err != nil {
			t.Fatal(err)
		}
		return c
	})
	t.Run("is busy for a second one", func(t *testing.T) {
		c, err := device.OpenCamera(t.Context(), path, options)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if second, err := device.OpenCamera(t.Context(), path, options); !errors.Is(err, device.ErrBusy) {
			t.Errorf("opened twice: %v, %v", second, err)
		}
	})
}

// record is a second of the test card in Y4M and in H.264.
func record(t testing.TB) (y4m []byte, units [][]byte) {
	t.Helper()
	var b bytes.Buffer
	b.WriteString("YUV4MPEG2 W320 H240 F30:1 Ip C420jpeg\n")
	c := openSim(t, 320, 240)
	for range 15 {
		p, _, err := c.ReadPicture(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString("FRAME\n")
		b.Write(p.Y)
		b.Write(p.Cb)
		b.Write(p.Cr)
	}
	v, err := device.NewVideo(device.VideoOptions{Open: func(context.Context) (io.Closer, error) { return openSim(t, 320, 240), nil }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err = v.Stream(ctx, func(unit []byte, key bool, _ time.Time) {
		if units = append(units, bytes.Clone(unit)); len(units) == 15 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	return b.Bytes(), units
}

func TestFilesConform(t *testing.T) {
	y4m, units := record(t)
	for name, content := range map[string][]byte{"Y4M": y4m, "H264": bytes.Join(units, nil)} {
		path := filepath.Join(t.TempDir(), "recording")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		t.Run(name, func(t *testing.T) {
			devicetest.Camera(t, func(t *testing.T) io.Closer {
				c, err := device.OpenFile(path)
				if err != nil {
					t.Fatal(err)
				}
				return c
			})
		})
	}
}

// pipePictures and pipeUnits are pipes of which it is known what comes.
type pipePictures struct{ *device.PipeCamera }

func (p pipePictures) ReadPicture(ctx context.Context) (*image.YCbCr, time.Time, error) {
	f, err := p.ReadFrame(ctx)
	if err == nil && f.Picture == nil {
		err = errors.New("pipe gave no picture")
	}
	return f.Picture, f.Captured, err
}

type pipeUnits struct{ *device.PipeCamera }

func (p pipeUnits) ReadAccessUnit(ctx context.Context) ([]byte, bool, time.Time, error) {
	f, err := p.ReadFrame(ctx)
	if err == nil && f.Unit == nil {
		err = errors.New("pipe gave no access unit")
	}
	return f.Unit, f.Key, f.Captured, err
}

func TestPipesConform(t *testing.T) {
	y4m, units := record(t)
	header, frames, _ := bytes.Cut(y4m, []byte("\n"))
	var pictures [][]byte
	for size := len(frames) / 15; len(frames) > 0; frames = frames[size:] {
		pictures = append(pictures, frames[:size])
	}
	t.Run("Y4M", func(t *testing.T) {
		devicetest.Camera(t, func(t *testing.T) io.Closer {
			return pipePictures{writtenPipe(t, append(header, '\n'), pictures)}
		})
	})
	t.Run("H264", func(t *testing.T) {
		devicetest.Camera(t, func(t *testing.T) io.Closer { return pipeUnits{writtenPipe(t, nil, units)} })
	})
}

// writtenPipe opens a pipe into which the parts are written over and over, 30
// in a second.
func writtenPipe(t *testing.T, header []byte, parts [][]byte) *device.PipeCamera {
	t.Helper()
	path := filepath.Join(t.TempDir(), "camera")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := device.OpenPipe(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer f.Close()
		ticker := time.NewTicker(time.Second / 30)
		defer ticker.Stop()
		_, err := f.Write(header)
		for i := 0; err == nil; i++ { // until the reader closes
			<-ticker.C
			_, err = f.Write(parts[i%len(parts)])
		}
	}()
	t.Cleanup(func() { <-done })
	return c
}

// What a phone would see: the test card, encoded and decoded, tells its time.
func ExampleVideo() {
	video, err := device.NewVideo(device.VideoOptions{
		Open: func(context.Context) (io.Closer, error) {
			return sim.NewCamera(sim.CameraOptions{Width: 320, Height: 240})
		},
		BitRate: 300_000,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	err = video.Stream(ctx, func(unit []byte, key bool, captured time.Time) {
		fmt.Println("the first access unit is a key frame:", key)
		cancel()
	})
	fmt.Println(err)
	// Output:
	// the first access unit is a key frame: true
	// context canceled
}
