package guest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"doorbell/device/guest/agent"
)

// Guest is a running machine. Its methods may be called by many at once.
type Guest struct {
	// Fixed after Start.
	image   *Image
	config  Config
	dir     string
	console *transcript
	command *exec.Cmd
	monitor *monitor
	ports   map[Forward]int
	ended   chan struct{} // closed when QEMU has ended
	life    context.Context
	endLife context.CancelCauseFunc
	wait    sync.WaitGroup

	// Guarded by mu.
	mu      sync.Mutex
	link    *link
	ready   bool  // the link's guest has its devices and files
	err     error // why it will not be
	hello   agent.Hello
	changed chan struct{} // closed and replaced at each change
	tests   []string      // packages whose test programs are in it
}

// Close pulls the plug: the machine ends as in a power cut. It returns when all that Start began has ended.
func (g *Guest) Close() error {
	g.endLife(fmt.Errorf("%w: it was closed", ErrGone))
	if g.command != nil && g.command.Process != nil {
		if err := g.command.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("end the guest: %w", err)
		}
	}
	g.wait.Wait()
	return os.RemoveAll(g.dir)
}

// PowerOff writes everything to the disks, switches the machine off and waits for its end. Close must
// still be called.
func (g *Guest) PowerOff(ctx context.Context) error {
	if _, err := g.Shell(ctx, "sync; poweroff -f"); err != nil && !errors.Is(err, ErrGone) {
		return err
	}
	select {
	case <-g.ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("power off: %w", context.Cause(ctx))
	}
}

// Ended is closed when the machine has ended.
func (g *Guest) Ended() <-chan struct{} { return g.ended }

// Console is all that the kernel and init have printed on the serial line.
func (g *Guest) Console() string { return g.console.String() }

// WaitConsole waits until text has been printed on the serial line.
func (g *Guest) WaitConsole(ctx context.Context, text string) error {
	return g.console.wait(ctx, text, g.ended)
}

// KernelLog is the kernel's log so far.
func (g *Guest) KernelLog(ctx context.Context) (string, error) { return g.Run(ctx, "dmesg") }

// Address is where the host reaches a forwarded TCP port of the guest, as 127.0.0.1:PORT, or "" if that
// port is not forwarded.
func (g *Guest) Address(port int) string { return g.address(Forward{Network: "tcp", Guest: port}) }

// AddressUDP is Address for UDP.
func (g *Guest) AddressUDP(port int) string { return g.address(Forward{Network: "udp", Guest: port}) }

func (g *Guest) address(f Forward) string {
	port, ok := g.ports[f]
	if !ok {
		return ""
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}

// Boot identifies the machine's present start: after a reset it is another. It waits for the guest to be up.
func (g *Guest) Boot(ctx context.Context) (string, error) {
	if _, err := g.up(ctx); err != nil {
		return "", err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.hello.Boot, nil
}

// WaitReset waits until the machine has been reset since the start named before, and is up again.
func (g *Guest) WaitReset(ctx context.Context, before string) error {
	for {
		g.mu.Lock()
		changed, up := g.changed, g.ready && g.hello.Boot != before
		g.mu.Unlock()
		if up {
			return nil
		}
		if err := g.waitChange(ctx, changed); err != nil {
			return fmt.Errorf("reset: %w", err)
		}
	}
}

// up waits for the guest to be ready.
func (g *Guest) up(ctx context.Context) (*link, error) {
	for {
		g.mu.Lock()
		l, ready, err, changed := g.link, g.ready, g.err, g.changed
		g.mu.Unlock()
		if ready || err != nil {
			return l, err
		}
		if err := g.waitChange(ctx, changed); err != nil {
			return nil, err
		}
	}
}

func (g *Guest) waitChange(ctx context.Context, changed <-chan struct{}) error {
	select {
	case <-changed:
		return nil
	case <-g.life.Done():
		return context.Cause(g.life)
	case <-ctx.Done():
		return fmt.Errorf("the guest is not up: %w", context.Cause(ctx))
	}
}

func (g *Guest) set(l *link, ready bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.link, g.ready, g.err = l, ready, err
	close(g.changed)
	g.changed = make(chan struct{})
}

func (g *Guest) greeted(h agent.Hello) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.hello = h
}

// cut ends the connection to a guest that has just been reset, with whatever it had half said.
func (g *Guest) cut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.link != nil {
		g.ready = false
		g.link.conn.Close()
	}
}

// Start starts a program.
func (g *Guest) Start(ctx context.Context, c Command) (*Process, error) {
	l, err := g.up(ctx)
	if err != nil {
		return nil, err
	}
	return l.start(ctx, c)
}

// Do runs a program to its end and returns all that it printed. When ctx ends first, it is killed.
func (g *Guest) Do(ctx context.Context, c Command) (string, error) {
	l, err := g.up(ctx)
	if err != nil {
		return "", err
	}
	p, err := l.carryOut(ctx, c)
	if p == nil {
		return "", err
	}
	return p.Output(), err
}

// Run is Do for a program with its arguments.
func (g *Guest) Run(ctx context.Context, args ...string) (string, error) {
	return g.Do(ctx, Command{Args: args})
}

// Shell is Do for a script, which ends at the first command that fails.
func (g *Guest) Shell(ctx context.Context, script string) (string, error) {
	return g.Run(ctx, "sh", "-e", "-c", script)
}

// PutFile puts a file of the host into the guest, with its permissions.
func (g *Guest) PutFile(ctx context.Context, from, to string) error {
	l, err := g.up(ctx)
	if err != nil {
		return err
	}
	return putFile(ctx, l, from, to)
}

// Put writes a file in the guest.
func (g *Guest) Put(ctx context.Context, to string, perm os.FileMode, content []byte) error {
	l, err := g.up(ctx)
	if err != nil {
		return err
	}
	return l.put(ctx, to, uint32(perm.Perm()), int64(len(content)), bytes.NewReader(content))
}

// Get reads a file in the guest.
func (g *Guest) Get(ctx context.Context, name string) ([]byte, error) {
	l, err := g.up(ctx)
	if err != nil {
		return nil, err
	}
	p, err := l.carryOut(ctx, Command{Args: []string{"cat", name}})
	if err != nil {
		return nil, err
	}
	return []byte(p.stdout.String()), nil
}

func putFile(ctx context.Context, l *link, from, to string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return l.put(ctx, to, uint32(info.Mode().Perm()), info.Size(), f)
}

// Now is the guest's clock, to the second.
func (g *Guest) Now(ctx context.Context) (time.Time, error) {
	out, err := g.Run(ctx, "date", "+%s")
	if err != nil {
		return time.Time{}, err
	}
	seconds, err := strconv.ParseInt(string(bytes.TrimSpace([]byte(out))), 10, 64)
	return time.Unix(seconds, 0), err
}
