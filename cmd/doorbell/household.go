package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"doorbell/access"
	"doorbell/configs"
	"doorbell/signaling"
	"doorbell/store"
	"doorbell/web"
)

// household is who may come in, by the configuration and by what was decided since.
type household struct {
	// Fixed after newHousehold.
	config configs.Config
	door   bool // there is one in this process
	log    *slog.Logger
	keys   *access.Keyring // nil: everybody may, from the networks in open
	open   []netip.Prefix
}

// newHousehold reads who may come in. ended is told whose right is over.
func newHousehold(config configs.Config, door bool, log *slog.Logger, ended func(access.Phone)) (*household, error) {
	h := &household{config: config, door: door, log: log}
	if config.Access.Mode == configs.AccessOpen {
		h.open = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
		for _, network := range config.Access.OpenNetworks {
			prefix, err := netip.ParsePrefix(network)
			if err != nil {
				return nil, fmt.Errorf("access.open_networks: %w", err)
			}
			h.open = append(h.open, prefix)
		}
		return h, nil
	}
	var err error
	h.keys, err = access.Open(store.NewFile[access.State](filepath.Join(stateDir(config.StateDir), "access")), access.Options{
		Name:     signaling.ValidName,
		Reserved: h.reserved,
		Alike:    signaling.LikeName,
		Ended:    ended,
		Joined:   func(access.Phone) { h.removeClaimFile() },
		Logger:   log,
	})
	return h, err
}

// reserved tells whether a name is a door's.
func (h *household) reserved(name string) bool {
	if h.door && signaling.LikeName(h.config.Name, name) {
		return true
	}
	return slices.ContainsFunc(h.config.Relay.Doors, func(d configs.Door) bool { return signaling.LikeName(d.Name, name) })
}

// admits tells whether somebody at an address needs no key.
func (h *household) admits(address netip.Addr) bool {
	return slices.ContainsFunc(h.open, func(p netip.Prefix) bool { return p.Contains(address) })
}

// authorize is the policy of the own relay, and of the bridge to one elsewhere.
func (h *household) authorize(ctx context.Context, l signaling.Login) (signaling.Grant, error) {
	switch {
	case l.Local:
		return signaling.Grant{}, nil
	case l.Key != "" && h.knowsKey(l.Key):
		return h.authorizeKey(l)
	case l.Key != "" && l.Kind == signaling.KindDoor && (h.keys != nil || h.reserved(l.Name)):
		return signaling.Grant{}, &signaling.Refusal{Reason: signaling.ReasonDenied,
			Message: "this relay doesn't know the key of this door: list it there under relay.doors, {name: " + l.Name + ", key: " + l.Key + "}"}
	case h.reserved(l.Name):
		return signaling.Grant{}, &signaling.Refusal{Reason: signaling.ReasonReserved, Message: "that name is kept for the doorbell itself"}
	case h.keys == nil:
		return h.authorizeAnybody(ctx, l)
	}
	return h.authorizePhone(l)
}

func (h *household) knowsKey(key string) bool {
	return slices.ContainsFunc(h.config.Relay.Doors, func(d configs.Door) bool { return d.Key == key })
}

// authorizeKey lets in the doors that the configuration names, and by their word
// the phones of their house.
func (h *household) authorizeKey(l signaling.Login) (signaling.Grant, error) {
	for _, door := range h.config.Relay.Doors {
		switch {
		case door.Key != l.Key:
		case l.Kind == signaling.KindDoor && door.Name == l.Name:
			return signaling.Grant{Client: "door " + l.Key, House: door.House}, nil
		case l.Kind == signaling.KindPhone && !h.reserved(l.Name) && !h.hasPhone(door.House, l.Name):
			return signaling.Grant{Client: "phone of " + l.Key + " " + l.Name, House: door.House}, nil
		}
	}
	return signaling.Grant{}, &signaling.Refusal{Reason: signaling.ReasonReserved, Message: "that name is not this door's at this relay (relay.doors there)"}
}

