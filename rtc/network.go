package rtc

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/nack"
	"github.com/pion/rtp/codecs"
	"github.com/pion/webrtc/v4"
)

// ICEOptions say how phones reach the door's media.
type ICEOptions struct {
	// Port is used for UDP and TCP. 0: any free port.
	Port int
	// Loopback lets media flow over loopback too, for trials on one machine.
	// Danger: a candidate could then point checks at this machine's own ports.
	Loopback bool
	// Servers are STUN and TURN servers. None: nobody outside is contacted.
	Servers []ICEServer
}

// ICEServer is a STUN or TURN server (W3C webrtc-pc, RTCIceServer).
type ICEServer struct {
	URLs                 []string
	Username, Credential string
}

const (
	// A connection that hears nothing is shown as disconnected after
	// iceDisconnected and given up iceFailed later; in between the phone may
	// bring it back by an ICE restart.
	iceDisconnected = 4 * time.Second
	iceFailed       = 20 * time.Second
	iceKeepAlive    = 2 * time.Second

	// tcpWriteBuffer bounds what waits for one phone that is connected over TCP,
	// in bytes; past it packets are dropped instead of holding up the others.
	tcpWriteBuffer = 1 << 20
)

// network makes peer connections that share one port.
type network struct {
	// Fixed after newNetwork.
	api        *webrtc.API
	config     webrtc.Configuration
	estimators estimators
	udp        *mediaPort
	tcp        *ice.TCPMuxDefault

	loopback bool // media flows over loopback too
	afar     bool // phones outside these networks are to be reached
}

func newNetwork(options ICEOptions, log *slog.Logger) (*network, error) {
	if err := CheckPort(options.Port); err != nil {
		return nil, err
	}
	logs := pionLogs{log}
	udp, listener, err := openPorts(options, logs)
	if err != nil {
		return nil, err
	}
	n := &network{loopback: options.Loopback, afar: len(options.Servers) > 0, udp: udp, tcp: ice.NewTCPMuxDefault(ice.TCPMuxParams{
		Listener: listener, Logger: logs.NewLogger("ice"), ReadBufferSize: 64, WriteBufferSize: tcpWriteBuffer,
	})}
	if err := n.build(options, logs); err != nil {
		return nil, errors.Join(err, n.close())
	}
	return n, nil
}

// anyPort is how often a free UDP port is tried whose TCP port somebody else has.
const anyPort = 20

// openPorts opens the UDP port of media, and the TCP port of the same number.
func openPorts(options ICEOptions, logs pionLogs) (*mediaPort, *net.TCPListener, error) {
	for try := 1; ; try++ {
		udp, err := newMediaPort(options.Port, options.Loopback, logs.NewLogger("ice"))
		if err != nil {
			return nil, nil, fmt.Errorf("%w (is another doorbell running? else set ice.port)", err)
		}
		listener, err := net.ListenTCP("tcp", &net.TCPAddr{Port: udp.port})
		if err == nil {
			return udp, listener, nil
		}
		err = errors.Join(fmt.Errorf("opening TCP port %d for media: %w (set ice.port)", udp.port, err), udp.Close())
		if options.Port != 0 || try == anyPort {
			return nil, nil, err
		}
	}
}

// build makes the API and the configuration of all connections.
func (n *network) build(options ICEOptions, logs pionLogs) error {
	media, interceptors, err := codecsOf(&n.estimators)
	if err != nil {
		return err
	}
	var settings webrtc.SettingEngine
	settings.LoggerFactory = logs
	settings.SetICEUDPMux(n.udp)
	settings.SetICETCPMux(n.tcp)
	settings.SetNetworkTypes([]webrtc.NetworkType{
		webrtc.NetworkTypeUDP4, webrtc.NetworkTypeUDP6, webrtc.NetworkTypeTCP4, webrtc.NetworkTypeTCP6,
	})
	settings.DisableActiveTCP(true) // phones come to the door, never the other way round
	settings.SetICETimeouts(iceDisconnected, iceFailed, iceKeepAlive)
	// A phone hides its address behind an mDNS name until its page has the
	// microphone; it is then found by its own checks (peer-reflexive), for which
	// pion would wait a second.
	settings.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	settings.SetPrflxAcceptanceMinWait(0)
	settings.SetHostAcceptanceMinWait(0)
	settings.SetIncludeLoopbackCandidate(options.Loopback)
	settings.SetIPFilter(func(ip net.IP) bool { return usableIP(ip, options.Loopback) })
	settings.SetRemoteIPFilter(func(ip net.IP) bool { return usableIP(ip, options.Loopback) })
	n.api = webrtc.NewAPI(
		webrtc.WithMediaEngine(media), webrtc.WithInterceptorRegistry(interceptors), webrtc.WithSettingEngine(settings),
	)
	// One certificate for all connections of this process: making one takes a Pi
	// longer than the rest of the log-in.
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("making the DTLS key: %w", err)
	}
	certificate, err := newCertificate(key)
	if err != nil {
		return fmt.Errorf("making the DTLS certificate: %w", err)
	}
	n.config = webrtc.Configuration{Certificates: []webrtc.Certificate{*certificate}}
	for _, s := range options.Servers {
		n.config.ICEServers = append(n.config.ICEServers, webrtc.ICEServer{URLs: s.URLs, Username: s.Username, Credential: s.Credential})
	}
	return nil
}

// newCertificate makes a certificate that does not expire (RFC 5280 section 4.1.2.5). Phones know it by its
// fingerprint and don't look at its dates (RFC 8827 section 5.6.1), but pion refuses connections with an
// expired one, and its own are good for a month from a clock that may say 1970.
func newCertificate(key *ecdsa.PrivateKey) (*webrtc.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	return webrtc.NewCertificate(key, x509.Certificate{
		SerialNumber: serial,
		Version:      2,
		Issuer:       pkix.Name{CommonName: "WebRTC"},
		Subject:      pkix.Name{CommonName: "WebRTC"},
		NotBefore:    time.Unix(0, 0),
		NotAfter:     time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
	})
}

