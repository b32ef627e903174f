// Command doorbell is a video doorbell: the appliance at the door, or the relay
// and page alone.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"doorbell/configs"
)

// environment is what a command works with.
type environment struct {
	ctx     context.Context
	stdout  io.Writer
	stderr  io.Writer
	environ []string

	configFlag, controlFlag string // as the command line has them
	begun                   bool   // the command line made sense
}

// config reads the configuration that the command line names.
func (e *environment) config() (configs.Config, error) {
	path := e.configFlag
	for _, entry := range e.environ {
		if value, found := strings.CutPrefix(entry, "DOORBELL_CONFIG="); found && e.configFlag == "" {
			path = value
		}
	}
	return configs.Load(path, e.environ)
}

// errReported is a failure about which everything was said already.
var errReported = errors.New("")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := execute(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// execute runs one command and returns the exit code: 0 where it did what was
// asked, 1 where it could not, 2 where the command line made no sense.
func execute(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	e := &environment{ctx: ctx, stdout: stdout, stderr: stderr, environ: environ}
	root := e.commands()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return 0
	case !e.begun:
		_, _ = fmt.Fprintln(stderr, "doorbell:", err, "(see doorbell --help)")
		return 2
	case !errors.Is(err, errReported):
		_, _ = fmt.Fprintln(stderr, "doorbell:", err)
	}
	return 1
}
