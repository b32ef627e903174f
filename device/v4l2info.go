package device

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// CameraInfo is what one V4L2 device says about itself.
type CameraInfo struct {
	Path     string // such as /dev/video0
	Driver   string // such as uvcvideo
	Card     string // the name that the maker gave it
	Bus      string // where it is plugged in
	Formats  []CameraFormat
	Controls []string // the ImageControls that it has, with what they take
	UsedBy   []string // other programs that have it open, as "name (process id)"; as root all of them are seen
	// Problem is nil for a camera that can be used, or says what is wrong with
	// the device (a *CameraError) and what to do.
	Problem error
}

// CameraFormat is one way in which a camera gives its pictures.
type CameraFormat struct {
	FourCC      string // such as YUYV, MJPG or H264
	Description string // the driver's own words
	Usable      bool   // whether this package can make video of it
	Sizes       []CameraSize
}

// CameraSize is one size of pictures with the rates it comes in.
type CameraSize struct {
	Width, Height int       // pixels; the largest where the driver scales freely
	Rates         []float64 // pictures per second, highest first; empty if the driver doesn't say
	// MinWidth, MinHeight, StepWidth and StepHeight are set where the driver
	// scales freely, else 0. Pixels.
	MinWidth, MinHeight, StepWidth, StepHeight int
}

// ListCameras looks at every /dev/video* device in order of number and says
// what each is. Devices that are no cameras are listed with their Problem.
func ListCameras() []CameraInfo {
	paths := videoNodes("/dev")
	found := make([]CameraInfo, 0, len(paths))
	for _, path := range paths {
		info := inspectCamera(linux{}, path)
		info.UsedBy = holders("/proc", path)
		found = append(found, info)
	}
	return found
}

// videoNodes lists dir's video devices by number, video10 after video9.
func videoNodes(dir string) []string {
	paths, err := filepath.Glob(filepath.Join(dir, "video[0-9]*"))
	if err != nil {
		return nil
	}
	number := func(path string) int {
		n, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(path), "video"))
		if err != nil {
			return math.MaxInt
		}
		return n
	}
	slices.SortFunc(paths, func(a, b string) int {
		return cmp.Or(cmp.Compare(number(a), number(b)), cmp.Compare(a, b))
	})
	return paths
}

func inspectCamera(k kernel, path string) CameraInfo {
	fd, err := k.Open(path)
	if err != nil {
		return CameraInfo{Path: path, Problem: cameraError(path, "opening it", err)}
	}
	defer k.Close(fd)
	return (&v4l2Device{k: k, fd: fd, path: path}).info()
}

// v4l2Device is an open device node.
type v4l2Device struct {
	k    kernel
	fd   int
	path string
}

func (d *v4l2Device) ioctl(request uintptr, argument unsafe.Pointer) error {
	return d.k.Ioctl(d.fd, request, argument)
}

// info asks for everything: capabilities, formats, sizes, rates.
func (d *v4l2Device) info() CameraInfo {
	info := CameraInfo{Path: d.path}
	var c v4l2Capability
	if err := d.ioctl(vidiocQueryCap, unsafe.Pointer(&c)); err != nil {
		info.Problem = cameraError(d.path, "asking what it is", err)
		return info
	}
	info.Driver, info.Card, info.Bus = cString(c.Driver[:]), cString(c.Card[:]), cString(c.BusInfo[:])
	if info.Problem = notCamera(d.path, info.Driver, &c); info.Problem != nil {
		return info
	}
	info.Formats, info.Controls = d.formats(), d.imageRanges()
	if !slices.ContainsFunc(info.Formats, func(f CameraFormat) bool { return f.Usable }) {
		info.Problem = &CameraError{Camera: d.path, Kind: ErrNotCapture, Cause: errors.New("it offers " + formatNames(info.Formats)),
			Hint: "none of its formats is YUYV, UYVY, YU12, YV12, NV12, NV21, MJPG or H264; let another program convert it and use `camera: pipe:PATH`"}
	}
	return info
}

