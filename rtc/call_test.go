package rtc

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// script runs events, written as words, through a call and returns the commands
// of the last one in the same way.
//
//	here anna          a phone logs in          gone anna     it goes
//	press v1           the button
//	accept 1           the person at peer 1     left 1 REASON
//	offer anna c1      a phone calls            again anna c1 the same connection re-offers
//	offer anna c1 standby   ... wants a connection kept ready
//	up 1               media flows              fail 1        media is lost      away 1      still 1
//	timeout v1         hangup                   close         solo / full
func script(t *testing.T, c *Call, lines ...string) []string {
	t.Helper()
	var out []string
	for _, line := range lines {
		out = nil
		for _, command := range c.Handle(parseEvent(t, line)) {
			out = append(out, show(command))
		}
	}
	return out
}

func parseEvent(t *testing.T, line string) Event {
	t.Helper()
	words := append(strings.Fields(line), "", "", "")
	var id PeerID
	_, _ = fmt.Sscan(words[1], &id)
	switch words[0] {
	case "here":
		return Appeared{words[1]}
	case "gone":
		return Disappeared{words[1]}
	case "press":
		return Pressed{Call: words[1]}
	case "accept":
		return Accepted{id}
	case "left":
		return Left{id, words[2]}
	case "offer", "again":
		return Offered{words[1], words[2], words[0] == "again", words[3] == "standby"}
	case "up":
		return Connected{id}
	case "still":
		return Interrupted{id}
	case "fail":
		return Failed{id}
	case "away":
		return Away{id}
	case "timeout":
		return TimedOut{words[1]}
	case "hangup":
		return HungUp{ReasonHangup}
	case "close":
		return Closed{}
	case "solo", "full":
		return Relay{Solo: words[0] == "solo"}
	}
	t.Fatalf("no such event: %q", line)
	return nil
}

func show(command Command) string {
	switch c := command.(type) {
	case Offer:
		return fmt.Sprintf("offer %d %s %s", c.Peer, c.Name, c.Call)
	case Answer:
		return strings.TrimSuffix(fmt.Sprintf("answer %d %s %s standby=%t", c.Peer, c.Name, c.Call, c.Standby), " standby=false")
	case Show:
		return fmt.Sprintf("show %d", c.Peer)
	case Renegotiate:
		return fmt.Sprintf("renegotiate %d", c.Peer)
	case Refuse:
		return fmt.Sprintf("refuse %s %s", c.Name, c.Reason)
	case Talk:
		return fmt.Sprintf("talk %d", c.Peer)
	case Press:
		return strings.TrimSpace(fmt.Sprintf("press %d ring=%t %s %s", c.Peer, c.Ring, c.Reason, c.By))
	case Close:
		return strings.TrimSpace(fmt.Sprintf("close %d %s %s", c.Peer, c.Reason, c.By))
	case StartTimer:
		return "timer " + c.Call
	case StopTimer:
		return "stop"
	case Began:
		return "began " + c.Call
	case Ended:
		return strings.TrimSpace(fmt.Sprintf("ended %s %s %s", c.Call, c.Outcome, c.By))
	}
	return fmt.Sprintf("%#v", command)
}

