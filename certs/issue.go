package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/idna"
)

// privateRanges are the addresses that an authority may vouch for: RFC 1918, RFC
// 3927 (link-local), RFC 6598 (shared, which Tailscale uses), RFC 4193 (unique
// local), RFC 4291 (link-local, loopback). Any house may have them, so the authority's
// key is worth nothing outside of this one.
func privateRanges() []netip.Prefix {
	var ranges []netip.Prefix
	for _, s := range []string{
		"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10", "127.0.0.0/8",
		"fc00::/7", "fe80::/10", "::1/128",
	} {
		ranges = append(ranges, netip.MustParsePrefix(s))
	}
	return ranges
}

// privateNames are the names that every authority may vouch for, with all names
// below them: RFC 6762 (mDNS) and RFC 6761.
func privateNames() []string { return []string{"local", "localhost"} }

// newAuthority makes an authority that can vouch for names, the private ones, and
// private addresses (RFC 5280 section 4.2.1.10), for TLS servers alone. It is valid
// whatever the clock says, and longer than any doorbell lives: a phone that has to
// trust another one is a phone that somebody has to fetch.
func newAuthority(names []string) (identity, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return identity{}, fmt.Errorf("making the authority's key: %w", err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return identity{}, fmt.Errorf("making the authority's key: %w", err)
	}
	sum := sha256.Sum256(public)
	template := &x509.Certificate{
		SerialNumber: serial(),
		// The digits tell two doorbells apart in a phone's list of authorities.
		Subject:               pkix.Name{CommonName: fmt.Sprintf("Doorbell %X %X", sum[:2], sum[2:4])},
		SubjectKeyId:          sum[:20],
		NotBefore:             time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:              time.Date(2099, 12, 31, 23, 59, 59, 0, time.UTC),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},

		PermittedDNSDomainsCritical: true,
		PermittedDNSDomains:         privateNames(),
	}
	for _, name := range names {
		if !below(name, template.PermittedDNSDomains) {
			template.PermittedDNSDomains = append(template.PermittedDNSDomains, name)
		}
	}
	for _, prefix := range privateRanges() {
		address := prefix.Addr()
		template.PermittedIPRanges = append(template.PermittedIPRanges, &net.IPNet{
			IP: address.AsSlice(), Mask: net.CIDRMask(prefix.Bits(), address.BitLen()),
		})
	}
	return sign(template, identity{cert: template, key: key}, key)
}

// server is what a server certificate is to say.
type server struct {
	names       []string
	addresses   []netip.Addr
	from, until time.Time
}

// newServer makes a server certificate with a key of its own.
func newServer(authority identity, s server) (identity, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return identity{}, fmt.Errorf("making the server's key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber:          serial(),
		Subject:               pkix.Name{Organization: []string{"Doorbell"}, CommonName: commonName(s.names)},
		NotBefore:             s.from,
		NotAfter:              s.until,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:              s.names,
	}
	for _, address := range s.addresses {
		template.IPAddresses = append(template.IPAddresses, address.AsSlice())
	}
	return sign(template, authority, key)
}

// commonName is the first name that fits (RFC 5280 appendix A.1, ub-common-name).
func commonName(names []string) string {
	for _, name := range names {
		if len(name) <= 64 {
			return name
		}
	}
	return ""
}

func sign(template *x509.Certificate, parent identity, key *ecdsa.PrivateKey) (identity, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent.cert, &key.PublicKey, parent.key)
	if err != nil {
		return identity{}, fmt.Errorf("signing a certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return identity{}, fmt.Errorf("reading the certificate just made: %w", err)
	}
	return identity{cert: cert, key: key}, nil
}

// serial is a random serial number of 127 bits (RFC 5280 section 4.1.2.2).
func serial() *big.Int {
	var n [16]byte
	_, _ = rand.Read(n[:]) // never fails (crypto/rand)
	n[0] = n[0]&0x7f | 0x40
	return new(big.Int).SetBytes(n[:])
}

// below tells whether name is one of domains or below it.
func below(name string, domains []string) bool {
	return slices.ContainsFunc(domains, func(domain string) bool {
		return name == domain || strings.HasSuffix(name, "."+domain)
	})
}

// canonical is a name as it stands in certificates: lower case, in ASCII (RFC 5890),
// without the dot of the root.
func canonical(name string) (string, error) {
	ascii, err := idna.Lookup.ToASCII(strings.TrimSuffix(name, "."))
	if err != nil {
		return "", fmt.Errorf("%q is no host name: %w", name, err)
	}
	if ascii == "" || len(ascii) > 253 || strings.Contains(ascii, "..") || strings.HasPrefix(ascii, ".") {
		return "", fmt.Errorf("%q is no host name", name)
	}
	return ascii, nil
}
