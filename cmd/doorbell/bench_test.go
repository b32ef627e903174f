//go:build browser

package main

import (
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// measured is the camera of these figures: what a door sends by default.
const measured = trial + `
listen: 127.0.0.1:0
camera: {source: sim, width: 1280, height: 720, frame_rate: 30, keep_open: %t}
microphone: sim
speaker: sim
button: sim
ice: {port: 0, loopback: true}
log: {level: warn}
`

// table is what BenchmarkMedia ends with. Each table has its own head.
type table struct{ rows strings.Builder }

// head begins a table.
func (t *table) head(columns ...string) {
	_, _ = fmt.Fprintf(&t.rows, "\n| %s |\n|%s\n", strings.Join(columns, " | "), strings.Repeat("---|", len(columns)))
}

func (t *table) row(cells ...string) {
	_, _ = fmt.Fprintf(&t.rows, "| %s |\n", strings.Join(cells, " | "))
}

// spread is a row of median and 95th percentile.
func (t *table) spread(what, aim, format string, f figures) {
	t.row(what, aim, fmt.Sprintf(format, f.at(0.5)), fmt.Sprintf(format, f.at(0.95)))
}

// BenchmarkMedia measures what the README says of speed and cost, with the real program,
// real browsers and everything simulated that is no part of it, and prints tables.
// -bench Media/press and the like measures a part. (make bench-media)
func BenchmarkMedia(b *testing.B) {
	t := &table{}
	for _, part := range []struct {
		name    string
		measure func(*testing.B, *table)
	}{
		{"press", benchPress},
		{"latency", benchLatency},
		{"memory", benchMemory},
		{"phones", benchPhones},
		{"paths", benchPaths},
		{"network", benchNetwork},
	} {
		b.Run(part.name, func(b *testing.B) { part.measure(b, t) })
	}
	fmt.Print(t.rows.String(), "\n")
}

// phonesRounds is how often the cost of phones is measured, and phonesTime for how long
// each time, phonesSettle after the last has come: it is of phones that look, not of newcomers with
// their handshakes and a key frame each.
const (
	phonesRounds = 9
	phonesTime   = 4 * time.Second
	phonesSettle = 3 * time.Second
)

// benchMemory measures the memory of a door that has just got 8 phones that look.
func benchMemory(b *testing.B, t *table) {
	port := freePort(b)
	door := start(b, fmt.Sprintf(measured, false)+fmt.Sprintf("relay: {listen: ['127.0.0.1:%d']}\n", port))
	door.status()
	for i := range 8 {
		c := newBaseClient(b, fmt.Sprintf("ws://127.0.0.1:%d/", port), fmt.Sprintf("phone %d", i))
		c.call("doorbell")
		c.receives()
	}
	var memory figures
	for range 20 {
		<-time.After(time.Second)
		memory = append(memory, door.memory())
	}
	b.ReportMetric(memory.at(0.5), "MB")
	t.head("all of the door", "aim", "median", "95th percentile")
	t.spread("memory with 8 phones that look", "64 MB", "%.0f MB", memory)
}

// benchPhones measures what processor time phones that look cost the door. Different
// numbers are measured in turn, since a machine is not as fast at all times.
func benchPhones(b *testing.B, t *table) {
	numbers := []int{1, 2, 4, 8, 16}
	port := freePort(b)
	door := start(b, fmt.Sprintf(measured, false)+fmt.Sprintf("relay: {listen: ['127.0.0.1:%d']}\n", port))
	door.status()
	cost, ratio := map[int]figures{}, map[int]figures{}
	for range phonesRounds {
		var phones []*baseClient
		for _, n := range numbers {
			for len(phones) < n {
				c := newBaseClient(b, fmt.Sprintf("ws://127.0.0.1:%d/", port), fmt.Sprintf("phone %d", len(phones)))
				c.call("doorbell")
				c.receives()
				phones = append(phones, c)
			}
			<-time.After(phonesSettle)
			used := door.cost(phonesTime)
			cost[n] = append(cost[n], used)
			ratio[n] = append(ratio[n], used/cost[1][len(cost[1])-1])
		}
		for _, c := range phones {
			c.hangUp()
		}
		door.wait("all to be gone", func() bool { return len(door.asked().Door.Connections) == 0 })
		for _, c := range phones {
			c.close()
		}
		door.wait("all to have left", func() bool { return len(door.asked().Here) == 1 })
	}
	other := benchNaive(b)
	t.head("phones that look", "door, % of a core", "to one phone", "a track of mediadevices, bound to each (picture alone)")
	aims := map[int]string{16: " (aim: under 1.5)"}
	for _, n := range numbers {
		naive := ""
		if f := other[n]; f != nil {
			naive = fmt.Sprintf("%.0f", f.at(0.5))
		}
		t.row(strconv.Itoa(n), fmt.Sprintf("%.1f", cost[n].at(0.5)), fmt.Sprintf("%.2f%s", ratio[n].at(0.5), aims[n]), naive)
	}
	b.ReportMetric(ratio[16].at(0.5), "16:1")
}

// benchNaive measures the naive way, the picture alone. It can't serve as many.
func benchNaive(b *testing.B) map[int]figures {
	n := startNaive(b)
	cost := map[int]figures{}
	watching := 0
	for _, number := range []int{1, 2, 4, 8} {
		for ; watching < number; watching++ {
			n.watch()
		}
		<-time.After(phonesSettle)
		for range phonesRounds {
			cost[number] = append(cost[number], n.cost(phonesTime))
		}
	}
	return cost
}

// pathBenchmarks are those of the device room that tell what a picture or a sound costs
// on its way, and how they are called in the table.
var pathBenchmarks = [][2]string{
	{"BenchmarkEncodeH264/1280x720", "encode a picture of 1280x720, OpenH264"},
	{"BenchmarkEncodeH264/640x360", "encode a picture of 640x360, OpenH264"},
	{"BenchmarkEncodeVP8/640x360", "encode a picture of 640x360, VP8"},
	{"BenchmarkEncodeVP8/640x480", "encode a picture of 640x480, VP8"},
	{"BenchmarkMJPEG720p/libjpeg-turbo", "decode a 1280x720 picture of an MJPEG camera, libjpeg-turbo"},
	{"BenchmarkMJPEG720p/image-jpeg", "the same by Go's image/jpeg, which is not used"},
	{"BenchmarkClean20ms", "echo, noise and gain of 20 ms of sound"},
	{"BenchmarkOpusEncode", "encode 20 ms of sound, Opus"},
	{"BenchmarkOpusDecode", "decode 20 ms of sound, Opus"},
}

// benchmarkLine is a line of go test's that has the median time of one picture or packet.
var benchmarkLine = regexp.MustCompile(`(?m)^(Benchmark\S+?)(?:-\d+)?\s.*?\s([\d.]+) ns/median`)

// benchPaths runs the device room's own benchmarks.
func benchPaths(b *testing.B, t *table) {
	out, err := exec.Command("go", "test", "-tags", "nolibopusfile", "-run", "^$",
		"-bench", "^Benchmark(EncodeH264|EncodeVP8|MJPEG720p|Clean20ms|OpusEncode|OpusDecode)$", "doorbell/device").CombinedOutput()
	if err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	took := map[string]float64{}
	for _, found := range benchmarkLine.FindAllStringSubmatch(string(out), -1) {
		ns, err := strconv.ParseFloat(found[2], 64)
		if err != nil {
			b.Fatal(err)
		}
		took[found[1]] = ns
	}
	t.head("on the way", "median")
	for _, path := range pathBenchmarks {
		ns, measured := took[path[0]]
		if !measured {
			b.Fatalf("no %s in:\n%s", path[0], out)
		}
		t.row(path[1], fmt.Sprintf("%.2f ms", ns/1e6))
	}
}
