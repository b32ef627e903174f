package configs

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// check looks at values, which reading took for what they are.
func (r *reader) check(c *Config) error {
	var problems []error
	wrong := func(path, format string, args ...any) {
		place := r.places[path]
		if place == "" {
			place = r.file
		}
		problems = append(problems, fmt.Errorf("%s: %s: %s", place, path, fmt.Sprintf(format, args...)))
	}
	checkNames(c, wrong)
	checkAddresses(c, wrong)
	checkTLS(c, wrong)
	checkAccess(c, wrong)
	checkOpenID(c, wrong)
	checkDoors(c, wrong)
	checkDevices(c, wrong)
	if c.Ring.Timeout < time.Second || c.Ring.Timeout > 2*time.Minute {
		wrong("ring.timeout", "expected 1s to 2m, got %s", c.Ring.Timeout)
	}
	if c.ICE.Port < 0 || c.ICE.Port > 65535 {
		wrong("ice.port", "expected a port from 1024 to 65535 (8555 is the default), or 0 for any free one, got %d", c.ICE.Port)
	}
	if c.StateDir == "" {
		wrong("state_dir", "expected a folder, or auto")
	}
	if c.Control == "" {
		wrong("control", "expected the path of a socket, or auto")
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Log.Level)); err != nil {
		wrong("log.level", "expected debug, info, warn or error, got %q", c.Log.Level)
	}
	if !slices.Contains([]string{"text", "json"}, c.Log.Format) {
		wrong("log.format", "expected text or json, got %q", c.Log.Format)
	}
	return errors.Join(problems...)
}

type report func(path, format string, args ...any)

func checkNames(c *Config, wrong report) {
	if problem := nameProblem(c.Name); problem != "" {
		wrong("name", "%s", problem)
	}
	for i, name := range c.Ring.To {
		if problem := nameProblem(name); problem != "" {
			wrong(fmt.Sprintf("ring.to[%d]", i), "%s", problem)
		}
		if name == c.Name {
			wrong(fmt.Sprintf("ring.to[%d]", i), "%q is the door itself; name the phones that ring, or leave the list empty for all", name)
		}
	}
}

// nameProblem says why the relay would not take a log-in name (signaling/PROTOCOL.md).
func nameProblem(name string) string {
	switch n := utf8.RuneCountInString(name); {
	case n < 1 || n > 64:
		return fmt.Sprintf("expected a name of 1 to 64 characters, got %d", n)
	case strings.TrimSpace(name) != name:
		return fmt.Sprintf("expected a name without spaces around it, got %q", name)
	case strings.ContainsFunc(name, func(c rune) bool { return !unicode.IsPrint(c) }):
		return fmt.Sprintf("expected printable characters, got %q", name)
	}
	return ""
}

func checkAddresses(c *Config, wrong report) {
	for path, address := range listeners(c) {
		if address == "auto" && (path == "listen" || path == "tls.listen") || address == "none" && path == "tls.listen" {
			continue
		}
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			wrong(path, "expected an address and a port, such as 127.0.0.1:8080, got %q", address)
			continue
		}
		if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
			wrong(path, "expected a port from 0 to 65535, got %q", port)
		}
		if host != "" && host != "localhost" && net.ParseIP(host) == nil {
			wrong(path, "expected an IP address of this machine (0.0.0.0 for all), got %q", host)
		}
	}
	if c.Signaling.URL != "" {
		u, err := url.Parse(c.Signaling.URL)
		if err != nil || (u.Scheme != "ws" && u.Scheme != "wss") || u.Host == "" {
			wrong("signaling.url", "expected a WebSocket address, such as wss://relay.example.org/ws, got %q", c.Signaling.URL)
		}
	}
	for i, server := range c.ICE.Servers {
		if len(server.URLs) == 0 {
			wrong(fmt.Sprintf("ice.servers[%d]", i), "expected urls, such as [\"stun:192.0.2.1:3478\"]")
		}
		for _, address := range server.URLs {
			scheme, _, _ := strings.Cut(address, ":")
			if !slices.Contains([]string{"stun", "stuns", "turn", "turns"}, scheme) {
				wrong(fmt.Sprintf("ice.servers[%d].urls", i), "expected stun:, stuns:, turn: or turns:, got %q", address)
			}
		}
	}
}

func listeners(c *Config) map[string]string {
	all := map[string]string{"listen": c.Listen, "tls.listen": c.TLS.Listen}
	for i, address := range c.Relay.Listen {
		all[fmt.Sprintf("relay.listen[%d]", i)] = address
	}
	return all
}

