package device

import (
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Sound is one microphone or loudspeaker that the kernel knows.
type Sound struct {
	// ID is the name to configure it by, such as "hw:Device,0".
	ID string
	// Name is what the maker calls it, such as "USB PnP Sound Device, USB Audio".
	Name string
	// Problem says why it can't be opened now and what to do about it; nil if nothing is known to be wrong.
	Problem error

	number string // its ALSA name by numbers, such as "hw:1,0"
}

// ListMicrophones returns the microphones that the kernel has. No sound card at all is
// ErrNoSoundCard; sound cards without a microphone are an empty list.
func ListMicrophones() ([]Sound, error) {
	return systemSound().list(soundCapture)
}

// ListSpeakers returns the loudspeakers that the kernel has. No sound card at all is
// ErrNoSoundCard; sound cards without a loudspeaker are an empty list.
func ListSpeakers() ([]Sound, error) {
	return systemSound().list(soundPlayback)
}

// soundDirection tells microphones from loudspeakers.
type soundDirection int

const (
	soundCapture soundDirection = iota
	soundPlayback
)

// String is the word for one device of that direction.
func (d soundDirection) String() string {
	if d == soundCapture {
		return "microphone"
	}
	return "loudspeaker"
}

// letter is the last one of the kernel's names for a device of that direction, as in pcmC0D0c.
func (d soundDirection) letter() string {
	if d == soundCapture {
		return "c"
	}
	return "p"
}

// soundSystem is the kernel's view of sound.
type soundSystem struct {
	proc   fs.FS                   // the tree at /proc
	access func(node string) error // whether this process may read and write a node of /dev/snd
}

// systemSound returns the view of the running kernel.
func systemSound() soundSystem {
	return soundSystem{proc: os.DirFS("/proc"), access: func(node string) error {
		return unix.Faccessat(unix.AT_FDCWD, "/dev/snd/"+node, unix.R_OK|unix.W_OK, unix.AT_EACCESS)
	}}
}

// list reads the cards' devices of one direction, as /proc/asound/pcm has them:
//
//	01-00: USB Audio : USB Audio : playback 1 : capture 1
//
// See the kernel's Documentation/sound/designs/procfile.rst.
func (s soundSystem) list(direction soundDirection) ([]Sound, error) {
	cards, err := s.cards()
	if err != nil {
		return nil, err
	}
	pcm, err := fs.ReadFile(s.proc, "asound/pcm")
	if err != nil {
		return nil, fmt.Errorf("sound: reading the list of devices: %w", err)
	}
	want := map[soundDirection]string{soundCapture: "capture ", soundPlayback: "playback "}[direction]
	var list []Sound
	for line := range strings.Lines(string(pcm)) {
		fields := strings.Split(strings.TrimSpace(line), ": ")
		var card, device int
		if _, err := fmt.Sscanf(fields[0], "%d-%d", &card, &device); err != nil || len(fields) < 3 {
			continue
		}
		for _, field := range fields[3:] {
			if strings.HasPrefix(field, want) {
				list = append(list, s.describe(cards[card], card, device, strings.TrimSpace(fields[1]), direction))
			}
		}
	}
	return list, nil
}

// soundCard is one line of /proc/asound/cards.
type soundCard struct{ id, name string }

// cards reads /proc/asound/cards. Each card has two lines, of which the first is
//
//	1 [Device         ]: USB-Audio - USB PnP Sound Device
//
// or there is the one line "--- no soundcards ---".
func (s soundSystem) cards() (map[int]soundCard, error) {
	text, err := fs.ReadFile(s.proc, "asound/cards")
	if err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("sound: reading the list of cards: %w", err)
	}
	cards := map[int]soundCard{}
	for line := range strings.Lines(string(text)) {
		number, rest, ok := strings.Cut(line, "[")
		id, rest, ok2 := strings.Cut(rest, "]: ")
		n, err := strconv.Atoi(strings.TrimSpace(number))
		if !ok || !ok2 || err != nil {
			continue
		}
		_, name, _ := strings.Cut(rest, " - ")
		cards[n] = soundCard{id: strings.TrimSpace(id), name: strings.TrimSpace(name)}
	}
	if len(cards) == 0 {
		return nil, fmt.Errorf("sound: %w: plug in a USB sound card, or check that the kernel has the card's driver (`cat /proc/asound/cards`)", ErrNoSoundCard)
	}
	return cards, nil
}

// describe looks at one device.
func (s soundSystem) describe(card soundCard, number, device int, name string, direction soundDirection) Sound {
	sound := Sound{
		ID:     fmt.Sprintf("hw:%s,%d", card.id, device),
		Name:   card.name + ", " + name,
		number: fmt.Sprintf("hw:%d,%d", number, device),
	}
	node := fmt.Sprintf("pcmC%dD%d%s", number, device, direction.letter())
	if err := s.access(node); err != nil {
		sound.Problem = fmt.Errorf("%s %s: %w: add this user to the group audio (`sudo usermod -aG audio $USER`) and log in again: /dev/snd/%s: %w", direction, sound.ID, ErrSoundPermission, node, err)
		return sound
	}
	if pid := s.owner(number, device, direction); pid != 0 {
		sound.Problem = fmt.Errorf("%s %s: %w: process %d%s has it: stop that, or configure `default`, which can be shared", direction, sound.ID, ErrSoundBusy, pid, s.command(pid))
	}
	return sound
}

// owner returns the process that has all of the device open, or 0 if some of it is free.
func (s soundSystem) owner(card, device int, direction soundDirection) int {
	dir := fmt.Sprintf("asound/card%d/pcm%d%s", card, device, direction.letter())
	subs, err := fs.Glob(s.proc, dir+"/sub*/status")
	if err != nil {
		return 0
	}
	owner := 0
	for _, sub := range subs {
		status, err := fs.ReadFile(s.proc, sub)
		if err != nil || strings.HasPrefix(string(status), "closed") {
			return 0
		}
		for line := range strings.Lines(string(status)) {
			if pid, ok := strings.CutPrefix(line, "owner_pid"); ok {
				owner, _ = strconv.Atoi(strings.Trim(pid, " :\n"))
			}
		}
	}
	return owner
}

// command returns the name of a process in brackets, or "".
func (s soundSystem) command(pid int) string {
	comm, err := fs.ReadFile(s.proc, fmt.Sprintf("%d/comm", pid))
	if err != nil {
		return ""
	}
	return " (" + strings.TrimSpace(string(comm)) + ")"
}
