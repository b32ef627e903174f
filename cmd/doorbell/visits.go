package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"doorbell/rtc"
	"doorbell/store"
	"doorbell/web"
)

// stateDir resolves state_dir: auto to the first place that this user can use.
func stateDir(configured string) string {
	if configured != nameAuto {
		return configured
	}
	if dir := os.Getenv("STATE_DIRECTORY"); dir != "" { // systemd.exec(5)
		return dir
	}
	system := "/var/lib/doorbell"
	if os.Geteuid() == 0 || writable(system) {
		return system
	}
	if dir := os.Getenv("XDG_STATE_HOME"); dir != "" {
		return filepath.Join(dir, "doorbell")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return filepath.Join(os.TempDir(), fmt.Sprintf("doorbell-%d", os.Geteuid()))
	}
	return filepath.Join(home, ".local", "state", "doorbell")
}

// missed gives the page the visits that nobody took; nil for a relay alone.
func (p *program) missed() func() []web.Visit {
	if p.visits == nil {
		return nil
	}
	return func() []web.Visit {
		missed := []web.Visit{}
		for _, visit := range p.visits.List() {
			if visit.Outcome == rtc.ReasonMissed {
				missed = append(missed, web.Visit{ID: visit.ID, Pressed: visit.Pressed.UnixMilli()})
			}
		}
		return missed
	}
}

type visitsCommand struct {
	JSON bool
}

// Run lists the visits of the running appliance.
func (c visitsCommand) Run(e *environment) error {
	var visits []store.Visit
	if err := e.ask(http.MethodGet, "visits", &visits); err != nil {
		return err
	}
	if c.JSON {
		encoder := json.NewEncoder(e.stdout)
		encoder.SetIndent("", "  ")
		return encoder.Encode(visits)
	}
	if len(visits) == 0 {
		_, err := fmt.Fprintln(e.stdout, "Nobody has rung yet.")
		return err
	}
	table := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	for _, visit := range visits {
		_, _ = fmt.Fprintf(table, "%s\t%s\n", visit.Pressed.Local().Format(time.DateTime), outcome(visit))
	}
	return table.Flush()
}

// outcome says in words what came of a visit.
func outcome(v store.Visit) string {
	if v.By != "" {
		return fmt.Sprintf("%s answered, %s until the end", v.By, v.Ended.Sub(v.Pressed).Round(time.Second))
	}
	return map[string]string{
		"missed": "missed", "declined": "declined", "hangup": "ended at the door", "shutdown": "doorbell was stopped",
	}[v.Outcome]
}
