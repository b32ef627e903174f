package rtc

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
)

// Status is what the door does at one moment.
type Status struct {
	// Online says that the door is logged in to its relay.
	Online bool `json:"online"`
	// Phones lists who is here. A relay of the base dialect does not tell.
	Phones []string `json:"phones"`
	// Visit is the ring or call that runs, if one does.
	Visit *VisitStatus `json:"visit,omitempty"`
	// Connections lists the phones that are connected or rung.
	Connections []ConnectionStatus `json:"connections"`
	// Standby lists the phones that keep a connection ready, through which nothing
	// flows.
	Standby []string `json:"standby"`
	// Devices maps camera, microphone, speaker and button to what they do.
	Devices map[string]DeviceState `json:"devices"`
	// MediaPort is the UDP and TCP port that media uses.
	MediaPort int `json:"mediaPort"`
}

// VisitStatus is a press of the button and what came of it so far.
type VisitStatus struct {
	ID      string    `json:"id"`
	Pressed time.Time `json:"pressed"`
	// Ringing until a person accepts.
	Ringing bool `json:"ringing"`
	// By is who accepted.
	By string `json:"by,omitempty"`
}

// ConnectionStatus is one phone's connection.
type ConnectionStatus struct {
	Phone string `json:"phone"`
	Call  string `json:"call,omitempty"`
	// Role is ringing, talking or viewing.
	Role string `json:"role"`
	// Connected says that media flows.
	Connected bool `json:"connected"`
}

// errClosed says that the door has ended.
var errClosed = errors.New("the door is closed")

type statusWanted struct{ reply chan<- Status }

// Status asks the loop what it does. It fails when ctx ends first, as it does
// when Run does not run.
func (d *Door) Status(ctx context.Context) (Status, error) {
	reply := make(chan Status, 1)
	d.mail.put(statusWanted{reply})
	select {
	case status := <-reply:
		return status, nil
	case <-ctx.Done():
		return Status{}, errors.Join(errClosed, ctx.Err())
	}
}

func (n statusWanted) handle(d *Door) {
	status := Status{
		Online:      d.online,
		Phones:      []string{},
		Connections: []ConnectionStatus{},
		Standby:     []string{},
		Devices:     map[string]DeviceState{},
		MediaPort:   d.network.udp.port,
	}
	for name := range d.call.here {
		status.Phones = append(status.Phones, name)
	}
	slices.Sort(status.Phones)
	for _, l := range d.call.links {
		if l.role == standby {
			if l.connected {
				status.Standby = append(status.Standby, l.name)
			}
			continue
		}
		status.Connections = append(status.Connections, ConnectionStatus{
			Phone: l.name, Call: l.call, Role: l.role.String(), Connected: l.connected,
		})
	}
	slices.Sort(status.Standby)
	slices.SortStableFunc(status.Connections, func(a, b ConnectionStatus) int { return strings.Compare(a.Phone, b.Phone) })
	for name, state := range d.devices {
		status.Devices[name] = state
	}
	if v := d.call.visit; v != nil {
		status.Visit = &VisitStatus{ID: v.id, Pressed: v.pressed, Ringing: !v.taken}
		if l := d.call.find(v.by); v.taken && l != nil {
			status.Visit.By = l.name
		}
	}
	n.reply <- status
}
