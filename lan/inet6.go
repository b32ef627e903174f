package lan

import (
	"bufio"
	"encoding/hex"
	"io"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// Flags of IPv6 addresses that will not last, or can't be used (linux/if_addr.h).
const (
	flagTemporary  = 0x01
	flagDADFailed  = 0x08
	flagDeprecated = 0x20
	flagTentative  = 0x40
)

// passingAddresses returns the IPv6 addresses that are not worth telling anybody.
func passingAddresses() map[netip.Addr]bool {
	file, err := os.Open("/proc/net/if_inet6")
	if err != nil {
		return nil // no IPv6
	}
	defer func() { _ = file.Close() }()
	return parseInet6(file)
}

// parseInet6 reads a list as in /proc/net/if_inet6: address, index, length of the
// prefix, scope, flags (all hexadecimal), name.
func parseInet6(r io.Reader) map[netip.Addr]bool {
	passing := make(map[netip.Addr]bool)
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 6 {
			continue
		}
		bytes, err := hex.DecodeString(fields[0])
		if err != nil {
			continue
		}
		address, ok := netip.AddrFromSlice(bytes)
		flags, err := strconv.ParseUint(fields[4], 16, 32)
		if ok && err == nil && flags&(flagTemporary|flagDADFailed|flagDeprecated|flagTentative) != 0 {
			passing[address] = true
		}
	}
	return passing
}
