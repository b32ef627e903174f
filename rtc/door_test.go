package rtc

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"doorbell/signaling"
)

func TestRing(t *testing.T) {
	heard := make(chan struct{}, 1)
	ended := make(chan Ended, 1)
	lights := make(chan bool, 10)
	d, x := startDoor(t, Options{
		Video: &lens{}, Audio: ear{},
		Join: func() (func(uint16, uint32, []byte), func()) {
			return func(uint16, uint32, []byte) {
				select {
				case heard <- struct{}{}:
				default:
				}
			}, func() {}
		},
		Visit: func(e Ended) { ended <- e },
		Light: func(on bool) { lights <- on },
	})
	anna, bert := x.newPhone(t, "anna"), x.newPhone(t, "bert")
	d.Press(time.Now())
	offer := anna.await(signaling.TypeOffer)
	if !offer.Ring || offer.Call == "" {
		t.Fatalf("the offer does not ring: %+v", offer)
	}
	anna.answer(offer, true)
	bert.answer(bert.await(signaling.TypeOffer), true)
	anna.sees()
	anna.hears()
	bert.sees()
	if on := <-lights; !on {
		t.Error("the light went off when it should go on")
	}
	anna.says() // nobody has accepted: the visitor must not hear this
	select {
	case <-heard:
		t.Error("the visitor heard a phone that had not accepted")
	case <-time.After(50 * time.Millisecond):
	}

	anna.send(signaling.Message{Type: signaling.TypeAccept, Call: offer.Call})
	if leave := bert.await(signaling.TypeLeave); leave.Reason != ReasonAnswered || leave.By != "anna" || leave.Call != offer.Call {
		t.Errorf("bert was told %+v", leave)
	}
	if on := <-lights; on {
		t.Error("the light stays on")
	}
	waitFor(t, "the visitor to hear anna", func() bool { anna.says(); return len(heard) > 0 })
	anna.send(signaling.Message{Type: signaling.TypeLeave, Call: offer.Call, Reason: ReasonHangup})
	if e := <-ended; e.Outcome != ReasonHangup || e.By != "anna" || e.Call != offer.Call {
		t.Errorf("the visit came out as %+v", e)
	}
	waitFor(t, "the devices to close", func() bool { return status(t, d).Devices[camera] == DeviceIdle })
}

// lateLens notes how many messages a phone had got when the camera was opened.
type lateLens struct {
	lens
	phone atomic.Pointer[phone]
	got   atomic.Int32
}

func (l *lateLens) Stream(ctx context.Context, sink func([]byte, bool, time.Time)) error {
	l.got.Store(int32(len(l.phone.Load().inbox)))
	return l.lens.Stream(ctx, sink)
}

// A phone is told of the press before anything of the door's takes processor time for the picture.
func TestRingGoesBeforeTheCamera(t *testing.T) {
	l := &lateLens{}
	d, x := startDoor(t, Options{Video: l})
	anna := x.newPhone(t, "anna")
	l.phone.Store(anna)
	d.Press(time.Now())
	waitFor(t, "the camera to open", func() bool { return l.opens.Load() == 1 })
	if l.got.Load() == 0 {
		t.Error("the camera was opened before the phone was told of the press")
	}
	anna.answer(anna.await(signaling.TypeOffer), true)
	anna.sees()
}

// Where no phone is, the camera opens all the same: one may come.
func TestCameraWithoutPhones(t *testing.T) {
	l := &lens{}
	d, _ := startDoor(t, Options{Video: l})
	d.Press(time.Now())
	waitFor(t, "the camera to open", func() bool { return l.opens.Load() == 1 })
}

func TestMissed(t *testing.T) {
	d, x := startDoor(t, Options{Video: &lens{}, RingTimeout: 50 * time.Millisecond})
	anna := x.newPhone(t, "anna")
	d.Press(time.Now())
	if leave := anna.await(signaling.TypeLeave); leave.Reason != ReasonMissed {
		t.Errorf("anna was told %+v", leave)
	}
}