// notCamera tells by capabilities and driver, never by number, whether a device
// can be captured from as it is.
func notCamera(path, driver string, c *v4l2Capability) error {
	capabilities := c.Capabilities
	if capabilities&v4l2CapDeviceCaps != 0 {
		capabilities = c.DeviceCaps
	}
	no := func(what, hint string) error {
		return &CameraError{Camera: path, Kind: ErrNotCapture, Cause: errors.New(what), Hint: hint}
	}
	const choose = "choose another device; `doorbell doctor` lists them"
	const rpicam = "for a Raspberry Pi camera module use `camera: rpicam`"
	switch {
	case driver == "unicam" || strings.HasPrefix(driver, "rp1-cfe"):
		return no("it is the raw sensor of a camera module, driver "+driver, rpicam)
	case driver == "bcm2835-isp" || strings.HasPrefix(driver, "pispbe"):
		return no("it is the image processor of a Raspberry Pi, driver "+driver, rpicam)
	case capabilities&(v4l2CapVideoM2M|v4l2CapVideoM2MMplane) != 0:
		return no("it converts pictures and takes none", choose)
	case capabilities&v4l2CapVideoCapture == 0 && capabilities&v4l2CapVideoCaptureMplane != 0:
		return no("it captures in several planes (V4L2_CAP_VIDEO_CAPTURE_MPLANE), which is not supported",
			"let another program read it, such as ffmpeg or GStreamer, and use `camera: pipe:PATH`")
	case capabilities&v4l2CapVideoCapture == 0 && capabilities&v4l2CapMetaCapture != 0:
		return no("it gives data about pictures, not pictures", "the camera itself is usually the device before it")
	case capabilities&v4l2CapVideoCapture == 0:
		return no("it captures no video", choose)
	case capabilities&v4l2CapStreaming == 0:
		return no("it can't stream through mapped memory", choose)
	}
	return nil
}

func formatNames(formats []CameraFormat) string {
	if len(formats) == 0 {
		return "no formats"
	}
	names := make([]string, 0, len(formats))
	for _, f := range formats {
		names = append(names, f.FourCC)
	}
	return strings.Join(names, ", ")
}

// Drivers count their formats, sizes and intervals up to an EINVAL. The bound
// is for one that never ends.
const mostEnumerated = 256

func (d *v4l2Device) formats() []CameraFormat {
	var found []CameraFormat
	for i := range uint32(mostEnumerated) {
		f := v4l2FmtDesc{Index: i, Type: v4l2BufTypeVideoCapture}
		if d.ioctl(vidiocEnumFmt, unsafe.Pointer(&f)) != nil {
			break
		}
		format := CameraFormat{FourCC: f.PixelFormat.String(), Description: cString(f.Description[:]), Usable: formatRank(f.PixelFormat) >= 0}
		if format.Usable {
			format.Sizes = d.sizes(f.PixelFormat)
		}
		found = append(found, format)
	}
	return found
}

func (d *v4l2Device) sizes(format fourCC) []CameraSize {
	var found []CameraSize
	for i := range uint32(mostEnumerated) {
		s := v4l2FrmSizeEnum{Index: i, PixelFormat: format}
		if d.ioctl(vidiocEnumSizes, unsafe.Pointer(&s)) != nil {
			break
		}
		if s.Type == v4l2TypeDiscrete {
			w, h := s.Sizes[0], s.Sizes[1]
			found = append(found, CameraSize{Width: int(w), Height: int(h), Rates: d.rates(format, w, h)})
			continue
		}
		return []CameraSize{{
			MinWidth: int(s.Sizes[0]), Width: int(s.Sizes[1]), StepWidth: int(max(s.Sizes[2], 1)),
			MinHeight: int(s.Sizes[3]), Height: int(s.Sizes[4]), StepHeight: int(max(s.Sizes[5], 1)),
			Rates: d.rates(format, s.Sizes[1], s.Sizes[4]),
		}}
	}
	return found
}

func (d *v4l2Device) rates(format fourCC, width, height uint32) []float64 {
	var found []float64
	for i := range uint32(mostEnumerated) {
		v := v4l2FrmIvalEnum{Index: i, PixelFormat: format, Width: width, Height: height}
		if d.ioctl(vidiocEnumInterval, unsafe.Pointer(&v)) != nil {
			break
		}
		found = append(found, v.Intervals[0].rate())
		if v.Type != v4l2TypeDiscrete {
			found = append(found, v.Intervals[1].rate()) // the longest interval
			break
		}
	}
	slices.SortFunc(found, func(a, b float64) int { return cmp.Compare(b, a) })
	return slices.DeleteFunc(slices.Compact(found), func(rate float64) bool { return rate <= 0 })
}

// rate turns an interval into pictures per second, 0 where it makes no sense.
func (f v4l2Fract) rate() float64 {
	if f.Numerator == 0 || f.Denominator == 0 {
		return 0
	}
	return float64(f.Denominator) / float64(f.Numerator)
}

// String is one line about the camera, for logs and reports.
func (c CameraInfo) String() string {
	if c.Problem != nil {
		return fmt.Sprintf("%s %s: %v", c.Path, c.Card, c.Problem)
	}
	return fmt.Sprintf("%s %s (%s, %s)", c.Path, c.Card, c.Driver, c.Bus)
}

// gone tells whether an errno means that the device vanished.
func gone(err error) bool { return errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENXIO) }
