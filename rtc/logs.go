package rtc

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/pion/logging"
)

// levelTrace is below slog's own levels: what pion says of every packet.
const levelTrace = slog.LevelDebug - 4

// pionLogs passes pion's log lines on to ours. pion warns of much that is
// everyday (a candidate that can't be reached), so its lines stand one level
// lower here.
type pionLogs struct{ log *slog.Logger }

// NewLogger makes a logger for one of pion's parts ([logging.LoggerFactory]).
func (l pionLogs) NewLogger(scope string) logging.LeveledLogger {
	return pionLog{l.log.With("pion", scope)}
}

type pionLog struct{ log *slog.Logger }

func (l pionLog) print(level slog.Level, message string) {
	l.log.Log(context.Background(), level, message)
}

func (l pionLog) printf(level slog.Level, format string, args ...any) {
	if l.log.Enabled(context.Background(), level) {
		l.print(level, fmt.Sprintf(format, args...))
	}
}

func (l pionLog) Trace(msg string)               { l.print(levelTrace, msg) }
func (l pionLog) Tracef(format string, a ...any) { l.printf(levelTrace, format, a...) }
func (l pionLog) Debug(msg string)               { l.print(levelTrace, msg) }
func (l pionLog) Debugf(format string, a ...any) { l.printf(levelTrace, format, a...) }
func (l pionLog) Info(msg string)                { l.print(slog.LevelDebug, msg) }
func (l pionLog) Infof(format string, a ...any)  { l.printf(slog.LevelDebug, format, a...) }
func (l pionLog) Warn(msg string)                { l.print(slog.LevelDebug, msg) }
func (l pionLog) Warnf(format string, a ...any)  { l.printf(slog.LevelDebug, format, a...) }
func (l pionLog) Error(msg string)               { l.print(slog.LevelInfo, msg) }
func (l pionLog) Errorf(format string, a ...any) { l.printf(slog.LevelInfo, format, a...) }
