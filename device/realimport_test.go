package device

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"
)

// These tests give the pictures of the kernel's test driver for cameras, vivid, to the one for codecs, vicodec, in the
// camera's own buffers, where the environment names them: DOORBELL_TEST_IMPORT=/dev/video0 is a vivid that makes 640x480,
// DOORBELL_TEST_IMPORT_SCALED=/dev/video1 one that makes any size.

// importing is a camera and an encoder.
type importing struct {
	camera  *RawCamera
	encoder *m2mEncoder
	units   [][]byte
	stamps  []time.Time
}

func openImporting(t testing.TB, k kernel, camera, encoder string, o CameraOptions) *importing {
	t.Helper()
	c, err := OpenCamera(t.Context(), camera, o)
	if err != nil {
		t.Fatal(err)
	}
	i := &importing{camera: c.(*RawCamera)}
	l := i.camera.layout
	if l.width != o.Width || l.height != o.Height || !i.camera.lends {
		t.Fatalf("%v: %+v, lends %v", c, l, i.camera.lends)
	}
	i.encoder, err = openM2MEncoder(k, encoder, pixFWHT, encoderSettings{width: l.width, height: l.height, rate: 30, keyInterval: time.Second, camera: i.camera})
	if err != nil {
		t.Fatal(errors.Join(err, c.Close()))
	}
	i.encoder.device.setControl(v4l2CIDFWHTIntraQP, 1)
	i.encoder.device.setControl(v4l2CIDFWHTInterQP, 1)
	return i
}

func (i *importing) emit(u m2mUnit) error {
	i.units, i.stamps = append(i.units, bytes.Clone(u.data)), append(i.stamps, u.captured)
	return nil
}

