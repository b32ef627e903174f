package device

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// CameraOptions say what is wanted of a camera. It gives what it can; what that
// was, its String method tells.
type CameraOptions struct {
	Width, Height int     // pixels; default 1280x720
	FrameRate     float64 // pictures per second; default 30
	// Format is "" for what is the least work: H.264 of the camera's own, passed on
	// as it comes, else raw pictures, else MJPEG, each where it gives the wanted
	// size and rate. "pictures" is the same without H.264; "raw", "mjpeg" and
	// "h264" are one of them alone; and a FourCC such as "YUYV" is that.
	Format string
	// BitRate (bit/s) and KeyFrameInterval (pictures) are set on cameras that
	// encode H.264 themselves and let them be set. 0 leaves the camera's own.
	BitRate, KeyFrameInterval int
	// Image is how pictures are to be made. What the camera can't do is left out;
	// ControlProblem says so.
	Image []ImageControl
}

func (o CameraOptions) withDefaults() (CameraOptions, error) {
	if o.Width == 0 && o.Height == 0 {
		o.Width, o.Height = 1280, 720
	}
	if o.FrameRate == 0 {
		o.FrameRate = 30
	}
	if o.Width < 16 || o.Height < 16 || o.Width > maxPictureSide || o.Height > maxPictureSide {
		return o, fmt.Errorf("camera size %dx%d: sides must be 16 to %d pixels", o.Width, o.Height, maxPictureSide)
	}
	if !(o.FrameRate >= 1 && o.FrameRate <= 240) {
		return o, fmt.Errorf("camera frame rate %g: must be 1 to 240 pictures a second", o.FrameRate)
	}
	switch o.Format {
	case "", "pictures", "raw", "mjpeg", "h264":
	default:
		if f, ok := parseFourCC(o.Format); !ok || formatRank(f) < 0 {
			return o, fmt.Errorf("camera format %q: must be pictures, raw, mjpeg, h264, YUYV, UYVY, YU12, YV12, NV12, NV21, MJPG, JPEG or H264", o.Format)
		}
	}
	return o, nil
}

// allows tells whether a format is one that the options ask for.
func (o CameraOptions) allows(f fourCC) bool {
	compressed, encoded := f == pixMJPG || f == pixJPEG, f == pixH264
	switch o.Format {
	case "":
		return true
	case "pictures":
		return !encoded
	case "raw":
		return !encoded && !compressed
	case "mjpeg":
		return compressed
	case "h264":
		return encoded
	}
	wanted, _ := parseFourCC(o.Format)
	return wanted == f
}

// formatRank orders the formats by how little work they are, -1 for those that
// are of no use.
func formatRank(f fourCC) int {
	return slices.Index([]fourCC{pixH264, pixYU12, pixYV12, pixNV12, pixNV21, pixYUYV, pixUYVY, pixMJPG, pixJPEG}, f)
}

// candidate is one thing to ask of the driver.
type candidate struct {
	format        fourCC
	width, height int
	cost          float64
}

// candidates lists what could be asked of a camera, the best first.
func candidates(formats []CameraFormat, o CameraOptions) []candidate {
	var found []candidate
	for _, f := range formats {
		format, ok := parseFourCC(f.FourCC)
		if !ok || !f.Usable || !o.allows(format) {
			continue
		}
		sizes := f.Sizes
		if len(sizes) == 0 { // a driver that doesn't enumerate takes what it likes best
			sizes = []CameraSize{{Width: o.Width, Height: o.Height}}
		}
		for _, s := range sizes {
			c := candidate{format: format, width: s.Width, height: s.Height}
			if s.StepWidth > 0 {
				c.width = fitStep(o.Width, s.MinWidth, s.Width, s.StepWidth)
				c.height = fitStep(o.Height, s.MinHeight, s.Height, s.StepHeight)
			}
			if c.width < 2 || c.height < 2 {
				continue
			}
			c.cost = cost(c, s.Rates, o)
			found = append(found, c)
		}
	}
	slices.SortStableFunc(found, func(a, b candidate) int { return cmp.Compare(a.cost, b.cost) })
	return found
}

// fitStep is the nearest size to wanted that a free scaler can do.
func fitStep(wanted, least, most, step int) int {
	wanted = min(max(wanted, least), most)
	return least + (wanted-least)/step*step
}

// cost says how far a candidate is from what is wanted. A picture of half the
// area weighs as much as two thirds of the rate; a format that is more work
// matters only between equals.
func cost(c candidate, rates []float64, o CameraOptions) float64 {
	area := math.Abs(math.Log(float64(c.width*c.height) / float64(o.Width*o.Height)))
	shape := math.Abs(math.Log(float64(c.width) / float64(c.height) * float64(o.Height) / float64(o.Width)))
	slow := 0.0
	if len(rates) > 0 && rates[0] < o.FrameRate*0.95 {
		slow = math.Log(o.FrameRate / rates[0])
	}
	return 2*area + shape + 3*slow + 0.01*float64(formatRank(c.format))
}

// firstUsable is what `camera: auto` stands for: the first device without a
// problem. Otherwise the error tells what is wrong with each.
func firstUsable(k kernel, paths []string) (string, error) {
	var problems []string
	for _, path := range paths {
		info := inspectCamera(k, path)
		if info.Problem == nil {
			return path, nil
		}
		problems = append(problems, strings.TrimPrefix(info.Problem.Error(), "camera "))
	}
	e := &CameraError{Camera: "auto", Kind: ErrNotFound, Hint: "plug a USB camera in, or name another source such as `camera: sim`"}
	if len(problems) > 0 {
		e.Hint = "no device is a usable camera: " + strings.Join(problems, "; ")
	}
	return "", e
}

// String is such as "MJPG 1280x720".
func (c candidate) String() string { return fmt.Sprintf("%s %dx%d", c.format, c.width, c.height) }