func TestLook(t *testing.T) {
	camera := &lens{}
	d, x := startDoor(t, Options{Video: camera, Audio: ear{}})
	anna, bert := x.newPhone(t, "anna"), x.newPhone(t, "bert")
	anna.call("c1", nil)
	anna.sees()
	bert.call("c2", nil)
	bert.sees()
	bert.hears()
	anna.sees()
	if n := camera.opens.Load(); n != 1 {
		t.Errorf("the camera was opened %d times for two phones", n)
	}
	if n := camera.keys.Load(); n == 0 {
		t.Error("nobody asked for a key frame for the newcomer")
	}
	d.HangUp()
	if leave := anna.await(signaling.TypeLeave); leave.Reason != ReasonHangup || leave.Call != "c1" {
		t.Errorf("anna was told %+v", leave)
	}
	bert.await(signaling.TypeLeave)
}

func TestICERestartKeepsTheConnection(t *testing.T) {
	d, x := startDoor(t, Options{Video: &lens{}})
	anna := x.newPhone(t, "anna")
	anna.call("c1", nil)
	anna.sees()
	anna.call("c1", &webrtc.OfferOptions{ICERestart: true})
	anna.sees()
	if s := status(t, d); len(s.Connections) != 1 || s.Connections[0].Role != "viewing" {
		t.Errorf("after the restart: %+v", s.Connections)
	}
}

func TestReloadKeepsTheCall(t *testing.T) {
	d, x := startDoor(t, Options{Video: &lens{}})
	anna := x.newPhone(t, "anna")
	d.Press(time.Now())
	offer := anna.await(signaling.TypeOffer)
	anna.answer(offer, false) // a base client: its answer is an accepted call
	anna.sees()
	waitFor(t, "the call", func() bool { s := status(t, d); return s.Visit != nil && s.Visit.By == "anna" })
	anna.send(signaling.Message{Type: signaling.TypeLeave, Call: offer.Call, Reason: ReasonGone})
	anna.connect()
	anna.call(offer.Call, nil)
	anna.sees()
	if s := status(t, d); s.Visit == nil || s.Visit.By != "anna" || len(s.Connections) != 1 {
		t.Errorf("after the reload: %+v %+v", s.Visit, s.Connections)
	}
}

// TestRevoked takes a phone's right away, whose own connection to the relay is
// gone already: its call would go on without one.
func TestRevoked(t *testing.T) {
	d, x := startDoor(t, Options{Video: &lens{}})
	anna, bert := x.newPhone(t, "anna"), x.newPhone(t, "bert")
	for _, p := range []*phone{anna, bert} {
		p.call("c-"+p.name, nil)
		p.sees()
	}
	anna.send(signaling.Message{Type: signaling.TypeLeave, Reason: ReasonGone})
	anna.sees()
	d.Message(signaling.Message{Type: signaling.TypeLeave, Name: "anna", Reason: ReasonRevoked})
	waitFor(t, "the end of anna's look", func() bool { s := status(t, d); return len(s.Connections) == 1 })
	if s := status(t, d); s.Connections[0].Phone != "bert" {
		t.Errorf("left: %+v", s.Connections)
	}
	bert.sees()
}

func TestCameraLostAndBack(t *testing.T) {
	camera := &lens{}
	_, x := startDoor(t, Options{Video: camera})
	anna := x.newPhone(t, "anna")
	anna.call("c1", nil)
	anna.sees()
	camera.broken.Store(true)
	waitStatus(t, anna, DeviceLost)
	camera.broken.Store(false)
	waitStatus(t, anna, DeviceOK)
	anna.sees()
}

func waitStatus(t *testing.T, p *phone, want DeviceState) {
	t.Helper()
	for {
		if m := p.await(signaling.TypeStatus); m.Camera == string(want) {
			return
		}
	}
}

func TestRefusedLogin(t *testing.T) {
	d, _ := startDoor(t, Options{})
	waitFor(t, "the log-in", func() bool { return status(t, d).Online })
	d.Down(errors.New("the relay is gone"))
	d.Message(signaling.Message{Type: signaling.TypeLogin, Success: ptr(false), Reason: "taken"})
	if status(t, d).Online {
		t.Error("a door that was refused takes itself for logged in")
	}
}

func TestPhoneWithoutH264(t *testing.T) {
	_, x := startDoor(t, Options{Video: &lens{}})
	anna := x.newPhone(t, "anna")
	sdp := "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=rtpmap:96 VP8/90000\r\n"
	anna.send(signaling.Message{Type: signaling.TypeOffer, Call: "c1", Offer: mustJSON(map[string]string{"type": "offer", "sdp": sdp})})
	if leave := anna.await(signaling.TypeLeave); leave.Reason != ReasonCodec || !strings.Contains(leave.Message, "H.264") {
		t.Errorf("anna was told %+v", leave)
	}
}

