package main

import (
	"context"
	"encoding/json"
	"fmt"
	"image"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtp/codecs"
	"github.com/pion/webrtc/v4"
	"github.com/pion/webrtc/v4/pkg/media"
	"golang.org/x/sync/errgroup"

	"doorbell/configs"
	"doorbell/device"
	"doorbell/device/h264test"
	"doorbell/device/sim"
	"doorbell/signaling"
)

// loopbackPatience bounds each wait: this test also runs on an emulated ARM, at
// a tenth of the speed.
const loopbackPatience = time.Minute

// TestLoopbackCall rings a phone in the same process and talks: the phone sees
// the test card and reads its time, hears the melody, and is heard. It needs no
// other program, so that it runs wherever the test binary does.
func TestLoopbackCall(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	group, ctx := errgroup.WithContext(ctx)
	p := startLoopback(t, ctx, group)
	anna := newCaller(t, ctx, group, "ws"+strings.TrimPrefix(p.pageURL(), "http")+"/ws")
	t.Cleanup(func() {
		stop()
		if err := unlessStopped(group.Wait()); err != nil {
			t.Error(err)
		}
	})

	loopbackWait(t, "the door to see the phone", func() bool {
		s, err := p.status(ctx)
		return err == nil && slices.Contains(s.Door.Phones, "anna")
	})
	p.press()
	anna.accept()

	first := anna.timeCode()
	next := anna.timeCode()
	if next.Frame == first.Frame || int32(next.Millis-first.Millis) <= 0 {
		t.Errorf("the picture stands still: %+v, then %+v", first, next)
	}
	if age := time.Since(next.Time(time.Now())); age < -time.Second || age > loopbackPatience {
		t.Errorf("the picture's time is %v ago", age)
	}
	anna.hearsMelody("the phone", anna.speaker)
	anna.hearsMelody("the visitor", p.devices.speaker)
	s, err := p.status(ctx)
	if err != nil || s.Door.Visit == nil || s.Door.Visit.By != "anna" {
		t.Errorf("the door says of the call: %+v, %v", s.Door.Visit, err)
	}
}

