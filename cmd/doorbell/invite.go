package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/mdp/qrterminal/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"doorbell/access"
)

// invited is an invitation as the console shows it.
type invited struct {
	Role    access.Role `json:"role"`
	Words   string      `json:"words"`
	Link    string      `json:"link"`
	Page    string      `json:"page"`
	Expires time.Time   `json:"expires"`
	// Fingerprint is that of the door's own authority; empty where every phone
	// trusts its certificate.
	Fingerprint string `json:"fingerprint,omitempty"`
}

// show prints an invitation, with the QR code where somebody can see it, at once:
// no line of a log gets in between.
func (i invited) show(out io.Writer) {
	w := &bytes.Buffer{}
	defer func() { _, _ = out.Write(w.Bytes()) }()
	who := "The phone"
	if i.Role == access.RoleOwner {
		who = "The phone becomes an owner's. It"
	}
	_, _ = fmt.Fprintf(w, "\n  %s joins by scanning this, within %.0f minutes:\n\n", who, access.InvitationLife.Minutes())
	if isTerminal(out) {
		qrterminal.GenerateWithConfig(i.Link, qrterminal.Config{
			Level: qrterminal.M, Writer: w, HalfBlocks: true, QuietZone: 2,
			BlackChar: qrterminal.BLACK_BLACK, WhiteChar: qrterminal.WHITE_WHITE,
			BlackWhiteChar: qrterminal.BLACK_WHITE, WhiteBlackChar: qrterminal.WHITE_BLACK,
		})
	}
	_, _ = fmt.Fprintf(w, "  The link:     %s\n  or the page:  %s\n  and the words %s\n", i.Link, i.Page, strings.ReplaceAll(i.Words, "-", " "))
	if i.Fingerprint != "" {
		_, _ = fmt.Fprintf(w, "\n  The certificate that phones are asked to trust has this fingerprint (SHA-256):\n")
		for line := range slices.Chunk(strings.Split(i.Fingerprint, ":"), 16) {
			_, _ = fmt.Fprint(w, "   ")
			for group := range slices.Chunk(line, 4) { // as the page groups them
				_, _ = fmt.Fprint(w, " ", strings.Join(group, ":"))
			}
			_, _ = fmt.Fprintln(w)
		}
	}
	_, _ = fmt.Fprintln(w)
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

type inviteCommand struct {
	Role, Until, House string
	JSON               bool
}

func (c *inviteCommand) flags(command *cobra.Command) {
	flags := command.Flags()
	flags.Var(choice{&c.Role, []string{"auto", "owner", "member", "guest"}}, "role", "the phone's `ROLE`: owner, member or guest; without, owner for the first phone, else member")
	flags.StringVar(&c.Until, "until", "", "`DATE` until when a guest may come in: 2006-01-02, or 2006-01-02T15:04")
	flags.StringVar(&c.House, "house", "", "the `HOUSEHOLD`, on a relay that serves several")
}

// Run invites a phone.
func (c inviteCommand) Run(e *environment) error {
	wish := url.Values{"role": {c.Role}, "house": {c.House}}
	if c.Until != "" {
		until, err := parseDate(c.Until)
		if err != nil {
			return err
		}
		wish.Set("until", until.Format(time.RFC3339))
	}
	var made invited
	if err := e.ask(http.MethodPost, "invitations?"+wish.Encode(), &made); err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(e.stdout, made)
	}
	made.show(e.stdout)
	return nil
}

// parseDate reads a date, which counts to the day's end, or a date and time, both
// by the local clock.
func parseDate(text string) (time.Time, error) {
	if day, err := time.ParseInLocation("2006-01-02", text, time.Local); err == nil {
		return day.AddDate(0, 0, 1), nil
	}
	at, err := time.ParseInLocation("2006-01-02T15:04", text, time.Local)
	if err != nil {
		return at, fmt.Errorf("--until: expected a date such as %s, or %[1]sT18:00, got %q", time.Now().Format("2006-01-02"), text)
	}
	return at, nil
}

func writeJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

// listed are phones as `doorbell phones` shows them.
type listed struct {
	Phones []listedPhone `json:"phones"`
}

type listedPhone struct {
	access.Phone
	Here bool `json:"here"`
}

type phonesCommand struct {
	JSON bool
}

// Run lists the phones that may come in.
func (c phonesCommand) Run(e *environment) error {
	var all listed
	if err := e.ask(http.MethodGet, "phones", &all); err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(e.stdout, all)
	}
	if len(all.Phones) == 0 {
		_, _ = fmt.Fprintln(e.stdout, "No phone may come in yet: doorbell invite lets the first one in.")
		return nil
	}
	table := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "PHONE\tROLE\tJOINED\tLAST HERE\tID")
	for _, p := range all.Phones {
		name, role, last := p.Name, string(p.Role), "never"
		if p.House != "" {
			name = p.House + "/" + name
		}
		if !p.Until.IsZero() {
			role += " until " + p.Until.Local().Format("2006-01-02 15:04")
		}
		switch {
		case p.Here:
			last = "now"
		case !p.Seen.IsZero():
			last = p.Seen.Local().Format("2006-01-02 15:04")
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", name, role, p.Joined.Local().Format("2006-01-02 15:04"), last, p.ID)
	}
	return table.Flush()
}

type revokeCommand struct{ Phone string }

// Run removes a phone: what it has ends at once.
func (c revokeCommand) Run(e *environment) error {
	var gone access.Phone
	if err := e.ask(http.MethodDelete, "phones/"+url.PathEscape(c.Phone), &gone); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(e.stdout, "%s (%s) may no longer come in.\n", gone.Name, gone.Role)
	return nil
}

type keyCommand struct{}

// Run shows the device key's public half.
func (keyCommand) Run(e *environment) error {
	var key string
	if err := e.ask(http.MethodGet, "key", &key); err != nil {
		return err
	}
	_, _ = fmt.Fprintln(e.stdout, key)
	return nil
}
