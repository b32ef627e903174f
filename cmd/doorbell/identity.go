package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"doorbell/certs"
	"doorbell/configs"
	"doorbell/lan"
	"doorbell/store"
	"doorbell/web"
)

// identity is under which names and addresses this machine is reached, and how
// it proves that over TLS.
type identity struct {
	// Fixed after newIdentity.
	config    configs.Config
	log       *slog.Logger
	responder *lan.Responder   // nil: no name in the local network
	authority *certs.Authority // nil with a certificate that others made
	files     *certs.Files     // nil without one of the owner's
	acme      *certs.ACME      // nil without one by ACME

	// Fixed once the program listens.
	plain  net.Listener
	secure net.Listener // nil: no HTTPS
}

// newIdentity reads or makes what TLS needs. It opens no port.
func newIdentity(config configs.Config, log *slog.Logger) (i *identity, err error) {
	config.Hosts, config.TLS.ACMENames = asBrowsersWrite(config.Hosts), asBrowsersWrite(config.TLS.ACMENames)
	i = &identity{config: config, log: log}
	dir := stateDir(config.StateDir)
	if config.LocalName != "" {
		if i.responder, err = newResponder(config.LocalName, dir, log); err != nil {
			return nil, fmt.Errorf("local_name: %w", err)
		}
	}
	t := config.TLS
	switch {
	case t.Listen == nameNone:
	case t.Cert != "":
		if i.files, err = certs.NewFiles(t.Cert, t.Key, log); err != nil {
			return nil, fmt.Errorf("tls.cert: %w", err)
		}
	case len(t.ACMENames) > 0:
		i.acme, err = certs.NewACME(certs.ACMEOptions{
			Dir: filepath.Join(dir, "acme"), Names: t.ACMENames, Email: t.ACMEEmail, Directory: t.ACMEDirectory, Logger: log,
		})
		if err != nil {
			return nil, fmt.Errorf("tls.acme_names: %w", err)
		}
	default:
		i.authority, err = certs.Open(certs.Options{Dir: filepath.Join(dir, "tls"), Names: i.names, Addresses: lan.Addresses, Logger: log})
		if err != nil {
			return nil, fmt.Errorf("making a certificate: %w", err)
		}
	}
	return i, nil
}

// asBrowsersWrite returns hosts as they stand in what browsers ask for (URL Standard,
// section 3.5): names in small letters, IPv6 addresses in their shortest form.
func asBrowsersWrite(hosts []string) []string {
	written := make([]string, len(hosts))
	for n, host := range hosts {
		written[n] = strings.ToLower(host)
		if address, err := netip.ParseAddr(host); err == nil {
			written[n] = address.String()
		}
	}
	return written
}

// newResponder gives the machine a name that it keeps across restarts.
func newResponder(name, dir string, log *slog.Logger) (*lan.Responder, error) {
	file := store.NewFile[string](filepath.Join(dir, "local-name"))
	kept, _, err := file.Load()
	if err != nil {
		log.Warn("the name in the local network is chosen anew", "error", err)
	}
	return lan.NewResponder(lan.Options{
		Name: name, Kept: kept, Logger: log,
		Claimed: func(name string) {
			if err := file.Save(name); err != nil {
				log.Error("the name in the local network is not kept", "error", err)
			}
		},
	})
}

// names are those under which phones reach this machine, the best first.
func (i *identity) names() []string {
	names := slices.Concat(i.config.TLS.ACMENames, i.config.Hosts)
	if i.responder != nil {
		names = append(names, i.responder.Name())
	}
	if host := hostname(); host != "" {
		names = append(names, host+".local") // where the system announces it
	}
	return names
}

// hostname is the machine's own, in small letters and without a domain.
func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	name, _, _ = strings.Cut(strings.ToLower(name), ".")
	return name
}

// ours tells whether a host, without port, is this machine.
func (i *identity) ours(host string) bool {
	if address, err := netip.ParseAddr(host); err == nil {
		return slices.Contains(lan.Addresses(), address) || slices.Contains(i.config.Hosts, address.String())
	}
	return host == hostname() || slices.ContainsFunc(i.names(), func(name string) bool { return strings.EqualFold(name, host) })
}

// public tells whether all browsers trust our certificate for a host.
func (i *identity) public(host string) bool {
	return i.authority == nil && slices.ContainsFunc(slices.Concat(i.config.TLS.ACMENames, i.config.Hosts), func(name string) bool {
		_, err := netip.ParseAddr(name)
		return err != nil && strings.EqualFold(name, host)
	})
}