// noHouse says what is wrong with a house that has no door: nil where it has one. The
// house without a name is that of the door here, or of a relay that names none.
func (h *household) noHouse(house string) error {
	var houses []string
	if h.door || len(h.config.Relay.Doors) == 0 {
		houses = append(houses, "")
	}
	for _, d := range h.config.Relay.Doors {
		houses = append(houses, d.House)
	}
	if slices.Contains(houses, house) {
		return nil
	}
	return fmt.Errorf("house %q has no door here: choose with --house one of %q (relay.doors)", house, houses)
}

func (h *household) hasPhone(house, name string) bool {
	return h.keys != nil && slices.ContainsFunc(h.keys.Phones(house), func(p access.Phone) bool { return signaling.LikeName(p.Name, name) })
}

func (h *household) authorizeAnybody(ctx context.Context, l signaling.Login) (signaling.Grant, error) {
	if remote, err := netip.ParseAddrPort(l.RemoteAddr); err != nil || !h.admits(remote.Addr().Unmap()) {
		return signaling.Grant{}, &signaling.Refusal{Reason: signaling.ReasonDenied, Message: "this network is not one that is let in"}
	}
	return signaling.Open()(ctx, l)
}

// authorizePhone lets in the phone whose session the socket has, under its own
// name.
func (h *household) authorizePhone(l signaling.Login) (signaling.Grant, error) {
	token := web.Token(l.Header, l.TLS)
	phone, known := h.keys.Identify(token)
	if !known || l.Kind != signaling.KindPhone || phone.Name != l.Name {
		return signaling.Grant{}, &signaling.Refusal{Reason: signaling.ReasonDenied, Message: "this is not a phone of the house, or not its name"}
	}
	return signaling.Grant{Client: clientOf(phone), House: phone.House, Still: func() bool {
		_, still := h.keys.Identify(token)
		return still
	}}, nil
}

// clientOf is how the relay knows a phone.
func clientOf(p access.Phone) string { return "phone " + p.ID }

// claim makes the invitation for the first phone, where there is none yet. Where
// the claim file has words of an earlier start, it is them.
func (h *household) claim() (words string, expires time.Time, err error) {
	if h.keys == nil || h.keys.Claimed() || h.noHouse("") != nil {
		return "", time.Time{}, nil
	}
	var made access.Invitation
	if words = h.readClaimFile(); words != "" {
		made, err = h.keys.InviteWith(words, access.RoleOwner, "", time.Time{})
	}
	if words == "" || err != nil {
		made, words, err = h.keys.Invite(access.RoleOwner, "", time.Time{})
	}
	return words, made.Expires, err
}

// readClaimFile returns the words of an earlier start: the last line.
func (h *household) readClaimFile() string {
	if h.config.Access.ClaimFile == "" {
		return ""
	}
	data, err := os.ReadFile(h.config.Access.ClaimFile)
	if err != nil {
		return "" // there is none yet
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

// writeClaimFile leaves the words where somebody with the card finds them.
func (h *household) writeClaimFile(page, words string) {
	path := h.config.Access.ClaimFile
	if path == "" || words == "" {
		return
	}
	text := fmt.Sprintf("The first phone that opens %s within %.0f minutes of the doorbell's start\nand gives these words becomes its owner's:\n\n%s\n",
		page, access.InvitationLife.Minutes(), words)
	if err := renameio.WriteFile(path, []byte(text), 0o600); err != nil {
		h.log.Error("the words for the first phone could not be written: doorbell invite shows them",
			"access.claim_file", path, "error", err, "hint", "under systemd, ReadWritePaths= lets the service write there")
	}
}

func (h *household) removeClaimFile() {
	path := h.config.Access.ClaimFile
	if path == "" {
		return
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		h.log.Warn("the words for the first phone are used, but their file can't be removed", "access.claim_file", path, "error", err)
	}
}
