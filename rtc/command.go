package rtc

import "time"

// Why a connection ends, as the `reason` of a leave says it (signaling/PROTOCOL.md).
const (
	ReasonHangup   = "hangup"
	ReasonDeclined = "declined"
	ReasonAnswered = "answered" // by another phone
	ReasonMissed   = "missed"
	ReasonGone     = "gone" // the other one's signaling went away
	ReasonBusy     = "busy"
	ReasonRevoked  = "revoked" // the phone may not call any longer
	ReasonShutdown = "shutdown"
	ReasonFailed   = "failed" // the media connection broke or could not be made
	ReasonCodec    = "codec"  // the phone takes no picture that the door has
)

// Command is something that the loop has to do for the call.
type Command interface{ command() }

// Offer opens a connection to a phone and rings it.
type Offer struct {
	Peer       PeerID
	Name, Call string
}

// Answer opens a connection for an offer that a phone made. Standby: nothing flows
// until Show.
type Answer struct {
	Peer       PeerID
	Name, Call string
	Standby    bool
}

// Show lets picture and sound flow to a phone that stood by.
type Show struct{ Peer PeerID }

// Renegotiate applies a further offer to a connection that stands.
type Renegotiate struct{ Peer PeerID }

// Refuse turns an offer away. Standby: it was of a connection to be kept ready, which
// nobody misses.
type Refuse struct {
	Name, Call, Reason string
	Standby            bool
}

// Talk lets what the phone says reach the loudspeaker, or not.
type Talk struct {
	Peer PeerID
	On   bool
}

// Press tells a connected phone of the button: Ring asks a person to accept,
// a Reason says that this is over, and neither is a bare notice.
type Press struct {
	Peer       PeerID
	Ring       bool
	Visit      string // its id, with Ring
	Reason, By string
}

// Close ends a connection, with a leave to the phone where Reason isn't empty.
type Close struct {
	Peer       PeerID
	Reason, By string
}

// StartTimer starts the ring's time anew.
type StartTimer struct{ Call string }

// StopTimer stops it.
type StopTimer struct{}

// Began says that a press started a visit.
type Began struct{ Call string }

// Ended says how a visit came out: Outcome is one of the reasons, ReasonHangup
// after a call that a person took.
type Ended struct {
	Call, Outcome, By string
	Pressed           time.Time
}

func (Offer) command()       {}
func (Answer) command()      {}
func (Show) command()        {}
func (Renegotiate) command() {}
func (Refuse) command()      {}
func (Talk) command()        {}
func (Press) command()       {}
func (Close) command()       {}
func (StartTimer) command()  {}
func (StopTimer) command()   {}
func (Began) command()       {}
func (Ended) command()       {}
