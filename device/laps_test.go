package device

import (
	"slices"
	"testing"
	"time"
)

// laps is what a benchmark ends with that measures what happens once for each picture or packet: run, each
// time after prepare, whose own time doesn't count (nil: nothing has to be prepared). Besides the mean it
// reports the median, which the README has: a machine that has other work now and then shifts the mean.
func laps(b *testing.B, prepare, run func(i int)) {
	b.Helper()
	b.ReportAllocs()
	var took []time.Duration
	for i := 0; b.Loop(); i++ {
		if prepare != nil {
			b.StopTimer()
			prepare(i)
			b.StartTimer()
		}
		began := time.Now()
		run(i)
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2]), "ns/median")
}
