package configs

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// label is one part of a host name (RFC 1123, section 2.1).
var label = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)

// isHost tells whether a text is a host name or an IP address.
func isHost(text string) bool {
	if _, err := netip.ParseAddr(text); err == nil {
		return true
	}
	if len(text) > 253 {
		return false
	}
	for part := range strings.SplitSeq(text, ".") {
		if !label.MatchString(part) {
			return false
		}
	}
	return true
}

func checkTLS(c *Config, wrong report) {
	t := c.TLS
	if (t.Cert == "") != (t.Key == "") {
		wrong("tls.cert", "expected tls.cert and tls.key together, the certificate and its key")
	}
	if t.Cert != "" && len(t.ACMENames) > 0 {
		wrong("tls.acme_names", "expected either a certificate of your own (tls.cert) or one by ACME, not both")
	}
	for i, name := range t.ACMENames {
		if _, err := netip.ParseAddr(name); err == nil || !isHost(name) || !strings.Contains(name, ".") {
			wrong(fmt.Sprintf("tls.acme_names[%d]", i), "expected a public name, such as door.example.org, got %q", name)
		}
	}
	if len(t.ACMENames) == 0 && (t.ACMEEmail != "" || t.ACMEDirectory != "") {
		wrong("tls.acme_names", "expected the names that the certificate is for")
	}
	if t.ACMEDirectory != "" && !isHTTPS(t.ACMEDirectory) {
		wrong("tls.acme_directory", "expected an https address, got %q", t.ACMEDirectory)
	}
	if t.Listen == "none" && (t.Cert != "" || len(t.ACMENames) > 0) {
		wrong("tls.listen", "expected an address: there is a certificate for it")
	}
	if c.LocalName != "" && !label.MatchString(c.LocalName) {
		wrong("local_name", "expected letters, digits and hyphens, such as doorbell (without .local), got %q", c.LocalName)
	}
	for i, host := range c.Hosts {
		if !isHost(host) {
			wrong(fmt.Sprintf("hosts[%d]", i), "expected a host name or an address, without a port, got %q", host)
		}
	}
}

func isHTTPS(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Scheme == "https" && u.Host != ""
}

func checkAccess(c *Config, wrong report) {
	a := c.Access
	if !slices.Contains([]string{AccessInvited, AccessOpen}, a.Mode) {
		wrong("access.mode", "expected invited or open, got %q", a.Mode)
	}
	for i, network := range a.OpenNetworks {
		path := fmt.Sprintf("access.open_networks[%d]", i)
		prefix, err := netip.ParsePrefix(network)
		switch {
		case err != nil:
			wrong(path, "expected a network, such as 192.168.1.0/24, got %q", network)
		case prefix.Masked() != prefix:
			wrong(path, "expected the network's own address: %s, got %q", prefix.Masked(), network)
		}
	}
	if len(a.OpenNetworks) > 0 && a.Mode != AccessOpen {
		wrong("access.open_networks", "expected access.mode open beside it: nobody is let in by this otherwise")
	}
	if a.ClaimFile != "" && !filepath.IsAbs(a.ClaimFile) {
		wrong("access.claim_file", "expected a path from the root, such as /boot/firmware/doorbell.txt, got %q", a.ClaimFile)
	}
}

func checkOpenID(c *Config, wrong report) {
	o := c.OpenID
	if o.Issuer == "" {
		if o.ClientID != "" || len(o.Allow) > 0 {
			wrong("openid.issuer", "expected the provider's address, such as https://id.example.org")
		}
		return
	}
	if c.Access.Mode == AccessOpen {
		wrong("openid.issuer", "expected nothing here with access: open, which lets everybody in")
	}
	if u, err := url.Parse(o.Issuer); err != nil || u.Host == "" || u.Scheme != "https" && !isLoopback(u) {
		wrong("openid.issuer", "expected an https address, such as https://id.example.org, got %q", o.Issuer)
	}
	if o.ClientID == "" {
		wrong("openid.client_id", "expected what the provider calls this doorbell")
	}
	if u, err := url.Parse(o.Redirect); err != nil || u.Path != "/openid/callback" || u.Host == "" || u.Scheme != "https" && !isLoopback(u) {
		wrong("openid.redirect", "expected the page's own address and /openid/callback, such as https://door.example.org/openid/callback, got %q", o.Redirect)
	}
	if len(o.Allow) == 0 {
		wrong("openid.allow", "expected who may come in, such as [{email: anna@example.org, role: owner}]")
	}
	for i, who := range o.Allow {
		path := fmt.Sprintf("openid.allow[%d]", i)
		if (who.Email == "") == (who.Subject == "") {
			wrong(path, "expected either email or subject")
		}
		if !slices.Contains([]string{"owner", "member"}, who.Role) {
			wrong(path, "expected the role owner or member, got %q", who.Role)
		}
	}
}

func isLoopback(u *url.URL) bool {
	address, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || err == nil && address.IsLoopback()
}

func checkDoors(c *Config, wrong report) {
	type place struct{ house, name string }
	seen := map[place]bool{{"", c.Name}: true}
	for i, door := range c.Relay.Doors {
		path := fmt.Sprintf("relay.doors[%d]", i)
		if problem := nameProblem(door.Name); problem != "" {
			wrong(path, "name: %s", problem)
		}
		if key, err := base64.RawURLEncoding.Strict().DecodeString(door.Key); err != nil || len(key) != 32 {
			wrong(path, "key: expected the 43 characters that `doorbell key` shows at that door, got %q", door.Key)
		}
		if at := (place{door.House, door.Name}); seen[at] {
			wrong(path, "expected another name: %q is taken in that house", door.Name)
		} else {
			seen[at] = true
		}
	}
}
