package signaling

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
)

// testKey is a device key that is the same in every run.
func testKey(n byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, ed25519.SeedSize))
}

func publicOf(key ed25519.PrivateKey) string { return KeyText(key.Public().(ed25519.PublicKey)) }

// doors is a policy under which each name belongs to one key; the house is the name's.
func doors(keys map[string]ed25519.PrivateKey) Authorize {
	return func(_ context.Context, l Login) (Grant, error) {
		key, ok := keys[l.Name]
		if !ok || l.Key != publicOf(key) {
			return Grant{}, &Refusal{Reason: ReasonDenied}
		}
		return Grant{Client: l.Key + l.Name}, nil
	}
}

func TestDeviceKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newPipes()
		key := testKey(1)
		startRelay(t, n, RelayOptions{Authorize: doors(map[string]ed25519.PrivateKey{"doorbell": key})})
		run := func(k ed25519.PrivateKey) (*recorder, func() error) {
			c, err := NewClient(ClientOptions{URL: n.url, Name: "doorbell", Key: k, Kind: KindDoor, Dial: n.dial, Logger: quiet()})
			if err != nil {
				t.Fatal(err)
			}
			h := newRecorder(t)
			return h, background(t, func(ctx context.Context) error { return c.Run(ctx, h) })
		}
		thief, stop := run(testKey(2))
		if m := thief.next(); *m.Success || m.Reason != ReasonDenied {
			t.Errorf("another key: %+v", m)
		}
		_ = stop()
		door, _ := run(key)
		door.up()
		newer, _ := run(key) // the same door after its network broke
		newer.up()
		if err := door.down(); err == nil || !strings.Contains(err.Error(), "newer") {
			t.Errorf("the older connection ended with %v", err)
		}
	})
}

// TestSignatures tries everything that is not the signature of this log-in.
func TestSignatures(t *testing.T) {
	key := testKey(1)
	in(t, RelayOptions{Authorize: doors(map[string]ed25519.PrivateKey{"doorbell": key})}, func(t *testing.T, n *network, _ *Relay) {
		host := strings.TrimPrefix(n.url, "ws://")
		host, _, _ = strings.Cut(host, "/")
		p := connect(t, n)
		nonce := func() string {
			p.send(fmt.Sprintf(`{"type":"login","name":"doorbell","kind":"door","key":%q}`, publicOf(key)))
			var m Message
			if err := json.Unmarshal([]byte(p.next()), &m); err != nil || m.Type != TypeChallenge || len(m.Nonce) < 20 {
				t.Fatalf("challenge: %+v, %v", m, err)
			}
			return m.Nonce
		}
		login := func(signature string) Message {
			return p.login("doorbell", fmt.Sprintf(`,"kind":"door","key":%q,"signature":%q`, publicOf(key), signature))
		}
		used := nonce()
		for what, signature := range map[string]string{
			"nothing":       "",
			"no base64":     "%%%",
			"other relay":   sign(key, "relay.example.org", nonce(), KindDoor, "doorbell"),
			"other nonce":   sign(key, host, used, KindDoor, "doorbell"),
			"other kind":    sign(key, host, nonce(), KindPhone, "doorbell"),
			"other name":    sign(key, host, nonce(), KindDoor, "backdoor"),
			"other key":     sign(testKey(2), host, nonce(), KindDoor, "doorbell"),
			"words shifted": sign(key, host, nonce(), KindDoor+"\n", "doorbell"),
		} {
			if signature == "" {
				continue // that is how a challenge is asked for
			}
			if m := login(signature); *m.Success || m.Reason != ReasonDenied {
				t.Errorf("%s: %+v", what, m)
			}
		}
		right := sign(key, host, nonce(), KindDoor, "doorbell")
		_ = login("AAAA") // a nonce is good once
		if m := login(right); *m.Success {
			t.Error("a nonce was good twice")
		}
		if m := login(sign(key, host, nonce(), KindDoor, "doorbell")); !*m.Success {
			t.Errorf("the right signature: %+v", m)
		}
	})
}

