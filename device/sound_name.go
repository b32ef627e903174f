package device

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// nullSound matches ALSA's null device, alone or as the slave of a plug-in.
var nullSound = regexp.MustCompile(`(^|[:='"])null($|['",:])`)

// resolve turns a configured name into an ALSA name: "default" and names with a colon
// are ALSA's own; anything else is a part of a readable name, or else a device that
// /etc/asound.conf defines.
func (s soundSystem) resolve(direction soundDirection, name string) (string, error) {
	if nullSound.MatchString(name) {
		return "", fmt.Errorf("%s %q: %w: choose another, or `none`", direction, name, ErrNullSound)
	}
	if name == "" {
		name = "default"
	}
	if name == "default" || strings.Contains(name, ":") {
		return name, nil
	}
	list, err := s.list(direction)
	if err != nil {
		return "", fmt.Errorf("%s %q: %w", direction, name, err)
	}
	var found []Sound
	for _, sound := range list {
		if strings.Contains(strings.ToLower(sound.Name+" "+sound.ID), strings.ToLower(name)) {
			found = append(found, sound)
		}
	}
	switch len(found) {
	case 0:
		return name, nil
	case 1:
		return found[0].ID, nil
	}
	return "", fmt.Errorf("%s %q: %w of that name alone: it could be %s", direction, name, ErrNoSuchSound, soundNames(found))
}

// explain says why the device could not be opened, where the kernel tells more than
// ALSA does. ALSA often says "no such file" where it means that it may not.
func (s soundSystem) explain(direction soundDirection, name, id string, cause error) error {
	list, err := s.list(direction)
	if err != nil {
		return fmt.Errorf("%s %q: %w", direction, name, err)
	}
	for _, sound := range list {
		if sound.Problem != nil && sound.is(id) {
			return sound.Problem
		}
	}
	switch {
	case len(list) == 0:
		return fmt.Errorf("%s %q: %w: the sound cards here have no %s: %w", direction, name, ErrNoSuchSound, direction, cause)
	case errors.Is(cause, ErrNoSuchSound):
		return fmt.Errorf("%s %q: %w: there is %s", direction, name, cause, soundNames(nearestSounds(list, name)))
	case errors.Is(cause, ErrSoundPermission):
		return fmt.Errorf("%s %q: %w: add this user to the group audio (`sudo usermod -aG audio $USER`) and log in again", direction, name, cause)
	case errors.Is(cause, ErrSoundBusy):
		return fmt.Errorf("%s %q: %w: stop that program, or configure `default`, which can be shared", direction, name, cause)
	}
	return fmt.Errorf("%s %q: opening it: %w", direction, name, cause)
}

// is tells whether an ALSA name means this device: by card name or number, with or
// without a plug-in before it ("plughw:1,0"). The default device may be any.
func (s Sound) is(id string) bool {
	if id == "default" {
		return true
	}
	_, id, _ = strings.Cut(id, ":")
	id = strings.NewReplacer("CARD=", "", "DEV=", "").Replace(id)
	if !strings.Contains(id, ",") {
		id += ",0"
	}
	return "hw:"+id == s.ID || "hw:"+id == s.number
}

// nearestSounds puts the devices whose names look most like name first, at most five.
func nearestSounds(list []Sound, name string) []Sound {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b Sound) int {
		return min(editDistance(a.ID, name), editDistance(a.number, name)) - min(editDistance(b.ID, name), editDistance(b.number, name))
	})
	return list[:min(5, len(list))]
}

// soundNames joins devices as `ID` (name).
func soundNames(list []Sound) string {
	names := make([]string, len(list))
	for i, s := range list {
		names[i] = fmt.Sprintf("`%s` (%s)", s.ID, s.Name)
	}
	return strings.Join(names, ", ")
}

// editDistance is the number of letters to add, drop or change to get from a to b
// (Levenshtein), without regard to case.
func editDistance(a, b string) int {
	return levenshtein.ComputeDistance(strings.ToLower(a), strings.ToLower(b))
}
