package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

type completionCommand struct {
	Shell string

	root *cobra.Command
}

// Run prints the script by which a shell completes this command line.
func (c completionCommand) Run(e *environment) error {
	switch c.Shell {
	case "bash":
		return c.root.GenBashCompletionV2(e.stdout, true)
	case "zsh":
		return c.root.GenZshCompletion(e.stdout)
	case "fish":
		return c.root.GenFishCompletion(e.stdout, true)
	}
	return fmt.Errorf("completion: there is none for %q; there is for bash, zsh and fish", c.Shell)
}
