package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"doorbell/configs"
)

type manCommand struct{ root *cobra.Command }

// Run prints the man page, made from the command line's own help.
func (c manCommand) Run(e *environment) error {
	_, err := fmt.Fprint(e.stdout, manual(c.root))
	return err
}

// manual is the program's man page (man-pages(7), groff_man(7)).
func manual(root *cobra.Command) string {
	var page strings.Builder
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(&page, format+"\n", args...) }
	flags := func(set *pflag.FlagSet, format string) {
		set.VisitAll(func(flag *pflag.Flag) {
			name, usage := pflag.UnquoteUsage(flag)
			line(format, manualFlag(flag, name), roff(usage))
		})
	}
	line(".TH %s 1 \"\" %s \"User Commands\"", strings.ToUpper(root.Name()), roff("doorbell "+versionOf()))
	line(".SH NAME\n%s \\- %s", root.Name(), roff(lowerFirst(strings.SplitAfter(root.Short, ".")[0])))
	line(".SH SYNOPSIS\n.B %s\n[\\fICOMMAND\\fR]\n[\\fIFLAGS\\fR]", root.Name())
	line(".SH DESCRIPTION\n%s", roff(root.Short))
	line(".SH COMMANDS")
	for _, command := range root.Commands() {
		if command.IsAvailableCommand() {
			line(".TP\n.B %s\n%s", roff(command.Use), roff(command.Short))
			flags(command.LocalNonPersistentFlags(), ".RS\n.TP\n%s\n%s\n.RE")
		}
	}
	line(".SH FLAGS")
	flags(root.PersistentFlags(), ".TP\n%s\n%s")
	line(".SH ENVIRONMENT\n.TP\n.B DOORBELL_CONFIG\nAs \\fB\\-\\-config\\fR.")
	line(".TP\n.B DOORBELL_*\nEach key of the configuration, in capitals with _ for the dots: DOORBELL_RING_TIMEOUT=45s.")
	line(".SH FILES\n.TP\n.I %s\n%s", roff(configs.Path), "The configuration, which says what each key means.")
	line(".TP\n.I /run/doorbell/control.sock\nThe socket by which commands reach the running doorbell. Its owner and group may use it.")
	line(".SH EXIT STATUS\n0 where it did what was asked, 1 where it could not, 2 where the command line made no sense.")
	return page.String()
}

// manualFlag is a flag, with the name of what it takes.
func manualFlag(flag *pflag.Flag, takes string) string {
	text := `\-\-` + roff(flag.Name)
	if flag.Shorthand != "" {
		text = `\-` + flag.Shorthand + ", " + text
	}
	text = ".BR \"" + text + "\""
	if takes != "" {
		text += ` "=\fI` + roff(takes) + `\fR"`
	}
	return text
}

// roff keeps text from being read as commands to troff.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "\n", " ").Replace(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		return `\&` + text
	}
	return text
}

func lowerFirst(text string) string {
	text = strings.TrimSuffix(strings.TrimSpace(text), ".")
	return strings.ToLower(text[:1]) + text[1:]
}
