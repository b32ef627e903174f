package access

import (
	"crypto/rand"
	"fmt"
	"strings"

	"github.com/sethvargo/go-diceware/diceware"
)

// secretWords is how many words of the EFF's large list make an invitation's
// secret: each has log2(7776) = 12.9 bits, four have 51.7.
const secretWords = 4

// minWord is how many letters the shortest word of that list has.
const minWord = 3

// newSecret makes the words of an invitation, a hyphen between them. Words of the
// list may have hyphens themselves; plain takes all of them away.
func newSecret() (string, error) {
	words, err := diceware.Generate(secretWords)
	if err != nil {
		return "", fmt.Errorf("choosing an invitation's words: %w", err)
	}
	return strings.Join(words, "-"), nil
}

// maxSecret bounds what is taken for a secret, in bytes: four of the longest
// words have 36.
const maxSecret = 200

// plain is a secret as it is compared: people type spaces, capitals and commas.
// It is empty where nothing is left.
func plain(typed string) string {
	if len(typed) > maxSecret {
		return ""
	}
	return strings.Map(func(c rune) rune {
		switch {
		case 'A' <= c && c <= 'Z':
			return c - 'A' + 'a'
		case 'a' <= c && c <= 'z':
			return c
		}
		return -1
	}, typed)
}

// newToken makes a session's secret, 26 letters and digits with 130 random bits.
func newToken() string { return rand.Text() }
