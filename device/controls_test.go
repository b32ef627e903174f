package device

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
)

// controlledNode is a camera with the controls of usual webcams.
func controlledNode() *fakeNode {
	n := newFakeNode(fakeFormat{format: pixYUYV, sizes: []v4l2FrmSizeEnum{discrete(1280, 720)}})
	n.controls = map[uint32]*v4l2QueryCtrl{
		v4l2CIDBrightness:         {ID: v4l2CIDBrightness, Minimum: -64, Maximum: 64},
		v4l2CIDPowerLineFrequency: {ID: v4l2CIDPowerLineFrequency, Maximum: 2},
		v4l2CIDExposureAuto:       {ID: v4l2CIDExposureAuto, Maximum: 3, Default: 3},
		v4l2CIDExposureAbsolute:   {ID: v4l2CIDExposureAbsolute, Minimum: 1, Maximum: 5000, Default: 157},
	}
	return n
}

func TestImageControls(t *testing.T) {
	for _, c := range []struct {
		wish    ImageControl
		set     map[uint32]int32
		problem string
	}{
		{ImageControl{"brightness", -10}, map[uint32]int32{v4l2CIDBrightness: -10}, ""},
		{ImageControl{"power_line", 50}, map[uint32]int32{v4l2CIDPowerLineFrequency: 1}, ""},
		{ImageControl{"power_line", 60}, map[uint32]int32{v4l2CIDPowerLineFrequency: 2}, ""},
		{ImageControl{"exposure", 100}, map[uint32]int32{v4l2CIDExposureAuto: 1, v4l2CIDExposureAbsolute: 100}, ""},
		{ImageControl{"brightness", 65}, nil, "camera.image.brightness: /dev/video0 does not take 65: it takes whole numbers from -64 to 64"},
		{ImageControl{"brightness", 0.5}, nil, "does not take 0.5"},
		{ImageControl{"power_line", 55}, nil, "does not take 55: it takes 0, 50, 60"},
		{ImageControl{"backlight", 1}, nil, "camera.image.backlight: /dev/video0 has no such control: set it to auto; it has brightness (-64 to 64), exposure (1 to 5000), power_line"},
		{ImageControl{"sharpnes", 1}, nil, `camera control "sharpnes": must be one of brightness`},
	} {
		n := controlledNode()
		d := newFakeDriver(t, map[string]*fakeNode{"video0": n})
		camera, err := openCamera(t.Context(), d, "/dev/video0", "/dev", CameraOptions{Image: []ImageControl{c.wish}})
		if err != nil {
			t.Fatal(err) // a control is never a reason to have no picture
		}
		problem := ""
		if err := camera.(*RawCamera).ControlProblem(); err != nil {
			problem = err.Error()
		}
		if (problem == "") != (c.problem == "") || !strings.Contains(problem, c.problem) {
			t.Errorf("%+v: problem %q, want %q", c.wish, problem, c.problem)
		}
		for id, value := range c.set {
			if n.set[id] != value {
				t.Errorf("%+v: set %v", c.wish, n.set)
			}
		}
		if len(n.set) != len(c.set) {
			t.Errorf("%+v: set %v", c.wish, n.set)
		}
		if err := camera.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A wish that is taken back, or can't be fulfilled, leaves nothing in the camera.
func TestImageControlsTakenBack(t *testing.T) {
	n := controlledNode()
	d := newFakeDriver(t, map[string]*fakeNode{"video0": n})
	for _, c := range []struct {
		wishes []ImageControl
		want   map[uint32]int32
	}{
		{[]ImageControl{{"brightness", 20}, {"exposure", 100}}, map[uint32]int32{v4l2CIDBrightness: 20, v4l2CIDExposureAuto: 1, v4l2CIDExposureAbsolute: 100}},
		{[]ImageControl{{"brightness", 30}}, map[uint32]int32{v4l2CIDBrightness: 30, v4l2CIDExposureAuto: 3, v4l2CIDExposureAbsolute: 157}},
		{[]ImageControl{{"brightness", 65}}, map[uint32]int32{v4l2CIDBrightness: 0, v4l2CIDExposureAuto: 3, v4l2CIDExposureAbsolute: 157}},
		{[]ImageControl{{"exposure", 200}}, map[uint32]int32{v4l2CIDBrightness: 0, v4l2CIDExposureAuto: 1, v4l2CIDExposureAbsolute: 200}},
		{nil, map[uint32]int32{v4l2CIDBrightness: 0, v4l2CIDExposureAuto: 3, v4l2CIDExposureAbsolute: 157}},
	} {
		camera, err := openCamera(t.Context(), d, "/dev/video0", "/dev", CameraOptions{Image: c.wishes})
		if err != nil {
			t.Fatal(err)
		}
		if !maps.Equal(n.set, c.want) {
			t.Errorf("%v: the camera has %v, want %v", c.wishes, n.set, c.want)
		}
		if err := camera.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A sensor without backlight compensation may have a bias of its exposure, in stops.
func TestExposureBias(t *testing.T) {
	n := controlledNode()
	n.menu = []int64{-2000, -1000, noItem, 0, 500, 1000}
	n.controls[v4l2CIDAutoExposureBias] = &v4l2QueryCtrl{ID: v4l2CIDAutoExposureBias, Type: v4l2CtrlTypeIntegerMenu, Maximum: 5, Default: 3}
	d := newFakeDriver(t, map[string]*fakeNode{"video0": n})
	for _, c := range []struct {
		wishes  []ImageControl
		set     int32
		problem string
	}{
		{[]ImageControl{{"backlight", 0.5}}, 4, ""},
		{[]ImageControl{{"backlight", -2}}, 0, ""},
		{[]ImageControl{{"backlight", 1.5}}, 3, "camera.image.backlight: /dev/video0 does not take 1.5: it takes -2, -1, 0, 0.5, 1"},
		{[]ImageControl{{"backlight", 1}, {"saturation", 1}}, 5, "it has brightness (-64 to 64), backlight (in stops: -2, -1, 0, 0.5, 1), exposure (1 to 5000), power_line"},
		{nil, 3, ""},
	} {
		camera, err := openCamera(t.Context(), d, "/dev/video0", "/dev", CameraOptions{Image: c.wishes})
		if err != nil {
			t.Fatal(err)
		}
		problem := fmt.Sprint(camera.(*RawCamera).ControlProblem())
		if n.set[v4l2CIDAutoExposureBias] != c.set || (problem == "<nil>") != (c.problem == "") || !strings.Contains(problem, c.problem) {
			t.Errorf("%v: item %d of the menu, %s", c.wishes, n.set[v4l2CIDAutoExposureBias], problem)
		}
		if err := camera.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestRpicamImage(t *testing.T) {
	options, err := rpicamImage([]ImageControl{{"brightness", 0.1}, {"backlight", 1.5}, {"power_line", 50}, {"exposure", 100}, {"white_balance", 4000}, {"power_line", 55}})
	want := []string{"--brightness=0.1", "--ev=1.5", "--flicker-period=10000us", "--shutter=10000"}
	if !slices.Equal(options, want) {
		t.Errorf("%q", options)
	}
	for _, part := range []string{"camera.image.white_balance: rpicam-vid has no such option", "camera.image.power_line: 55"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v, want %q", err, part)
		}
	}
}

// vivid has brightness and contrast, of which the picture tells, and no control for backlight.
func TestRealCameraControls(t *testing.T) {
	path := environment(t, "DOORBELL_TEST_CAMERA_BARS")[0]
	light := func(wishes ...ImageControl) (float64, error) {
		t.Helper()
		c, err := OpenCamera(t.Context(), path, CameraOptions{Width: 640, Height: 360, Format: "raw", Image: wishes})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for range 3 { // pictures from before it was set
			if _, _, err := c.(pictureReader).ReadPicture(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		p, _, err := c.(pictureReader).ReadPicture(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		sum := 0
		for _, y := range p.Y {
			sum += int(y)
		}
		return float64(sum) / float64(len(p.Y)), c.(*RawCamera).ControlProblem()
	}
	itsOwn, err := light()
	if err != nil {
		t.Error(err)
	}
	dark, err := light(ImageControl{"brightness", 60})
	if err != nil {
		t.Error(err)
	}
	bright, err := light(ImageControl{"brightness", 190})
	if err != nil {
		t.Error(err)
	}
	t.Logf("luma %.0f and %.0f", dark, bright)
	if bright < dark+40 {
		t.Errorf("luma %.0f with a brightness of 60, %.0f with 190", dark, bright)
	}
	if again, err := light(); err != nil || math.Abs(again-itsOwn) > 5 {
		t.Errorf("with its own brightness luma was %.0f, and is %.0f: %v", itsOwn, again, err)
	}
	if kept, err := light(ImageControl{"brightness", 1000}); err == nil || !strings.Contains(err.Error(), "from 0 to 255") || math.Abs(kept-itsOwn) > 5 {
		t.Errorf("1000: luma %.0f, %v", kept, err)
	}
	if _, err := light(ImageControl{"backlight", 1}); err == nil || !strings.Contains(err.Error(), "has no such control") || !strings.Contains(err.Error(), "brightness (0 to 255)") {
		t.Errorf("backlight: %v", err)
	}
	if _, err := light(ImageControl{"power_line", 50}, ImageControl{"contrast", 128}); err == nil || strings.Contains(err.Error(), "image.contrast") {
		t.Errorf("one of two: %v", err)
	}
}
