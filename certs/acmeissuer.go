package certs

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"path/filepath"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
)

// accountFile has the key of the account. The account itself is looked up by it (RFC
// 8555 section 7.3), so that there is nothing else to keep.
const accountFile = "account.pem"

// issuer orders certificates. Certmagic's own would open ports of its own for the
// challenges, ask at the keyboard, and leave its connections open.
type issuer struct {
	// Fixed before Run.
	directory string
	rehearsal string // where an order is tried out once one has failed; may be empty
	email     string
	dir       string
	client    *http.Client

	accountMu sync.Mutex // one makes the account's key

	mu     sync.Mutex                 // guards what follows
	tokens map[string]string          // over HTTP: key authorizations by name and path
	proofs map[string]tls.Certificate // over TLS: certificates by name
}

var (
	_ certmagic.Issuer            = (*issuer)(nil)
	_ certmagic.RenewalInfoGetter = (*issuer)(nil)
)

func newIssuer(options ACMEOptions) *issuer {
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true,
		TLSHandshakeTimeout: 30 * time.Second, ResponseHeaderTimeout: 30 * time.Second,
		TLSClientConfig: &tls.Config{RootCAs: options.Roots},
	}
	i := &issuer{
		directory: options.Directory, email: options.Email, dir: options.Dir,
		client: &http.Client{Transport: transport, Timeout: time.Minute},
		tokens: make(map[string]string), proofs: make(map[string]tls.Certificate),
	}
	if options.Directory == LetsEncrypt {
		i.rehearsal = certmagic.LetsEncryptStagingCA
	}
	return i
}

// IssuerKey tells authorities apart in the folder of certificates.
func (i *issuer) IssuerKey() string {
	u, err := url.Parse(i.directory)
	if err != nil {
		return "acme"
	}
	return certmagic.StorageKeys.Safe(u.Host + "-" + u.Path)
}

// Issue orders a certificate. Past a failure it tries the order out first, where
// there is a place for that: authorities shut out for hours who fails often
// (letsencrypt.org/docs/rate-limits).
func (i *issuer) Issue(ctx context.Context, request *x509.CertificateRequest) (*certmagic.IssuedCertificate, error) {
	attempts, _ := ctx.Value(certmagic.AttemptsCtxKey).(*int)
	if attempts != nil && *attempts > 0 && i.rehearsal != "" {
		if _, err := i.order(ctx, i.rehearsal, request); err != nil {
			return nil, fmt.Errorf("trying out the order: %w", err)
		}
	}
	return i.order(ctx, i.directory, request)
}

func (i *issuer) order(ctx context.Context, directory string, request *x509.CertificateRequest) (*certmagic.IssuedCertificate, error) {
	defer i.client.CloseIdleConnections()
	key, err := i.accountKey()
	if err != nil {
		return nil, err
	}
	client := i.acme(directory)
	account := acme.Account{TermsOfServiceAgreed: true, PrivateKey: key}
	if i.email != "" {
		account.Contact = []string{"mailto:" + i.email}
	}
	if account, err = client.NewAccount(ctx, account); err != nil {
		return nil, fmt.Errorf("getting an account at %s: %w", directory, err)
	}
	parameters, err := acmez.OrderParametersFromCSR(account, request)
	if err != nil {
		return nil, fmt.Errorf("asking for a certificate: %w", err)
	}
	chains, err := client.ObtainCertificate(ctx, parameters)
	if err != nil {
		return nil, fmt.Errorf("ordering at %s: %w", directory, err)
	}
	if len(chains) == 0 {
		return nil, fmt.Errorf("ordering at %s: no certificate came", directory)
	}
	return &certmagic.IssuedCertificate{Certificate: chains[0].ChainPEM, Metadata: chains[0]}, nil
}

func (i *issuer) acme(directory string) *acmez.Client {
	return &acmez.Client{
		Client: &acme.Client{Directory: directory, HTTPClient: i.client, UserAgent: "doorbell"},
		ChallengeSolvers: map[string]acmez.Solver{
			acme.ChallengeTypeHTTP01: httpSolver{i}, acme.ChallengeTypeTLSALPN01: tlsSolver{i},
		},
	}
}

// GetRenewalInfo asks the authority when it wants a certificate to be renewed (RFC
// 9773).
func (i *issuer) GetRenewalInfo(ctx context.Context, cert certmagic.Certificate) (acme.RenewalInfo, error) {
	defer i.client.CloseIdleConnections()
	return i.acme(i.directory).GetRenewalInfo(ctx, cert.Leaf)
}

// accountKey reads the account's key, or makes it.
func (i *issuer) accountKey() (*ecdsa.PrivateKey, error) {
	i.accountMu.Lock()
	defer i.accountMu.Unlock()
	path := filepath.Join(i.dir, accountFile)
	data, err := readFile(path)
	if err == nil {
		if block, _ := pem.Decode(data); block != nil {
			if key, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
				if ec, ok := key.(*ecdsa.PrivateKey); ok {
					return ec, nil
				}
			}
		}
		return nil, fmt.Errorf("%s is damaged; remove it to get a new account", path)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading the account's key: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the account's key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("making the account's key: %w", err)
	}
	return key, writeFile(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}
