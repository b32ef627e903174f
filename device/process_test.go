package device

import (
	"runtime"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// Each thread has the timer slack that process.c asks for.
func TestTimerSlack(t *testing.T) {
	var threads, all sync.WaitGroup
	threads.Add(3)
	for range 3 {
		all.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			threads.Done()
			threads.Wait() // so that each has a thread of its own
			if slack, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0); err != nil || slack != 500_000 {
				t.Errorf("%d ns, %v", slack, err)
			}
		})
	}
	all.Wait()
}
