package lan

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync/atomic"

	"golang.org/x/net/dns/dnsmessage"
)

// Options say which name a Responder wants.
type Options struct {
	// Name is the name without ".local": letters, digits and hyphens, at most 50.
	// Default: doorbell.
	Name string
	// Kept is the name that Claimed was told last, so that a machine has the same one
	// tomorrow. Default: none.
	Kept string
	// Claimed is told the name, without ".local", whenever one has been claimed that
	// is not Kept or the one before it. It must not block for long. Default: nobody.
	Claimed func(name string)
	// Logger is told what is claimed and what is wrong. Default: slog.Default().
	Logger *slog.Logger
}

// Responder gives this machine a name in the local network by multicast DNS (RFC
// 6762): NAME.local, or NAME-2.local where another machine has that, and so on. All
// programs on one machine that want a name share it, since they share its addresses.
type Responder struct {
	// Fixed after NewResponder.
	options Options
	log     *slog.Logger

	number atomic.Int64 // of the name that is claimed or wanted; 1 has none
}

// NewResponder checks the options. It opens nothing.
func NewResponder(options Options) (*Responder, error) {
	options.Name = cmp.Or(strings.ToLower(options.Name), "doorbell")
	if !isLabel(options.Name) {
		return nil, fmt.Errorf("lan: %q can't be a name under .local: it takes letters, digits and hyphens between them, at most 50", options.Name)
	}
	r := &Responder{options: options, log: options.Logger}
	if r.log == nil {
		r.log = slog.Default()
	}
	r.number.Store(1)
	if digits, found := strings.CutPrefix(options.Kept, options.Name+"-"); found {
		if n, err := strconv.ParseUint(digits, 10, 32); err == nil && n > 1 {
			r.number.Store(int64(n))
		}
	}
	return r, nil
}

func isLabel(name string) bool {
	if len(name) > 50 || strings.Trim(name, "-") != name {
		return false
	}
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return name != ""
}

// Name returns the name with ".local" that this machine has, or is about to claim.
func (r *Responder) Name() string { return r.label() + ".local" }

func (r *Responder) label() string {
	if n := r.number.Load(); n > 1 {
		return fmt.Sprintf("%s-%d", r.options.Name, n)
	}
	return r.options.Name
}

// Run claims the name, answers for it, and follows the addresses, until ctx ends;
// then it says goodbye and returns nil. A network in which there can be no name, since
// another program keeps the port to itself, say, is logged.
func (r *Responder) Run(ctx context.Context) error {
	s := &session{
		responder: r, log: r.log, told: r.options.Kept,
		packets: make(chan packet, 64), changes: make(chan struct{}, 1),
	}
	watcher, err := newWatcher()
	if err != nil {
		r.log.Warn("changes of the network are noticed within a minute only", "error", err)
	} else {
		s.running.Go(func() { watcher.run(s.changed) })
	}
	s.loop(ctx)
	s.close()
	if watcher != nil {
		watcher.close()
	}
	s.running.Wait()
	return nil
}

// wantsUnicast tells whether all questions allow an answer to their sender alone.
func wantsUnicast(questions []dnsmessage.Question) bool {
	for _, q := range questions {
		if q.Class&flushBit == 0 {
			return false
		}
	}
	return len(questions) > 0
}
