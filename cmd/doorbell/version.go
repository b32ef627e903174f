package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is set by the Makefile from git (-X main.version=...).
var version string

// versionOf returns the version, or the commit that Go itself recorded.
func versionOf() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" {
				return "unreleased-" + setting.Value[:min(12, len(setting.Value))]
			}
		}
	}
	return "unreleased"
}

type versionCommand struct{}

// Run prints the version and what it was built for.
func (versionCommand) Run(e *environment) error {
	_, err := fmt.Fprintf(e.stdout, "doorbell %s %s/%s %s\n", versionOf(), runtime.GOOS, runtime.GOARCH, runtime.Version())
	return err
}
