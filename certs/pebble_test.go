package certs

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"
)

// pebble is Let's Encrypt's ACME server for tests in a process of its own. It finds
// all names on 127.0.0.1.
type pebble struct {
	http, tls int    // ports where it looks for challenges
	validity  uint64 // of its certificates, in seconds
	dir       string // of the authority that its own certificate is of
}

// start starts it, and returns the directory's URL and what ends it.
func (p pebble) start(t *testing.T) (directory string, stop func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "CERTS_PEBBLE="+p.dir, "PEBBLE_VA_NOSLEEP=1",
		fmt.Sprintf("PEBBLE_HTTP=%d", p.http), fmt.Sprintf("PEBBLE_TLS=%d", p.tls), fmt.Sprintf("PEBBLE_VALIDITY=%d", p.validity))
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

// servePebble is that process.
func servePebble(dir string) {
	number := func(name string) int {
		n, err := strconv.Atoi(os.Getenv(name))
		check(err)
		return n
	}
	quiet := log.New(io.Discard, "", 0)
	authority, err := Open(Options{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
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
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{GetCertificate: authority.GetCertificate, NextProtos: []string{"h2", "http/1.1"}})
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