// sites is where the page is served over HTTPS, the best first: names that stay
// before addresses that may change.
func (i *identity) sites() []string {
	if i.secure == nil {
		return nil
	}
	var hosts []string
	if i.authority == nil {
		hosts = slices.Concat(i.config.TLS.ACMENames, i.config.Hosts)
	} else {
		if i.responder != nil {
			hosts = append(hosts, i.responder.Name())
		}
		hosts = append(hosts, i.config.Hosts...)
	}
	hosts = append(hosts, i.addresses(i.secure)...)
	var sites []string
	for _, host := range hosts {
		if strings.Contains(host, ":") {
			continue // Chromium takes no IPv6 address for a source in a content security policy
		}
		if site := siteURL("https", host, i.secure); !slices.Contains(sites, site) {
			sites = append(sites, site)
		}
	}
	return sites
}

// addresses are those of this machine at which a listener is reached.
func (i *identity) addresses(listener net.Listener) []string {
	at := listener.Addr().(*net.TCPAddr).AddrPort().Addr().Unmap()
	switch {
	case at.IsLoopback():
		return []string{"localhost"}
	case !at.IsUnspecified():
		return []string{at.String()}
	}
	var all []string
	for _, address := range lan.Addresses() {
		all = append(all, address.String())
	}
	if len(all) == 0 { // no network: only this machine itself
		return []string{"localhost"}
	}
	return all
}

// siteURL writes an address without the port that its scheme has anyhow.
func siteURL(scheme, host string, listener net.Listener) string {
	port := listener.Addr().(*net.TCPAddr).Port
	if scheme == "https" && port == 443 || scheme == "http" && port == 80 {
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		return scheme + "://" + host
	}
	return scheme + "://" + net.JoinHostPort(host, fmt.Sprint(port))
}

// page is the address to type: of the site itself, on this machine where plain
// HTTP is for this machine alone.
func (i *identity) page() string {
	if sites := i.sites(); len(sites) > 0 && !loopback(i.secure) {
		return sites[0]
	}
	return siteURL("http", i.addresses(i.plain)[0], i.plain)
}

// entry is where a phone joins. One that can't trust our certificate yet begins at
// the welcome page, by an address that every phone finds.
func (i *identity) entry() string {
	if i.authority != nil && !loopback(i.plain) && !loopback(i.secure) {
		return siteURL("http", i.addresses(i.plain)[0], i.plain) + "/"
	}
	return i.page() + "/join"
}

// link is the entry with an invitation's words, which stand where no server sees
// them (RFC 3986, section 3.5).
func (i *identity) link(words string) string { return i.entry() + "#" + words }

// trust is what phones need to trust our certificate.
func (i *identity) trust() (*web.Trust, error) {
	if i.authority == nil {
		return nil, nil
	}
	profile, err := i.authority.Profile()
	if err != nil {
		return nil, fmt.Errorf("making the profile for Apple's systems: %w", err)
	}
	return &web.Trust{Certificate: i.authority.Certificate().Raw, Profile: profile, Fingerprint: i.authority.Fingerprint()}, nil
}

// fingerprint is the authority's; empty where all trust the certificate.
func (i *identity) fingerprint() string {
	if i.authority == nil {
		return ""
	}
	return i.authority.Fingerprint()
}

// tls configures the server.
func (i *identity) tls() *tls.Config {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	switch {
	case i.files != nil:
		config.GetCertificate = i.files.GetCertificate
	case i.acme != nil:
		config.GetCertificate = i.acme.GetCertificate
		i.acme.TLS(config)
	default:
		config.GetCertificate = i.authority.GetCertificate
	}
	return config
}

// challenge answers the authority of ACME over plain HTTP, and leaves the rest to
// next.
func (i *identity) challenge(next http.Handler) http.Handler {
	if i.acme == nil {
		return next
	}
	return i.acme.Challenge(next)
}

// run announces the name, until ctx ends. A door without a name can still be
// reached by its address, so that a failure is only told.
func (i *identity) run(ctx context.Context) error {
	if i.responder == nil || loopback(i.plain) && (i.secure == nil || loopback(i.secure)) {
		return nil
	}
	if err := i.responder.Run(ctx); err != nil && ctx.Err() == nil {
		i.log.Warn("this machine has no name in the local network: phones reach it by its address", "error", err)
	}
	return nil
}

// listenAt opens a listener; auto takes the port that browsers ask for, or where
// that can't be had the other one.
func listenAt(ctx context.Context, configured string, port, other int) (net.Listener, error) {
	if configured != nameAuto {
		return web.Listen(ctx, configured)
	}
	listener, err := web.Listen(ctx, fmt.Sprintf(":%d", port))
	if err == nil {
		return listener, nil
	}
	second, otherErr := web.Listen(ctx, fmt.Sprintf(":%d", other))
	if otherErr != nil {
		return nil, errors.Join(err, otherErr)
	}
	return second, nil
}
