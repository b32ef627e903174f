package signaling

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

const maxNameRunes = 64

// ValidName gives a name as the relay keeps it, without space around it and in
// Unicode's normal form C, so that two keyboards write the same name alike. It
// is an error if that is not 1 to 64 printable characters.
func ValidName(s string) (string, error) {
	if len(s) > 64*maxNameRunes { // before any work is done on it
		return "", fmt.Errorf("name is too long: at most %d characters", maxNameRunes)
	}
	if !utf8.ValidString(s) {
		return "", errors.New("name is not valid UTF-8")
	}
	s = norm.NFC.String(strings.TrimSpace(s))
	if s == "" {
		return "", fmt.Errorf("name is empty: it takes 1 to %d characters", maxNameRunes)
	}
	if n := utf8.RuneCountInString(s); n > maxNameRunes {
		return "", fmt.Errorf("name has %d characters: at most %d", n, maxNameRunes)
	}
	for _, r := range s {
		if !printable(r) {
			return "", fmt.Errorf("name has a character that can't be printed: %U", r)
		}
	}
	return s, nil
}

// printable leaves out what shows nothing and so would let two names look the
// same, though Unicode counts it among the letters (the Hangul fillers), and the
// sign of text that was broken on the way.
func printable(r rune) bool {
	return unicode.IsPrint(r) && r != utf8.RuneError && !unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
}

// LikeName tells whether a person would take two names for the same: they differ
// in case or in the width of the letters only.
func LikeName(a, b string) bool {
	return strings.EqualFold(norm.NFKC.String(a), norm.NFKC.String(b))
}
