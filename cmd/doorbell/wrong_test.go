package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// run runs one command in this process until it ends by itself or the time is
// up, and returns its exit code and what it printed.
func run(t *testing.T, config string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "doorbell.yaml")
	if err := os.WriteFile(path, []byte(config+"\nstate_dir: "+dir+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var out, log bytes.Buffer
	args = append(args, "--config", path, "--control", filepath.Join(dir, "control.sock"))
	code = execute(ctx, args, nil, &out, &log)
	return code, out.String(), log.String()
}

// TestWrongStart has what stops the start, and what the person is told.
func TestWrongStart(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	tests := []struct {
		name, config string
		args         []string
		code         int
		want         []string
	}{
		{"unknown key", "rign: {}\n", []string{"run"}, 1, []string{`doorbell.yaml:1:1: unknown key "rign"`, `did you mean "ring"?`}},
		{"port taken", trial + "listen: " + taken.Addr().String() + "\ncamera: sim\n", []string{"run"}, 1, []string{"listen", taken.Addr().String(), "in use"}},
		{"further port taken", trial + "listen: 127.0.0.1:0\nrelay: {listen: ['" + taken.Addr().String() + "']}\n", []string{"run"}, 1, []string{"relay.listen[0]", "in use"}},
		{"media port refused by browsers", trial + "listen: 127.0.0.1:0\ncamera: sim\nbutton: sim\nice: {port: 5060}\n", []string{"run"}, 1, []string{"media port 5060", "browsers", "8555"}},
		{"relay with a relay", "signaling: {url: 'ws://127.0.0.1:1/'}\n", []string{"relay"}, 1, []string{"signaling.url"}},
		{"unknown command", "", []string{"rnu"}, 2, []string{"rnu", "--help"}},
		{"nothing runs", "", []string{"press"}, 1, []string{"no doorbell is running here", "doorbell run"}},
		{"nothing runs", "", []string{"status"}, 1, []string{"no doorbell is running here"}},
		{"nothing runs", "", []string{"hangup"}, 1, []string{"no doorbell is running here"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, _, stderr := run(t, tt.config, tt.args...)
			if code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			for _, want := range tt.want {
				if !strings.Contains(stderr, want) {
					t.Errorf("%q is not said in: %s", want, stderr)
				}
			}
		})
	}
}

// TestDoctorFindsWhatIsWrong looks at devices that aren't there.
func TestDoctorFindsWhatIsWrong(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "video7")
	code, stdout, stderr := run(t, "camera: "+missing+"\nmicrophone: none\nspeaker: none\nbutton: none\nlisten: 127.0.0.1:0\nice: {port: 6000}\n", "doctor")
	if code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	for _, want := range []string{"WRONG  camera", missing, "WRONG  media port", "6000", "ok     microphone  none is configured"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("%q is not said in:\n%s", want, stdout)
		}
	}
	if stderr != "" {
		t.Errorf("said besides: %s", stderr)
	}
}

// TestDoctorIsContent looks at simulated devices.
func TestDoctorIsContent(t *testing.T) {
	code, stdout, _ := run(t, simulated, "doctor")
	if code != 0 || strings.Contains(stdout, "WRONG") {
		t.Errorf("exit code %d:\n%s", code, stdout)
	}
}

// TestCameraMissing starts with a camera that isn't there: the door rings all
// the same, and the log and the status name the camera.
func TestCameraMissing(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "video7")
	door := start(t, strings.Replace(simulated, "camera: {source: sim,", "camera: {source: '"+missing+"',", 1))
	door.status()
	door.do("press")
	door.wait("the camera's problem", func() bool {
		s := door.status()
		return s.Door.Devices["camera"] == "lost" && strings.Contains(s.Devices["camera"].Problem, missing)
	})
	if text := door.do("status"); !strings.Contains(text, missing) || !strings.Contains(text, "ringing for") {
		t.Errorf("doorbell status says:\n%s", text)
	}
}

// TestSecondDoorbell starts a second appliance on the same control socket.
func TestSecondDoorbell(t *testing.T) {
	door := start(t, simulated)
	door.status()
	_, err := door.try("run")
	if err == nil || !strings.Contains(err.Error(), "another doorbell is running") {
		t.Errorf("the second one said %v", err)
	}
	door.status() // the first one goes on
}

func TestVersionAndHelp(t *testing.T) {
	if code, stdout, _ := run(t, "", "version"); code != 0 || !strings.HasPrefix(stdout, "doorbell ") {
		t.Errorf("version: exit code %d, %q", code, stdout)
	}
	var out bytes.Buffer
	if code := execute(context.Background(), []string{"--help"}, nil, &out, &out); code != 0 || !strings.Contains(out.String(), "press") {
		t.Errorf("help: exit code %d, %q", code, out.String())
	}
}
