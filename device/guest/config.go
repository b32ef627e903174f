package guest

import "time"

// Config says what machine to boot. The zero value is one without devices.
type Config struct {
	// Memory in MiB. Default: 512. Files in the guest take memory too.
	Memory int

	// Processors that the guest has. Default: 2, and 1 for amd64 under QEMU before 8.1: there a processor may
	// run a stale translation of code that another changes, and the kernel changes its own; one start
	// in 25 ended with "Oops: int3".
	Processors int

	// Forward opens ports of the guest on the host's loopback.
	Forward []Forward

	// Files are put into the guest at each start of it: host's path by guest's path. Modes are kept.
	Files map[string]string

	// Camera is the kernel's test camera, nil for none.
	Camera *Camera

	// Sound is the kernel's loop sound card, nil for none: what is played on hw:Loopback,0 is recorded
	// from hw:Loopback,1, and the other way round.
	Sound *Sound

	// GPIO is a chip with simulated lines, nil for none.
	GPIO *GPIO

	// Watchdog adds /dev/watchdog; when it is not fed, the machine is reset.
	Watchdog bool

	// Reboot lets the guest start again after a reset, as a real machine does. Otherwise a reset is its end.
	Reboot bool

	// Disks become /dev/vda, /dev/vdb and so on.
	Disks []Disk

	// Clock is what the machine's clock says at the start. Default: the host's time.
	Clock time.Time

	// Network without walls: the guest may reach the host's network. Needed for forwarded UDP.
	Open bool

	// Kernel are more words for the kernel's command line.
	Kernel []string
}

// Forward is a port of the guest that the host can reach.
type Forward struct {
	Network string // tcp (default) or udp
	Guest   int    // port in the guest
	Host    int    // port on 127.0.0.1, 0 for any: see Guest.Address
}

// Camera is vivid, Documentation/admin-guide/media/vivid.rst.
type Camera struct {
	// Options of the module. Default: n_devs=1 node_types=0x1, one capture node without sound or radio.
	Options string
}

// Sound is snd-aloop.
type Sound struct {
	// Options of the module. Default: pcm_substreams=1.
	Options string
}

// GPIO is gpio-sim, Documentation/admin-guide/gpio/gpio-sim.rst. Its lines are named GPIO0, GPIO1 and so
// on, as a Raspberry Pi's are.
type GPIO struct {
	Label  string // of the chip. Default: pinctrl-door
	Lines  int    // how many. Default: 28
	Button int    // the button's line, pulled up at first. Default: 17
}

// Disk is an image on the host.
type Disk struct {
	Path     string // of a raw image
	ReadOnly bool

	// Log is a file for all that the guest writes to the disk, "" for none; see ReadWriteLog. The guest is told that the disk
	// holds back what it is not told to flush.
	Log string
}

func (c Config) withDefaults() Config {
	if c.Memory == 0 {
		c.Memory = 512
	}
	if c.Camera != nil && c.Camera.Options == "" {
		c.Camera = &Camera{Options: "n_devs=1 node_types=0x1"}
	}
	if c.Sound != nil && c.Sound.Options == "" {
		c.Sound = &Sound{Options: "pcm_substreams=1"}
	}
	if c.GPIO != nil {
		g := *c.GPIO
		if g.Label == "" {
			g.Label = "pinctrl-door"
		}
		if g.Lines == 0 {
			g.Lines = 28
		}
		if g.Button == 0 {
			g.Button = 17
		}
		c.GPIO = &g
	}
	return c
}
