package rtc

import (
	"fmt"
	"strings"
	"time"
)

// soundWishes writes into a description how the door wants to be sent sound (RFC 7587
// section 7): with copies against loss, nothing while nobody speaks, and in packets of
// that length where it isn't 0. pion answers with the phone's own wishes, which are
// about the other direction.
func soundWishes(description string, packet time.Duration) string {
	var out strings.Builder
	sound, opus := false, ""
	for line := range strings.SplitAfterSeq(description, "\n") {
		text := strings.TrimRight(line, "\r\n")
		if strings.HasPrefix(text, "m=") {
			sound, opus = strings.HasPrefix(text, "m=audio "), ""
		}
		if number, codec, found := strings.Cut(strings.TrimPrefix(text, "a=rtpmap:"), " "); sound && found && strings.HasPrefix(strings.ToLower(codec), "opus/") {
			opus = number
		}
		parameters, found := strings.CutPrefix(text, "a=fmtp:"+opus+" ")
		switch {
		case !sound || opus == "":
			out.WriteString(line)
		case strings.HasPrefix(text, "a=ptime:") && packet != 0:
		case found:
			fmt.Fprintf(&out, "a=fmtp:%s %s\r\n", opus, withParameters(parameters, "minptime=10", "useinbandfec=1", "usedtx=1"))
			if packet != 0 {
				fmt.Fprintf(&out, "a=ptime:%d\r\n", packet.Milliseconds())
			}
		default:
			out.WriteString(line)
		}
	}
	return out.String()
}

// withParameters sets parameters of a list such as "minptime=10;stereo=1".
func withParameters(list string, set ...string) string {
	var out []string
	for part := range strings.SplitSeq(list, ";") {
		name, _, _ := strings.Cut(strings.TrimSpace(part), "=")
		known := name == ""
		for _, s := range set {
			known = known || strings.HasPrefix(s, name+"=")
		}
		if !known {
			out = append(out, strings.TrimSpace(part))
		}
	}
	return strings.Join(append(out, set...), ";")
}
