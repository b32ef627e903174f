package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"doorbell/certs/pebble"
)

// workshop is where the program is built. Fixed by TestMain.
var workshop string

// built is the program under test: the real one, with the race detector where
// these tests have it.
var built = sync.OnceValues(func() (string, error) {
	path := filepath.Join(workshop, "doorbell")
	args := []string{"build", "-tags", "nolibopusfile", "-o", path}
	if raceEnabled {
		args = append(args, "-race")
	}
	out, err := exec.Command("go", append(args, ".")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building doorbell: %w\n%s", err, out)
	}
	return path, nil
})

func executable(t testing.TB) string {
	t.Helper()
	path, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestMain(m *testing.M) {
	pebble.Main()
	naiveMain()
	var err error
	if workshop, err = os.MkdirTemp("", "doorbell-test-"); err != nil {
		panic(err)
	}
	// Tests that run side by side wait for time to pass rather than for a processor. (The command line still decides.)
	if err := flag.Set("test.parallel", strconv.Itoa(runtime.GOMAXPROCS(0)+1)); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(allTests{m}, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(workshop)
		os.Exit(code)
	}))
}

// allTests ends what tests have shared, before it is looked at what is left.
type allTests struct{ *testing.M }

// atEnd is called when all tests are over.
var atEnd []func()

func (a allTests) Run() int {
	code := a.M.Run()
	for _, end := range atEnd {
		end()
	}
	return code
}

// trial is the part of a configuration that lets everybody on this machine in, over
// plain HTTP, for tests that are about something else.
const trial = `
access: open
tls: {listen: none}
local_name: ""
`

// simulated is the configuration of these tests: everything simulated, any port,
// pictures small enough for a busy machine.
const simulated = trial + `
listen: 127.0.0.1:0
camera: {source: sim, width: 640, height: 360, frame_rate: 15}
microphone: sim
speaker: sim
button: sim
light: sim
ice: {port: 0, loopback: true}
log: {level: debug}
`

// process is a doorbell that runs.
type process struct {
	t       testing.TB
	dir     string
	config  string
	control string
	within  []string // a command that runs the program somewhere else: ip netns exec, say
	environ []string // variables that the program has besides
	cmd     *exec.Cmd
	log     *logBuffer
	exited  chan error
}

// logBuffer keeps what a process wrote.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// start runs the program with that configuration until the test ends.
func start(t testing.TB, config string, args ...string) *process {
	t.Helper()
	p := prepare(t, config)
	p.launch(args...)
	t.Cleanup(p.stop)
	return p
}

// prepare writes the configuration for a process that is to be launched.
func prepare(t testing.TB, config string) *process {
	t.Helper()
	dir := t.TempDir()
	p := &process{t: t, dir: dir, config: filepath.Join(dir, "doorbell.yaml"), control: filepath.Join(dir, "control.sock")}
	if err := os.WriteFile(p.config, []byte(config+"\ncontrol: "+p.control+"\nstate_dir: "+dir+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *process) launch(args ...string) {
	p.t.Helper()
	if len(args) == 0 {
		args = []string{"run"}
	}
	p.log = &logBuffer{}
	command := slices.Concat(p.within, []string{executable(p.t)}, args, []string{"--config", p.config})
	p.cmd = exec.Command(command[0], command[1:]...)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	p.cmd.Env = append(append(ownEnviron(), "GORACE=halt_on_error=1"), p.environ...)
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.exited = make(chan error, 1)
	cmd, exited := p.cmd, p.exited
	go func() { exited <- cmd.Wait() }()
}

// ownEnviron is the environment without what configures a doorbell, or the tests.
func ownEnviron() []string {
	return slices.DeleteFunc(os.Environ(), func(variable string) bool { return strings.HasPrefix(variable, "DOORBELL_") })
}

// stop ends the process as systemd would, and sees that it ends well.
func (p *process) stop() {
	p.t.Helper()
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-p.exited:
		if err != nil {
			p.t.Errorf("doorbell ended with %v", err)
		}
	case <-time.After(20 * time.Second):
		p.stacks()
		p.t.Error("doorbell did not end when told to")
	}
	p.cmd = nil
	if p.t.Failed() {
		p.t.Logf("doorbell's log:\n%s", p.log)
	}
}

// stacks ends the process in such a way that it prints every goroutine's stack, and
// returns its log.
func (p *process) stacks() string {
	p.t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGQUIT)
	<-p.exited
	p.cmd = nil
	return p.log.String()
}

// kill ends the process as a power cut would.
func (p *process) kill() {
	p.t.Helper()
	_ = p.cmd.Process.Kill()
	<-p.exited
	p.cmd = nil
}

// try runs a command of the program and returns what it printed.
func (p *process) try(args ...string) (string, error) {
	cmd := exec.Command(executable(p.t), append(args, "--config", p.config)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Env = &stdout, &stderr, ownEnviron()
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("doorbell %s: %w: %s", strings.Join(args, " "), err, stderr.String())
	}
	return stdout.String(), nil
}

// do is try for what must work.
func (p *process) do(args ...string) string {
	p.t.Helper()
	out, err := p.try(args...)
	if err != nil {
		p.t.Fatal(err)
	}
	return out
}

// status asks the running process; the first time it waits until it answers.
func (p *process) status() status {
	p.t.Helper()
	var s status
	p.wait("doorbell status", func() bool {
		select {
		case err := <-p.exited:
			p.exited <- err
			p.t.Fatalf("doorbell ended by itself: %v\n%s", err, p.log)
		default:
		}
		out, err := p.try("status", "--json")
		return err == nil && json.Unmarshal([]byte(out), &s) == nil
	})
	return s
}

// wait polls another process, which has no other way to say that it is ready.
func (p *process) wait(what string, done func() bool) {
	p.t.Helper()
	if err := poll(20*time.Second, done); err != nil {
		p.t.Fatalf("%s: %v\n%s", what, err, p.log)
	}
}

// freePort finds a port for what is to come back at the same place.
func freePort(t testing.TB) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().(*net.TCPAddr).Port
}
