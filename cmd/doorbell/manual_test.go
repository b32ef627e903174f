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

// TestCompletion asks as the shells' scripts do, and looks at these.
func TestCompletion(t *testing.T) {
	for typed, want := range map[string]string{
		"":                 "run relay press hangup status visits invite phones revoke doctor key reset version",
		"st":               "status",
		"--co":             "--config --control",
		"status --":        "--config --control --help --json",
		"press st":         "",
		"invite --role=ow": "",
	} {
		out := printed(t, append([]string{"__complete"}, strings.Split(typed, " ")...)...)
		var got []string
		for line := range strings.Lines(out) {
			if word, _, _ := strings.Cut(strings.TrimSpace(line), "\t"); !strings.HasPrefix(word, ":") {
				got = append(got, strings.TrimSuffix(word, "="))
			}
		}
		if got, want := sorted(strings.Join(got, " ")), sorted(want); got != want {
			t.Errorf("%q completes to %q, not %q", typed, got, want)
		}
	}
	if files := printed(t, "__complete", "--config", ""); !strings.Contains(files, ":0") {
		t.Errorf("--config completes to %q, not to files", files)
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		script := printed(t, "completion", shell)
		if !strings.Contains(script, "__complete") {
			t.Errorf("%s:\n%s", shell, script)
		}
		path, err := exec.LookPath(shell)
		if err != nil {
			continue
		}
		cmd := exec.Command(path, "-n")
		cmd.Stdin = strings.NewReader(script)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s does not take its script: %v\n%s", shell, err, out)
		}
	}
}

func sorted(words string) string {
	list := strings.Fields(words)
	slices.Sort(list)
	return strings.Join(list, " ")
}