func TestBrokenOffer(t *testing.T) {
	_, x := startDoor(t, Options{Video: &lens{}})
	anna := x.newPhone(t, "anna")
	for _, offer := range []string{`null`, `{}`, `{"type":"answer","sdp":""}`, `{"type":"offer","sdp":"nonsense"}`} {
		anna.send(signaling.Message{Type: signaling.TypeOffer, Call: "c1", Offer: []byte(offer)})
		if leave := anna.await(signaling.TypeLeave); leave.Reason != ReasonFailed {
			t.Errorf("%s: anna was told %+v", offer, leave)
		}
	}
}

func TestMediaPortTaken(t *testing.T) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	port := conn.LocalAddr().(*net.UDPAddr).Port
	if CheckPort(port) != nil {
		t.Skipf("the kernel gave port %d, which browsers refuse", port)
	}
	err = New(Options{ICE: ICEOptions{Port: port, Loopback: true}}).Run(context.Background())
	if err == nil || !strings.Contains(err.Error(), "ice.port") {
		t.Errorf("error %v does not name ice.port", err)
	}
}

func TestCheckPort(t *testing.T) {
	for port, good := range map[int]bool{0: true, 8555: true, 53: false, 5060: false, 10080: false, 70000: false, -1: false} {
		if err := CheckPort(port); (err == nil) != good {
			t.Errorf("port %d: %v", port, err)
		}
	}
}

func status(t *testing.T, d *Door) Status {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	s, err := d.Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStatusOfAClosedDoor(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := New(Options{}).Status(ctx); !errors.Is(err, errClosed) {
		t.Errorf("got %v", err)
	}
}

// waitFor polls what only the media can change.
func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for !done() {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("waited for %s in vain", what)
		}
	}
}

// TestStandbyConnection goes from a connection that is kept ready, through which nothing flows, to a ring and to a look.
func TestStandbyConnection(t *testing.T) {
	eye := &lens{}
	d, x := startDoor(t, Options{Video: eye, Audio: ear{}})
	anna := x.newPhone(t, "anna")
	standsBy := func(id string) {
		t.Helper()
		anna.offer(signaling.Message{Type: signaling.TypeOffer, Call: id, Exchange: "e", Standby: true}, nil)
		waitFor(t, "the phone to be where it should", func() bool { s := status(t, d); return len(s.Standby) == 1 && len(s.Connections) == 0 })
		if state := status(t, d).Devices[camera]; state != DeviceIdle || len(anna.frames) > 0 || len(anna.sounds) > 0 {
			t.Fatalf("something flows: camera %s, %d pictures, %d sounds", state, len(anna.frames), len(anna.sounds))
		}
	}
	standsBy("s1")
	d.Press(time.Now())
	press := anna.await(signaling.TypePress)
	if !press.Ring || press.Call != "s1" || press.Visit == "" {
		t.Fatalf("the ring is %+v", press)
	}
	anna.sees()
	anna.hears()
	anna.send(signaling.Message{Type: signaling.TypeAccept, Call: "s1"})
	waitFor(t, "the phone to be where it should", func() bool { s := status(t, d); return s.Visit != nil && s.Visit.By == "anna" })
	anna.send(signaling.Message{Type: signaling.TypeLeave, Call: "s1", Reason: ReasonHangup})
	waitFor(t, "the phone to be where it should", func() bool { s := status(t, d); return s.Visit == nil && len(s.Connections) == 0 })

	if err := anna.pc.GracefulClose(); err != nil { // what it still reads would look like the next one's
		t.Error(err)
	}
	anna.connect()
	drain(anna.frames)
	drain(anna.sounds)
	standsBy("s2")
	anna.call("s2", nil)
	anna.sees()
	anna.hears()
	if s := status(t, d); len(s.Standby) != 0 || len(s.Connections) != 1 || s.Connections[0].Role != "viewing" {
		t.Errorf("the phone looks, and the status is %+v", s)
	}
}

func drain(c chan struct{}) {
	for len(c) > 0 {
		<-c
	}
}
