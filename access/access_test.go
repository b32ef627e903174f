package access

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memory is a File that remembers, and fails when told to.
type memory struct {
	mu    sync.Mutex
	state State
	found bool
	err   error
	saves int
}

func (m *memory) Load() (State, bool, error) { return m.state, m.found, nil }

func (m *memory) Save(s State) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return m.err
	}
	m.state, m.found = s, true
	m.saves++
	return nil
}

// open makes a keyring of a house.
func open(t *testing.T, file File, o Options) *Keyring {
	t.Helper()
	o.Logger = slog.New(slog.DiscardHandler)
	if o.Name == nil {
		o.Name = func(name string) (string, error) {
			if name = strings.TrimSpace(name); name == "" {
				return "", errors.New("empty")
			}
			return name, nil
		}
	}
	o.Alike = strings.EqualFold
	o.Reserved = func(name string) bool { return strings.EqualFold(name, "doorbell") }
	k, err := Open(file, o)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// invited makes an invitation.
func invited(t *testing.T, k *Keyring, role Role, until time.Time) string {
	t.Helper()
	_, words, err := k.Invite(role, "", until)
	if err != nil {
		t.Fatal(err)
	}
	return words
}

// joined lets a phone in.
func joined(t *testing.T, k *Keyring, role Role, name string) (Phone, string) {
	t.Helper()
	until := time.Time{}
	if role == RoleGuest {
		until = time.Now().Add(time.Hour)
	}
	phone, token, err := k.Join(invited(t, k, role, until), name, "192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	return phone, token
}

// sometime lets a bubble's clock, which begins in 2000, go on to a day that can be.
func sometime() { time.Sleep(time.Until(earliest.AddDate(0, 6, 0))) }

// wants checks the code of an error.
func wants(t *testing.T, what string, err error, code string) {
	t.Helper()
	if codeOf(err) != code {
		t.Errorf("%s: %v, want %s", what, err, code)
	}
}

func TestJoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := &memory{}
		k := open(t, file, Options{})
		if k.Claimed() {
			t.Error("claimed before anybody came")
		}
		words := invited(t, k, RoleOwner, time.Time{})
		if n := strings.Count(words, "-"); n < secretWords-1 {
			t.Errorf("words: %q", words)
		}
		typed := strings.ToUpper(strings.ReplaceAll(words, "-", " ")) + "."
		anna, token, err := k.Join(typed, " Anna ", "192.0.2.1")
		if err != nil || anna.Name != "Anna" || anna.Role != RoleOwner || !k.Claimed() {
			t.Fatalf("%+v, %v", anna, err)
		}
		_, _, err = k.Join(words, "Bert", "192.0.2.1")
		wants(t, "used twice", err, CodeWrongSecret)
		if got, ok := k.Identify(token); !ok || got.ID != anna.ID {
			t.Errorf("identified %+v, %t", got, ok)
		}
		for _, wrong := range []string{"", token + "x", strings.ToLower(token), anna.ID, hash(token)} {
			if _, ok := k.Identify(wrong); ok {
				t.Errorf("let in with %q", wrong)
			}
		}
		if saved := fmt.Sprintf("%+v", file.state); strings.Contains(saved, token) || strings.Contains(saved, words) {
			t.Error("a secret is saved as it is")
		}

		second := invited(t, k, RoleMember, time.Time{})
		for name, code := range map[string]string{"ANNA": CodeNameTaken, "Doorbell": CodeNameReserved, "  ": CodeNameInvalid} {
			_, _, err := k.Join(second, name, "192.0.2.1")
			wants(t, name, err, code)
		}
		if _, _, err := k.Join(second, "Bert", "192.0.2.1"); err != nil {
			t.Errorf("the invitation was used up by names that could not be: %v", err)
		}

		again := open(t, file, Options{})
		if got, ok := again.Identify(token); !ok || got.Name != "Anna" {
			t.Errorf("after a restart: %+v, %t", got, ok)
		}
	})
}

func TestInvitationExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := &memory{}
		k := open(t, file, Options{})
		stop := running(t, k)
		joined(t, k, RoleOwner, "Anna")
		words, late := invited(t, k, RoleMember, time.Time{}), invited(t, k, RoleMember, time.Time{})
		time.Sleep(InvitationLife - time.Second)
		if _, _, err := open(t, file, Options{}).Join(words, "Carl", "192.0.2.1"); err != nil {
			t.Errorf("an invitation did not survive a restart: %v", err)
		}
		if _, _, err := k.Join(words, "Bert", "192.0.2.1"); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		_, _, err := k.Join(late, "Dora", "192.0.2.1")
		wants(t, "after 15 minutes", err, CodeWrongSecret)
		time.Sleep(watchStep)
		synctest.Wait()
		if left := file.state.Invitations; len(left) != 0 {
			t.Errorf("still kept: %+v", left)
		}
		stop()
		_, _, err = open(t, file, Options{}).Join(late, "Dora", "192.0.2.1")
		wants(t, "after 15 minutes and a restart", err, CodeWrongSecret)
	})
}