func checkDevices(c *Config, wrong report) {
	for path, source := range map[string]string{
		"camera.source": c.Camera.Source, "microphone.source": c.Microphone.Source,
		"speaker.source": c.Speaker.Source, "button.source": c.Button.Source, "light.source": c.Light.Source,
	} {
		if source == "" {
			wrong(path, "expected a name; none stands for no device, sim for a simulated one")
		}
	}
	for path, sound := range map[string]string{"chime.press": c.Chime.Press, "chime.taken": c.Chime.Taken} {
		if sound == "" {
			wrong(path, "expected default, none, or the path of a WAV or Opus file")
		}
	}
	within(wrong, "chime.volume", c.Chime.Volume, 0, 100)
	within(wrong, "camera.width", c.Camera.Width, 16, 3840)
	within(wrong, "camera.height", c.Camera.Height, 16, 2160)
	within(wrong, "camera.frame_rate", c.Camera.FrameRate, 1, 60)
	if !slices.Contains([]string{"auto", "raw", "mjpeg", "h264"}, c.Camera.Format) {
		wrong("camera.format", "expected auto, raw, mjpeg or h264, got %q", c.Camera.Format)
	}
	if !slices.Contains([]string{"auto", "hardware", "software"}, c.Camera.Encoder) {
		wrong("camera.encoder", "expected auto, hardware or software, got %q", c.Camera.Encoder)
	}
	checkPicture(c, wrong)
	if c.Camera.BitRate != 0 {
		within(wrong, "camera.bit_rate", c.Camera.BitRate, 50_000, 50_000_000)
	}
	if !slices.Contains([]string{"up", "down", "none"}, c.Button.Pull) {
		wrong("button.pull", "expected up, down or none, got %q", c.Button.Pull)
	}
	if p := c.Microphone.Packet; p != 10*time.Millisecond && p != 20*time.Millisecond {
		wrong("microphone.packet", "expected 10ms or 20ms, got %s", p)
	}
	if c.Button.Settle < time.Millisecond || c.Button.Settle > time.Second {
		wrong("button.settle", "expected 1ms to 1s, got %s", c.Button.Settle)
	}
}

// checkImage looks at how the camera is to make its pictures.
func checkImage(c *Config, wrong report) {
	kind, _, _ := strings.Cut(c.Camera.Source, ":")
	for key, value := range c.Camera.Image.Wishes() {
		path := "camera.image." + key
		if n, err := strconv.ParseFloat(value, 64); err != nil || math.IsNaN(n) || math.Abs(n) > math.MaxInt32 {
			wrong(path, "expected auto or a number, got %q", value)
		} else if key == "power_line" && n != 0 && n != 50 && n != 60 {
			wrong(path, "expected auto, 50 or 60 (Hz), or 0 for no correction, got %q", value)
		}
		if slices.Contains([]string{"sim", "file", "pipe", "none"}, kind) {
			wrong(path, "expected auto: camera %s has no controls", kind)
		}
	}
}

// checkPicture looks at what is done to the picture.
func checkPicture(c *Config, wrong report) {
	checkImage(c, wrong)
	if !slices.Contains([]int{0, 90, 180, 270}, c.Camera.Rotate) {
		wrong("camera.rotate", "expected 0, 90, 180 or 270, got %d", c.Camera.Rotate)
	}
	for i, m := range c.Camera.Mask {
		if m.X < 0 || m.Y < 0 || m.Width < 1 || m.Height < 1 || m.X+m.Width > 100 || m.Y+m.Height > 100 {
			wrong(fmt.Sprintf("camera.mask[%d]", i), "expected a part of the picture in percent, such as {x: 0, y: 0, width: 30, height: 100}, got %+v", m)
		}
	}
	if !slices.Contains([]string{"none", "top-left", "top-right", "bottom-left", "bottom-right"}, c.Camera.Clock) {
		wrong("camera.clock", "expected none, top-left, top-right, bottom-left or bottom-right, got %q", c.Camera.Clock)
	}
	if !slices.Contains([]string{"iso", "european", "american"}, c.Camera.ClockFormat) {
		wrong("camera.clock_format", "expected iso, european or american, got %q", c.Camera.ClockFormat)
	}
	changed := c.Camera.Rotate != 0 || c.Camera.Mirror || len(c.Camera.Mask) > 0 || c.Camera.Clock != "none"
	if changed && c.Camera.Format == "h264" {
		wrong("camera.format", "a picture that the camera encodes can't be turned, mirrored, masked or given a clock; set it to auto")
	}
}

func within(wrong report, path string, value, least, most int) {
	if value < least || value > most {
		wrong(path, "expected %d to %d, got %d", least, most, value)
	}
}
