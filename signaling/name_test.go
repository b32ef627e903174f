package signaling

import (
	"strings"
	"testing"
)

func TestValidName(t *testing.T) {
	tests := []struct{ in, want string }{
		{"anna", "anna"},
		{"  anna \t", "anna"},
		{"\u00a0anna\u2003", "anna"},
		{"Anna Müller", "Anna Müller"},
		{"Anna Mu\u0308ller", "Anna M\u00fcller"}, // a key for the dots of its own
		{"门铃", "门铃"},
		{"❤\ufe0f", "❤\ufe0f"},
		{"__proto__", "__proto__"}, // a name like any other
		{strings.Repeat("ü", 64), strings.Repeat("ü", 64)},
		{strings.Repeat("u\u0308", 64), strings.Repeat("ü", 64)},
	}
	for _, tt := range tests {
		if got, err := ValidName(tt.in); got != tt.want || err != nil {
			t.Errorf("ValidName(%q) = %q, %v, want %q", tt.in, got, err, tt.want)
		}
		if again, err := ValidName(tt.want); again != tt.want || err != nil {
			t.Errorf("ValidName(%q) = %q, %v: not stable", tt.want, again, err)
		}
	}
	for _, in := range []string{
		"", "   ", strings.Repeat("x", 65), strings.Repeat("x", 1<<20), "a\nb", "a\x00", "a\u200bb", "a\u202eb", "a\u00a0b",
		"doorbell\u3164", "\u3164", "a\xff", "a\ufffd", "\ufeffa", "a\u034fb",
	} {
		if got, err := ValidName(in); err == nil {
			t.Errorf("ValidName(%.20q) = %q, want an error", in, got)
		}
	}
}

func TestLikeName(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		like bool
	}{
		{"doorbell", "doorbell", true},
		{"doorbell", "DoorBell", true},
		{"doorbell", "ｄｏｏｒｂｅｌｌ", true},
		{"doorbell", "doorbell2", false},
	} {
		if LikeName(tt.a, tt.b) != tt.like {
			t.Errorf("LikeName(%q, %q) = %v", tt.a, tt.b, !tt.like)
		}
	}
}
