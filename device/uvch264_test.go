package device

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestUVCXUnitIsFound(t *testing.T) {
	control := func(number byte) []byte { return []byte{9, 4, number, 0, 0, 14, 1, 0, 0} }
	unit := func(id byte, guid [16]byte) []byte {
		d := append([]byte{0, 0x24, 6, id}, guid[:]...)
		d = append(d, 2, 1, 1, 2, 0x00, 0x21, 0)
		d[0] = byte(len(d))
		return d
	}
	other := uvcxGUID
	other[0]++
	for _, c := range []struct {
		name  string
		parts [][]byte
		want  byte
	}{
		{"one", [][]byte{control(0), unit(12, uvcxGUID)}, 12},
		{"after another unit", [][]byte{control(0), unit(4, other), unit(9, uvcxGUID)}, 9},
		{"of another camera on the same device", [][]byte{control(2), unit(12, uvcxGUID)}, 0},
		{"another unit", [][]byte{control(0), unit(4, other)}, 0},
		{"none", nil, 0},
		{"cut off", [][]byte{control(0), unit(12, uvcxGUID)[:12]}, 0},
		{"a length of 0", [][]byte{control(0), {0, 0x24, 6}, unit(12, uvcxGUID)}, 0},
	} {
		if got := uvcxUnit(bytes.Join(c.parts, nil), 0); got != c.want {
			t.Errorf("%s: unit %d, want %d", c.name, got, c.want)
		}
	}
}

// h264Units are a key frame of a profile, with its sets, and a delta frame.
func h264Units(t *testing.T, profile byte) (key, delta []byte) {
	t.Helper()
	units := encoded(t, 2, 64, 48)
	key = bytes.Clone(units[0])
	at := bytes.Index(key, []byte{0, 0, 1, 0x67})
	key[at+4] = profile
	return key, units[1]
}

// Where nobody asked for H.264, the camera's own is taken if phones can show it, and pictures if not.
func TestOwnH264IsTried(t *testing.T) {
	const extended = 88
	for _, c := range []struct {
		name, format string
		first        func(key, delta []byte) []byte // nil: nothing comes
		profile      byte
		want         string
		why          string
	}{
		{"it works", "", func(key, _ []byte) []byte { return key }, 66, "H264", ""},
		{"no key frame", "", func(_, delta []byte) []byte { return delta }, 66, "YUYV", "no key frame"},
		{"nothing comes", "", nil, 66, "YUYV", "no key frame"},
		{"a profile that nobody shows", "", func(key, _ []byte) []byte { return key }, extended, "YUYV", "profile 88"},
		{"asked for, it is taken as it is", "h264", nil, 66, "H264", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			key, delta := h264Units(t, c.profile)
			n := newFakeNode(yuyv(64, 48), fakeFormat{format: pixH264, sizes: []v4l2FrmSizeEnum{discrete(64, 48)}})
			d := newFakeDriver(t, map[string]*fakeNode{"video0": n})
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() { // the camera gives its first frame as soon as there is a buffer
				defer close(done)
				for c.first != nil && ctx.Err() == nil && !n.deliver(c.first(key, delta), stamped(0)) {
					<-time.After(time.Millisecond)
				}
			}()
			camera, err := openCamera(t.Context(), d, "/dev/video0", "", CameraOptions{Width: 64, Height: 48, Format: c.format})
			cancel()
			<-done
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = camera.Close() }()
			switch own := camera.(type) {
			case *H264Camera:
				if c.want != "H264" {
					t.Fatalf("took %v", own)
				}
				if c.first == nil {
					break
				}
				n.deliver(delta, stamped(0))
				for i, want := range [][]byte{key, delta} { // the one it was tried with is not lost
					unit, isKey, _, err := own.ReadAccessUnit(t.Context())
					if err != nil || isKey != (i == 0) || !bytes.Equal(unit, want) {
						t.Errorf("unit %d: key %v, %v, %d bytes of %d", i, isKey, err, len(unit), len(want))
					}
				}
			case *RawCamera:
				if own.format.PixelFormat.String() != c.want || !strings.Contains(own.about, c.why) {
					t.Errorf("took %v because %q, want %s because %q", own, own.about, c.want, c.why)
				}
			}
		})
	}
}

// A camera that has nothing else says what is wrong with its H.264.
func TestOnlyH264ThatIsNoGood(t *testing.T) {
	n := newFakeNode(fakeFormat{format: pixH264, sizes: []v4l2FrmSizeEnum{discrete(64, 48)}})
	_, err := openCamera(t.Context(), newFakeDriver(t, map[string]*fakeNode{"video0": n}), "/dev/video0", "", CameraOptions{})
	if !errors.Is(err, ErrNotCapture) || !strings.Contains(err.Error(), "no key frame") {
		t.Errorf("error %v", err)
	}
}

// Orders go through the extension unit where V4L2 has no control.
func TestUVCXOrders(t *testing.T) {
	n := newFakeNode(fakeFormat{format: pixH264, sizes: []v4l2FrmSizeEnum{discrete(64, 48)}})
	c := openFake(t, n, CameraOptions{Format: "h264"}).(*H264Camera)
	if c.KeyFrames() {
		t.Error("it makes key frames on demand without a control or a unit")
	}
	c.uvcxUnit = 12
	c.RequestKeyFrame()
	if got := n.orders[uvcxPictureType]; !bytes.Equal(got, []byte{0, 0, 2, 0}) {
		t.Errorf("the unit was told % x", got)
	}
	if err := c.uvcxSet(12, uvcxBitRateLayers, uvcxBitRate(1e6)); err != nil || !bytes.Equal(n.orders[uvcxBitRateLayers], []byte{0, 0, 0x40, 0x42, 0xf, 0, 0x40, 0x42, 0xf, 0}) {
		t.Errorf("the unit was told % x, %v", n.orders[uvcxBitRateLayers], err)
	}
	n.controls = map[uint32]*v4l2QueryCtrl{v4l2CIDBitRate: {ID: v4l2CIDBitRate, Maximum: 1 << 30}}
	for _, limit := range []struct{ most, want int }{{0, 0}, {8_000_000, 0}, {50_000, 50_000}, {0, c.bitRate}} {
		delete(n.set, v4l2CIDBitRate)
		c.limitBitRate(limit.most)
		if got := int(n.set[v4l2CIDBitRate]); got != limit.want {
			t.Errorf("limited to %d, it was told %d, want %d", limit.most, got, limit.want)
		}
	}
	if err := c.uvcxSet(3, uvcxPictureType, uvcxPicture()); !errors.Is(err, unix.ENOENT) {
		t.Errorf("a unit that is not there: %v", err)
	}
}
