// Package configs reads doorbell.yaml, the one configuration file, strictly:
// what it doesn't know, it refuses, and says where and what was meant.
package configs

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"time"
)

// Path is where the configuration is looked for unless told otherwise.
const Path = "/etc/doorbell/doorbell.yaml"

// Example is doorbell.yaml: every key with its default and unit. It is also
// where the defaults come from.
//
//go:embed doorbell.yaml
var Example []byte

// Config is the whole configuration. doorbell.yaml says what each key means.
type Config struct {
	Name       string     `yaml:"name"`
	Listen     string     `yaml:"listen"`
	TLS        TLS        `yaml:"tls"`
	LocalName  string     `yaml:"local_name"`
	Hosts      []string   `yaml:"hosts"`
	Access     Access     `yaml:"access"`
	OpenID     OpenID     `yaml:"openid"`
	Relay      Relay      `yaml:"relay"`
	Signaling  Signaling  `yaml:"signaling"`
	Camera     Camera     `yaml:"camera"`
	Microphone Microphone `yaml:"microphone"`
	Speaker    Speaker    `yaml:"speaker"`
	Button     Button     `yaml:"button"`
	Light      Light      `yaml:"light"`
	Chime      Chime      `yaml:"chime"`
	Ring       Ring       `yaml:"ring"`
	ICE        ICE        `yaml:"ice"`
	Control    string     `yaml:"control"`
	StateDir   string     `yaml:"state_dir"`
	Log        Log        `yaml:"log"`
}

// Relay is the relay that phones log in to.
type Relay struct {
	Listen []string `yaml:"listen"`
	Doors  []Door   `yaml:"doors"`
}

// Door is a door elsewhere that may log in to this relay.
type Door struct {
	Name  string `yaml:"name"`
	Key   string `yaml:"key"`
	House string `yaml:"house"`
}

// TLS says where HTTPS is served, and with which certificate.
type TLS struct {
	Listen        string   `yaml:"listen"`
	Cert          string   `yaml:"cert"`
	Key           string   `yaml:"key"`
	ACMENames     []string `yaml:"acme_names"`
	ACMEEmail     string   `yaml:"acme_email"`
	ACMEDirectory string   `yaml:"acme_directory"`
}

// Access says who may come in.
type Access struct {
	Mode         string   `yaml:"mode"`
	OpenNetworks []string `yaml:"open_networks"`
	ClaimFile    string   `yaml:"claim_file"`
}

// The modes of access.
const (
	AccessInvited = "invited"
	AccessOpen    = "open"
)

// OpenID is a provider that vouches for people.
type OpenID struct {
	Issuer       string    `yaml:"issuer"`
	Name         string    `yaml:"name"`
	ClientID     string    `yaml:"client_id"`
	ClientSecret string    `yaml:"client_secret"`
	Redirect     string    `yaml:"redirect"`
	Allow        []Allowed `yaml:"allow"`
}

// Allowed is somebody who may come in by the provider's word.
type Allowed struct {
	Subject string `yaml:"subject"`
	Email   string `yaml:"email"`
	Role    string `yaml:"role"`
}

// Signaling says which relay the door logs in to; an empty URL means its own.
type Signaling struct {
	URL string `yaml:"url"`
}

// Camera is where the picture comes from. Sizes are in pixels, FrameRate in
// pictures per second, BitRate in bits per second.
type Camera struct {
	Source      string `yaml:"source"`
	Width       int    `yaml:"width"`
	Height      int    `yaml:"height"`
	FrameRate   int    `yaml:"frame_rate"`
	BitRate     int    `yaml:"bit_rate"`
	Format      string `yaml:"format"`
	Encoder     string `yaml:"encoder"`
	Rotate      int    `yaml:"rotate"`
	Mirror      bool   `yaml:"mirror"`
	Mask        []Mask `yaml:"mask"`
	Clock       string `yaml:"clock"`
	ClockFormat string `yaml:"clock_format"`
	Image       Image  `yaml:"image"`
	KeepOpen    bool   `yaml:"keep_open"`
}

