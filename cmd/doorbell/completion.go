package main

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCommand struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"The shell: bash, zsh or fish."`
}

// Run prints the script by which a shell completes this command line.
func (c completionCommand) Run(e *environment, app *kong.Kong) error {
	scripts := map[string]func(*kong.Application) string{"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion}
	_, err := fmt.Fprint(e.stdout, scripts[c.Shell](app.Model))
	return err
}

// flagWords are the flags as one types them.
func flagWords(flags []*kong.Flag) []string {
	var words []string
	for _, flag := range shown(flags) {
		words = append(words, "--"+flag.Name)
		if flag.Short != 0 {
			words = append(words, "-"+string(flag.Short))
		}
	}
	return words
}

// pathFlags are the flags that take a path.
func pathFlags(flags []*kong.Flag) []string {
	var words []string
	for _, flag := range shown(flags) {
		if !flag.IsBool() {
			words = append(words, flagWords([]*kong.Flag{flag})...)
		}
	}
	return words
}

func bashCompletion(app *kong.Application) string {
	var commands []string
	var cases strings.Builder
	for _, command := range visible(app.Node) {
		commands = append(commands, command.Name)
		if words := flagWords(command.Flags); len(words) > 0 {
			_, _ = fmt.Fprintf(&cases, "\t\t%s) words=\"$words %s\" ;;\n", command.Name, strings.Join(words, " "))
		}
	}
	return fmt.Sprintf(`# bash completion for %[1]s
_%[1]s() {
	local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} words="%[2]s" word
	COMPREPLY=()
	case $previous in
	%[3]s) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
	esac
	local commands="%[4]s"
	for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
		case $word in
%[5]s		esac
		[[ " $commands " != *" $word "* ]] || commands=
	done
	mapfile -t COMPREPLY < <(compgen -W "$commands $words" -- "$current")
}
complete -F _%[1]s %[1]s
`, app.Name, strings.Join(flagWords(app.Flags), " "), strings.Join(pathFlags(app.Flags), "|"), strings.Join(commands, " "), cases.String())
}

func zshCompletion(app *kong.Application) string {
	quote := strings.NewReplacer("'", `'\''`, "[", `\[`, "]", `\]`, ":", `\:`)
	var out strings.Builder
	_, _ = fmt.Fprintf(&out, "#compdef %s\n_arguments \\\n", app.Name)
	for _, flag := range shown(app.Flags) {
		_, _ = fmt.Fprintf(&out, "  '--%s[%s]", flag.Name, quote.Replace(flag.Help))
		if !flag.IsBool() {
			out.WriteString(":file:_files")
		}
		out.WriteString("' \\\n")
	}
	out.WriteString("  '1:command:((")
	for _, command := range visible(app.Node) {
		_, _ = fmt.Fprintf(&out, `%s\:"%s" `, command.Name, quote.Replace(command.Help))
	}
	out.WriteString("))'")
	for _, command := range visible(app.Node) {
		for _, flag := range shown(command.Flags) {
			_, _ = fmt.Fprintf(&out, " \\\n  '--%s[%s]'", flag.Name, quote.Replace(flag.Help))
		}
	}
	return out.String() + "\n"
}

func fishCompletion(app *kong.Application) string {
	quote := func(text string) string { return "'" + strings.ReplaceAll(text, "'", `\'`) + "'" }
	var out strings.Builder
	flags := func(condition string, list []*kong.Flag) {
		for _, flag := range shown(list) {
			_, _ = fmt.Fprintf(&out, "complete -c %s%s -l %s", app.Name, condition, flag.Name)
			if flag.Short != 0 {
				_, _ = fmt.Fprintf(&out, " -s %c", flag.Short)
			}
			if !flag.IsBool() {
				out.WriteString(" -r -F")
			}
			_, _ = fmt.Fprintf(&out, " -d %s\n", quote(flag.Help))
		}
	}
	_, _ = fmt.Fprintf(&out, "complete -c %s -f\n", app.Name)
	for _, command := range visible(app.Node) {
		_, _ = fmt.Fprintf(&out, "complete -c %s -n __fish_use_subcommand -a %s -d %s\n", app.Name, command.Name, quote(command.Help))
		flags(" -n '__fish_seen_subcommand_from "+command.Name+"'", command.Flags)
	}
	flags("", app.Flags)
	return out.String()
}