func TestCall(t *testing.T) {
	tests := []struct {
		name    string
		options CallOptions
		script  []string
		want    []string // commands of the last event
	}{
		{
			name:   "a press rings every phone that is here",
			script: []string{"here anna", "here bert", "press v1"},
			want:   []string{"began v1", "timer v1", "offer 1 anna v1", "offer 2 bert v1"},
		}, {
			name:    "a press rings only the ring list",
			options: CallOptions{RingTo: []string{"bert", "carl"}},
			script:  []string{"here anna", "here bert", "press v1"},
			want:    []string{"began v1", "timer v1", "offer 1 bert v1"},
		}, {
			name:   "a phone that comes while it rings, rings too",
			script: []string{"press v1", "here anna"},
			want:   []string{"offer 1 anna v1"},
		}, {
			name:   "the first to accept has the call",
			script: []string{"here anna", "here bert", "press v1", "accept 2"},
			want:   []string{"talk 2", "close 1 answered bert", "stop"},
		}, {
			name:   "the second to accept has come too late",
			script: []string{"here anna", "here bert", "press v1", "accept 2", "accept 1"},
		}, {
			name:   "nobody accepts",
			script: []string{"here anna", "press v1", "timeout v1"},
			want:   []string{"close 1 missed", "stop", "ended v1 missed"},
		}, {
			name:   "an old timer means nothing",
			script: []string{"here anna", "press v1", "left 1 declined", "press v2", "timeout v1"},
		}, {
			name:   "a second press rings again, not twice",
			script: []string{"here anna", "press v1", "press v2"},
			want:   []string{"press 1 ring=true", "timer v1"},
		}, {
			name:   "a press in a call is shown to the one who talks",
			script: []string{"here anna", "press v1", "accept 1", "press v2"},
			want:   []string{"press 1 ring=false"},
		}, {
			name:   "one declines, the others go on ringing",
			script: []string{"here anna", "here bert", "press v1", "left 1 declined"},
			want:   []string{"close 1"},
		}, {
			name:   "all decline",
			script: []string{"here anna", "here bert", "press v1", "left 1 declined", "left 2 declined"},
			want:   []string{"close 2", "stop", "ended v1 declined"},
		}, {
			name:   "who declined does not ring again in this visit",
			script: []string{"here anna", "here bert", "press v1", "left 1 declined", "gone anna", "here anna"},
		}, {
			name:   "the caller hangs up",
			script: []string{"here anna", "press v1", "accept 1", "left 1 hangup"},
			want:   []string{"close 1", "ended v1 hangup anna"},
		}, {
			name:   "the appliance hangs up the ring",
			script: []string{"here anna", "press v1", "hangup"},
			want:   []string{"close 1 hangup", "stop", "ended v1 hangup"},
		}, {
			name:   "the appliance hangs up the call and the looks",
			script: []string{"here anna", "press v1", "accept 1", "offer bert c", "hangup"},
			want:   []string{"ended v1 hangup anna", "close 1 hangup", "close 2 hangup"},
		}, {
			name:   "signaling is away in a call: the media decides",
			script: []string{"here anna", "press v1", "accept 1", "up 1", "left 1 gone"},
		}, {
			name:   "signaling is away before media flows",
			script: []string{"offer anna c", "left 1 gone"},
			want:   []string{"close 1"},
		}, {
			name:   "the media of the call is lost",
			script: []string{"here anna", "press v1", "accept 1", "up 1", "fail 1"},
			want:   []string{"close 1 failed", "ended v1 hangup anna"},
		}, {
			name:   "the phone's page is loaded anew: it may come back",
			script: []string{"here anna", "press v1", "accept 1", "up 1", "away 1"},
		}, {
			name:   "a press while the one who talks is away is a new visit",
			script: []string{"here anna", "here bert", "press v1", "accept 1", "up 1", "away 1", "press v2"},
			want:   []string{"close 1", "ended v1 hangup anna", "began v2", "timer v2", "offer 3 anna v2", "offer 4 bert v2"},
		}, {
			name:   "several look at once",
			script: []string{"offer anna c1", "offer bert c2"},
			want:   []string{"answer 2 bert c2", "talk 2"},
		}, {
			name:    "one too many",
			options: CallOptions{MaxPeers: 1},
			script:  []string{"offer anna c1", "offer bert c2"},
			want:    []string{"refuse bert busy"},
		}, {
			name:   "a page loaded anew in a call keeps the call",
			script: []string{"here anna", "press v1", "accept 1", "up 1", "offer anna v1"},
			want:   []string{"close 1", "answer 2 anna v1", "talk 2"},
		}, {
			name:   "and is still the one who talks",
			script: []string{"here anna", "press v1", "accept 1", "up 1", "offer anna v1", "left 2 hangup"},
			want:   []string{"close 2", "ended v1 hangup anna"},
		}, {
			name:   "a page loaded anew while it rings",
			script: []string{"here anna", "press v1", "gone anna", "here anna"},
			want:   []string{"offer 2 anna v1"},
		}, {
			name:   "an ICE restart",
			script: []string{"offer anna c1", "up 1", "again anna c1"},
			want:   []string{"renegotiate 1"},
		}, {
			name:   "both call at the same time: the phone's offer stands, and it rings there",
			script: []string{"here anna", "press v1", "offer anna c1"},
			want:   []string{"close 1 answered anna", "answer 2 anna c1", "talk 2", "press 2 ring=true"},
		}, {
			name:   "who looks when the button is pressed can accept",
			script: []string{"here anna", "here bert", "offer anna c1", "press v1", "accept 1"},
			want:   []string{"talk 1", "close 2 answered anna", "stop"},
		}, {
			name:   "who looks learns that somebody else took it",
			script: []string{"here anna", "here bert", "offer anna c1", "press v1", "accept 2"},
			want:   []string{"talk 2", "press 1 ring=false answered bert", "stop"},
		}, {
			name:   "who looks declines",
			script: []string{"here anna", "offer anna c1", "press v1", "left 1 declined"},
			want:   []string{"close 1", "stop", "ended v1 declined"},
		}, {
			name:   "after the call others still look",
			script: []string{"here anna", "here bert", "press v1", "accept 1", "offer bert c2", "left 1 hangup"},
			want:   []string{"close 1", "ended v1 hangup anna"},
		}, {
			name:    "a base relay: the first of the list",
			options: CallOptions{RingTo: []string{"anna", "bert"}},
			script:  []string{"solo", "press v1"},
			want:    []string{"began v1", "timer v1", "offer 1 anna v1"},
		}, {
			name:    "a base relay takes one call at a time",
			options: CallOptions{RingTo: []string{"anna"}},
			script:  []string{"solo", "offer anna c1", "offer bert c2"},
			want:    []string{"refuse bert busy"},
		}, {
			name:    "a base relay: the only one declines",
			options: CallOptions{RingTo: []string{"anna"}},
			script:  []string{"solo", "press v1", "left 1"},
			want:    []string{"close 1", "stop", "ended v1 declined"},
		}, {
			name:   "the door goes away",
			script: []string{"here anna", "press v1", "close"},
			want:   []string{"close 1 shutdown", "stop", "ended v1 shutdown"},
		}, {
			name:   "nothing happens after that",
			script: []string{"close", "here anna", "press v1"},
		}, {
			name:   "the loss of a peer that is gone changes nothing",
			script: []string{"offer anna c1", "left 1 hangup", "offer anna c2", "fail 1"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := script(t, NewCall(tt.options), tt.script...)
			if !slices.Equal(got, tt.want) {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}
