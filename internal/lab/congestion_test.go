package lab_test

import (
	"os"
	"strings"
	"testing"

	"github.com/multi6/multi6/internal/lab"
	"github.com/multi6/multi6/internal/testkit"
)

// TestCongestion: connections of a host use what it was given; a name that the kernel does
// not know is told with those that it does.
func TestCongestion(t *testing.T) {
	testkit.NeedRoot(t)
	h, err := lab.NewSpace("a", lab.SpaceOptions{Congestion: "reno"})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	var got []byte
	if err := h.Do(func() (err error) { got, err = os.ReadFile("/proc/sys/net/ipv4/tcp_congestion_control"); return err }); err != nil || string(got) != "reno\n" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := lab.NewSpace("a", lab.SpaceOptions{Congestion: "none"}); err == nil || !strings.Contains(err.Error(), "this kernel has ") {
		t.Errorf("unknown congestion control: %v", err)
	}
	if l, err := lab.New(lab.Config{Congestion: "none"}); err == nil {
		l.Close()
		t.Error("a lab takes an unknown congestion control")
	}
}
