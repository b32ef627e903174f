package guest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"sync"
)

// monitor talks to QEMU itself, in its own protocol (QMP).
type monitor struct {
	// Fixed after newMonitor.
	conn  net.Conn
	event func(name string) // called in order; must not block

	// Guarded by mu.
	mu      sync.Mutex
	next    int
	waiting map[int]chan answer
	err     error // why it ended
}

type answer struct {
	ID     int             `json:"id"`
	Event  string          `json:"event"`
	Return json.RawMessage `json:"return"`
	Error  *struct {
		Description string `json:"desc"`
	} `json:"error"`
}

func newMonitor(conn net.Conn, event func(name string)) *monitor {
	return &monitor{conn: conn, event: event, waiting: map[int]chan answer{}}
}

// run reads until the connection ends.
func (m *monitor) run() {
	d := json.NewDecoder(m.conn)
	for {
		var a answer
		err := d.Decode(&a)
		m.mu.Lock()
		if err != nil {
			m.err = fmt.Errorf("qemu's monitor: %w", err)
			for _, c := range m.waiting {
				close(c)
			}
			m.waiting = nil
			m.mu.Unlock()
			return
		}
		if c := m.waiting[a.ID]; c != nil && a.Event == "" {
			delete(m.waiting, a.ID)
			c <- a
		}
		m.mu.Unlock()
		if a.Event != "" {
			m.event(a.Event)
		}
	}
}

// do carries out a command.
func (m *monitor) do(ctx context.Context, command string, arguments map[string]any) (json.RawMessage, error) {
	c := make(chan answer, 1)
	m.mu.Lock()
	if m.err != nil {
		defer m.mu.Unlock()
		return nil, m.err
	}
	m.next++
	id := m.next
	m.waiting[id] = c
	if arguments == nil {
		arguments = map[string]any{}
	}
	b, err := json.Marshal(map[string]any{"execute": command, "arguments": arguments, "id": id})
	if err == nil {
		_, err = m.conn.Write(b)
	}
	m.mu.Unlock()
	if err != nil {
		return nil, fmt.Errorf("qemu's monitor: %s: %w", command, err)
	}
	select {
	case a, ok := <-c:
		switch {
		case !ok:
			return nil, fmt.Errorf("qemu's monitor: %s: %w", command, errors.New("qemu has ended"))
		case a.Error != nil:
			return nil, fmt.Errorf("qemu's monitor: %s: %s", command, a.Error.Description)
		}
		return a.Return, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("qemu's monitor: %s: %w", command, context.Cause(ctx))
	}
}

// forwarded lists the host's ports that QEMU has opened, by network and guest's port.
func (m *monitor) forwarded(ctx context.Context) (map[Forward]int, error) {
	b, err := m.do(ctx, "human-monitor-command", map[string]any{"command-line": "info usernet"})
	if err != nil {
		return nil, err
	}
	var table string
	if err := json.Unmarshal(b, &table); err != nil {
		return nil, err
	}
	return parseForwarded(table), nil
}

// parseForwarded reads "info usernet":
//
//	Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ
//	TCP[HOST_FORWARD]  12       127.0.0.1 40123       10.0.2.15  8080     0     0
func parseForwarded(table string) map[Forward]int {
	row := regexp.MustCompile(`(TCP|UDP)\[HOST_FORWARD\]\s+\S+\s+\S+\s+(\d+)\s+\S+\s+(\d+)`)
	ports := map[Forward]int{}
	for _, m := range row.FindAllStringSubmatch(table, -1) {
		host, err1 := strconv.Atoi(m[2])
		guest, err2 := strconv.Atoi(m[3])
		if err1 == nil && err2 == nil {
			ports[Forward{Network: map[string]string{"TCP": "tcp", "UDP": "udp"}[m[1]], Guest: guest}] = host
		}
	}
	return ports
}
