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
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/multi6/multi6/internal/lab"
	"github.com/multi6/multi6/internal/rig"
)

// kernel is TCP without daemons, from A's first address to B's.
type kernel struct {
	lab    *lab.Lab
	system string
}

func (k kernel) multipath() bool { return k.system != systemTCP }

// withKernel measures Multipath TCP or plain TCP.
func (b *bench) withKernel(ctx context.Context) error {
	k := kernel{b.lab, b.group.System}
	if k.multipath() {
		if err := k.setUp(ctx); err != nil {
			return &unavailableError{err}
		}
	}
	return b.measureRival(ctx, k, tcpModes(b.Modes))
}

func tcpModes(ms []Mode) (tcp []Mode) {
	for _, m := range ms {
		if m != UDP {
			tcp = append(tcp, m)
		}
	}
	return tcp
}

// tuning are the settings that make Multipath TCP leave a dead subflow soon: it
// does so when the subflow's retransmission timer fires, which starts at 5 ms
// instead of 200 and, so that a path that returns is soon found, never exceeds
// 1 s; the retries that this takes must not end the connection within an outage. A
// subflow counts as stale after one such loss. Kernels before 6.15 lack some.
var tuning = [][2]string{
	{"mptcp/stale_loss_cnt", "1"},
	{"ipv4/tcp_rto_min_us", "5000"},
	{"ipv4/tcp_rto_max_ms", "1000"},
	{"ipv4/tcp_retries2", "255"},
}

// setUp gives each connection a second subflow, from A's second address: used at
// the same time or, tuned, as a backup.
func (k kernel) setUp(ctx context.Context) error {
	for _, h := range []*lab.Host{k.lab.A, k.lab.B} {
		if err := errors.Join(h.SetSysctl("mptcp/enabled", "1"), k.tune(h)); err != nil {
			return err
		}
		if err := ip(ctx, h, "limits", "set", "subflow", "2", "add_addr_accepted", "2"); err != nil {
			return err
		}
	}
	endpoint := []string{"endpoint", "add", k.lab.A.Addr6(1).String(), "dev", k.lab.A.Interface(1), "subflow"}
	if k.system == systemMPTCPTuned {
		endpoint = append(endpoint, "backup")
	}
	if err := ip(ctx, k.lab.A, endpoint...); err != nil {
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
	return k.joined(ctx, c)
}

// joinTime is how long the second subflow may take to come up.
const joinTime = 5 * time.Second

// joined waits until a connection has its second subflow: without one it would be
// plain TCP that is measured. Data has to flow first.
func (k kernel) joined(ctx context.Context, c rig.Connection) error {
	for deadline := time.Now().Add(joinTime); time.Now().Before(deadline); {
		if _, err := c.Near.Write([]byte{0}); err != nil {
			return err
		}
		var counts []byte
		err := k.lab.A.Do(func() (err error) {
			counts, err = os.ReadFile("/proc/thread-self/net/netstat")
			return err
		})
		if err != nil || counter(string(counts), "MPTcpExt:", "MPJoinSynAckRx") > 0 {
			return err
		}
		if err := rig.Pause(ctx, polling); err != nil {
			return err
		}
	}
	return fmt.Errorf("no second subflow within %v", joinTime)
}

// counter returns a number from a table such as /proc/net/netstat: pairs of lines
// that begin alike, with names and with values.
func counter(table, group, name string) (n uint64) {
	var names []string
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) == 0 || f[0] != group {
			continue
		}
		if i := slices.Index(names, name); i > 0 && i < len(f) {
			n, _ = strconv.ParseUint(f[i], 10, 64)
			return n
		}
		names = f
	}
	return 0
}

// tune applies what of tuning the kernel has.
func (k kernel) tune(h *lab.Host) error {
	if k.system != systemMPTCPTuned {
		return nil
	}
	for _, t := range tuning {
		if err := h.SetSysctl(t[0], t[1]); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
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
	lc := net.ListenConfig{Control: lab.WithCongestion(k.lab.B.Congestion())}
	lc.SetMultipathTCP(k.multipath())
	to := netip.AddrPortFrom(k.lab.B.Addr6(0), port).String()
	err = k.lab.B.Do(func() (err error) {
		listener, err = lc.Listen(ctx, "tcp6", to)
		return err
	})
	if err != nil {
		return c, err
	}
	return rig.Join(ctx, listener, func() (near net.Conn, err error) {
		d := net.Dialer{
			LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(k.lab.A.Addr6(0), 0)),
			Control:   lab.WithCongestion(k.lab.A.Congestion()),
		}
		d.SetMultipathTCP(k.multipath())
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