// film encodes n of the camera's pictures, and returns them.
func (i *importing) film(t testing.TB, n int) (pictures []*image.YCbCr, stamps []time.Time) {
	t.Helper()
	for range n {
		f, err := i.camera.readFrame(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		p, err := f.picture()
		if err != nil {
			t.Fatal(err)
		}
		copied := newPicture(p.Rect.Dx(), p.Rect.Dy())
		to420(copied, p)
		before := i.encoder.late
		if err := i.encoder.encodeBuffer(f.buffer, f.Captured, false, i.emit); err != nil {
			t.Fatal(err)
		}
		if i.encoder.late == before {
			pictures, stamps = append(pictures, copied), append(stamps, f.Captured)
		}
	}
	return pictures, stamps
}

// close ends both, and compares what came out with what went in.
func (i *importing) close(t *testing.T, decoder string, pictures []*image.YCbCr, stamps []time.Time) {
	t.Helper()
	if err := errors.Join(i.encoder.drain(i.emit), i.encoder.close(), i.camera.Close()); err != nil {
		t.Fatal(err)
	}
	if len(i.units) != len(pictures) {
		t.Fatalf("%d units of %d pictures", len(i.units), len(pictures))
	}
	for n, got := range decodeFWHT(t, decoder, pictures[0].Rect.Size(), i.units) {
		want := pictures[n]
		if off := max(meanDifference(want.Y, got.Y), meanDifference(want.Cb, got.Cb), meanDifference(want.Cr, got.Cr)); off > 3 {
			t.Errorf("picture %d came back %.1f off", n, off)
		}
		if d := i.stamps[n].Sub(stamps[n]); d.Abs() > time.Millisecond {
			t.Errorf("picture %d is stamped %v off", n, d)
		}
	}
}

// users is how many hold the file of a DMABUF, as the kernel counts them (drivers/dma-buf/dma-buf.c).
func users(t *testing.T, fd int) int {
	t.Helper()
	info, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", fd))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(info), "\ncount:")
	count, _, _ := strings.Cut(after, "\n")
	n, err := strconv.Atoi(strings.TrimSpace(count))
	if err != nil {
		t.Fatalf("the kernel says of descriptor %d: %s", fd, info)
	}
	return n
}

// The encoder reads the camera's buffers, the kernel says so too, and what comes out is what the camera saw.
func TestRealEncoderImports(t *testing.T) {
	env := environment(t, "DOORBELL_TEST_ENCODER", "DOORBELL_TEST_DECODER", "DOORBELL_TEST_IMPORT")
	before := descriptors(t)
	for _, format := range []string{"YU12", "NV12"} {
		i := openImporting(t, linux{}, env[2], env[0], CameraOptions{Width: 640, Height: 480, Format: format})
		if i.encoder.copied != nil || i.encoder.raw.memory() != v4l2MemoryDMABUF {
			t.Fatalf("%s: %v", format, i.encoder.copied)
		}
		unused := users(t, i.camera.exported[0])
		pictures, stamps := i.film(t, 10)
		used := 0
		for _, fd := range i.camera.exported {
			if users(t, fd) > unused {
				used++
			}
		}
		if used == 0 {
			t.Errorf("%s: the kernel says that nobody uses the camera's buffers", format)
		}
		t.Logf("%s: %d of 10 pictures encoded, %d lost by the camera", format, len(pictures), i.camera.Drops())
		i.close(t, env[1], pictures, stamps)
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors, %d before", after, before)
	}
}

// Where it can't, it says why, and what comes out is the same.
func TestRealEncoderCopies(t *testing.T) {
	env := environment(t, "DOORBELL_TEST_ENCODER", "DOORBELL_TEST_DECODER", "DOORBELL_TEST_IMPORT", "DOORBELL_TEST_IMPORT_SCALED")
	for _, c := range []struct {
		camera string
		o      CameraOptions
		says   string
	}{
		{env[2], CameraOptions{Width: 640, Height: 360, Format: "YU12"}, "it wants YU12 in 368 rows"},
		{env[3], CameraOptions{Width: 660, Height: 480, Format: "YU12"}, "rows of 672 bytes"},
		{env[3], CameraOptions{Width: 660, Height: 484, Format: "NV12"}, "it wants NV12 in 496 rows"},
	} {
		i := openImporting(t, linux{}, c.camera, env[0], c.o)
		if i.encoder.copied == nil || !strings.Contains(i.encoder.copied.Error(), c.says) {
			t.Errorf("%v: %v, which doesn't say %q", c.o, i.encoder.copied, c.says)
		}
		pictures, stamps := i.film(t, 5)
		i.close(t, env[1], pictures, stamps)
	}
}

// foreign is the kernel, to which a buffer is given as a DMABUF that is none.
type foreign struct {
	linux
	after int // so many that are
}

func (k *foreign) Ioctl(fd int, request uintptr, argument unsafe.Pointer) error {
	b := (*v4l2Buffer)(argument)
	if request != vidiocQBuf || b.Memory != v4l2MemoryDMABUF {
		return k.linux.Ioctl(fd, request, argument)
	}
	if k.after--; k.after >= 0 {
		return k.linux.Ioctl(fd, request, argument)
	}
	if b.Type == v4l2BufTypeVideoOutputMplane {
		setDescriptor(&(*v4l2Plane)(*(*unsafe.Pointer)(unsafe.Pointer(&b.Where))).Where, fd)
	} else {
		setDescriptor(&b.Where, fd)
	}
	return k.linux.Ioctl(fd, request, argument)
}

// What the kernel refuses while it runs is told as that, and the encoder opened anew copies.
func TestRealEncoderRefuses(t *testing.T) {
	env := environment(t, "DOORBELL_TEST_ENCODER", "DOORBELL_TEST_DECODER", "DOORBELL_TEST_IMPORT")
	o := CameraOptions{Width: 640, Height: 480, Format: "YU12"}
	for _, after := range []int{0, 3} {
		i := openImporting(t, &foreign{after: after}, env[2], env[0], o)
		_, _ = i.film(t, after)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		f, err := i.camera.readFrame(ctx)
		if err != nil {
			t.Fatal(err)
		}
		var refused *notImportedError
		if err := i.encoder.encodeBuffer(f.buffer, f.Captured, false, i.emit); !errors.As(err, &refused) {
			t.Fatalf("after %d: %v", after, err)
		}
		t.Logf("after %d: %v", after, refused)
		settings := i.encoder.settings
		settings.copies = refused
		if err := i.encoder.close(); err != nil {
			t.Fatal(err)
		}
		i.units, i.stamps = nil, nil
		if i.encoder, err = openM2MEncoder(linux{}, env[0], pixFWHT, settings); err != nil {
			t.Fatal(err)
		}
		if i.encoder.copied != error(refused) {
			t.Errorf("it says %v", i.encoder.copied)
		}
		pictures, stamps := i.film(t, 5)
		i.close(t, env[1], pictures, stamps)
	}
}

// A camera that is pulled out while the encoder has its buffers is told as that, and leaves nothing behind.
func TestRealEncoderUnplugged(t *testing.T) {
	env := environment(t, "DOORBELL_TEST_ENCODER", "DOORBELL_TEST_IMPORT", "DOORBELL_TEST_CAMERA_DRIVER", "DOORBELL_TEST_CAMERA_DEVICE")
	before := descriptors(t)
	for range 3 {
		i := openImporting(t, linux{}, env[1], env[0], CameraOptions{Width: 640, Height: 480, Format: "YU12"})
		if i.encoder.copied != nil {
			t.Fatal(i.encoder.copied)
		}
		i.film(t, 3)
		unbound := make(chan error, 1)
		go func() { unbound <- os.WriteFile(filepath.Join(env[2], "unbind"), []byte(env[3]), 0) }()
		var f Frame
		var err error
		for err == nil {
			if f, err = i.camera.readFrame(t.Context()); err == nil {
				if err := i.encoder.encodeBuffer(f.buffer, f.Captured, false, i.emit); err != nil {
					t.Fatal(err)
				}
			}
		}
		if !errors.Is(err, ErrUnplugged) {
			t.Errorf("unplugged: %v", err)
		}
		if err := errors.Join(i.encoder.close(), i.camera.Close(), <-unbound); err != nil {
			t.Error(err)
		}
		sysfs(t, filepath.Join(env[2], "bind"), env[3])
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors, %d before", after, before)
	}
}

func BenchmarkRealEncoderImport(b *testing.B) {
	env := environment(b, "DOORBELL_TEST_ENCODER", "DOORBELL_TEST_IMPORT")
	for name, copies := range map[string]error{"shared": nil, "copied": errors.New("as the benchmark wants it")} {
		b.Run(name, func(b *testing.B) {
			i := openImporting(b, linux{}, env[1], env[0], CameraOptions{Width: 640, Height: 480, Format: "YU12"})
			defer func() { _ = errors.Join(i.encoder.close(), i.camera.Close()) }()
			settings := i.encoder.settings
			settings.copies = copies
			err := i.encoder.close()
			if err == nil {
				i.encoder, err = openM2MEncoder(linux{}, env[0], pixFWHT, settings)
			}
			if err != nil {
				b.Fatal(err)
			}
			f, err := i.camera.readFrame(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() { // the same picture again and again: how fast the camera is is not what is measured
				if err := i.encoder.encodeBuffer(f.buffer, time.Now(), false, func(m2mUnit) error { return nil }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