// running runs a keyring.
func running(t *testing.T, k *Keyring) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- k.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func TestClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := open(t, &memory{}, Options{})
		first := invited(t, k, RoleOwner, time.Time{})
		second := invited(t, k, RoleOwner, time.Time{})
		_, _, err := k.Join(first, "Anna", "192.0.2.1")
		wants(t, "an older claim", err, CodeWrongSecret)
		// One address is stopped before it can end the claim for the owner.
		for range 10 {
			_, _, err = k.Join("not-these-four-words", "Eve", "192.0.2.9")
		}
		wants(t, "the tenth guess", err, CodeTooManyTries)
		var e *Error
		if errors.As(err, &e); e.RetryAfter <= 0 || e.RetryAfter > tryAgain {
			t.Errorf("retry after %v", e.RetryAfter)
		}
		_, _, err = k.Join(second, "Eve", "192.0.2.9")
		wants(t, "the right words from there", err, CodeTooManyTries)
		third := invited(t, k, RoleOwner, time.Time{})
		if _, _, err := k.Join(third, "Anna", "192.0.2.1"); err != nil {
			t.Fatalf("the owner, meanwhile: %v", err)
		}

		other := open(t, &memory{}, Options{})
		words := invited(t, other, RoleOwner, time.Time{})
		for n := range triesToClaim {
			_, _, err := other.Join("not these", "Eve", fmt.Sprintf("192.0.2.%d", n))
			wants(t, "a guess", err, CodeWrongSecret)
		}
		_, _, err = other.Join(words, "Anna", "192.0.2.77")
		wants(t, "after five guesses from everywhere", err, CodeWrongSecret)
		fresh := invited(t, other, RoleOwner, time.Time{})
		if _, _, err := other.Join(fresh, "Anna", "192.0.2.78"); err != nil {
			t.Errorf("a new claim from the appliance: %v", err)
		}
	})
}

// TestGuessers checks that what is remembered about guessers is bounded, and that
// they don't keep others out for long.
func TestGuessers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := open(t, &memory{}, Options{})
		joined(t, k, RoleOwner, "Anna")
		for n := range 3 * maxAddresses {
			_, _, _ = k.Join("wrong", "Eve", fmt.Sprintf("2001:db8:%x::/64", n))
			time.Sleep(time.Second) // or all together are too many
		}
		if n := len(k.tries.each.addresses); n > maxAddresses {
			t.Errorf("remembers %d addresses", n)
		}
		for range 4 * triesAtAll {
			_, _, _ = k.Join("wrong", "Eve", fmt.Sprintf("2001:db8:%x::/64", time.Now().UnixNano()))
			time.Sleep(time.Millisecond)
		}
		words := invited(t, k, RoleMember, time.Time{})
		time.Sleep(2 * time.Second)
		if _, _, err := k.Join(words, "Bert", "192.0.2.5"); err != nil {
			t.Errorf("two seconds after a flood of guesses: %v", err)
		}
	})
}

func TestRevoke(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ended []string
		file := &memory{}
		k := open(t, file, Options{Ended: func(p Phone) { ended = append(ended, p.Name) }})
		anna, _ := joined(t, k, RoleOwner, "Anna")
		bert, token := joined(t, k, RoleMember, "Bert")
		wants(t, "the only owner", k.Revoke("", anna.ID, false), CodeLastOwner)
		wants(t, "nobody", k.Revoke("", "x", false), CodeNotFound)
		wants(t, "a phone of another house", k.Revoke("elsewhere", bert.ID, false), CodeNotFound)
		if len(ended) != 0 {
			t.Errorf("ended: %v", ended)
		}
		file.err = errors.New("card is worn out")
		wants(t, "unsaved", k.Revoke("", bert.ID, false), CodeNotSaved)
		if _, ok := k.Identify(token); ok || len(ended) != 1 {
			t.Error("a card that can't be written keeps a phone in")
		}
		_, _, err := k.Invite(RoleMember, "", time.Time{})
		wants(t, "an invitation that can't be saved", err, CodeNotSaved)
		file.err = nil
		if err := k.Revoke("", anna.ID, true); err != nil || k.Claimed() {
			t.Errorf("by force: %v, claimed %t", err, k.Claimed())
		}
	})
}

