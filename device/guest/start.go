package guest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// ErrNoQEMU means that the emulator is not installed.
var ErrNoQEMU = errors.New("no emulator")

// ErrGone means that the guest ended, or was reset, under what was being done in it.
var ErrGone = errors.New("the guest has ended or was reset")

// bootTime is how long a guest may take to start, with its devices and files.
const bootTime = 3 * time.Minute

// Start boots an image and returns when its agent answers and its devices are there. The guest then runs
// until Close, whatever becomes of ctx.
func Start(ctx context.Context, image *Image, c Config) (*Guest, error) {
	c = c.withDefaults()
	m, err := machineOf(image.Arch)
	if err != nil {
		return nil, err
	}
	qemu, err := exec.LookPath(m.qemu)
	if err != nil {
		return nil, fmt.Errorf("%w: %w: apt install %s", ErrNoQEMU, err, m.debian)
	}
	if c.Processors == 0 {
		if c.Processors, err = processors(ctx, qemu, image.Arch); err != nil {
			return nil, err
		}
	}
	dir, err := os.MkdirTemp("", "guest-")
	if err != nil {
		return nil, err
	}
	g := &Guest{
		image: image, config: c, dir: dir, console: &transcript{},
		ended: make(chan struct{}), changed: make(chan struct{}),
	}
	g.life, g.endLife = context.WithCancelCause(context.WithoutCancel(ctx))
	if err := g.launch(ctx, m, qemu); err != nil {
		err = errors.Join(err, g.Close())
		return nil, fmt.Errorf("start the guest: %w; qemu said:\n%s", err, g.Console())
	}
	boot, cancel := context.WithTimeoutCause(ctx, bootTime, fmt.Errorf("%v have passed", bootTime))
	defer cancel()
	if _, err := g.up(boot); err != nil {
		return nil, errors.Join(fmt.Errorf("start the guest: %w; its console:\n%s", err, lastLines(g.Console(), 60)), g.Close())
	}
	return g, nil
}

// launch starts QEMU, and what reads from it.
func (g *Guest) launch(ctx context.Context, m machine, qemu string) error {
	agentSocket, qmpSocket := filepath.Join(g.dir, "agent"), filepath.Join(g.dir, "qmp")
	agents, err := net.Listen("unix", agentSocket)
	if err != nil {
		return err
	}
	monitors, err := net.Listen("unix", qmpSocket)
	if err != nil {
		return errors.Join(err, agents.Close())
	}
	context.AfterFunc(g.life, func() { agents.Close(); monitors.Close() })
	for _, d := range g.config.Disks {
		if d.Log != "" {
			if err := os.WriteFile(d.Log, nil, 0o644); err != nil {
				return err
			}
		}
	}
	g.command = exec.Command(qemu, arguments(g.image, m, g.config, agentSocket, qmpSocket)...)
	g.command.Stdout, g.command.Stderr = g.console, g.console
	started := make(chan error, 1)
	g.wait.Go(func() {
		err := runTied(g.command, func(err error) { started <- err })
		g.endLife(fmt.Errorf("%w: qemu: %s", ErrGone, outcome(err)))
		close(g.ended)
	})
	if err := <-started; err != nil {
		return err
	}
	g.wait.Go(func() { g.serve(agents) })
	return g.openMonitor(ctx, monitors)
}

func outcome(err error) string {
	if err == nil {
		return "it ended"
	}
	return err.Error()
}

// openMonitor waits for QEMU's monitor, and learns from it which ports it has opened.
func (g *Guest) openMonitor(ctx context.Context, monitors net.Listener) error {
	defer context.AfterFunc(ctx, func() { monitors.Close() })()
	conn, err := monitors.Accept()
	if err != nil {
		return fmt.Errorf("wait for qemu's monitor: %w", errors.Join(err, context.Cause(g.life), context.Cause(ctx)))
	}
	context.AfterFunc(g.life, func() { conn.Close() })
	g.monitor = newMonitor(conn, func(event string) {
		if event == "RESET" {
			g.cut()
		}
	})
	g.wait.Go(g.monitor.run)
	if _, err := g.monitor.do(ctx, "qmp_capabilities", nil); err != nil {
		return err
	}
	g.ports, err = g.monitor.forwarded(ctx)
	return err
}

// serve takes the agent's connections, one after another: a new one after each reset.
func (g *Guest) serve(agents net.Listener) {
	for {
		conn, err := agents.Accept()
		if err != nil {
			return // the guest's life is over
		}
		stop := context.AfterFunc(g.life, func() { conn.Close() })
		l := newLink(conn)
		g.set(l, false, nil)
		g.wait.Go(l.run)
		boot, cancel := context.WithTimeoutCause(g.life, bootTime, fmt.Errorf("%v have passed", bootTime))
		err = g.bringUp(boot, l)
		cancel()
		if !errors.Is(err, ErrGone) {
			g.set(l, err == nil, err)
		}
		<-l.done
		g.set(nil, false, nil)
		stop()
		conn.Close()
	}
}

// bringUp waits for the guest to answer, and makes it what the configuration says.
func (g *Guest) bringUp(ctx context.Context, l *link) error {
	hello, err := l.greet(ctx)
	if err != nil {
		return err
	}
	g.greeted(hello)
	for to, from := range g.config.Files {
		if err := putFile(ctx, l, from, to); err != nil {
			return err
		}
	}
	script := g.config.script()
	if script == "" {
		return nil
	}
	_, err = l.carryOut(ctx, Command{Args: []string{"sh", "-e", "-c", script}})
	return err
}
