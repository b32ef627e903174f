package main

import (
	"fmt"

	"doorbell/configs"
	"doorbell/device"
)

// nameDefault stands for the chime that is built in.
const nameDefault = "default"

// chimes are what is played at the door; nil: nothing.
type chimes struct{ press, taken *device.Clip }

// loadChimes reads the sounds that the configuration names.
func loadChimes(config configs.Chime) (chimes, error) {
	var c chimes
	for _, one := range []struct {
		key, source string
		builtIn     func() *device.Clip
		to          **device.Clip
	}{
		{"chime.press", config.Press, device.PressChime, &c.press},
		{"chime.taken", config.Taken, device.TakenChime, &c.taken},
	} {
		var clip *device.Clip
		switch one.source {
		case nameNone:
			continue
		case nameDefault:
			clip = one.builtIn()
		default:
			var err error
			if clip, err = device.LoadClip(one.source); err != nil {
				return c, fmt.Errorf("%s: %w", one.key, err)
			}
		}
		*one.to = clip.ScaledTo(config.Volume)
	}
	return c, nil
}

// chime plays what belongs to a press, or to a call that is taken. It never blocks.
func (d *devices) chime(taken bool) {
	clip := d.chimes.press
	if taken {
		clip = d.chimes.taken
	}
	if clip != nil && d.mixer != nil {
		d.mixer.Play(clip)
	}
}
