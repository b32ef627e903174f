package device

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOpenCameraErrors(t *testing.T) {
	with := func(change func(n *fakeNode)) *fakeNode {
		n := newFakeNode(yuyv(640, 480))
		change(n)
		return n
	}
	caps := func(c uint32) *fakeNode {
		return with(func(n *fakeNode) { n.capability.DeviceCaps = c })
	}
	for name, c := range map[string]struct {
		node *fakeNode
		kind error
		says string
	}{
		"missing":       {nil, ErrNotFound, "ls /dev/video*"},
		"no permission": {with(func(n *fakeNode) { n.openErr = unix.EACCES }), ErrPermission, "usermod -aG"},
		"opened by one": {with(func(n *fakeNode) { n.openErr = unix.EBUSY }), ErrBusy, "another program"},
		"streaming":     {with(func(n *fakeNode) { n.formatErr = map[fourCC]error{pixYUYV: unix.EBUSY} }), ErrBusy, "another program"},
		"just gone":     {with(func(n *fakeNode) { n.openErr = unix.ENXIO }), ErrUnplugged, "plug it in"},
		"codec":         {caps(v4l2CapVideoM2M | v4l2CapStreaming), ErrNotCapture, "converts pictures"},
		"codec, planes": {caps(v4l2CapVideoM2MMplane | v4l2CapStreaming), ErrNotCapture, "converts pictures"},
		"metadata":      {caps(v4l2CapMetaCapture | v4l2CapStreaming), ErrNotCapture, "data about pictures"},
		"output":        {caps(2 | v4l2CapStreaming), ErrNotCapture, "captures no video"},
		"planes":        {caps(v4l2CapVideoCaptureMplane | v4l2CapStreaming), ErrNotCapture, "several planes"},
		"read only":     {caps(v4l2CapVideoCapture), ErrNotCapture, "mapped memory"},
		"raw sensor":    {with(func(n *fakeNode) { copy(n.capability.Driver[:], "unicam\x00") }), ErrNotCapture, "camera: rpicam"},
		"Pi 5 sensor":   {with(func(n *fakeNode) { copy(n.capability.Driver[:], "rp1-cfe\x00") }), ErrNotCapture, "camera: rpicam"},
		"Bayer only":    {newFakeNode(fakeFormat{format: 'B' | 'A'<<8 | '8'<<16 | '1'<<24}), ErrNotCapture, "it offers BA81"},
		"no H.264":      {newFakeNode(fakeFormat{format: pixH264}), ErrNotCapture, "it offers H264"},
		"another set":   {with(func(n *fakeNode) { n.substitute = 'G' | 'R'<<8 | 'E'<<16 | 'Y'<<24 }), ErrNotCapture, "it set GREY when asked for YUYV"},
	} {
		nodes := map[string]*fakeNode{}
		if c.node != nil {
			nodes["video7"] = c.node
		}
		_, err := openCamera(t.Context(), newFakeDriver(t, nodes), "/dev/video7", "", CameraOptions{Format: "raw"})
		var typed *CameraError
		if !errors.Is(err, c.kind) || !errors.As(err, &typed) || typed.Camera != "/dev/video7" {
			t.Errorf("%s: %v is not %v", name, err, c.kind)
		} else if !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %q doesn't say %q", name, err, c.says)
		}
	}
}

func TestOpenTakesWhatTheDriverSet(t *testing.T) {
	n := newFakeNode(yuyv(640, 480))
	n.substitute, n.echo = pixNV12, true // only G_FMT tells the truth
	n.interval = v4l2Fract{1001, 15000}
	c := openFake(t, n, CameraOptions{Width: 640, Height: 480}).(*RawCamera)
	if got := c.String(); got != "/dev/video0 NV12 640x480 at 14.99" {
		t.Errorf("it says %q", got)
	}
	if c.FrameRate() < 14.9 || c.FrameRate() > 15 {
		t.Errorf("rate %g", c.FrameRate())
	}
}

func TestOpenTriesTheNextFormat(t *testing.T) {
	n := newFakeNode(yuyv(640, 480), fakeFormat{format: pixMJPG, sizes: []v4l2FrmSizeEnum{discrete(640, 480)}})
	n.formatErr = map[fourCC]error{pixYUYV: unix.EINVAL}
	if got := openFake(t, n, CameraOptions{}).(*RawCamera).format.PixelFormat; got != pixMJPG {
		t.Errorf("it took %v", got)
	}
}

