package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

type statusCommand struct {
	JSON bool
}

// Run shows what the running appliance does.
func (c statusCommand) Run(e *environment) error {
	var s status
	if err := e.ask(http.MethodGet, "status", &s); err != nil {
		return err
	}
	if c.JSON {
		encoder := json.NewEncoder(e.stdout)
		encoder.SetIndent("", "  ")
		return encoder.Encode(s)
	}
	_, err := fmt.Fprint(e.stdout, s.text(time.Now()))
	return err
}

// text lays the status out for a person.
func (s status) text(now time.Time) string {
	var out strings.Builder
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		_, _ = fmt.Fprintf(table, "%s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	row("doorbell", "%s, %s", s.Name, s.Version)
	row("page", "%s", s.Page)
	relay := cmp.Or(s.Relay, "its own")
	if !s.Door.Online {
		relay += ", not reached"
	}
	row("relay", "%s", relay)
	row("phones", "%s", cmp.Or(strings.Join(s.Door.Phones, ", "), "none is here"))
	row("now", "%s", s.now(now))
	for _, connection := range s.Door.Connections {
		state := "connecting"
		if connection.Connected {
			state = "connected"
		}
		row("", "%s is %s, %s", connection.Phone, connection.Role, state)
	}
	if len(s.Door.Standby) > 0 {
		row("", "ready to ring at once: %s", strings.Join(s.Door.Standby, ", "))
	}
	for _, name := range slices.Sorted(maps.Keys(s.Devices)) {
		d := s.Devices[name]
		row(name, "%s", strings.Join(slices.DeleteFunc([]string{
			d.Source, string(s.Door.Devices[name]), d.Detail, strings.ReplaceAll(d.Problem, "\n", "; "),
		}, func(part string) bool { return part == "" }), ", "))
		for _, more := range []string{d.Path, d.Echo} {
			if more != "" {
				row("", "%s", more)
			}
		}
	}
	_ = table.Flush() // a strings.Builder takes everything
	return out.String()
}

func (s status) now(now time.Time) string {
	visit := s.Door.Visit
	if visit == nil {
		return "nobody rang"
	}
	since := now.Sub(visit.Pressed).Round(time.Second)
	if visit.Ringing {
		return fmt.Sprintf("ringing for %s (visit %s)", since, visit.ID)
	}
	return fmt.Sprintf("%s talks with the visitor, who rang %s ago (visit %s)", visit.By, since, visit.ID)
}
