// Package signaling is the wire between the door and its phones: the messages,
// the relay that passes them on, a client for such a relay, and a bridge to a
// relay elsewhere. PROTOCOL.md describes what goes over the wire.
package signaling

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
)

// The types of messages; PROTOCOL.md has a section about each.
const (
	TypeLogin     = "login"
	TypeChallenge = "challenge"
	TypeOffer     = "offer"
	TypeAnswer    = "answer"
	TypeCandidate = "candidate"
	TypeLeave     = "leave"
	TypeError     = "error"
	TypePresence  = "presence"
	TypeAccept    = "accept"
	TypePress     = "press"
	TypeStatus    = "status"
)

// Why somebody leaves a ring or a call (Message.Reason in a leave).
const (
	ReasonHangup   = "hangup"   // a person ended the call
	ReasonDeclined = "declined" // a person does not take the call
	ReasonAnswered = "answered" // another phone took it; Message.By says which
	ReasonMissed   = "missed"   // nobody took it in time
	ReasonGone     = "gone"     // the other one's connection to the relay ended
	ReasonBusy     = "busy"     // the other one is in a call
	ReasonRevoked  = "revoked"  // this phone may not call any longer
	ReasonShutdown = "shutdown" // the program at the other end stops
	ReasonFailed   = "failed"   // the media could not be set up
	ReasonCodec    = "codec"    // the phone takes no picture that the door has
)

// Why a login is refused (Message.Reason in its reply). ReasonBusy is used here too.
const (
	ReasonTaken       = "taken"        // somebody else is logged in under that name
	ReasonInvalidName = "invalid-name" // not a name: see ValidName
	ReasonReserved    = "reserved"     // that name is kept for the appliance itself
	ReasonDenied      = "denied"       // this client may not log in
	ReasonFull        = "full"         // too many are logged in
)

// What a client is (Message.Kind). A client that does not say is a phone.
const (
	KindDoor  = "door"
	KindPhone = "phone"
)

// What a device of the door does (Message.Camera, Microphone, Speaker and Button).
const (
	DeviceOK   = "ok"   // works
	DeviceLost = "lost" // was there and stopped working
	DeviceNone = "none" // there is none
)

// Message is any message of the protocol: one flat object, of which each type
// uses a few fields. A message and the memory it refers to must not be changed
// after it was handed to Send or to a Handler.
type Message struct {
	Type string `json:"type"`
	// Name is always the other one: whom the message is for on its way to the
	// relay, whom it is from on its way out. A base relay leaves it out. In a
	// login and its reply it is the client's own.
	Name    string `json:"name,omitempty"`
	Success *bool  `json:"success,omitempty"` // login reply

	Offer     json.RawMessage `json:"offer,omitempty"`     // W3C WebRTC 4.6.2, RTCSessionDescriptionInit
	Answer    json.RawMessage `json:"answer,omitempty"`    // the same
	Candidate json.RawMessage `json:"candidate,omitempty"` // W3C WebRTC 4.8.1.1, RTCIceCandidateInit

	Call    string `json:"call,omitempty"`    // the id of one ring or call; see NewID
	Ring    bool   `json:"ring,omitempty"`    // offer: caused by a press of the button; press: a person may accept
	Preview bool   `json:"preview,omitempty"` // answer: the picture only, nobody accepted yet
	Reason  string `json:"reason,omitempty"`  // leave, refused login, press: why
	By      string `json:"by,omitempty"`      // leave or press with reason answered: who took the call

	Exchange string `json:"exchange,omitempty"` // offer: its own id; answer: that of the offer that it answers
	Standby  bool   `json:"standby,omitempty"`  // offer, answer: a connection to be kept ready, through which nothing flows
	Visit    string `json:"visit,omitempty"`    // press: the id of the visit that it began or belongs to

	Code    string `json:"code,omitempty"`    // error: one of the Code constants
	About   string `json:"about,omitempty"`   // error: the type of the message it is about; Name has its name
	Message string `json:"message,omitempty"` // text for the log or a person

	Credential string      `json:"credential,omitempty"` // login: proves that this is the same client as before
	Key        string      `json:"key,omitempty"`        // login: the device key, as KeyText writes it
	Nonce      string      `json:"nonce,omitempty"`      // challenge: what the device key is to sign
	Signature  string      `json:"signature,omitempty"`  // login: proves the key; see Sign
	Kind       string      `json:"kind,omitempty"`       // login, presence: KindDoor or KindPhone
	Presence   bool        `json:"presence,omitempty"`   // login: asks for presence messages
	Present    *bool       `json:"present,omitempty"`    // presence: came (true) or went (false)
	Here       []Peer      `json:"here,omitzero"`        // login reply: who else is here; nil from a base relay, never from ours
	ICEServers []ICEServer `json:"iceServers,omitzero"`  // login reply: the ICE servers to use

	Camera     string `json:"camera,omitempty"`     // status: one of the Device constants
	Microphone string `json:"microphone,omitempty"` // status
	Speaker    string `json:"speaker,omitempty"`    // status
	Button     string `json:"button,omitempty"`     // status
}

// Peer is somebody who is logged in.
type Peer struct {
	Name string `json:"name"`
	Kind string `json:"kind"` // KindDoor or KindPhone
}

// ICEServer is a STUN or TURN server, as a browser's RTCPeerConnection takes it
// (W3C WebRTC 4.2.4, RTCIceServer).
type ICEServer struct {
	URLs       []string `json:"urls"`
	Username   string   `json:"username,omitempty"`
	Credential string   `json:"credential,omitempty"`
}

// Encode gives the message as one line of JSON. It fails when Offer, Answer or
// Candidate is not JSON.
func (m Message) Encode() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // what the browsers said goes on as they said it
	if err := e.Encode(m); err != nil {
		return nil, fmt.Errorf("message %q: encode: %w", m.Type, err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// NewID makes the id of a ring or call: 26 letters and digits, unguessable.
func NewID() string { return rand.Text() }

// frame is a message with what goes over a socket for it, encoded once however
// many it is for. Nobody changes a frame.
type frame struct {
	Message
	data []byte
}

// newFrame is for messages that can't fail to encode: those of the relay's own
// and those that came out of Decode.
func newFrame(m Message) *frame {
	data, err := m.Encode()
	if err != nil {
		panic(err) // a fault of this package: no input leads here
	}
	return &frame{Message: m, data: data}
}
