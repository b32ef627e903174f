package lan

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// lanNet is a network made of namespaces: a switch, and machines with one cable each.
// No packet leaves it.
type lanNet struct {
	t      *testing.T
	prefix string
}

// machine is one of its namespaces.
type machine struct {
	t    *testing.T
	name string
}

func newNet(t *testing.T) *lanNet {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can make network namespaces")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Fatalf("%v: install iproute2", err)
	}
	n := &lanNet{t: t, prefix: fmt.Sprintf("lan%d-", os.Getpid())}
	n.space("switch").run("ip", "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
	n.at("switch").run("ip", "link", "set", "br0", "up")
	return n
}

func (n *lanNet) at(name string) machine { return machine{n.t, n.prefix + name} }

// space makes a namespace.
func (n *lanNet) space(name string) machine {
	n.t.Helper()
	m := n.at(name)
	command(n.t, "ip", "netns", "add", m.name)
	n.t.Cleanup(func() { command(n.t, "ip", "netns", "delete", m.name) })
	m.run("ip", "link", "set", "lo", "up")
	return m
}

// add makes a machine with these addresses, and connects it.
func (n *lanNet) add(name string, addresses ...string) machine {
	n.t.Helper()
	m := n.space(name)
	m.run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", name, "netns", n.at("switch").name)
	n.at("switch").run("ip", "link", "set", name, "master", "br0", "up")
	m.run("ip", "link", "set", "eth0", "up")
	m.run("ip", "route", "add", "224.0.0.0/4", "dev", "eth0")
	for _, address := range addresses {
		m.address("add", address)
	}
	return m
}

// unplug pulls a machine's cable out of the switch, plug puts it back.
func (n *lanNet) unplug(name string) { n.at("switch").run("ip", "link", "set", name, "nomaster") }
func (n *lanNet) plug(name string)   { n.at("switch").run("ip", "link", "set", name, "master", "br0") }

func (m machine) address(verb, address string) {
	m.t.Helper()
	args := []string{"ip", "address", verb, address, "dev", "eth0"}
	if verb == "add" && strings.Contains(address, ":") {
		args = append(args, "nodad")
	}
	m.run(args...)
}

func (m machine) run(args ...string) string {
	m.t.Helper()
	return command(m.t, append([]string{"ip", "netns", "exec", m.name}, args...)...)
}

func command(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// process is a responder in a machine.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	stdin io.Closer
	lines chan string
	log   bytes.Buffer
}

func (m machine) respond(name, kept string) *process {
	m.t.Helper()
	p := &process{t: m.t, lines: make(chan string, 100)}
	p.cmd = exec.Command("ip", "netns", "exec", m.name, os.Args[0])
	p.cmd.Env = append(os.Environ(), "LAN_RESPOND="+name, "LAN_KEPT="+kept)
	p.cmd.Stderr = &p.log
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		m.t.Fatal(err)
	}
	p.stdin = stdin
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		m.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	go func() {
		defer close(p.lines)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			p.lines <- lines.Text()
		}
	}()
	m.t.Cleanup(func() {
		_ = p.stdin.Close()
		for line := range p.lines {
			if strings.HasPrefix(line, "error") {
				m.t.Error(line)
			}
		}
		if err := p.cmd.Wait(); err != nil {
			m.t.Error(err)
		}
		if m.t.Failed() {
			m.t.Logf("%s:\n%s", m.name, &p.log)
		}
	})
	return p
}

// expect waits for a line.
func (p *process) expect(want string) {
	p.t.Helper()
	late := time.After(20 * time.Second)
	for {
		select {
		case line, more := <-p.lines:
			if strings.HasPrefix(line, "error") || !more {
				p.t.Fatalf("waiting for %q: %s", want, line)
			}
			if line == want {
				return
			}
		case <-late:
			p.t.Fatalf("not seen: %q", want)
		}
	}
}

// stop ends the process in good order.
func (p *process) stop(name string) {
	p.t.Helper()
	_ = p.stdin.Close()
	p.expect("ended " + name)
}

// claimed waits for a name, and returns it.
func (p *process) claimed() string {
	p.t.Helper()
	late := time.After(20 * time.Second)
	for {
		select {
		case line := <-p.lines:
			if name, found := strings.CutPrefix(line, "claimed "); found {
				return name
			}
		case <-late:
			p.t.Fatal("no name was claimed")
		}
	}
}

func (p *process) want(got, want string) {
	p.t.Helper()
	if got != want {
		p.t.Errorf("got %q, want %q", got, want)
	}
}
