package lab

import (
	"fmt"
	"os"
	"strings"
)

// DefaultCongestion is the congestion control that Linux uses unless it is told otherwise.
// Measurements name theirs: BBR, for one, stops almost wholly for 200 ms in every 10 s to
// look for a shorter round trip, which looks like a stall.
const DefaultCongestion = "cubic"

const (
	congestionPath = "ipv4/tcp_congestion_control"
	knownPath      = "/proc/sys/net/ipv4/tcp_available_congestion_control"
)

// setCongestion sets the congestion control of new TCP connections, by the name that the
// kernel has for it; "" leaves the kernel's own.
func (h *Host) setCongestion(name string) error {
	if name == "" {
		return nil
	}
	err := h.SetSysctl(congestionPath, name)
	if err == nil {
		return nil
	}
	if known, _ := os.ReadFile(knownPath); len(known) > 0 {
		return fmt.Errorf("lab: TCP congestion control %q: this kernel has %s", name, strings.Join(strings.Fields(string(known)), ", "))
	}
	return fmt.Errorf("lab: TCP congestion control %q: %w", name, err)
}
