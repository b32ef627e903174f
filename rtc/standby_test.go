package rtc

import (
	"slices"
	"testing"
)

func TestStandby(t *testing.T) {
	ready := []string{"here anna", "offer anna s1 standby", "up 1"}
	tests := []struct {
		name    string
		options CallOptions
		script  []string // after ready
		want    []string // commands of the last event
	}{
		{
			name:   "a press rings through it, without an offer",
			script: []string{"press v1"},
			want:   []string{"began v1", "timer v1", "show 1", "press 1 ring=true"},
		}, {
			name:   "beside one that has none",
			script: []string{"here bert", "press v1"},
			want:   []string{"began v1", "timer v1", "show 1", "press 1 ring=true", "offer 2 bert v1"},
		}, {
			name:   "a person accepts",
			script: []string{"press v1", "accept 1"},
			want:   []string{"talk 1", "stop"},
		}, {
			name:   "a person declines",
			script: []string{"press v1", "left 1 declined"},
			want:   []string{"close 1", "stop", "ended v1 declined"},
		}, {
			name:   "nobody accepts",
			script: []string{"press v1", "timeout v1"},
			want:   []string{"close 1 missed", "stop", "ended v1 missed"},
		}, {
			name:   "the phone looks through it",
			script: []string{"again anna s1"},
			want:   []string{"show 1", "renegotiate 1", "talk 1"},
		}, {
			name:   "a look that crosses a press is a ring",
			script: []string{"press v1", "again anna s1"},
			want:   []string{"renegotiate 1"},
		}, {
			name:   "a phone that looks while it rings elsewhere rings too",
			script: []string{"here bert", "press v1", "left 1 gone", "offer anna s2 standby", "up 3", "again anna s2"},
			want:   []string{"show 3", "renegotiate 3", "talk 3", "press 3 ring=true"},
		}, {
			name:   "one that does not stand yet is left for an ordinary ring",
			script: []string{"still 1", "press v1"},
			want:   []string{"began v1", "timer v1", "close 1", "offer 2 anna v1"},
		}, {
			name:   "one that stands again is as good as ever",
			script: []string{"still 1", "up 1", "press v1"},
			want:   []string{"began v1", "timer v1", "show 1", "press 1 ring=true"},
		}, {
			name:   "a phone that was just getting busy is rung as a busy one",
			script: []string{"press v1", "left 1 busy"},
			want:   []string{"close 1", "offer 2 anna v1"},
		}, {
			name:   "a press in a call is no matter of it",
			script: []string{"here bert", "offer bert c1", "press v1", "left 1 busy", "left 3", "offer anna s2 standby", "up 4", "accept 2", "press v2"},
			want:   []string{"press 2 ring=false"},
		}, {
			name:   "its phone goes",
			script: []string{"gone anna"},
			want:   []string{"close 1"},
		}, {
			name:   "its phone's page is closed",
			script: []string{"away 1"},
			want:   []string{"close 1"},
		}, {
			name:   "it is lost",
			script: []string{"fail 1"},
			want:   []string{"close 1 failed"},
		}, {
			name:   "a page that was loaded anew has a new one",
			script: []string{"offer anna s2 standby"},
			want:   []string{"close 1", "answer 2 anna s2 standby=true"},
		}, {
			name:   "its phone calls by another connection",
			script: []string{"offer anna c1"},
			want:   []string{"close 1", "answer 2 anna c1", "talk 2"},
		}, {
			name:   "none beside a call",
			script: []string{"again anna s1", "offer anna s2 standby"},
			want:   []string{"refuse anna busy"},
		}, {
			name:    "it takes nobody's place",
			options: CallOptions{MaxPeers: 1},
			script:  []string{"offer bert c1"},
			want:    []string{"answer 2 bert c1", "talk 2"},
		}, {
			name:    "there are no more of them than of calls",
			options: CallOptions{MaxPeers: 1},
			script:  []string{"offer bert s2 standby"},
			want:    []string{"refuse bert busy"},
		}, {
			name:    "all places are taken when it is to ring",
			options: CallOptions{MaxPeers: 1},
			script:  []string{"here bert", "offer bert c1", "press v1"},
			want:    []string{"began v1", "timer v1", "press 2 ring=true"},
		}, {
			name:    "all places are taken when its phone looks",
			options: CallOptions{MaxPeers: 1},
			script:  []string{"offer bert c1", "again anna s1"},
			want:    []string{"close 1 busy"},
		}, {
			name:   "the appliance hangs up the calls alone",
			script: []string{"hangup"},
		}, {
			name:   "the door goes away",
			script: []string{"close"},
			want:   []string{"close 1 shutdown"},
		}, {
			name:   "a base relay takes one connection at a time",
			script: []string{"solo", "offer bert s2 standby"},
			want:   []string{"refuse bert declined"},
		}, {
			name:    "the owner wants none",
			options: CallOptions{NoStandby: true},
			script:  []string{"offer anna s2 standby"},
			want:    []string{"refuse anna declined"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := script(t, NewCall(tt.options), append(slices.Clone(ready), tt.script...)...)
			if !slices.Equal(got, tt.want) {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

func TestStandbyNeedsNoDevice(t *testing.T) {
	c := NewCall(CallOptions{})
	script(t, c, "here anna", "offer anna s1 standby", "up 1")
	if c.Busy() {
		t.Error("the camera is open for a phone that only stands by")
	}
	script(t, c, "again anna s1")
	if !c.Busy() {
		t.Error("the camera stays closed for a phone that looks")
	}
}
