package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"doorbell/configs"
)

// runner is a command with what the command line says of it.
type runner interface {
	Run(*environment) error
}

// commands is the command line.
func (e *environment) commands() *cobra.Command {
	root := e.command("doorbell", "A video doorbell that you own. Press the button, the phones ring, one answers.", runCommand{})
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetOut(e.stdout)
	root.SetErr(e.stderr)
	root.SetHelpCommand(&cobra.Command{Hidden: true}) // --help is enough
	root.CompletionOptions.DisableDefaultCmd = true
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	flags := root.PersistentFlags()
	flags.StringVarP(&e.configFlag, "config", "c", "", fmt.Sprintf("configuration `FILE`; also DOORBELL_CONFIG; without, %s where it exists", configs.Path))
	flags.StringVar(&e.controlFlag, "control", "", "control `SOCKET` of the running appliance; without, as configured")
	for _, name := range []string{"config", "control"} {
		// It fails for an unknown flag only.
		_ = root.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(nil, cobra.ShellCompDirectiveDefault))
	}

	status, visits, phones := &statusCommand{}, &visitsCommand{}, &phonesCommand{}
	invite, revoke, reset, completion := &inviteCommand{Role: "auto"}, &revokeCommand{}, &resetCommand{}, &completionCommand{}
	root.AddCommand(
		e.command("run", "Be the appliance: devices, relay and page in one process. This is what it does without a command.", runCommand{}),
		e.command("relay", "Serve relay and page alone, for a server.", relayCommand{}),
		e.command("press", "Press the button of the running appliance.", pressCommand{}),
		e.command("hangup", "End the ring or call that is running.", hangupCommand{}),
		e.command("status", "Show who is here, what rings or is in a call, and what the devices do.", status, forPrograms(&status.JSON)),
		e.command("visits", "List who rang, newest first, and what came of it.", visits, forPrograms(&visits.JSON)),
		e.command("invite", "Let a phone in: show the words and the code with which it joins.", invite, forPrograms(&invite.JSON), invite.flags),
		e.command("phones", "List the phones that may come in.", phones, forPrograms(&phones.JSON)),
		e.command("revoke", "Remove a phone: a lost one, say. It is named as doorbell phones shows it, by name, HOUSE/NAME or id.", revoke, argument("PHONE", &revoke.Phone)),
		e.command("doctor", "Look at camera, microphone, loudspeaker, button and ports, and say what is wrong.", doctorCommand{}),
		e.command("key", "Show the key by which a relay elsewhere knows this door.", keyCommand{}),
		e.command("reset", "Factory reset: erase owner, phones, visits, keys and certificates.", reset, reset.flags),
		e.command("version", "Show the version.", versionCommand{}),
		// For the package.
		e.command("man", "Print the man page.", manCommand{root}, hidden),
		e.command("completion", "Print a shell's completion script.", completion, hidden, argument("SHELL", &completion.Shell)),
	)
	completion.root = root
	return root
}

// command makes a command that takes no arguments, but for what the options say.
func (e *environment) command(name, does string, r runner, options ...func(*cobra.Command)) *cobra.Command {
	c := &cobra.Command{Use: name, Short: does, Args: cobra.NoArgs, DisableFlagsInUseLine: true}
	c.RunE = func(*cobra.Command, []string) error {
		e.begun = true
		return r.Run(e)
	}
	for _, option := range options {
		option(c)
	}
	return c
}

func hidden(c *cobra.Command) { c.Hidden = true }

// forPrograms gives a command the flag by which its output is JSON.
func forPrograms(on *bool) func(*cobra.Command) {
	return func(c *cobra.Command) { c.Flags().BoolVar(on, "json", false, "for programs") }
}

// argument gives a command its one argument.
func argument(name string, into *string) func(*cobra.Command) {
	return func(c *cobra.Command) {
		c.Use += " " + name
		c.Args = func(c *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("%s takes one argument, %s", c.Name(), name)
			}
			*into = args[0]
			return nil
		}
	}
}

// choice is a flag that takes one of some words ([pflag.Value]).
type choice struct {
	into  *string
	words []string
}

func (c choice) String() string { return "" }
func (c choice) Type() string   { return strings.ToUpper(strings.Join(c.words, "|")) }

// Set takes the word.
func (c choice) Set(word string) error {
	if !slices.Contains(c.words, word) {
		return fmt.Errorf("it is one of %s", strings.Join(c.words, ", "))
	}
	*c.into = word
	return nil
}