func TestAutoTakesTheFirstUsable(t *testing.T) {
	dir := t.TempDir()
	nodes := map[string]*fakeNode{}
	for name, n := range map[string]*fakeNode{
		"video0": newFakeNode(yuyv(64, 48)), "video1": newFakeNode(yuyv(64, 48)), "video2": newFakeNode(yuyv(320, 240)), "video10": newFakeNode(yuyv(640, 480)),
	} {
		nodes[name] = n
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	copy(nodes["video0"].capability.Driver[:], "unicam\x00")
	nodes["video1"].openErr = unix.EACCES
	c, err := openCamera(t.Context(), newFakeDriver(t, nodes), "auto", dir, CameraOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.(*RawCamera).path; got != filepath.Join(dir, "video2") {
		t.Errorf("it took %s", got)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	nodes["video2"].capability.DeviceCaps, nodes["video10"].openErr = 0, unix.EBUSY
	_, err = openCamera(t.Context(), newFakeDriver(t, nodes), "auto", dir, CameraOptions{})
	if !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "camera: rpicam") || !strings.Contains(err.Error(), "video10: busy") {
		t.Errorf("with none usable: %v", err)
	}
	_, err = openCamera(t.Context(), newFakeDriver(t, nil), "auto", t.TempDir(), CameraOptions{})
	if !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "camera: sim") {
		t.Errorf("with no device: %v", err)
	}
}

func TestInspectCamera(t *testing.T) {
	n := newFakeNode(
		fakeFormat{format: pixYUYV, sizes: []v4l2FrmSizeEnum{discrete(640, 480), discrete(1280, 720)},
			rates: map[uint32][]v4l2Fract{640: {{1, 15}, {1, 30}}, 1280: {{1, 10}}}},
		fakeFormat{format: pixNV12, sizes: []v4l2FrmSizeEnum{{Type: 3, Sizes: [6]uint32{32, 1920, 8, 32, 1080, 2}}}},
		fakeFormat{format: 'G' | 'R'<<8 | 'E'<<16 | 'Y'<<24})
	info := inspectCamera(newFakeDriver(t, map[string]*fakeNode{"video0": n}), "/dev/video0")
	if info.Problem != nil || info.String() != "/dev/video0 Fake camera (fake, usb-1)" || len(info.Formats) != 3 {
		t.Fatalf("%+v", info)
	}
	yuyv, nv12, other := info.Formats[0], info.Formats[1], info.Formats[2]
	if !yuyv.Usable || len(yuyv.Sizes) != 2 || yuyv.Description != "YUYV pictures" {
		t.Errorf("YUYV: %+v", yuyv)
	} else if r := yuyv.Sizes[0].Rates; len(r) != 2 || r[0] != 30 || r[1] != 15 {
		t.Errorf("rates %v", r)
	}
	if s := nv12.Sizes; len(s) != 1 || s[0].MinWidth != 32 || s[0].Width != 1920 || s[0].StepWidth != 8 || s[0].Height != 1080 {
		t.Errorf("NV12: %+v", nv12)
	}
	if other.Usable || other.FourCC != "GREY" {
		t.Errorf("GREY: %+v", other)
	}
}

func TestH264Camera(t *testing.T) {
	n := newFakeNode(fakeFormat{format: pixH264, sizes: []v4l2FrmSizeEnum{discrete(1280, 720)}})
	n.controls = map[uint32]*v4l2QueryCtrl{
		v4l2CIDForceKeyFrame: {ID: v4l2CIDForceKeyFrame},
		v4l2CIDH264Profile:   {ID: v4l2CIDH264Profile, Maximum: 16},
		v4l2CIDBitRate:       {ID: v4l2CIDBitRate, Minimum: 1000, Maximum: 500000},
		v4l2CIDGOPSize:       {ID: v4l2CIDGOPSize, Maximum: 1000, Flags: 1},
	}
	c := openFake(t, n, CameraOptions{Format: "h264", BitRate: 2e6, KeyFrameInterval: 60}).(*H264Camera)
	if n.set[v4l2CIDH264Profile] != 1 || n.set[v4l2CIDBitRate] != 500000 {
		t.Errorf("controls set: %v", n.set)
	}
	if _, set := n.set[v4l2CIDGOPSize]; set {
		t.Error("a control that is disabled was set")
	}
	c.RequestKeyFrame()
	if _, set := n.set[v4l2CIDForceKeyFrame]; !set {
		t.Error("no key frame was forced")
	}
	sps, pps, idr, slice := []byte("\x00\x00\x01\x67sps"), []byte("\x00\x00\x01\x68pps"), []byte("\x00\x00\x01\x65\x88idr"), []byte("\x00\x00\x01\x41\x9aslice")
	for i, data := range [][]byte{slice, bytes.Join([][]byte{sps, pps, idr}, nil), slice, idr} {
		n.deliver(data, v4l2Buffer{Sequence: uint32(i)})
	}
	whole := "\x00\x00\x00\x01\x67sps\x00\x00\x00\x01\x68pps\x00\x00\x00\x01\x65\x88idr"
	for i, want := range []string{whole, "\x00\x00\x00\x01\x41\x9aslice", whole} {
		unit, key, _, err := c.ReadAccessUnit(t.Context())
		if err != nil || string(unit) != want || key != (i != 1) {
			t.Errorf("unit %d is %q, key %v, %v", i, unit, key, err)
		}
	}
	if c.Drops() != 1 {
		t.Errorf("%d dropped, not the one before the key frame", c.Drops())
	}
	delete(n.set, v4l2CIDForceKeyFrame)
	n.deliver(slice, v4l2Buffer{Sequence: 9})
	if _, _, _, err := c.ReadAccessUnit(t.Context()); err != nil {
		t.Error(err)
	}
	if _, set := n.set[v4l2CIDForceKeyFrame]; !set {
		t.Error("units were lost and no key frame was asked for")
	}
}

func TestCandidates(t *testing.T) {
	webcam := []CameraFormat{
		{FourCC: "YUYV", Usable: true, Sizes: []CameraSize{{Width: 640, Height: 480, Rates: []float64{30}}, {Width: 1280, Height: 720, Rates: []float64{10}}}},
		{FourCC: "MJPG", Usable: true, Sizes: []CameraSize{{Width: 640, Height: 480, Rates: []float64{30}}, {Width: 1280, Height: 720, Rates: []float64{30}}, {Width: 1920, Height: 1080, Rates: []float64{30}}}},
		{FourCC: "H264", Usable: true, Sizes: []CameraSize{{Width: 1280, Height: 720}}},
	}
	scaler := []CameraFormat{{FourCC: "NV12", Usable: true, Sizes: []CameraSize{{MinWidth: 48, MinHeight: 48, Width: 1000, Height: 700, StepWidth: 16, StepHeight: 2}}}}
	for _, c := range []struct {
		formats []CameraFormat
		options CameraOptions
		want    string
	}{
		{webcam, CameraOptions{}, "H264 1280x720"},
		{webcam, CameraOptions{Format: "pictures"}, "MJPG 1280x720"},
		{webcam, CameraOptions{Format: "pictures", FrameRate: 10}, "YUYV 1280x720"},
		{webcam, CameraOptions{Width: 640, Height: 480}, "YUYV 640x480"},
		{webcam, CameraOptions{Format: "raw"}, "YUYV 640x480"},
		{webcam, CameraOptions{Format: "mjpeg", Width: 1920, Height: 1080}, "MJPG 1920x1080"},
		{webcam, CameraOptions{Format: "h264"}, "H264 1280x720"},
		{webcam, CameraOptions{Format: "MJPG", Width: 640, Height: 480}, "MJPG 640x480"},
		{webcam, CameraOptions{Format: "NV12"}, ""},
		{webcam[:1], CameraOptions{}, "YUYV 640x480"},
		{scaler, CameraOptions{}, "NV12 992x700"},
		{scaler, CameraOptions{Width: 333, Height: 40}, "NV12 320x48"},
		{[]CameraFormat{{FourCC: "UYVY", Usable: true}}, CameraOptions{Width: 720, Height: 576}, "UYVY 720x576"},
	} {
		o, err := c.options.withDefaults()
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if found := candidates(c.formats, o); len(found) > 0 {
			got = found[0].String()
		}
		if got != c.want {
			t.Errorf("%+v: chose %q, want %q", c.options, got, c.want)
		}
	}
}

func TestCameraOptionsAreChecked(t *testing.T) {
	for _, o := range []CameraOptions{{Width: 8, Height: 8}, {Width: 640}, {Width: 9999, Height: 9999}, {FrameRate: -1}, {FrameRate: 1e9}, {Format: "vp8"}, {Format: "GREY"}} {
		if _, err := openCamera(t.Context(), newFakeDriver(t, nil), "/dev/video0", "", o); err == nil || errors.Is(err, ErrNotFound) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

func TestHolders(t *testing.T) {
	proc := t.TempDir()
	node := filepath.Join(proc, "node")
	for _, dir := range []string{"4711/fd", "4712/fd", "self/fd"} {
		if err := os.MkdirAll(filepath.Join(proc, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	err := errors.Join(os.WriteFile(node, nil, 0o600), os.WriteFile(filepath.Join(proc, "4711", "comm"), []byte("motion\n"), 0o600),
		os.Symlink(node, filepath.Join(proc, "4711", "fd", "3")), os.Symlink(node, filepath.Join(proc, "4711", "fd", "4")),
		os.Symlink("/dev/null", filepath.Join(proc, "4712", "fd", "3")), os.Symlink(node, filepath.Join(proc, "link")))
	if err != nil {
		t.Fatal(err)
	}
	if got := holders(proc, filepath.Join(proc, "link")); len(got) != 1 || got[0] != "motion (4711)" {
		t.Errorf("held by %v", got)
	}
}

func TestVideoNodesInOrderOfNumber(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"video10", "video2", "video0", "vbi0", "videocodec"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got := videoNodes(dir)
	if len(got) != 3 || filepath.Base(got[0]) != "video0" || filepath.Base(got[1]) != "video2" || filepath.Base(got[2]) != "video10" {
		t.Errorf("%v", got)
	}
}

// With the kernel itself, as far as it goes without a camera.
func TestOpenWhatIsNoCamera(t *testing.T) {
	for path, kind := range map[string]error{"/dev/null": ErrNotCapture, "/dev/no-such-camera": ErrNotFound} {
		if _, err := OpenCamera(t.Context(), path, CameraOptions{}); !errors.Is(err, kind) {
			t.Errorf("%s: %v", path, err)
		}
	}
	for _, info := range ListCameras() {
		t.Log(info, info.UsedBy)
	}
}