func TestHouses(t *testing.T) {
	policy := func(_ context.Context, l Login) (Grant, error) {
		house, name, _ := strings.Cut(l.Credential, "/")
		return Grant{House: house, Client: name}, nil
	}
	in(t, RelayOptions{Authorize: policy}, func(t *testing.T, n *network, r *Relay) {
		anna := join(t, n, "anna", `,"credential":"north/1","presence":true`)
		other := join(t, n, "anna", `,"credential":"south/1","presence":true`) // the same name and client, elsewhere
		door := join(t, n, "doorbell", `,"credential":"south/2","kind":"door"`)
		other.expect(`{"type":"presence","name":"doorbell","kind":"door","present":true}`)
		anna.nothing()
		anna.send(`{"type":"offer","name":"doorbell","offer":{},"call":"1"}`)
		if m := anna.expectError(CodeNotFound, TypeOffer); m.Name != "doorbell" {
			t.Errorf("%+v", m)
		}
		door.nothing()
		if here := r.Here("north"); len(here) != 1 {
			t.Errorf("in the north: %v", here)
		}
		r.Expel("south", "1", "anna")
		other.closed(CloseRevoked)
		anna.nothing()
	})
}

func TestExpel(t *testing.T) {
	in(t, RelayOptions{}, func(t *testing.T, n *network, r *Relay) {
		anna, bert := join(t, n, "anna", `,"credential":"a"`), join(t, n, "bert", "")
		door := join(t, n, "front", `,"kind":"door"`)
		offer(anna, "anna", bert, "bert", "1")
		offer(anna, "anna", door, "front", "2")
		r.Expel("", "credential of another", "anna")
		door.expect(`{"type":"leave","name":"anna","reason":"revoked"}`) // whoever has the name now: a door ends what it has with it
		bert.nothing()
		anna.send(`{"type":"leave","name":"front","call":"2"}`)
		door.expect(`{"type":"leave","name":"anna","call":"2"}`)

		r.Expel("", "credential a", "anna")
		anna.expect(`{"type":"leave","name":"bert","call":"1","reason":"revoked"}`)
		anna.closed(CloseRevoked)
		bert.expect(`{"type":"leave","name":"anna","call":"1","reason":"revoked"}`)
		door.expect(`{"type":"leave","name":"anna","reason":"revoked"}`)
		door.nothing()
	})
}

// TestGrantEndsMeanwhile has a right end between the policy's word and the log-in.
func TestGrantEndsMeanwhile(t *testing.T) {
	policy := func(context.Context, Login) (Grant, error) { return Grant{Still: func() bool { return false }}, nil }
	in(t, RelayOptions{Authorize: policy}, func(t *testing.T, n *network, r *Relay) {
		if m := connect(t, n).login("anna", ""); *m.Success || m.Reason != ReasonDenied {
			t.Errorf("%+v", m)
		}
		if here := r.Here(""); len(here) != 0 {
			t.Errorf("here: %v", here)
		}
	})
}

// TestBridgeVouches has a relay elsewhere take a door's word for its phones.
func TestBridgeVouches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := newPipes(), newPipes()
		key := testKey(3)
		startRelay(t, far, RelayOptions{Authorize: func(_ context.Context, l Login) (Grant, error) {
			if l.Key != publicOf(key) || l.Kind != KindPhone {
				return Grant{}, &Refusal{Reason: ReasonDenied}
			}
			return Grant{Client: l.Key + " " + l.Name}, nil
		}})
		b, err := NewBridge(far.url, BridgeOptions{
			Key: key, Dial: far.dial, Logger: quiet(),
			Authorize: func(_ context.Context, l Login) (Grant, error) {
				if l.Credential != "ours" {
					return Grant{}, &Refusal{Reason: ReasonDenied, Message: "not ours"}
				}
				return Grant{Client: l.Name}, nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		near.serve(t, b)
		background(t, b.Run)
		p := connect(t, near)
		if m := p.login("anna", ""); *m.Success || m.Message != "not ours" {
			t.Errorf("a stranger at the bridge: %+v", m)
		}
		for _, trick := range []string{
			`{"Type":"login","name":"anna","key":"` + publicOf(key) + `"}`, `{"type":"login","name":7}`, `{"type":"login"}`,
		} {
			p.send(trick)
		}
		if m := p.login("anna", `,"credential":"ours","kind":"door","key":"AAAA","signature":"AAAA"`); !*m.Success {
			t.Fatalf("a phone of the house: %+v", m)
		}
		if m := connect(t, far).login("bert", ""); *m.Success {
			t.Error("the relay elsewhere let in somebody without the key")
		}
		b.Expel("bert")
		p.nothing()
		b.Expel("anna")
		p.closed(CloseRevoked)
	})
}

func TestValidKey(t *testing.T) {
	for text, want := range map[string]bool{
		publicOf(testKey(1)): true, "": false, "AAAA": false, publicOf(testKey(1)) + "=": false, strings.Repeat("A", 42) + "B": false,
	} {
		if ValidKey(text) != want {
			t.Errorf("%q: %t", text, !want)
		}
	}
}