func TestGuest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ended []Phone
		_, _, err := open(t, &memory{}, Options{}).Invite(RoleGuest, "", time.Now().Add(time.Hour))
		wants(t, "a guest while the clock is wrong", err, CodeBadRequest)
		sometime()
		k := open(t, &memory{}, Options{Ended: func(p Phone) { ended = append(ended, p) }})
		running(t, k)
		joined(t, k, RoleOwner, "Anna")
		_, token := joined(t, k, RoleGuest, "Carl")
		time.Sleep(time.Hour - time.Second)
		if _, ok := k.Identify(token); !ok {
			t.Error("the guest's hour is not over")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if _, ok := k.Identify(token); ok || len(ended) != 1 || ended[0].Name != "Carl" {
			t.Errorf("ended %v", ended)
		}
		for _, until := range []time.Time{{}, time.Now(), time.Now().Add(2 * maxGuest)} {
			_, _, err := k.Invite(RoleGuest, "", until)
			wants(t, until.String(), err, CodeBadRequest)
		}
		_, _, err = k.Invite(RoleMember, "", time.Now().Add(time.Hour))
		wants(t, "a member with a date", err, CodeBadRequest)
		_, _, err = k.Invite("king", "", time.Time{})
		wants(t, "no role", err, CodeBadRequest)
	})
}

// TestClock starts with a clock that stands before what is known.
func TestClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sometime()
		file := &memory{}
		k := open(t, file, Options{})
		joined(t, k, RoleOwner, "Anna")
		_, guest := joined(t, k, RoleGuest, "Carl")
		// What was saved is from two hours later than the clock says.
		file.state.Newest = time.Now().Add(2 * time.Hour)
		again := open(t, file, Options{})
		if _, ok := again.Identify(guest); ok {
			t.Error("a guest came back with a clock that was set back")
		}
		words := invited(t, again, RoleMember, time.Time{})
		if _, _, err := again.Join(words, "Dora", "192.0.2.1"); err != nil {
			t.Errorf("with a wrong clock: %v", err)
		}
	})
}

func TestSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := &memory{}
		k := open(t, file, Options{})
		stop := running(t, k)
		_, token := joined(t, k, RoleOwner, "Anna")
		before := file.saves
		for range 59 {
			time.Sleep(time.Minute)
			k.Identify(token)
		}
		if file.saves != before {
			t.Errorf("the card was written %d times in an hour", file.saves-before)
		}
		if seen := k.Phones("")[0].Seen; time.Since(seen) > time.Second {
			t.Errorf("seen %v", seen)
		}
		stop()
		if seen := open(t, file, Options{}).Phones("")[0].Seen; time.Since(seen) > time.Second {
			t.Errorf("after a restart: seen %v", seen)
		}
	})
}

func TestAdmit(t *testing.T) {
	k := open(t, &memory{}, Options{})
	for n, want := range []string{"Anna", "Anna 2", "Anna 3"} {
		phone, token, err := k.Admit("https://issuer.example.org 42", "Anna", RoleMember)
		if err != nil || phone.Name != want {
			t.Fatalf("%d: %+v, %v", n, phone, err)
		}
		if got, ok := k.Identify(token); !ok || got.Subject == "" {
			t.Errorf("%+v, %t", got, ok)
		}
	}
	words := invited(t, k, RoleOwner, time.Time{})
	if _, _, err := k.Admit("https://issuer.example.org 1", "Owner", RoleOwner); err != nil {
		t.Fatal(err)
	}
	_, _, err := k.Join(words, "Eve", "192.0.2.1")
	wants(t, "the claim of a door that has an owner meanwhile", err, CodeWrongSecret)
	long := strings.Repeat("n", 70)
	if got := numbered(long, 12); len(got) > 64 || !strings.HasSuffix(got, " 12") {
		t.Errorf("%q", got)
	}
}

func TestHouses(t *testing.T) {
	k := open(t, &memory{}, Options{})
	for _, house := range []string{"north", "south"} {
		_, words, err := k.Invite(RoleOwner, house, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		if phone, _, err := k.Join(words, "Anna", "192.0.2.1"); err != nil || phone.House != house {
			t.Fatalf("%+v, %v", phone, err)
		}
	}
	if n := len(k.Phones("north")); n != 1 {
		t.Errorf("in the north: %d", n)
	}
	if got := k.Houses(); len(got) != 2 {
		t.Errorf("houses: %v", got)
	}
}

func FuzzSecret(f *testing.F) {
	f.Add("correct-horse-battery-staple", "Correct Horse, battery STAPLE")
	f.Fuzz(func(t *testing.T, words, typed string) {
		k := open(t, &memory{}, Options{})
		real := invited(t, k, RoleOwner, time.Time{})
		if _, token, err := k.Join(typed, words, "192.0.2.1"); err == nil && plain(typed) != plain(real) {
			t.Fatalf("%q was taken for %q (%s)", typed, real, token)
		}
		if plain(plain(words)) != plain(words) {
			t.Errorf("%q", words)
		}
	})
}

func FuzzToken(f *testing.F) {
	k, err := Open(&memory{}, Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		f.Fatal(err)
	}
	_, words, err := k.Invite(RoleOwner, "", time.Time{})
	if err != nil {
		f.Fatal(err)
	}
	_, token, err := k.Join(words, "Anna", "192.0.2.1")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(token[1:])
	f.Fuzz(func(t *testing.T, typed string) {
		if _, ok := k.Identify(typed); ok != (typed == token) {
			t.Fatalf("%q: %t", typed, ok)
		}
	})
}
