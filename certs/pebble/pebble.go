// Package pebble runs Let's Encrypt's ACME server for tests in a process of its own,
// as part of the test's program, which calls Main.
package pebble

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"
)

// Pebble is the server. It finds all names on 127.0.0.1.
type Pebble struct {
	HTTP, TLS int    // ports where it looks for challenges
	Validity  uint64 // of its certificates, in seconds

	dir string // where the certificate of its own pages is
}

// New makes a server that is to be started.
func New(t testing.TB) *Pebble {
	t.Helper()
	p := &Pebble{Validity: 90 * 24 * 3600, dir: t.TempDir()}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{
		certFile(p.dir): {Type: "CERTIFICATE", Bytes: cert}, keyFile(p.dir): {Type: "PRIVATE KEY", Bytes: der},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func certFile(dir string) string { return filepath.Join(dir, "cert.pem") }
func keyFile(dir string) string  { return filepath.Join(dir, "key.pem") }

// RootFile is the path of the certificate, PEM, that its clients are to trust. It is
// not the one that the certificates are from which it gives.
func (p *Pebble) RootFile() string { return certFile(p.dir) }

// Start starts it until the test ends, and returns the directory's URL and what ends
// it before.
func (p *Pebble) Start(t testing.TB) (directory string, stop func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "PEBBLE_DIR="+p.dir, "PEBBLE_VA_NOSLEEP=1",
		fmt.Sprintf("PEBBLE_HTTP=%d", p.HTTP), fmt.Sprintf("PEBBLE_TLS=%d", p.TLS), fmt.Sprintf("PEBBLE_VALIDITY=%d", p.Validity))
	stdin, err := cmd.StdinPipe() // when it ends, so does pebble
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			_ = stdin.Close()
			_ = cmd.Wait()
		}
	}
	t.Cleanup(stop)
	directory, err = bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return directory[:len(directory)-1], stop
}

// Main is that process, and does not return there; in others it does nothing. The
// program of a test that starts a server calls it first.
func Main() {
	dir := os.Getenv("PEBBLE_DIR")
	if dir == "" {
		return
	}
	number := func(name string) int {
		n, err := strconv.Atoi(os.Getenv(name))
		check(err)
		return n
	}
	quiet := log.New(io.Discard, "", 0)
	own, err := tls.LoadX509KeyPair(certFile(dir), keyFile(dir))
	check(err)
	names, err := net.Listen("tcp", "127.0.0.1:0") // pebble asks by TCP
	check(err)
	go func() {
		check((&dns.Server{Listener: names, Handler: dns.HandlerFunc(loopback)}).ActivateAndServe())
	}()
	store := db.NewMemoryStore()
	profiles := map[string]ca.Profile{"default": {Description: "default", ValidityPeriod: uint64(number("PEBBLE_VALIDITY"))}}
	issuer := ca.New(quiet, store, "", "ecdsa", 0, 1, profiles)
	validator := va.New(quiet, number("PEBBLE_HTTP"), number("PEBBLE_TLS"), true, names.Addr().String(), store)
	front := wfe.New(quiet, store, validator, issuer, []string{"pebble.example.org"}, true, false, 1, 1)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{own}, NextProtos: []string{"h2", "http/1.1"}})
	check(err)
	go func() { check(http.Serve(listener, front.Handler())) }()
	fmt.Printf("https://%s%s\n", listener.Addr(), wfe.DirectoryPath)
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

// loopback answers that every name is on 127.0.0.1.
func loopback(w dns.ResponseWriter, query *dns.Msg) {
	reply := new(dns.Msg).SetReply(query)
	for _, q := range query.Question {
		if q.Qtype == dns.TypeA {
			header := dns.RR_Header{Name: q.Name, Rrtype: dns.TypeA, Class: dns.ClassINET}
			reply.Answer = append(reply.Answer, &dns.A{Hdr: header, A: net.IPv4(127, 0, 0, 1)})
		}
	}
	_ = w.WriteMsg(reply)
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "pebble:", err)
		os.Exit(1)
	}
}
