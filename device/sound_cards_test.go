package device

import (
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// twoCards is a /proc with a USB sound card, whose loudspeaker is taken, and a loopback.
func twoCards() fstest.MapFS {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	return fstest.MapFS{
		"asound/cards": file(" 0 [Device         ]: USB-Audio - USB PnP Sound Device\n                      C-Media USB PnP Sound Device at usb-0000:01:00.0-1.2\n" +
			" 2 [Loopback       ]: Loopback - Loopback\n                      Loopback 1\n"),
		"asound/pcm":                      file("00-00: USB Audio : USB Audio : playback 1 : capture 1\n02-00: Loopback PCM : Loopback PCM : playback 8 : capture 8\n02-01: Loopback PCM : Loopback PCM : playback 8 : capture 8\n"),
		"asound/card0/pcm0p/sub0/status":  file("state: RUNNING\nowner_pid   : 812\ntrigger_time: 1.2\n"),
		"asound/card0/pcm0c/sub0/status":  file("closed\n"),
		"asound/card2/pcm0p/sub0/status":  file("state: RUNNING\nowner_pid   : 812\n"),
		"asound/card2/pcm0p/sub1/status":  file("closed\n"),
		"812/comm":                        file("aplay\n"),
		"asound/card2/pcm1c/sub0/status":  file("closed\n"),
		"asound/card2/pcm1c/sub0/hw_info": file(""),
	}
}

func TestListSounds(t *testing.T) {
	system := soundSystem{proc: twoCards(), access: func(string) error { return nil }}
	for direction, want := range map[soundDirection][]string{
		soundCapture:  {"hw:Device,0 ok", "hw:Loopback,0 ok", "hw:Loopback,1 ok"},
		soundPlayback: {"hw:Device,0 busy", "hw:Loopback,0 ok", "hw:Loopback,1 ok"},
	} {
		list, err := system.list(direction)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range list {
			problem := " ok"
			if s.Problem != nil {
				problem = " " + map[bool]string{true: "busy", false: s.Problem.Error()}[errors.Is(s.Problem, ErrSoundBusy)]
			}
			got = append(got, s.ID+problem)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%vs: %q, want %q", direction, got, want)
		}
	}
}

func TestListSoundsWithNothing(t *testing.T) {
	empty := fstest.MapFS{"asound/cards": {Data: []byte("--- no soundcards ---\n")}}
	for name, proc := range map[string]fstest.MapFS{"no driver": {}, "no card": empty} {
		if _, err := (soundSystem{proc: proc}).list(soundCapture); !errors.Is(err, ErrNoSoundCard) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestResolveSound(t *testing.T) {
	system := soundSystem{proc: twoCards(), access: func(string) error { return nil }}
	tests := []struct {
		name, want string
		err        error
	}{
		{"", "default", nil},
		{"default", "default", nil},
		{"hw:2,1", "hw:2,1", nil},
		{"plughw:Device", "plughw:Device", nil},
		{"usb pnp", "hw:Device,0", nil},
		{"Loopback", "", ErrNoSuchSound}, // two of them
		{"doorphone", "doorphone", nil},  // of /etc/asound.conf, perhaps
		{"null", "", ErrNullSound},
		{"nullmodem", "nullmodem", nil},
	}
	for _, test := range tests {
		got, err := system.resolve(soundPlayback, test.name)
		if got != test.want || !errors.Is(err, test.err) {
			t.Errorf("%q: %q, %v; want %q, %v", test.name, got, err, test.want, test.err)
		}
	}
}

func TestExplainSound(t *testing.T) {
	allowed := func(string) error { return nil }
	denied := func(string) error { return os.ErrPermission }
	onlySpeakers := twoCards()
	onlySpeakers["asound/pcm"] = &fstest.MapFile{Data: []byte("00-00: USB Audio : USB Audio : playback 1\n")}
	tests := []struct {
		name      string
		system    soundSystem
		direction soundDirection
		id        string
		cause     error
		want      error
		words     []string
	}{
		{"permission, which ALSA calls no such file", soundSystem{twoCards(), denied}, soundCapture, "plughw:Device", ErrNoSuchSound, ErrSoundPermission, []string{"usermod -aG audio", "pcmC0D0c"}},
		{"busy", soundSystem{twoCards(), allowed}, soundPlayback, "hw:CARD=Device,DEV=0", ErrSoundBusy, ErrSoundBusy, []string{"812 (aplay)", "default"}},
		{"busy without an owner", soundSystem{twoCards(), allowed}, soundCapture, "hw:0", ErrSoundBusy, ErrSoundBusy, []string{"stop that program"}},
		{"misspelt", soundSystem{twoCards(), allowed}, soundCapture, "hw:Lopback,1", ErrNoSuchSound, ErrNoSuchSound, []string{"there is `hw:Loopback,1` (Loopback, Loopback PCM), `hw:Loopback,0`"}},
		{"no microphone", soundSystem{onlySpeakers, allowed}, soundCapture, "default", ErrNoSuchSound, ErrNoSuchSound, []string{"have no microphone"}},
		{"no card", soundSystem{fstest.MapFS{}, allowed}, soundCapture, "default", ErrNoSuchSound, ErrNoSoundCard, []string{"USB sound card"}},
		{"something else", soundSystem{twoCards(), allowed}, soundCapture, "hw:0", io.ErrUnexpectedEOF, io.ErrUnexpectedEOF, []string{`microphone "hw:0": opening it`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := test.system.explain(test.direction, test.id, test.id, test.cause)
			if !errors.Is(err, test.want) {
				t.Errorf("%v is not %v", err, test.want)
			}
			for _, words := range test.words {
				if !strings.Contains(err.Error(), words) {
					t.Errorf("%q lacks %q", err, words)
				}
			}
		})
	}
}