// startLoopback starts the whole program with simulated devices.
func startLoopback(t *testing.T, ctx context.Context, group *errgroup.Group) *program {
	t.Helper()
	config := configs.Default()
	config.Listen, config.TLS.Listen, config.ICE = "127.0.0.1:0", nameNone, configs.ICE{Loopback: true}
	config.Access.Mode, config.LocalName, config.StateDir = configs.AccessOpen, "", t.TempDir()
	config.Camera = configs.Camera{Source: nameSim, Width: 320, Height: 180, FrameRate: 8}
	config.Microphone.Source, config.Speaker.Source = nameSim, nameSim
	config.Button.Source, config.Light.Source = nameSim, nameSim
	config.Control = t.TempDir() + "/control.sock"
	config.Ring.Timeout = loopbackPatience
	p, err := newProgram(config, true, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	p.started = func(*invited) { close(served) }
	group.Go(func() error { return p.Run(ctx) })
	select {
	case <-served:
	case <-ctx.Done():
		t.Fatal(group.Wait())
	}
	return p
}

// caller is a phone without a browser, with a melody for a voice.
type caller struct {
	t        *testing.T
	client   *signaling.Client
	inbox    chan signaling.Message
	pc       *webrtc.PeerConnection
	mic      *webrtc.TrackLocalStaticSample
	pictures chan image.Image // newest, capacity 1
	speaker  *sim.Speaker
	mixer    *device.Mixer
}

// Message takes what the relay sends.
func (c *caller) Message(m signaling.Message) { c.inbox <- m }

// Down need not be told: the test fails by itself.
func (c *caller) Down(error) {}

func newCaller(t *testing.T, ctx context.Context, group *errgroup.Group, url string) *caller {
	t.Helper()
	c := &caller{
		t: t, inbox: make(chan signaling.Message, 1000), pictures: make(chan image.Image, 1), speaker: sim.NewSpeaker(),
	}
	c.mixer = device.NewMixer(device.MixerOptions{
		Open: func(context.Context) (io.Closer, error) { return keptOpen{c.speaker}, nil },
	})
	var err error
	c.client, err = signaling.NewClient(signaling.ClientOptions{URL: url, Name: "anna", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	var settings webrtc.SettingEngine
	settings.SetIncludeLoopbackCandidate(true)
	if c.pc, err = webrtc.NewAPI(webrtc.WithSettingEngine(settings)).NewPeerConnection(webrtc.Configuration{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.pc.GracefulClose() })
	c.mic, err = webrtc.NewTrackLocalStaticSample(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus}, "mic", "anna")
	if err != nil {
		t.Fatal(err)
	}
	c.pc.OnTrack(c.play)
	group.Go(func() error { return c.client.Run(ctx, c) })
	group.Go(func() error { return c.mixer.Run(ctx) })
	group.Go(func() error { return c.talk(ctx) })
	return c
}

// talk sends the melody.
func (c *caller) talk(ctx context.Context) error {
	voice := device.NewVoice(device.VoiceOptions{
		Open: func(context.Context) (io.Closer, error) { return sim.NewMicrophone(), nil },
	})
	return voice.Stream(ctx, func(packet []byte, duration time.Duration, _ time.Time) {
		_ = c.mic.WriteSample(media.Sample{Data: slices.Clone(packet), Duration: duration}) // nobody listens yet, or any more
	})
}

// play shows or sounds what the door sends.
func (c *caller) play(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
	if track.Kind() == webrtc.RTPCodecTypeVideo {
		c.show(track)
		return
	}
	talker := c.mixer.Join()
	defer talker.Leave()
	for {
		packet, _, err := track.ReadRTP()
		if err != nil {
			return
		}
		talker.Receive(packet.SequenceNumber, packet.Timestamp, packet.Payload)
	}
}

func (c *caller) show(track *webrtc.TrackRemote) {
	decoder, err := h264test.New()
	if err != nil {
		c.t.Error(err)
		return
	}
	defer decoder.Close()
	var depacketizer codecs.H264Packet
	var unit []byte
	for {
		packet, _, err := track.ReadRTP()
		if err != nil {
			return
		}
		part, err := depacketizer.Unmarshal(packet.Payload)
		if err != nil {
			c.t.Errorf("RTP packet with H.264: %v", err)
		}
		if unit = append(unit, part...); !packet.Marker || len(unit) == 0 {
			continue
		}
		picture, err := decoder.Decode(unit)
		unit = unit[:0]
		if err != nil || picture == nil {
			continue // until the first key frame
		}
		select {
		case <-c.pictures:
		default:
		}
		c.pictures <- picture
	}
}

// accept takes the ring as a person would.
func (c *caller) accept() {
	c.t.Helper()
	offer := c.await(signaling.TypeOffer)
	var description webrtc.SessionDescription
	if err := json.Unmarshal(offer.Offer, &description); err != nil {
		c.t.Fatal(err)
	}
	if err := c.pc.SetRemoteDescription(description); err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.pc.AddTrack(c.mic); err != nil {
		c.t.Fatal(err)
	}
	answer, err := c.pc.CreateAnswer(nil)
	if err != nil {
		c.t.Fatal(err)
	}
	gathered := webrtc.GatheringCompletePromise(c.pc)
	if err := c.pc.SetLocalDescription(answer); err != nil {
		c.t.Fatal(err)
	}
	<-gathered
	raw, err := json.Marshal(c.pc.LocalDescription())
	if err != nil {
		c.t.Fatal(err)
	}
	c.send(signaling.Message{Type: signaling.TypeAnswer, Name: offer.Name, Call: offer.Call, Answer: raw, Preview: true})
	c.send(signaling.Message{Type: signaling.TypeAccept, Name: offer.Name, Call: offer.Call})
}

func (c *caller) send(m signaling.Message) {
	c.t.Helper()
	if err := c.client.Send(m); err != nil {
		c.t.Fatal(err)
	}
}

// await returns the next message of that type. The door's candidates are not
// needed: it finds the phone by itself.
func (c *caller) await(kind string) signaling.Message {
	c.t.Helper()
	timeout := time.After(loopbackPatience)
	for {
		select {
		case m := <-c.inbox:
			if m.Type == kind {
				return m
			}
		case <-timeout:
			c.t.Fatalf("waited for %q in vain", kind)
		}
	}
}

// timeCode reads the time that the next picture shows.
func (c *caller) timeCode() sim.TimeCode {
	c.t.Helper()
	var err error
	timeout := time.After(loopbackPatience)
	for {
		select {
		case picture := <-c.pictures:
			var code sim.TimeCode
			if code, err = sim.ReadTimeCode(picture); err == nil {
				return code
			}
		case <-timeout:
			c.t.Fatalf("no picture with a time came: %v", err)
		}
	}
}

// hearsMelody waits until at least two of the melody's notes were heard.
func (c *caller) hearsMelody(who string, speaker *sim.Speaker) {
	c.t.Helper()
	heard := map[float64]bool{}
	loopbackWait(c.t, fmt.Sprintf("%s to hear the melody", who), func() bool {
		_, pitch := speaker.Heard()
		for _, note := range sim.Melody() {
			if pitch > note.Frequency-20 && pitch < note.Frequency+20 {
				heard[note.Frequency] = true
			}
		}
		return len(heard) >= 2
	})
}

func loopbackWait(t *testing.T, what string, done func() bool) {
	t.Helper()
	if err := poll(loopbackPatience, done); err != nil {
		t.Fatalf("waiting for %s: %v", what, err)
	}
}
