package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"

	"doorbell/access"
	"doorbell/certs"
	"doorbell/configs"
	"doorbell/store"
)

// examinePort listens for a moment where the page will be served.
func examinePort(ctx context.Context, what, configured string, port, other int, running bool) finding {
	f := finding{what: what, detail: configured}
	if running || configured == nameNone {
		return f
	}
	listener, err := listenAt(ctx, configured, port, other)
	if err != nil {
		f.problem = err
		return f
	}
	f.detail = listener.Addr().String()
	_ = listener.Close()
	return f
}

// examineCertificate looks at how the site will prove who it is. It makes nothing.
func examineCertificate(config configs.Config) finding {
	f := finding{what: "certificate"}
	t := config.TLS
	switch {
	case t.Listen == nameNone:
		f.detail = "none is needed: nothing is served over HTTPS"
	case t.Cert != "":
		f.detail = t.Cert
		if _, err := certs.NewFiles(t.Cert, t.Key, slog.New(slog.DiscardHandler)); err != nil {
			f.problem = err
		}
	case len(t.ACMENames) > 0:
		f.detail = "by ACME, for " + strings.Join(t.ACMENames, ", ")
	default:
		f.detail = "the doorbell's own; each phone is helped to trust it"
	}
	return f
}

// examineAccess tells who may come in.
func examineAccess(config configs.Config) finding {
	f := finding{what: "access"}
	if config.Access.Mode == configs.AccessOpen {
		f.detail = strings.Join(slices.Concat([]string{"open: everybody on this machine"}, config.Access.OpenNetworks), ", ") + " may look and talk"
		return f
	}
	state, found, err := store.NewFile[access.State](filepath.Join(stateDir(config.StateDir), "access")).Load()
	switch {
	case errors.Is(err, fs.ErrPermission):
		f.detail = "who may come in can't be read by this user (use sudo)"
	case err != nil:
		f.problem = fmt.Errorf("%w (doorbell reset begins anew)", err)
	case !found || len(state.Phones) == 0:
		f.detail = "no phone may come in yet: doorbell invite lets the first one in"
	default:
		f.detail = fmt.Sprintf("%d phones may come in; doorbell phones lists them", len(state.Phones))
	}
	return f
}
