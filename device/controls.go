package device

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unsafe"
)

// ImageControl is a wish for how a camera makes its pictures.
type ImageControl struct {
	// Name is one that ImageControls lists.
	Name string
	// Value is in the camera's own units, but for power_line (50 or 60 Hz; 0 is none),
	// white_balance (kelvin) and exposure (of 0.1 ms).
	Value float64
}

// imageControl is what V4L2 and rpicam-vid have for a control.
type imageControl struct {
	name   string
	id     uint32
	first  [2]uint32              // another control and what it is set to before: the automatic that would override this one
	values map[float64]int32      // where the driver's numbers mean something else
	stops  uint32                 // where there is no such control: another one, a menu of 0.001 stops
	rpicam func(float64) []string // options; nil: it has none
}

// imageControls are linux/v4l2-controls.h's, and rpicam-vid's options.
func imageControls() []imageControl {
	option := func(name string) func(float64) []string {
		return func(v float64) []string {
			return []string{name + "=" + strconv.FormatFloat(v, 'f', -1, 64)} // -1 alone would be taken for an option
		}
	}
	return []imageControl{
		{name: "brightness", id: v4l2CIDBrightness, rpicam: option("--brightness")},
		{name: "contrast", id: v4l2CIDContrast, rpicam: option("--contrast")},
		{name: "saturation", id: v4l2CIDSaturation, rpicam: option("--saturation")},
		{name: "backlight", id: v4l2CIDBacklight, stops: v4l2CIDAutoExposureBias, rpicam: option("--ev")},
		{name: "exposure", id: v4l2CIDExposureAbsolute, first: [2]uint32{v4l2CIDExposureAuto, v4l2ExposureManual}, rpicam: func(v float64) []string {
			return []string{"--shutter=" + strconv.FormatFloat(100*v, 'f', 0, 64)} // µs
		}},
		{name: "white_balance", id: v4l2CIDWhiteBalanceTemperature, first: [2]uint32{v4l2CIDAutoWhiteBalance, 0}},
		{name: "power_line", id: v4l2CIDPowerLineFrequency, values: map[float64]int32{0: 0, 50: 1, 60: 2}, rpicam: func(v float64) []string {
			if v == 0 {
				return nil
			}
			return []string{"--flicker-period=" + strconv.FormatFloat(1e6/(2*v), 'f', 0, 64) + "us"} // light flickers twice in a period
		}},
	}
}

// findImageControl looks a control up, and fails for a name that isn't one.
func findImageControl(name string) (imageControl, error) {
	all := imageControls()
	at := slices.IndexFunc(all, func(c imageControl) bool { return c.name == name })
	if at < 0 {
		return imageControl{}, fmt.Errorf("camera control %q: must be one of %s", name, strings.Join(ImageControls(), ", "))
	}
	return all[at], nil
}

// ImageControls lists the names that controls can have.
func ImageControls() []string {
	var names []string
	for _, c := range imageControls() {
		names = append(names, c.name)
	}
	return names
}

// setImage fulfils wishes. Those that it can't, it leaves out and says why. All else it
// sets as it is when a camera is plugged in: a camera keeps a value until it is
// unplugged, and the owner may have taken the wish back.
func (d *v4l2Device) setImage(wishes []ImageControl) error {
	var problems []error
	fulfilled := map[string]bool{}
	for _, w := range wishes {
		err := d.setImageControl(w)
		if fulfilled[w.Name] = err == nil; err != nil {
			problems = append(problems, fmt.Errorf("camera.image.%s: %w", w.Name, err))
		}
	}
	for _, c := range imageControls() {
		if fulfilled[c.name] {
			continue
		}
		for _, id := range []uint32{c.first[0], c.id, c.stops} { // the first may override the next then
			if id != 0 {
				d.resetControl(id)
			}
		}
	}
	return errors.Join(problems...)
}

// of finds the control of a device, and which of its numbers stands for which value (nil: they are the values).
// There is none where q is nil.
func (c imageControl) of(d *v4l2Device) (q *v4l2QueryCtrl, values map[float64]int32) {
	if q = d.queryControl(c.id); q != nil || c.stops == 0 {
		return q, c.values
	}
	if q = d.queryControl(c.stops); q == nil || q.Type != v4l2CtrlTypeIntegerMenu {
		return nil, nil
	}
	values = map[float64]int32{}
	for i, stops := range d.menu(q) {
		values[float64(stops)/1000] = i
	}
	return q, values
}

func (d *v4l2Device) setImageControl(w ImageControl) error {
	c, err := findImageControl(w.Name)
	if err != nil {
		return err
	}
	q, values := c.of(d)
	if q == nil {
		return fmt.Errorf("%s has no such control: set it to auto; it has %s", d.path, cmp.Or(strings.Join(d.imageRanges(), ", "), "none of them"))
	}
	value, known := int32(w.Value), true
	if values != nil {
		value, known = values[w.Value]
	}
	if !known || values == nil && float64(value) != w.Value || value < q.Minimum || value > q.Maximum {
		return fmt.Errorf("%s does not take %g: %s", d.path, w.Value, taken(q, values))
	}
	if c.first[0] != 0 {
		d.setControl(c.first[0], int(c.first[1]))
	}
	control := v4l2Control{ID: q.ID, Value: value}
	if err := d.ioctl(vidiocSetCtrl, unsafe.Pointer(&control)); err != nil {
		return fmt.Errorf("%s refuses %g: %w", d.path, w.Value, err)
	}
	return nil
}

// taken says which values a device takes.
func taken(q *v4l2QueryCtrl, values map[float64]int32) string {
	if values == nil {
		return fmt.Sprintf("it takes whole numbers from %d to %d", q.Minimum, q.Maximum)
	}
	return "it takes " + list(q, values)
}

// list writes the values that a device takes, in their order.
func list(q *v4l2QueryCtrl, values map[float64]int32) string {
	var words []string
	for _, value := range slices.Sorted(maps.Keys(values)) {
		if driver := values[value]; driver >= q.Minimum && driver <= q.Maximum {
			words = append(words, strconv.FormatFloat(value, 'f', -1, 64))
		}
	}
	return strings.Join(words, ", ")
}

// imageRanges lists which controls there are and what they take.
func (d *v4l2Device) imageRanges() []string {
	var found []string
	for _, c := range imageControls() {
		switch q, values := c.of(d); {
		case q == nil:
		case values == nil:
			found = append(found, fmt.Sprintf("%s (%d to %d)", c.name, q.Minimum, q.Maximum))
		case q.ID == c.stops:
			found = append(found, fmt.Sprintf("%s (in stops: %s)", c.name, list(q, values)))
		default:
			found = append(found, c.name)
		}
	}
	return found
}

// rpicamImage makes options of wishes, and says which it has no option for.
func rpicamImage(wishes []ImageControl) (options []string, problem error) {
	var problems []error
	for _, w := range wishes {
		c, err := findImageControl(w.Name)
		if err == nil && c.rpicam == nil {
			err = errors.New("rpicam-vid has no such option: set it to auto")
		}
		if _, known := c.values[w.Value]; err == nil && c.values != nil && !known {
			err = fmt.Errorf("%g is none of its values", w.Value)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("camera.image.%s: %w", w.Name, err))
			continue
		}
		options = append(options, c.rpicam(w.Value)...)
	}
	return options, errors.Join(problems...)
}
