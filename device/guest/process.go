package guest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"syscall"
	"time"

	"doorbell/device/guest/agent"
)

// Command is a program to start in the guest.
type Command struct {
	Args   []string  // the first is looked up in the guest's PATH
	Env    []string  // NAME=value, added to the guest's own
	Dir    string    // working directory, / where empty
	Stdin  []byte    // the whole of its standard input, at most 512 KiB
	Output io.Writer // gets its output as it comes, nil for nowhere. Must not block.
}

// Process is a program that was started in the guest.
type Process struct {
	// Fixed after Start.
	link   *link
	name   string
	stream uint32

	started chan struct{} // closed when pid is known
	done    chan struct{} // closed when it has ended
	output  *transcript   // both of its outputs, in order
	stdout  *transcript   // one of them

	// Written once, before started or done is closed.
	startOnce, endOnce sync.Once
	pid                int
	exit               agent.Exit
	err                error
}

// ExitError says how a program in the guest ended, if not well.
type ExitError struct {
	Command string
	Code    int            // exit code, -1 where a signal ended it
	Signal  syscall.Signal // 0 where none did
	Output  string         // the last of what it printed
}

// Error tells all of it.
func (e *ExitError) Error() string {
	how := fmt.Sprintf("exit code %d", e.Code)
	if e.Signal != 0 {
		how = e.Signal.String()
	}
	return fmt.Sprintf("in the guest: %s: %s: %s", e.Command, how, e.Output)
}

func newProcess(l *link, name string, output io.Writer) *Process {
	return &Process{
		link: l, name: name, started: make(chan struct{}), done: make(chan struct{}),
		output: &transcript{copy: output}, stdout: &transcript{},
	}
}

func (p *Process) handle(f agent.Frame) error {
	switch f.Kind {
	case agent.KindStarted:
		var s agent.Started
		if err := json.Unmarshal(f.Body, &s); err != nil {
			return err
		}
		p.pid = s.PID
		p.startOnce.Do(func() { close(p.started) })
	case agent.KindStdout:
		p.stdout.Write(f.Body)
		p.output.Write(f.Body)
	case agent.KindStderr:
		p.output.Write(f.Body)
	case agent.KindExit:
		var e agent.Exit
		if err := json.Unmarshal(f.Body, &e); err != nil {
			return err
		}
		var err error
		if e.Error != "" {
			err = fmt.Errorf("in the guest: %s: %w", p.name, errors.New(e.Error))
		}
		p.end(e, err)
	default:
		return fmt.Errorf("frame of kind %d: not one that the host is sent", f.Kind)
	}
	return nil
}

func (p *Process) end(e agent.Exit, err error) {
	p.endOnce.Do(func() {
		p.exit, p.err = e, err
		close(p.done)
	})
}

// PID is its number in the guest.
func (p *Process) PID() int { return p.pid }

// Done is closed when it has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Output is all that it has printed so far, on both of its outputs.
func (p *Process) Output() string { return p.output.String() }

// WaitOutput waits until it has printed text.
func (p *Process) WaitOutput(ctx context.Context, text string) error {
	if err := p.output.wait(ctx, text, p.done); err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	return nil
}

// Wait waits for its end. The error is an *ExitError where it ended with a code other than 0, and ErrGone
// where the machine ended or was reset under it. When ctx ends first, the process goes on.
func (p *Process) Wait(ctx context.Context) error {
	select {
	case <-p.done:
	case <-ctx.Done():
		return fmt.Errorf("%s has not ended: %w", p.name, context.Cause(ctx))
	}
	if p.err != nil {
		return p.err
	}
	if p.exit.Code != 0 {
		return &ExitError{p.name, p.exit.Code, syscall.Signal(p.exit.Signal), strings.TrimSpace(lastLines(p.Output(), 30))}
	}
	return nil
}

// Signal sends a signal to the process alone. To one that has ended it does nothing.
func (p *Process) Signal(s syscall.Signal) error {
	return p.link.send(agent.KindSignal, p.stream, agent.Signal{Number: int(s)})
}

// Kill kills it and all that it has started, and waits for its end.
func (p *Process) Kill(ctx context.Context) error {
	if err := p.link.send(agent.KindSignal, p.stream, agent.Signal{Number: int(syscall.SIGKILL), Group: true}); err != nil {
		return err
	}
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s was killed and has not ended: %w", p.name, context.Cause(ctx))
	}
}

// start begins a command on a link.
func (l *link) start(ctx context.Context, c Command) (*Process, error) {
	p := newProcess(l, strings.Join(c.Args, " "), c.Output)
	if err := l.open(p); err != nil {
		return nil, err
	}
	err := l.send(agent.KindStart, p.stream, agent.Command{Args: c.Args, Env: c.Env, Dir: c.Dir, Stdin: c.Stdin})
	if err != nil {
		return nil, err
	}
	select {
	case <-p.started:
		return p, nil
	case <-p.done:
		select {
		case <-p.started: // both: it was quick
			return p, nil
		default:
			return nil, p.err
		}
	case <-ctx.Done():
		return nil, fmt.Errorf("start %s in the guest: %w", p.name, context.Cause(ctx))
	}
}

// carryOut runs a command to its end. When ctx ends first, it is killed.
func (l *link) carryOut(ctx context.Context, c Command) (*Process, error) {
	p, err := l.start(ctx, c)
	if err != nil {
		return nil, err
	}
	err = p.Wait(ctx)
	if ctx.Err() != nil {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		return p, errors.Join(fmt.Errorf("%w; so far: %s", err, lastLines(p.Output(), 30)), p.Kill(grace))
	}
	return p, err
}
