package main

import (
	"log/slog"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// supervisor is the service manager, which is told how the program does
// (sd_notify(3)). Where none is, nothing happens.
type supervisor struct {
	// Fixed after newSupervisor.
	log     *slog.Logger
	watched time.Duration // how often alive has to be called at most; 0: nobody watches
}

// newSupervisor reads what systemd has set for this process.
func newSupervisor(log *slog.Logger) supervisor {
	s := supervisor{log: log}
	limit, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn("the service manager's watchdog is not fed; it will restart the doorbell", "error", err)
	}
	// Four times in the limit: twice is the least that sd_watchdog_enabled(3)
	// asks for, and a check may take a while.
	s.watched = limit / 4
	return s
}

func (s supervisor) ready()    { s.tell(daemon.SdNotifyReady) }
func (s supervisor) stopping() { s.tell(daemon.SdNotifyStopping) }
func (s supervisor) alive()    { s.tell(daemon.SdNotifyWatchdog) }

func (s supervisor) tell(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		s.log.Warn("telling the service manager", "state", state, "error", err)
	}
}
