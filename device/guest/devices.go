package guest

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// Where the kernel shows the guest's devices.
const (
	// ButtonName is the line that Press and Release move, in the default configuration.
	ButtonName = "GPIO17"
	// VideoDevice is vivid's first node.
	VideoDevice = "/dev/video0"
	// SoundCard is the loop card: hw:Loopback,0 and hw:Loopback,1 are its two ends.
	SoundCard = "Loopback"

	gpioConfig  = "/sys/kernel/config/gpio-sim/door"
	vividDriver = "/sys/bus/platform/drivers/vivid"
	aloopDriver = "/sys/bus/platform/drivers/snd_aloop"
)

// script makes the devices.
func (c Config) script() string {
	var b strings.Builder
	if c.Camera != nil {
		fmt.Fprintf(&b, "modprobe vivid %s\n", c.Camera.Options)
	}
	if c.Sound != nil {
		fmt.Fprintf(&b, "modprobe snd-aloop %s\n", c.Sound.Options)
	}
	if c.Watchdog {
		b.WriteString("modprobe i6300esb\n")
	}
	if g := c.GPIO; g != nil {
		fmt.Fprintf(&b, "modprobe gpio-sim\nmkdir -p %s/bank0\ncd %[1]s/bank0\n", gpioConfig)
		fmt.Fprintf(&b, "echo %d >num_lines\necho %s >label\n", g.Lines, g.Label)
		fmt.Fprintf(&b, "i=0; while [ $i -lt %d ]; do mkdir line$i; echo GPIO$i >line$i/name; i=$((i+1)); done\n", g.Lines)
		b.WriteString("echo 1 >../live\n")
		b.WriteString(pull(g.Button, true))
	}
	return b.String()
}

// line is a script that sets $line to the folder of a simulated line.
func line(n int) string {
	return fmt.Sprintf("read -r d <%s/dev_name; read -r c <%[1]s/bank0/chip_name; line=/sys/devices/platform/$d/$c/sim_gpio%d\n", gpioConfig, n)
}

func pull(n int, up bool) string {
	to := "pull-down"
	if up {
		to = "pull-up"
	}
	return line(n) + "echo " + to + " >$line/pull\n"
}

func (g *Guest) gpio() (*GPIO, error) {
	if g.config.GPIO == nil {
		return nil, fmt.Errorf("guest: its configuration has no GPIO chip")
	}
	return g.config.GPIO, nil
}

// Press pulls the button's line down, to ground, as a pressed button does.
func (g *Guest) Press(ctx context.Context) error {
	chip, err := g.gpio()
	if err != nil {
		return err
	}
	return g.Pull(ctx, chip.Button, false)
}

// Release pulls the button's line up again.
func (g *Guest) Release(ctx context.Context) error {
	chip, err := g.gpio()
	if err != nil {
		return err
	}
	return g.Pull(ctx, chip.Button, true)
}

// Pull sets the level of an input line from outside.
func (g *Guest) Pull(ctx context.Context, n int, up bool) error {
	_, err := g.Shell(ctx, pull(n, up))
	return err
}

// Bounce presses the button as a worn one does: its line goes down and up times over, about a millisecond
// apart, and stays down.
func (g *Guest) Bounce(ctx context.Context, times int) error {
	chip, err := g.gpio()
	if err != nil {
		return err
	}
	// A shell's sleep takes a process, and an emulated one easily longer than a contact bounces.
	_, err = g.Shell(ctx, line(chip.Button)+fmt.Sprintf("guest bounce $line/pull %d", times))
	return err
}

// Level reads a line, also one that a program in the guest drives.
func (g *Guest) Level(ctx context.Context, n int) (high bool, err error) {
	out, err := g.Shell(ctx, line(n)+"cat $line/value")
	if err != nil {
		return false, err
	}
	return strconv.ParseBool(strings.TrimSpace(out))
}

// UnplugGPIO takes the chip away.
func (g *Guest) UnplugGPIO(ctx context.Context) error {
	_, err := g.Shell(ctx, "echo 0 >"+gpioConfig+"/live")
	return err
}

// PlugGPIO gives the chip back, with the button released.
func (g *Guest) PlugGPIO(ctx context.Context) error {
	chip, err := g.gpio()
	if err != nil {
		return err
	}
	_, err = g.Shell(ctx, "echo 1 >"+gpioConfig+"/live\n"+pull(chip.Button, true))
	return err
}

// GPIOChip is the chip's device, such as /dev/gpiochip0: on arm64 the machine has one of its own before it.
func (g *Guest) GPIOChip(ctx context.Context) (string, error) {
	out, err := g.Shell(ctx, "cat "+gpioConfig+"/bank0/chip_name")
	return "/dev/" + strings.TrimSpace(out), err
}

// SetControl sets a control of a video device by its name, as v4l2-ctl lists it: vivid has those that
// make it fail, such as "Disconnect", a button (value 1), and "Percentage of Dropped Buffers".
func (g *Guest) SetControl(ctx context.Context, device, name string, value int) error {
	_, err := g.Run(ctx, "guest", "control", device, name, strconv.Itoa(value))
	return err
}

// Capture takes pictures from a video device and returns what they were, in a few lines: driver, format,
// size, how many changed. Format is empty for the device's own, or such as "YUYV 640x360".
func (g *Guest) Capture(ctx context.Context, device string, frames int, format string) (string, error) {
	return g.Run(ctx, append([]string{"guest", "capture", device, strconv.Itoa(frames)}, strings.Fields(format)...)...)
}

// HoldThread stops the one thread of a process that waits for a device, such as /dev/video0, as if it hung:
// the others go on. It is held until the process ends, or until what is returned is killed.
func (g *Guest) HoldThread(ctx context.Context, pid int, device string) (*Process, error) {
	p, err := g.Start(ctx, Command{Args: []string{"guest", "hold", strconv.Itoa(pid), device}})
	if err != nil {
		return nil, err
	}
	if err := p.WaitOutput(ctx, "holding thread "); err != nil {
		return nil, fmt.Errorf("hold what waits for %s: %w: %s", device, err, p.Output())
	}
	return p, nil
}

// UnplugCamera takes vivid's device away from its driver, and its nodes from /dev.
func (g *Guest) UnplugCamera(ctx context.Context) error {
	_, err := g.Shell(ctx, "echo vivid.0 >"+vividDriver+"/unbind")
	return err
}

// PlugCamera gives it back.
func (g *Guest) PlugCamera(ctx context.Context) error {
	_, err := g.Shell(ctx, "echo vivid.0 >"+vividDriver+"/bind")
	return err
}

// UnplugSound takes the sound card away. The kernel finishes that only when every program has closed it;
// this returns as soon as the card is gone from sight.
func (g *Guest) UnplugSound(ctx context.Context) error {
	_, err := g.Start(ctx, Command{Args: []string{"sh", "-c", "echo snd_aloop.0 >" + aloopDriver + "/unbind"}})
	if err != nil {
		return err
	}
	_, err = g.Shell(ctx, "while [ -e /proc/asound/"+SoundCard+" ]; do usleep 5000; done")
	return err
}

// PlugSound gives it back, after every program has closed it.
func (g *Guest) PlugSound(ctx context.Context) error {
	_, err := g.Shell(ctx, "echo snd_aloop.0 >"+aloopDriver+"/bind")
	return err
}
