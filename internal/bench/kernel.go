package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"

	"github.com/multi6/multi6/internal/lab"
	"github.com/multi6/multi6/internal/rig"
)

// compareRuns bounds the runs of other systems: those that never recover take the
// whole limit each.
const compareRuns = 3

// kernel is TCP without daemons, from A's first address to B's.
type kernel struct {
	lab       *lab.Lab
	multipath bool
}

// An unavailableError says why a system cannot be measured.
type unavailableError struct{ err error }

func (e *unavailableError) Error() string { return e.err.Error() }

// withKernel measures Multipath TCP or plain TCP.
func (b *bench) withKernel(ctx context.Context) error {
	k := kernel{b.lab, b.group.System == systemMPTCP}
	if k.multipath {
		if err := k.setUp(ctx); err != nil {
			return &unavailableError{err}
		}
	}
	b.sys = k
	b.Runs = min(b.Runs, compareRuns)
	b.Modes = tcpModes(b.Modes)
	return b.cells(ctx)
}

func tcpModes(ms []Mode) (tcp []Mode) {
	for _, m := range ms {
		if m != UDP {
			tcp = append(tcp, m)
		}
	}
	return tcp
}

// setUp makes two subflows of each connection: from A's second address too. A
// subflow counts as stale after one loss instead of four.
func (k kernel) setUp(ctx context.Context) error {
	tune := func() error {
		return errors.Join(
			os.WriteFile("/proc/sys/net/mptcp/enabled", []byte("1"), 0),
			os.WriteFile("/proc/sys/net/mptcp/stale_loss_cnt", []byte("1"), 0),
		)
	}
	if err := errors.Join(k.lab.A.Do(tune), k.lab.B.Do(tune)); err != nil {
		return err
	}
	limits := []string{"limits", "set", "subflow", "2", "add_addr_accepted", "2"}
	err := errors.Join(
		ip(ctx, k.lab.A, limits...), ip(ctx, k.lab.B, limits...),
		ip(ctx, k.lab.A, "endpoint", "add", k.lab.A.Addr6(1).String(), "dev", k.lab.A.Interface(1), "subflow"),
	)
	if err != nil {
		return err
	}
	c, err := k.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	if used, err := c.Near.MultipathTCP(); err != nil || !used {
		return errors.Join(errors.New("the kernel fell back to plain TCP"), err)
	}
	return nil
}

// ip runs "ip mptcp" (iproute2) in a host.
func ip(ctx context.Context, h *lab.Host, args ...string) error {
	cmd := exec.CommandContext(ctx, "ip", append([]string{"mptcp"}, args...)...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := h.Start(cmd); err != nil {
		return err
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("ip mptcp %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(said.Bytes()))
	}
	return nil
}

func (k kernel) connect(ctx context.Context) (c rig.Connection, err error) {
	var listener net.Listener
	var lc net.ListenConfig
	lc.SetMultipathTCP(k.multipath)
	to := netip.AddrPortFrom(k.lab.B.Addr6(0), port).String()
	err = k.lab.B.Do(func() (err error) {
		listener, err = lc.Listen(ctx, "tcp6", to)
		return err
	})
	if err != nil {
		return c, err
	}
	return rig.Join(ctx, listener, func() (near net.Conn, err error) {
		d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(k.lab.A.Addr6(0), 0))}
		d.SetMultipathTCP(k.multipath)
		err = k.lab.A.Do(func() error {
			near, err = d.DialContext(ctx, "tcp6", to)
			return err
		})
		return near, err
	})
}

func (k kernel) packets() (net.Conn, net.PacketConn, error) {
	return packets(k.lab, k.lab.A.Addr6(0), k.lab.B.Addr6(0))
}

func (k kernel) look(context.Context) (rig.Pairs, string, error) { return rig.Pairs{}, "", nil }

func (k kernel) victim(Fault, rig.Pairs) (int, error) { return 0, nil }

func (k kernel) events() []rig.Event { return nil }

func (k kernel) counters(context.Context) (counters, error) { return counters{}, nil }
