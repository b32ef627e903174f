package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
)

// LetsEncrypt is the directory of Let's Encrypt (letsencrypt.org/docs/client-options).
const LetsEncrypt = certmagic.LetsEncryptProductionCA

// ACMEOptions say what certificates to get, and where.
type ACMEOptions struct {
	// Dir is where the account, keys and certificates are kept. It is made where it is
	// missing, and nobody else may read it.
	Dir string
	// Names are the public names; at least one. Each gets a certificate. A handshake
	// that asks for no name, or another one, gets the first.
	Names []string
	// Email is told to the authority, which writes to it if something is wrong.
	// Default: none.
	Email string
	// Directory is the authority's URL (RFC 8555 section 7.1.1). Default: LetsEncrypt.
	// To get a certificate is to agree to its terms of service.
	Directory string
	// Roots are whom to trust as that authority. Default: the system's.
	Roots *x509.CertPool
	// Logger is told what is done and what is wrong. Default: slog.Default().
	Logger *slog.Logger
}

// ACME gets certificates from a public authority (RFC 8555), and renews them. Its
// methods may be called at the same time.
type ACME struct {
	// Fixed after NewACME.
	options ACMEOptions
	log     *slog.Logger
	issuer  *issuer
	renew   time.Duration // how often it is looked what is to be renewed; 0: as certmagic does

	config atomic.Pointer[certmagic.Config] // nil while Run does not run
}

// errNotRunning says that there are no certificates before Run and after it.
var errNotRunning = errors.New("certificates: ACME is not running")

// NewACME checks the options. It touches nothing, and contacts nobody.
func NewACME(options ACMEOptions) (*ACME, error) {
	if len(options.Names) == 0 {
		return nil, errors.New("certificates: ACME needs a public name")
	}
	var names []string
	for _, name := range options.Names {
		ascii, err := canonical(name)
		if err != nil {
			return nil, fmt.Errorf("certificates: ACME: %w", err)
		}
		if !certmagic.SubjectQualifiesForPublicCert(ascii) || !strings.Contains(ascii, ".") || certmagic.SubjectIsIP(ascii) || below(ascii, privateNames()) {
			return nil, fmt.Errorf("certificates: ACME: %s is no public name, so no public authority vouches for it", name)
		}
		names = append(names, ascii)
	}
	options.Names = distinct(names)
	if options.Directory == "" {
		options.Directory = LetsEncrypt
	}
	if u, err := url.Parse(options.Directory); err != nil || u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("certificates: ACME: the directory %q is no https:// address", options.Directory)
	}
	if options.Logger == nil {
		options.Logger = slog.Default()
	}
	return &ACME{options: options, log: options.Logger, issuer: newIssuer(options)}, nil
}

// Run gets the certificates that are missing and renews those that end, until ctx
// ends. What fails is logged, and tried again; between tries it waits from a minute
// up to six hours, as authorities ask for. This process must be listening already:
// the authority comes to see that the names are ours.
func (a *ACME) Run(ctx context.Context) error {
	if err := os.MkdirAll(a.options.Dir, 0o700); err != nil {
		return fmt.Errorf("certificates: making their folder: %w", err)
	}
	storage := newStorage(a.options.Dir)
	log := zap.New(slogCore{a.log})
	cache := certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert:   func(certmagic.Certificate) (*certmagic.Config, error) { return a.config.Load(), nil },
		RenewCheckInterval: a.renew,
		Logger:             log,
	})
	config := certmagic.New(cache, certmagic.Config{Storage: storage, Issuers: []certmagic.Issuer{a.issuer}, Logger: log})
	a.config.Store(config)

	var group errgroup.Group
	for _, name := range a.options.Names {
		group.Go(func() error { a.manage(ctx, config, name); return nil })
	}
	<-ctx.Done()
	_ = group.Wait()
	cache.Stop()
	storage.wait()
	a.config.Store(nil)
	return nil
}

// manage loads a name's certificate, gets it where there is none, and renews it where
// that is due. From then on the cache does.
func (a *ACME) manage(ctx context.Context, config *certmagic.Config, name string) {
	cert, err := config.CacheManagedCertificate(ctx, name)
	if ctx.Err() != nil || err == nil && !cert.NeedsRenewal(config) {
		return
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		// Key and certificate stand in files of their own here: a power cut can come
		// between them.
		a.log.Warn("the stored certificate can't be used; getting a new one", "name", name, "error", err)
		if err := config.Storage.Delete(ctx, certmagic.StorageKeys.CertsSitePrefix(a.issuer.IssuerKey(), name)); err != nil {
			a.log.Error("the stored certificate can't be removed", "name", name, "error", err)
			return
		}
	}
	// Async means that nobody is asked at the keyboard: both return when it is done.
	if err == nil {
		err = config.RenewCertAsync(ctx, name, false)
	} else {
		err = config.ObtainCertAsync(ctx, name)
	}
	if err == nil {
		_, err = config.CacheManagedCertificate(ctx, name)
	}
	if err != nil && ctx.Err() == nil {
		a.log.Error("there is no certificate", "name", name, "error", err)
	}
}

// GetCertificate returns the certificate for a handshake, or the answer to the
// authority's challenge (tls.Config).
func (a *ACME) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	config := a.config.Load()
	if config == nil {
		return nil, errNotRunning
	}
	if slices.Contains(hello.SupportedProtos, acmez.ACMETLS1Protocol) {
		return a.issuer.answerTLS(hello.ServerName)
	}
	if !slices.Contains(a.options.Names, strings.ToLower(hello.ServerName)) {
		first := *hello
		first.ServerName = a.options.Names[0]
		hello = &first
	}
	return config.GetCertificate(hello)
}

// TLS adds to a server's configuration what answers the challenge over TLS (RFC
// 8737).
func (a *ACME) TLS(config *tls.Config) {
	config.GetCertificate = a.GetCertificate
	if !slices.Contains(config.NextProtos, acmez.ACMETLS1Protocol) {
		config.NextProtos = append(slices.Clip(config.NextProtos), acmez.ACMETLS1Protocol)
	}
}

// Challenge answers the challenge over plain HTTP (RFC 8555 section 8.3), and leaves
// all other requests to next.
func (a *ACME) Challenge(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !a.issuer.answerHTTP(w, r) {
			next.ServeHTTP(w, r)
		}
	})
}
