package main

import (
	"bytes"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// printed is what a command of this program prints.
func printed(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if code := execute(t.Context(), args, os.Environ(), &stdout, &stderr); code != 0 {
		t.Fatalf("doorbell %s: exit code %d: %s", strings.Join(args, " "), code, stderr.String())
	}
	return stdout.String()
}

func TestManual(t *testing.T) {
	page := printed(t, "man")
	for _, want := range []string{
		".TH DOORBELL 1", ".B doctor\n", ".B relay\n", `\-\-json`, `\-c, \-\-config" "=\fIFILE\fR"`, "DOORBELL_CONFIG", "/etc/doorbell/doorbell.yaml",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the man page lacks %q:\n%s", want, page)
		}
	}
	for _, hidden := range []string{".B man\n", ".B completion\n"} {
		if strings.Contains(page, hidden) {
			t.Errorf("the man page has %q", hidden)
		}
	}
}

func TestRoff(t *testing.T) {
	for text, want := range map[string]string{
		"plain": "plain", "--json": `\-\-json`, `a\b`: `a\eb`, ".hidden": `\&.hidden`, "'quoted'": `\&'quoted'`, "two\nlines": "two lines",
	} {
		if got := roff(text); got != want {
			t.Errorf("%q became %q, not %q", text, got, want)
		}
	}
}

// The bash script is tried with bash itself; the others are looked at, as their
// shells are not everywhere.
func TestCompletion(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("there is no bash here")
	}
	script := printed(t, "completion", "bash")
	for typed, want := range map[string]string{
		"":                 "run relay press hangup status visits invite phones revoke doctor key reset version --help -h --config -c --control",
		"st":               "status",
		"--co":             "--config --control",
		"status --":        "--help --config --control --json",
		"press st":         "",
		"--config harness": "harness_test.go",
	} {
		words := append([]string{"doorbell"}, strings.Split(typed, " ")...)
		cmd := exec.Command(bash, append([]string{"-c", script + `
compopt() { :; }
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_doorbell
echo "${COMPREPLY[@]}"`, "bash"}, words...)...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%q: %v\n%s", typed, err, out)
		}
		if got, want := sorted(string(out)), sorted(want); got != want {
			t.Errorf("%q completes to %q, not %q", typed, got, want)
		}
	}
	for _, shell := range []string{"zsh", "fish"} {
		if script := printed(t, "completion", shell); !strings.Contains(script, "doctor") || !strings.Contains(script, "json") || strings.Contains(script, "completion ") {
			t.Errorf("%s:\n%s", shell, script)
		}
	}
}

func sorted(words string) string {
	list := strings.Fields(words)
	slices.Sort(list)
	return strings.Join(list, " ")
}
