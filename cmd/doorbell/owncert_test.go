package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// registrar is somebody else's authority, as the owner uses it.
type registrar struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newRegistrar(t testing.TB) *registrar {
	t.Helper()
	r := &registrar{t: t}
	r.cert, r.key = r.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: "registrar"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	return r
}

// sign makes a certificate of the template, by itself where there is no authority yet.
func (r *registrar) sign(template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	r.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		r.t.Fatal(err)
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, big.NewInt(1<<62)); err != nil {
		r.t.Fatal(err)
	}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	parent, signer := r.cert, r.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		r.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		r.t.Fatal(err)
	}
	return cert, key
}

func (r *registrar) roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(r.cert)
	return pool
}

// write leaves a certificate for a name, and its key, in a folder, as certbot does.
func (r *registrar) write(dir, name string) *x509.Certificate {
	r.t.Helper()
	cert, key := r.sign(&x509.Certificate{DNSNames: []string{name}, KeyUsage: x509.KeyUsageDigitalSignature})
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		r.t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{
		"fullchain.pem": {Type: "CERTIFICATE", Bytes: cert.Raw}, "privkey.pem": {Type: "PRIVATE KEY", Bytes: der},
	} {
		path := filepath.Join(dir, file)
		if err := os.WriteFile(path+".new", pem.EncodeToMemory(block), 0o600); err != nil {
			r.t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			r.t.Fatal(err)
		}
	}
	return cert
}

// handshake returns the certificate that a browser gets that asks for that name and
// trusts whom the door's clients here trust.
func (d *closedDoor) handshake(name string) *x509.Certificate {
	d.t.Helper()
	raw, err := d.stranger().dial(context.Background(), "tcp", d.secure)
	if err != nil {
		d.t.Fatal(err)
	}
	conn := tls.Client(raw, &tls.Config{ServerName: name, RootCAs: d.roots})
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		d.t.Fatal(err)
	}
	if err := conn.Handshake(); err != nil {
		d.t.Fatalf("handshake as %s: %v", name, err)
	}
	return conn.ConnectionState().PeerCertificates[0]
}

// live switches a link from one folder to another at once.
func live(t testing.TB, link, dir string) {
	t.Helper()
	if err := os.Symlink(dir, link+".new"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(link+".new", link); err != nil {
		t.Fatal(err)
	}
}

// ownCertificate is a door with a certificate for door.test, which `live` leads to.
func ownCertificate(t *testing.T) (d *closedDoor, r *registrar, dir string, first *x509.Certificate) {
	t.Helper()
	w := newWire(t)
	r, dir = newRegistrar(t), t.TempDir()
	first = r.write(filepath.Join(dir, "1"), "door.test")
	live(t, filepath.Join(dir, "live"), "1")
	d = w.prepareDoor("listen: 0.0.0.0:80\ntls: {listen: '0.0.0.0:443', cert: " + dir + "/live/fullchain.pem, key: " + dir + "/live/privkey.pem}\n")
	d.roots = r.roots()
	d.launch()
	t.Cleanup(d.stop)
	d.status()
	return d, r, dir, first
}

// TestOwnCertificateRenewed has the files of the owner's certificate replaced in each
// way that is usual: the next handshake has the new one.
func TestOwnCertificateRenewed(t *testing.T) {
	d, r, dir, want := ownCertificate(t)
	serves := func(when string) {
		t.Helper()
		for _, name := range []string{"door.test", "door.test"} {
			if got := d.handshake(name); !got.Equal(want) {
				t.Errorf("%s: another certificate is served, number %v", when, got.SerialNumber)
			}
		}
	}
	serves("at the start")
	want = r.write(filepath.Join(dir, "1"), "door.test")
	serves("renamed over")
	want = r.write(filepath.Join(dir, "2"), "door.test")
	live(t, filepath.Join(dir, "live"), "2")
	serves("the link switched")
	cert := filepath.Join(dir, "2", "fullchain.pem")
	if err := os.WriteFile(cert, []byte("-----BEGIN CERT"), 0o600); err != nil {
		t.Fatal(err)
	}
	serves("half written")
	if err := os.Remove(cert); err != nil {
		t.Fatal(err)
	}
	serves("taken away")
	want = r.write(filepath.Join(dir, "2"), "door.test")
	serves("made good")
	if n := strings.Count(d.log.String(), "the new certificate can't be used"); n != 2 {
		t.Errorf("two faults were told %d times:\n%s", n, d.log)
	}
}

// TestOwnCertificate looks where phones are sent that trust the certificate anyhow.
func TestOwnCertificate(t *testing.T) {
	d, _, _, _ := ownCertificate(t)
	eve := d.stranger()
	for path, want := range map[string]string{"/": "https://door.test/", "/join?x=1": "https://door.test/join?x=1", "/doorbell.crt": "https://door.test/doorbell.crt"} {
		for _, host := range []string{"door.test", doorAddress} {
			got := eve.do("GET", "http://"+host+path, nil)
			if at := got.header.Get("Location"); got.status/100 != 3 || at != want {
				t.Errorf("http://%s%s: %s to %q, want %q", host, path, got, at, want)
			}
			if hsts := got.header.Get("Strict-Transport-Security"); hsts != "" {
				t.Errorf("http://%s%s: Strict-Transport-Security over plain HTTP: %s", host, path, hsts) // RFC 6797, section 7.2
			}
		}
	}
	if got := eve.do("GET", "https://door.test/join", nil); got.status != 200 || !strings.HasPrefix(got.header.Get("Strict-Transport-Security"), "max-age=") {
		t.Errorf("https://door.test/join: %d, Strict-Transport-Security %q", got.status, got.header.Get("Strict-Transport-Security"))
	}
	if got := eve.do("GET", "https://door.test/join", nil, "Host", doorAddress); got.status != 200 || got.header.Get("Strict-Transport-Security") != "" {
		t.Errorf("by its address: %d, Strict-Transport-Security %q", got.status, got.header.Get("Strict-Transport-Security"))
	}
	if got := eve.do("GET", "https://door.test/join", nil, "Host", "evil.test"); got.status != 421 || got.header.Get("Strict-Transport-Security") != "" {
		t.Errorf("as evil.test: %d, Strict-Transport-Security %q", got.status, got.header.Get("Strict-Transport-Security"))
	}

	var made invited
	if err := json.Unmarshal([]byte(d.do("invite", "--json")), &made); err != nil {
		t.Fatal(err)
	}
	if made.Link != "https://door.test/join#"+made.Words || made.Page != "https://door.test/join" || made.Fingerprint != "" {
		t.Errorf("from the console: %+v", made)
	}
	owner := d.stranger()
	if got := owner.join(made.Words, "Anna"); got.status != 200 {
		t.Fatalf("joining: %s", got)
	}
	got := owner.do("POST", "https://door.test/invitations", map[string]string{"role": "member"})
	if got.status != 201 || !bytes.Contains(got.body, []byte(`"link":"https://door.test/join#`)) {
		t.Errorf("from the page: %s", got)
	}
}
