package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"io"
	"os"
	"os/exec"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/mediadevices"
	"github.com/pion/mediadevices/pkg/codec"
	"github.com/pion/mediadevices/pkg/codec/openh264"
	"github.com/pion/mediadevices/pkg/io/video"
	"github.com/pion/mediadevices/pkg/prop"
	"github.com/pion/webrtc/v4"

	"doorbell/device/sim"
)

// naiveVariable makes the test's program one that sends in the naive way.
const naiveVariable = "DOORBELL_TEST_NAIVE"

// naiveMain is a sender as most programs have it, which a doorbell is compared with: one
// track of mediadevices, bound to each peer connection. It answers the offers that come
// in, a line each, and never returns. Anything wrong ends it: its caller sees that.
func naiveMain() {
	if os.Getenv(naiveVariable) == "" {
		return
	}
	params, err := openh264.NewParams()
	naiveCheck(err)
	params.BitRate = 1_500_000 // as a doorbell's picture of this size
	selector := mediadevices.NewCodecSelector(mediadevices.WithVideoEncoders(&naiveEncoder{params}))
	engine := &webrtc.MediaEngine{}
	selector.Populate(engine)
	var settings webrtc.SettingEngine
	settings.SetIncludeLoopbackCandidate(true)
	api := webrtc.NewAPI(webrtc.WithMediaEngine(engine), webrtc.WithSettingEngine(settings))
	camera, err := sim.NewCamera(sim.CameraOptions{})
	naiveCheck(err)
	track := mediadevices.NewVideoTrack(naiveCamera{camera}, selector)
	offers := json.NewDecoder(bufio.NewReader(os.Stdin))
	for {
		var offer webrtc.SessionDescription
		if offers.Decode(&offer) == io.EOF {
			os.Exit(0)
		}
		pc, err := api.NewPeerConnection(webrtc.Configuration{})
		naiveCheck(err)
		_, err = pc.AddTrack(track)
		naiveCheck(err)
		naiveCheck(pc.SetRemoteDescription(offer))
		answer, err := pc.CreateAnswer(nil)
		naiveCheck(err)
		gathered := webrtc.GatheringCompletePromise(pc)
		naiveCheck(pc.SetLocalDescription(answer))
		<-gathered
		naiveCheck(json.NewEncoder(os.Stdout).Encode(pc.LocalDescription()))
	}
}

func naiveCheck(err error) {
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "naive sender:", err)
		os.Exit(1)
	}
}

// naiveEncoder tells the encoder the frame rate, which mediadevices doesn't: it would
// make twenty times the bit rate otherwise.
type naiveEncoder struct{ openh264.Params }

// BuildVideoEncoder is as codec.VideoEncoderBuilder says.
func (e *naiveEncoder) BuildVideoEncoder(r video.Reader, p prop.Media) (codec.ReadCloser, error) {
	p.FrameRate = 30
	return e.Params.BuildVideoEncoder(r, p)
}

// naiveCamera is the simulated one, of which each picture is a copy, as mediadevices'
// own cameras have it.
type naiveCamera struct{ *sim.Camera }

// ID names the camera.
func (naiveCamera) ID() string { return "sim" }

// Read returns the next picture.
func (c naiveCamera) Read() (image.Image, func(), error) {
	p, _, err := c.ReadPicture(context.Background())
	if err != nil {
		return nil, nil, err
	}
	one := *p
	one.Y, one.Cb, one.Cr = append([]byte{}, p.Y...), append([]byte{}, p.Cb...), append([]byte{}, p.Cr...)
	return &one, func() {}, nil
}

// naive is a naive sender that runs.
type naive struct {
	t       testing.TB
	cmd     *exec.Cmd
	offers  io.WriteCloser
	answers *json.Decoder
}

func startNaive(t testing.TB) *naive {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	n := &naive{t: t, cmd: exec.Command(self)}
	n.cmd.Env = append(os.Environ(), naiveVariable+"=yes")
	n.cmd.Stderr = os.Stderr
	n.offers, err = n.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := n.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	n.answers = json.NewDecoder(out)
	if err := n.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = n.offers.Close()
		_ = n.cmd.Wait()
	})
	return n
}

// watch adds a phone, and waits until it has pictures.
func (n *naive) watch() {
	n.t.Helper()
	engine := &webrtc.MediaEngine{}
	n.check(engine.RegisterCodec(webrtc.RTPCodecParameters{
		RTPCodecCapability: webrtc.RTPCodecCapability{
			MimeType: webrtc.MimeTypeH264, ClockRate: 90000, SDPFmtpLine: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
		},
		PayloadType: 125, // whatever is negotiated, mediadevices sends no other
	}, webrtc.RTPCodecTypeVideo))
	var settings webrtc.SettingEngine
	settings.SetIncludeLoopbackCandidate(true)
	pc, err := webrtc.NewAPI(webrtc.WithMediaEngine(engine), webrtc.WithSettingEngine(settings)).NewPeerConnection(webrtc.Configuration{})
	n.check(err)
	n.t.Cleanup(func() { _ = pc.GracefulClose() })
	_, err = pc.AddTransceiverFromKind(webrtc.RTPCodecTypeVideo, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly})
	n.check(err)
	var packets atomic.Int64
	pc.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		for {
			if _, _, err := track.ReadRTP(); err != nil {
				return
			}
			packets.Add(1)
		}
	})
	offer, err := pc.CreateOffer(nil)
	n.check(err)
	gathered := webrtc.GatheringCompletePromise(pc)
	n.check(pc.SetLocalDescription(offer))
	<-gathered
	n.check(json.NewEncoder(n.offers).Encode(pc.LocalDescription()))
	var answer webrtc.SessionDescription
	n.check(n.answers.Decode(&answer))
	n.check(pc.SetRemoteDescription(answer))
	if poll(20*time.Second, func() bool { return packets.Load() > 20 }) != nil {
		n.t.Fatalf("the naive way sends %d packets", packets.Load())
	}
}

func (n *naive) check(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatal(err)
	}
}

// cost is as process.cost.
func (n *naive) cost(d time.Duration) float64 {
	n.t.Helper()
	before, err := processorTime(n.cmd.Process.Pid)
	n.check(err)
	begin := time.Now()
	<-time.After(d)
	after, err := processorTime(n.cmd.Process.Pid)
	n.check(err)
	return 100 * (after - before).Seconds() / time.Since(begin).Seconds()
}
