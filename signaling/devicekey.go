package signaling

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"strings"
)

// KeyText writes the public half of a device key (Ed25519, RFC 8032) as it stands
// in messages and configurations: 43 characters of base64url (RFC 4648, section 5)
// without padding.
func KeyText(key ed25519.PublicKey) string { return base64.RawURLEncoding.EncodeToString(key) }

// parseKey reads what KeyText wrote; it is nil for anything else.
func parseKey(text string) ed25519.PublicKey {
	key, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(key) != ed25519.PublicKeySize {
		return nil
	}
	return key
}

// ValidKey tells whether text is a key as KeyText writes it.
func ValidKey(text string) bool { return parseKey(text) != nil }

// sign proves to the relay that is reached as host that this client holds the key,
// and wants to log in under name.
func sign(key ed25519.PrivateKey, host, nonce, kind, name string) string {
	return base64.RawURLEncoding.EncodeToString(ed25519.Sign(key, signed(host, nonce, kind, name)))
}

// signed is what a log-in's signature is over. The host keeps one relay from
// logging in at another with what it was given; none of the parts can have a line
// feed.
func signed(host, nonce, kind, name string) []byte {
	return []byte(strings.Join([]string{"doorbell login 1", strings.ToLower(host), nonce, kind, name}, "\n"))
}

// challenge sends a nonce, good for one login of this connection.
func (p *party) challenge() {
	p.nonce = rand.Text()
	p.reply(Message{Type: TypeChallenge, Nonce: p.nonce})
}

// prove checks the signature of a login, and returns the key that it proves; it is
// empty where the login has none.
func (p *party) prove(m Message, kind string) (key string, err error) {
	nonce := p.nonce
	p.nonce = ""
	if m.Key == "" {
		return "", nil
	}
	public := parseKey(m.Key)
	signature, err := base64.RawURLEncoding.DecodeString(m.Signature)
	if public == nil || err != nil || nonce == "" || !ed25519.Verify(public, signed(p.login.host, nonce, kind, m.Name), signature) {
		return "", &Refusal{Reason: ReasonDenied, Message: "the device key's signature is not right for this relay and log-in"}
	}
	return m.Key, nil
}
