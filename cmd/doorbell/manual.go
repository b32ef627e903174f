package main

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"

	"doorbell/configs"
)

type manCommand struct{}

// Run prints the man page, made from the command line's own help.
func (manCommand) Run(e *environment, app *kong.Kong) error {
	_, err := fmt.Fprint(e.stdout, manual(app.Model))
	return err
}

// manual is the program's man page (man-pages(7), groff_man(7)).
func manual(app *kong.Application) string {
	var page strings.Builder
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(&page, format+"\n", args...) }
	line(".TH %s 1 \"\" %s \"User Commands\"", strings.ToUpper(app.Name), roff("doorbell "+versionOf()))
	line(".SH NAME\n%s \\- %s", app.Name, roff(lowerFirst(strings.SplitAfter(app.Help, ".")[0])))
	line(".SH SYNOPSIS\n.B %s\n[\\fIFLAGS\\fR]\n[\\fICOMMAND\\fR]", app.Name)
	line(".SH DESCRIPTION\n%s", roff(app.Help))
	line(".SH COMMANDS")
	for _, command := range visible(app.Node) {
		help := command.Help
		if app.DefaultCmd == command {
			help += " This is what it does without a command."
		}
		line(".TP\n.B %s\n%s", roff(command.Name), roff(help))
		for _, flag := range shown(command.Flags) {
			line(".RS\n.TP\n%s\n%s\n.RE", manualFlag(flag), roff(flag.Help))
		}
	}
	line(".SH FLAGS")
	for _, flag := range shown(app.Flags) {
		line(".TP\n%s\n%s", manualFlag(flag), roff(flag.Help))
	}
	line(".SH ENVIRONMENT")
	for _, flag := range shown(app.Flags) {
		for _, name := range flag.Envs {
			line(".TP\n.B %s\nAs \\fB\\-\\-%s\\fR.", name, roff(flag.Name))
		}
	}
	line(".TP\n.B DOORBELL_*\nEach key of the configuration, in capitals with _ for the dots: DOORBELL_RING_TIMEOUT=45s.")
	line(".SH FILES\n.TP\n.I %s\n%s", roff(configs.Path), "The configuration, which says what each key means.")
	line(".TP\n.I /run/doorbell/control.sock\nThe socket by which commands reach the running doorbell. Its owner and group may use it.")
	line(".SH EXIT STATUS\n0 where it did what was asked, 1 where it could not, 2 where the command line made no sense.")
	return page.String()
}

func manualFlag(flag *kong.Flag) string {
	text := `\-\-` + roff(flag.Name)
	if flag.Short != 0 {
		text = `\-` + string(flag.Short) + ", " + text
	}
	text = ".BR \"" + text + "\""
	if !flag.IsBool() {
		text += ` "=\fI` + roff(flag.FormatPlaceHolder()) + `\fR"`
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

// visible lists the commands that a person may want.
func visible(node *kong.Node) []*kong.Node {
	var out []*kong.Node
	for _, child := range node.Children {
		if !child.Hidden {
			out = append(out, child)
		}
	}
	return out
}

func shown(flags []*kong.Flag) []*kong.Flag {
	var out []*kong.Flag
	for _, flag := range flags {
		if !flag.Hidden {
			out = append(out, flag)
		}
	}
	return out
}
