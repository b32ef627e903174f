//go:build browser

package main

import "testing"

// TestBrowserKnowsTheAge rings: the browser can tell when the door captured what it
// shows, so that the page can know how old that is.
func TestBrowserKnowsTheAge(t *testing.T) {
	door := start(t, simulated)
	anna := openPhone(t, startBrowser(t), door.status().Page, "anna")
	eval[bool](anna, `(() => {
		window.receivers = [];
		const set = RTCPeerConnection.prototype.setRemoteDescription;
		RTCPeerConnection.prototype.setRemoteDescription = async function (...args) {
			await set.apply(this, args);
			window.receivers = this.getReceivers().filter(({ track }) => track.kind === 'video');
		};
		return true;
	})()`)
	anna.login()
	anna.answersThe(door)
	const captured = `window.receivers.flatMap((r) => r.getSynchronizationSources()).map((s) => s.captureTimestamp).find((c) => c !== undefined)`
	anna.until(captured + " !== undefined")
	// Milliseconds since 1900, by the door's clock, which is this machine's.
	if age := eval[float64](anna, `performance.timeOrigin + performance.now() + 2208988800000 - `+captured); age < 0 || age > 1000 {
		t.Errorf("the picture is %.0f ms old", age)
	} else {
		t.Logf("the picture is %.0f ms old", age)
	}
}
