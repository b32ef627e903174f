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
	"syscall"

	"github.com/alecthomas/kong"

	"doorbell/configs"
)

// commands is the command line.
type commands struct {
	Config  string `short:"c" type:"path" env:"DOORBELL_CONFIG" placeholder:"FILE" help:"Configuration. Default: ${config}, where it exists."`
	Control string `type:"path" placeholder:"SOCKET" help:"Control socket of the running appliance. Default: as configured."`

	Run     runCommand     `cmd:"" default:"withargs" help:"Be the appliance: devices, relay and page in one process."`
	Relay   relayCommand   `cmd:"" help:"Serve relay and page alone, for a server."`
	Press   pressCommand   `cmd:"" help:"Press the button of the running appliance."`
	Hangup  hangupCommand  `cmd:"" help:"End the ring or call that is running."`
	Status  statusCommand  `cmd:"" help:"Show who is here, what rings or is in a call, and what the devices do."`
	Visits  visitsCommand  `cmd:"" help:"List who rang, newest first, and what came of it."`
	Invite  inviteCommand  `cmd:"" help:"Let a phone in: show the words and the code with which it joins."`
	Phones  phonesCommand  `cmd:"" help:"List the phones that may come in."`
	Revoke  revokeCommand  `cmd:"" help:"Remove a phone: a lost one, say."`
	Doctor  doctorCommand  `cmd:"" help:"Look at camera, microphone, loudspeaker, button and ports, and say what is wrong."`
	Key     keyCommand     `cmd:"" help:"Show the key by which a relay elsewhere knows this door."`
	Reset   resetCommand   `cmd:"" help:"Factory reset: erase owner, phones, visits, keys and certificates."`
	Version versionCommand `cmd:"" help:"Show the version."`

	// For the package.
	Man        manCommand        `cmd:"" hidden:"" help:"Print the man page."`
	Completion completionCommand `cmd:"" hidden:"" help:"Print a shell's completion script."`
}

// environment is what a command works with.
type environment struct {
	ctx     context.Context
	stdout  io.Writer
	stderr  io.Writer
	environ []string
	cli     *commands
}

// config reads the configuration that the command line names.
func (e *environment) config() (configs.Config, error) {
	return configs.Load(e.cli.Config, e.environ)
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
	var cli commands
	exit := -1 // kong asks to exit after --help
	parser, err := kong.New(&cli,
		kong.Name("doorbell"),
		kong.Description("A video doorbell that you own. Press the button, the phones ring, one answers."),
		kong.Vars{"config": configs.Path},
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { exit = code }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
	)
	if err != nil {
		_, _ = fmt.Fprintln(stderr, "doorbell:", err)
		return 1
	}
	parsed, err := parser.Parse(args)
	if exit >= 0 {
		return exit
	}
	if err != nil {
		_, _ = fmt.Fprintln(stderr, "doorbell:", err, "(see doorbell --help)")
		return 2
	}
	err = parsed.Run(&environment{ctx: ctx, stdout: stdout, stderr: stderr, environ: environ, cli: &cli})
	if err != nil && !errors.Is(err, errReported) {
		_, _ = fmt.Fprintln(stderr, "doorbell:", err)
	}
	if err != nil {
		return 1
	}
	return 0
}