// Image is how the camera makes its pictures: each a number, or auto for what the
// camera has by itself.
type Image struct {
	Brightness   string `yaml:"brightness"`
	Contrast     string `yaml:"contrast"`
	Saturation   string `yaml:"saturation"`
	Backlight    string `yaml:"backlight"`
	Exposure     string `yaml:"exposure"`
	WhiteBalance string `yaml:"white_balance"`
	PowerLine    string `yaml:"power_line"`
}

// Wishes are the values that aren't auto, by their keys.
func (i Image) Wishes() map[string]string {
	all := map[string]string{
		"brightness": i.Brightness, "contrast": i.Contrast, "saturation": i.Saturation, "backlight": i.Backlight,
		"exposure": i.Exposure, "white_balance": i.WhiteBalance, "power_line": i.PowerLine,
	}
	maps.DeleteFunc(all, func(_, value string) bool { return value == "auto" })
	return all
}

// Mask is a part of the picture that nobody sees, in percent of its width and
// height from the upper left corner.
type Mask struct {
	X      int `yaml:"x"`
	Y      int `yaml:"y"`
	Width  int `yaml:"width"`
	Height int `yaml:"height"`
}

// Microphone is where the visitor's voice comes from, and how it is cleaned.
type Microphone struct {
	Source        string `yaml:"source"`
	CancelEcho    bool   `yaml:"cancel_echo"`
	SuppressNoise bool   `yaml:"suppress_noise"`
	ControlGain   bool   `yaml:"control_gain"`
	// Packet is how much sound a packet holds, both ways.
	Packet time.Duration `yaml:"packet"`
}

// Speaker is the loudspeaker.
type Speaker struct {
	Source string `yaml:"source"`
}

// Button is the button at the door.
type Button struct {
	Source     string        `yaml:"source"`
	Pull       string        `yaml:"pull"`
	ActiveHigh bool          `yaml:"active_high"`
	Settle     time.Duration `yaml:"settle"`
}

// Light is the line that shows that it rings.
type Light struct {
	Source string `yaml:"source"`
}

// Chime is what the loudspeaker at the door plays: at a press, and when a person
// takes the call. Volume is in percent.
type Chime struct {
	Press  string `yaml:"press"`
	Taken  string `yaml:"taken"`
	Volume int    `yaml:"volume"`
}

// Ring says who rings, and how long.
type Ring struct {
	To      []string      `yaml:"to"`
	Timeout time.Duration `yaml:"timeout"`
	Standby bool          `yaml:"standby"`
}

// ICE says how media finds its way.
type ICE struct {
	Port     int         `yaml:"port"`
	Servers  []ICEServer `yaml:"servers"`
	Loopback bool        `yaml:"loopback"`
}

// ICEServer is a STUN or TURN server (W3C RTCIceServer).
type ICEServer struct {
	URLs       []string `yaml:"urls"`
	Username   string   `yaml:"username"`
	Credential string   `yaml:"credential"`
}

// Log says what is logged, and how.
type Log struct {
	Level  string `yaml:"level"`
	Format string `yaml:"format"`
}

// Default returns the configuration of somebody who wrote nothing.
func Default() Config {
	var c Config
	if err := newReader("doorbell.yaml").read(Example, &c); err != nil {
		panic(err) // the example is part of the program, and tested
	}
	return c
}

// Load reads the file over the defaults, and the environment ("NAME=value", as
// [os.Environ] gives it) over both. An empty path means [Path] where that file
// exists. An error names file, line and column, or the variable.
func Load(path string, environ []string) (Config, error) {
	c := Default()
	optional := path == ""
	if optional {
		path = Path
	}
	r := newReader(path)
	source, err := os.ReadFile(path)
	switch {
	case optional && errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return c, fmt.Errorf("reading the configuration: %w", err)
	default:
		if err := r.read(source, &c); err != nil {
			return c, err
		}
	}
	if err := r.environment(environ, &c); err != nil {
		return c, err
	}
	return c, r.check(&c)
}
