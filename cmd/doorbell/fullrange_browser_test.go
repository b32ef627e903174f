//go:build browser

package main

import (
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestBrowserShowsFullRange plays a stream whose SPS says that its pictures have the range of JPEG, as the hardware's
// are of an MJPEG camera: black is black, white is white, and grey is neither darker nor lighter. (The device room makes
// the file.)
func TestBrowserShowsFullRange(t *testing.T) {
	file, err := filepath.Abs("testdata/fullrange.h264")
	if err != nil {
		t.Fatal(err)
	}
	config := strings.Replace(simulated, "camera: {source: sim, width: 640, height: 360, frame_rate: 15}", fmt.Sprintf("camera: 'file:%s'", file), 1)
	door := start(t, config)
	anna := openPhone(t, startBrowser(t), door.status().Page, "anna")
	anna.login()
	anna.answersThe(door)
	want := [][3]float64{{0, 0, 0}, {60, 60, 60}, {128, 128, 128}, {255, 255, 255}, {254, 0, 0}}
	var got [][]float64
	if poll(20*time.Second, func() bool {
		got = eval[[][]float64](anna, fmt.Sprintf(`(() => {
			const video = document.getElementById('remoteVideo'), canvas = document.createElement('canvas');
			[canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
			if (!canvas.width) return [];
			const context = canvas.getContext('2d');
			context.drawImage(video, 0, 0);
			return Array.from({ length: %d }, (_, i) => [...context.getImageData((i + 0.5) * canvas.width / %[1]d, canvas.height / 2, 1, 1).data]);
		})()`, len(want)))
		for i, colour := range want {
			for k, v := range colour {
				if i >= len(got) || math.Abs(got[i][k]-v) > 5 {
					return false
				}
			}
		}
		return true
	}) != nil {
		t.Errorf("it shows %.0f, want %.0f", got, want)
	}
}
