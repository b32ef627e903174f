package guest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"
)

// Waited is for how long the guest's processors have stood still, all together, since the host's were busy with
// something else: what a guest took longer for than on a host of its own. It is the run queue's time in
// /proc/pid/task/tid/schedstat (the kernel's Documentation/scheduler/sched-stats.rst).
func (g *Guest) Waited(ctx context.Context) (time.Duration, error) {
	b, err := g.monitor.do(ctx, "query-cpus-fast", nil)
	if err != nil {
		return 0, err
	}
	var processors []struct {
		Thread int `json:"thread-id"`
	}
	if err := json.Unmarshal(b, &processors); err != nil {
		return 0, fmt.Errorf("qemu's monitor: query-cpus-fast: %w", err)
	}
	var all time.Duration
	for _, p := range processors {
		name := fmt.Sprintf("/proc/%d/task/%d/schedstat", g.command.Process.Pid, p.Thread)
		stat, err := os.ReadFile(name)
		if err != nil {
			return 0, fmt.Errorf("read how long the guest waited: %w", err)
		}
		var ran, waited time.Duration // both in ns
		if _, err := fmt.Sscan(string(stat), &ran, &waited); err != nil {
			return 0, fmt.Errorf("%s: %q: %w", name, stat, err)
		}
		all += waited
	}
	return all, nil
}
