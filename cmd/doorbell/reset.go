package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

// kept are the files and folders in the state's folder that a factory reset
// erases: all that the program ever writes there.
var kept = [...]string{
	"access", "access.previous", "visits", "visits.previous", "local-name", "local-name.previous", "device.key", "tls", "acme",
}

// erase removes everything that was decided or happened here. What can't be
// removed is told.
func erase(dir string) error {
	var problems []error
	for _, name := range kept {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			problems = append(problems, err)
		}
	}
	d, err := os.Open(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		problems = append(problems, err)
	default:
		problems = append(problems, d.Sync(), d.Close()) // a power cut must not bring phones back
	}
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("factory reset: %w", err)
	}
	return nil
}

type resetCommand struct {
	Yes bool
}

func (c *resetCommand) flags(command *cobra.Command) {
	command.Flags().BoolVar(&c.Yes, "yes", false, "don't ask")
}

// Run erases owner, phones, invitations, visits, keys and certificates. The running
// appliance does it itself, and ends; its service starts it anew.
func (c resetCommand) Run(e *environment) error {
	if !c.Yes {
		_, _ = fmt.Fprint(e.stdout, "This erases who may come in, all invitations, the book of visits, the keys and the certificates.\n"+
			"Every phone must join again, and trust a new certificate. Type reset to go on: ")
		answer, err := bufio.NewReader(os.Stdin).ReadString('\n')
		if strings.TrimSpace(answer) != "reset" {
			return errors.Join(errors.New("nothing was erased"), err)
		}
	}
	err := e.ask(http.MethodPost, "reset", nil)
	if errors.Is(err, errNotRunning) {
		config, err := e.config()
		if err != nil {
			return err
		}
		err = erase(stateDir(config.StateDir))
		if err == nil {
			_, _ = fmt.Fprintln(e.stdout, "Everything is erased.")
		}
		return err
	}
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintln(e.stdout, "Everything is being erased; the doorbell ends. Its service starts it again; started by hand, start it again yourself.")
	return nil
}