func usableIP(ip net.IP, loopback bool) bool {
	addr, ok := netip.AddrFromSlice(ip)
	return ok && usable(addr.Unmap(), loopback)
}

func (n *network) close() error {
	return errors.Join(n.tcp.Close(), n.udp.Close())
}

// h264 is what the door sends: Constrained Baseline, level 3.1, which every
// browser takes (RFC 7742 section 6.2), in packetization mode 1 (RFC 6184
// section 6.3).
const h264 = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"

// codecsOf registers what the door speaks, and nothing else.
func codecsOf(estimators *estimators) (*webrtc.MediaEngine, *interceptor.Registry, error) {
	media := &webrtc.MediaEngine{}
	feedback := []webrtc.RTCPFeedback{
		{Type: "nack"}, {Type: "nack", Parameter: "pli"}, {Type: "ccm", Parameter: "fir"}, {Type: webrtc.TypeRTCPFBTransportCC},
	}
	video := []webrtc.RTPCodecParameters{
		{PayloadType: 102, RTPCodecCapability: webrtc.RTPCodecCapability{
			MimeType: webrtc.MimeTypeH264, ClockRate: videoClock, SDPFmtpLine: h264, RTCPFeedback: feedback,
		}},
		{PayloadType: 103, RTPCodecCapability: webrtc.RTPCodecCapability{
			MimeType: webrtc.MimeTypeRTX, ClockRate: videoClock, SDPFmtpLine: "apt=102",
		}},
		// For phones that don't take H.264 (RFC 7741).
		{PayloadType: 96, RTPCodecCapability: webrtc.RTPCodecCapability{
			MimeType: webrtc.MimeTypeVP8, ClockRate: videoClock, RTCPFeedback: feedback,
		}},
		{PayloadType: 97, RTPCodecCapability: webrtc.RTPCodecCapability{
			MimeType: webrtc.MimeTypeRTX, ClockRate: videoClock, SDPFmtpLine: "apt=96",
		}},
	}
	for _, codec := range video {
		if err := media.RegisterCodec(codec, webrtc.RTPCodecTypeVideo); err != nil {
			return nil, nil, fmt.Errorf("registering %s: %w", codec.MimeType, err)
		}
	}
	opus := webrtc.RTPCodecParameters{PayloadType: 111, RTPCodecCapability: webrtc.RTPCodecCapability{
		MimeType: webrtc.MimeTypeOpus, ClockRate: audioClock, Channels: 2, SDPFmtpLine: "minptime=10;useinbandfec=1",
	}}
	if err := media.RegisterCodec(opus, webrtc.RTPCodecTypeAudio); err != nil {
		return nil, nil, fmt.Errorf("registering Opus: %w", err)
	}
	if err := extensionsOf(media); err != nil {
		return nil, nil, err
	}
	interceptors := &interceptor.Registry{}
	// First, so that what is sent again counts, and is no more than the network
	// carries.
	if err := estimators.register(media, interceptors); err != nil {
		return nil, nil, err
	}
	interceptors.Add(resendLimit{}) // before the one that sends again
	// Not webrtc.ConfigureNack, which asks ten times a second whether to ask phones for packets too: sound is not asked
	// for again, and phones send nothing else.
	again, err := nack.NewResponderInterceptor(nack.ResponderSize(resendPackets))
	if err != nil {
		return nil, nil, fmt.Errorf("setting up retransmission: %w", err)
	}
	interceptors.Add(again)
	if err := webrtc.ConfigureRTCPReports(interceptors); err != nil {
		return nil, nil, fmt.Errorf("setting up reports: %w", err)
	}
	return media, interceptors, nil
}

// extensionsOf registers the RTP header extensions that the door sends.
func extensionsOf(media *webrtc.MediaEngine) error {
	for _, e := range []struct {
		uri  string
		kind webrtc.RTPCodecType
	}{{playoutDelayURI, webrtc.RTPCodecTypeVideo}, {captureTimeURI, webrtc.RTPCodecTypeVideo}, {captureTimeURI, webrtc.RTPCodecTypeAudio}} {
		capability := webrtc.RTPHeaderExtensionCapability{URI: e.uri}
		if err := media.RegisterHeaderExtension(capability, e.kind, webrtc.RTPTransceiverDirectionSendonly); err != nil {
			return fmt.Errorf("registering the header extension %s: %w", e.uri, err)
		}
	}
	return nil
}

func newH264Fanout(wantKey func()) *fanout {
	return newFanout(webrtc.RTPCodecTypeVideo, "H264", &codecs.H264Payloader{}, wantKey)
}

func newVP8Fanout(wantKey func()) *fanout {
	return newFanout(webrtc.RTPCodecTypeVideo, "VP8", &codecs.VP8Payloader{EnablePictureID: true}, wantKey)
}

func newAudioFanout() *fanout {
	return newFanout(webrtc.RTPCodecTypeAudio, "OPUS", &codecs.OpusPayloader{}, func() {})
}

// ProbePort opens the media port as a door would, closes it again, and returns
// the addresses on which phones would find it.
func ProbePort(port int, loopback bool) ([]string, error) {
	n, err := newNetwork(ICEOptions{Port: port, Loopback: loopback}, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	var addrs []string
	for _, addr := range n.udp.GetListenAddresses() {
		host, _, err := net.SplitHostPort(addr.String())
		if err == nil {
			addrs = append(addrs, host)
		}
	}
	slices.Sort(addrs)
	return addrs, n.close()
}
