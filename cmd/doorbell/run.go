package main

import (
	"fmt"
	"os"

	"doorbell/configs"
)

type runCommand struct{}

// Run is the appliance, until it is told to stop.
func (runCommand) Run(e *environment) error {
	config, err := e.config()
	if err != nil {
		return err
	}
	return e.serve(config, true)
}

type relayCommand struct{}

// Run serves relay and page, until it is told to stop.
func (relayCommand) Run(e *environment) error {
	config, err := e.config()
	if err != nil {
		return err
	}
	if config.Signaling.URL != "" {
		return fmt.Errorf("signaling.url is set to %s: a relay does not log in to another; leave it out, or use `doorbell run`", config.Signaling.URL)
	}
	return e.serve(config, false)
}

func (e *environment) serve(config configs.Config, door bool) error {
	if e.controlFlag != "" {
		config.Control = e.controlFlag
	}
	p, err := newProgram(config, door, newLogger(config.Log, e.stderr))
	if err != nil {
		return err
	}
	supervisor := newSupervisor(p.log)
	p.watched, p.watchdog = supervisor.watched, supervisor.alive
	p.started = func(claim *invited) {
		_, _ = fmt.Fprint(e.stdout, p.welcome())
		switch {
		case claim == nil:
		case isTerminal(e.stdout):
			claim.show(e.stdout)
		default: // a log is no place for secrets
			p.log.Warn("this doorbell has no owner yet: doorbell invite shows how the first phone joins")
		}
		supervisor.ready()
	}
	p.stopping = supervisor.stopping
	return p.Run(e.ctx)
}

// welcome tells the person at the console what to do now.
func (p *program) welcome() string {
	text := fmt.Sprintf("\n  The page:    %s\n", p.pageURL())
	if p.door != nil {
		text += fmt.Sprintf("  The button:  %s press\n", os.Args[0])
	}
	return text + "\n"
}
