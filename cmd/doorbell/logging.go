package main

import (
	"io"
	"log/slog"

	"doorbell/configs"
)

// newLogger makes the log as configured. The level and format were checked when
// the configuration was read.
func newLogger(c configs.Log, to io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		level = slog.LevelInfo
	}
	options := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(to, options))
	}
	return slog.New(slog.NewTextHandler(to, options))
}
