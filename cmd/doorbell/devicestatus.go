package main

import (
	"cmp"
	"fmt"
	"strings"
)

// deviceStatus is what one device says of itself.
type deviceStatus struct {
	Source string `json:"source"`
	Detail string `json:"detail,omitempty"`
	// Path is how the camera's pictures become H.264, and VP8 while a phone needs it.
	Path    string `json:"path,omitempty"`
	Problem string `json:"problem,omitempty"`
	// Echo is how the loudspeaker's echo in the microphone does.
	Echo  string   `json:"echo,omitempty"`
	Level *float64 `json:"levelDBFS,omitempty"`
	// Pitch is what a simulated loudspeaker hears, in Hz.
	Pitch *float64 `json:"pitchHz,omitempty"`
	// FrameRate is the measured rate, in pictures per second.
	FrameRate *float64 `json:"frameRate,omitempty"`
}

func problem(err error) string {
	if err == nil {
		return ""
	}
	return fmt.Sprint(err)
}

// status tells what each device does.
func (d *devices) status() map[string]deviceStatus {
	all := map[string]deviceStatus{
		"camera": {Source: d.config.Camera.Source}, "microphone": {Source: d.config.Microphone.Source},
		"speaker": {Source: d.config.Speaker.Source}, "button": {Source: d.config.Button.Source},
	}
	if d.video != nil {
		s := d.video.State()
		all["camera"] = deviceStatus{Source: d.config.Camera.Source, Detail: s.Source, Path: strings.TrimSuffix(s.Path+"; "+s.VP8, "; "), Problem: cmp.Or(s.Error, s.Controls), FrameRate: &s.FrameRate}
	}
	if d.voice != nil {
		s := d.voice.State()
		microphone := deviceStatus{Source: d.config.Microphone.Source, Detail: s.Description, Problem: problem(s.Err), Level: &s.LevelDBFS}
		if s.Echo.Playing {
			microphone.Echo = s.Echo.String()
		}
		all["microphone"] = microphone
	}
	if d.mixer != nil {
		s := d.mixer.State()
		speaker := deviceStatus{Source: d.config.Speaker.Source, Detail: s.Description, Problem: problem(s.Err), Level: &s.LevelDBFS}
		if d.speaker != nil {
			level, pitch := d.speaker.Heard()
			speaker.Level, speaker.Pitch = &level, &pitch
		}
		all["speaker"] = speaker
	}
	return all
}
