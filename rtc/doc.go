// Package rtc is the line between the door and the phones: it fans encoded
// media out to WebRTC peer connections and owns the call, from the press of the
// button to the last phone that hangs up.
//
// The call itself is a pure state machine ([Call]) that knows nothing of
// networks; [Door] is the one loop that feeds it and carries out what it says.
package rtc
