package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"text/template"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/multi6/multi6/internal/lab"
	"github.com/multi6/multi6/internal/node"
	"github.com/multi6/multi6/internal/rig"
)

// Stable addresses of A and B, on lo, which no uplink owns: connections with BGP
// go between them.
var stable = [len(rig.Names)]netip.Addr{netip.MustParseAddr("2001:db8:f::a"), netip.MustParseAddr("2001:db8:f::b")}

// bird is two hosts that announce their stable addresses to each other by BGP over
// both uplinks and watch each uplink by BFD, with the BIRD daemon.
type bird struct {
	lab *lab.Lab
	dir string // of configurations, sockets and logs
	// troubled is since when there is trouble, zero if there is none.
	troubled time.Time
}

// birdConfig is what a host's BIRD is told. Both uplinks have a session between
// the two ends' own addresses: losing one is BFD's to see, 10 ms × 3 being the
// fastest that is in common use. Timers of BGP are as short as BIRD allows, so that
// a path is used again soon after its return.
var birdConfig = template.Must(template.New("bird").Parse(`log stderr all;
router id {{.ID}};
protocol device { scan time 1; }
protocol bfd {
  multihop { interval 10 ms; multiplier 3; idle tx interval 10 ms; };
}
protocol static own { ipv6; route {{.Own}}/128 unreachable; }
protocol static ways {
  ipv6;
{{- range .Uplinks}}
  route {{.Peer}}/128 via {{.Gateway}};
{{- end}}
}
protocol kernel {
  ipv6 {
    import none;
    export filter { if source != RTS_BGP then reject; krt_prefsrc = {{.Own}}; accept; };
  };
}
template bgp uplink {
  multihop;
  bfd on;
  hold time 9;
  connect delay time 1;
  connect retry time 1;
  error wait time 1, 1;
}
{{- range .Uplinks}}
protocol bgp {{.Name}} from uplink {
  local {{.Local}} as 65001;
  neighbor {{.Peer}} as 65001;
  ipv6 {
    import filter { bgp_local_pref = {{.Preference}}; accept; };
    export where net = {{$.Own}}/128;
    next hop self;
  };
}
{{- end}}
`))

// A birdUplink is a session of a host.
type birdUplink struct {
	Name                 string
	Local, Peer, Gateway netip.Addr
	Preference           int
}

// withBird measures BGP with BFD.
func (b *bench) withBird(ctx context.Context) (err error) {
	program, err := exec.LookPath("bird")
	if err != nil {
		return &unavailableError{errors.New("bird: not installed (apt-get install bird2)")}
	}
	dir, err := os.MkdirTemp("", "multi6-bench-bird-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	sys := &bird{lab: b.lab, dir: dir}
	if err := sys.setUp(); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	running, stop := context.WithCancel(ctx)
	defer stop()
	for i, h := range []*lab.Host{b.lab.A, b.lab.B} {
		cmd, err := sys.start(running, program, i, h)
		if err != nil {
			stop()
			return errors.Join(err, g.Wait())
		}
		g.Go(func() error {
			if err := cmd.Wait(); running.Err() == nil {
				return fmt.Errorf("bird of %s ended: %v\n%s", rig.Names[i], err, sys.lastWords(i))
			}
			return nil
		})
	}
	g.Go(func() error {
		defer stop()
		if err := sys.ready(ctx); err != nil {
			return err
		}
		return b.measureRival(ctx, sys, b.Modes)
	})
	return g.Wait()
}

// setUp gives the hosts their stable addresses and has the routers know them.
func (s *bird) setUp() error {
	for i, h := range []*lab.Host{s.lab.A, s.lab.B} {
		own := netip.PrefixFrom(stable[i], 128)
		if err := h.AddAddr("lo", own); err != nil {
			return err
		}
		for uplink, r := range []*lab.Host{s.lab.R1, s.lab.R2} {
			way := lab.Route{To: own, Gateway: h.Addr6(uplink), Interface: h.Interface(uplink)}
			if err := r.AddRoute(way); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *bird) file(i int, extension string) string {
	return filepath.Join(s.dir, rig.Names[i]+extension)
}

// configuration returns what host i's BIRD is told.
func (s *bird) configuration(i int) (string, error) {
	hosts := [...]*lab.Host{s.lab.A, s.lab.B}
	own, peer := hosts[i], hosts[1-i]
	data := struct {
		ID      string
		Own     netip.Addr
		Uplinks []birdUplink
	}{ID: fmt.Sprintf("10.77.0.%d", i+1), Own: stable[i]}
	for u := range s.lab.Uplinks {
		data.Uplinks = append(data.Uplinks, birdUplink{
			Name: fmt.Sprintf("uplink%d", u+1), Local: own.Addr6(u), Peer: peer.Addr6(u), Gateway: own.Gateway6(u),
			Preference: 200 - 100*u,
		})
	}
	var text strings.Builder
	err := birdConfig.Execute(&text, data)
	return text.String(), err
}

// start starts host i's BIRD. It ends with ctx.
func (s *bird) start(ctx context.Context, program string, i int, h *lab.Host) (*exec.Cmd, error) {
	text, err := s.configuration(i)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(s.file(i, ".conf"), []byte(text), 0o600); err != nil {
		return nil, err
	}
	log, err := os.Create(s.file(i, ".log"))
	if err != nil {
		return nil, err
	}
	defer log.Close() // the child has its own
	cmd := exec.CommandContext(ctx, program, "-f", "-c", s.file(i, ".conf"), "-s", s.file(i, ".sock"))
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = birdStop
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for us
	if err := h.Start(cmd); err != nil {
		return nil, fmt.Errorf("bird of %s: %w", rig.Names[i], err)
	}
	return cmd, nil
}

const (
	birdStop  = 3 * time.Second  // for BIRD to end by itself
	birdStart = 20 * time.Second // for its sessions to come up the first time
	// birdRestart is for how long they may be down otherwise, BGP's own timers being 9 s.
	birdRestart = 12 * time.Second
)

// ready waits until all sessions are up.
func (s *bird) ready(ctx context.Context) error {
	for deadline := time.Now().Add(birdStart); ; {
		_, trouble, err := s.look(ctx)
		if trouble == "" && err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("BGP is not ready after %v: %s%v\n%s", birdStart, trouble, err, s.lastWords(0))
		}
		if err := rig.Pause(ctx, polling); err != nil {
			return err
		}
	}
}

// lastWords returns the end of the log of host i's BIRD.
func (s *bird) lastWords(i int) string {
	const most = 5
	log, _ := os.ReadFile(s.file(i, ".log"))
	lines := strings.Split(strings.TrimSpace(string(log)), "\n")
	return strings.Join(lines[max(0, len(lines)-most):], "\n")
}

func (s *bird) connect(ctx context.Context) (c rig.Connection, err error) {
	if c, err = rig.Connect(ctx, s.lab, stable[0], stable[1], port); err != nil {
		return c, err
	}
	if err := c.Pace(bulkRate); err != nil {
		c.Close()
		return c, err
	}
	return c, nil
}

func (s *bird) packets() (net.Conn, net.PacketConn, error) {
	return packets(s.lab, stable[0], stable[1])
}

// look finds trouble as long as a session is not up, and has BIRD start them anew when that
// takes long: a BFD session whose address was removed does not come up again by itself.
// The pairs tell by which interface the hosts send.
func (s *bird) look(ctx context.Context) (primary rig.Pairs, trouble string, err error) {
	primary, trouble, err = s.state(ctx)
	switch now := time.Now(); {
	case err != nil:
	case trouble == "":
		s.troubled = time.Time{}
	case s.troubled.IsZero():
		s.troubled = now
	case now.Sub(s.troubled) >= birdRestart:
		s.troubled = now
		for i := range rig.Names {
			if _, err := askBird(ctx, s.file(i, ".sock"), "restart all"); err != nil {
				return nil, "", fmt.Errorf("restarting the sessions of %s: %w", rig.Names[i], err)
			}
		}
	}
	return primary, trouble, err
}

func (s *bird) state(ctx context.Context) (primary rig.Pairs, trouble string, err error) {
	primary = make(rig.Pairs)
	for i, h := range []*lab.Host{s.lab.A, s.lab.B} {
		trouble, err := s.sessions(ctx, i)
		if trouble != "" || err != nil {
			return primary, trouble, err
		}
		via, err := h.RouteTo(stable[1-i])
		if err != nil {
			return nil, "", err
		}
		if via != h.Interface(0) {
			return primary, fmt.Sprintf("%s sends by %q, not by the preferred %s", rig.Names[i], via, h.Interface(0)), nil
		}
		primary[rig.Names[i]] = node.Pair{Local: via}
	}
	return primary, "", nil
}

// sessions says which of host i's sessions is not up, "" if all are.
func (s *bird) sessions(ctx context.Context, i int) (trouble string, err error) {
	replies, err := askBird(ctx, s.file(i, ".sock"), "show protocols", "show bfd sessions")
	switch {
	case errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED):
		return "bird has not begun to listen", nil
	case err != nil:
		return "", fmt.Errorf("asking the bird of %s: %w", rig.Names[i], err)
	}
	uplinks := len(s.lab.Uplinks)
	if n := strings.Count(replies[0], "Established"); n != uplinks {
		return fmt.Sprintf("%d of %d BGP sessions of %s are up", n, uplinks, rig.Names[i]), nil
	}
	if n := strings.Count(replies[1], " Up "); n != uplinks {
		return fmt.Sprintf("%d of %d BFD sessions of %s are up", n, uplinks, rig.Names[i]), nil
	}
	return "", nil
}

func (s *bird) victim(f Fault, _ rig.Pairs) (int, error) {
	from, to := s.lab.A, stable[1]
	if f == F3 {
		from, to = s.lab.B, stable[0] // what A receives is to be lost
	}
	via, err := from.RouteTo(to)
	if err != nil {
		return 0, err
	}
	for u := range s.lab.Uplinks {
		if via == from.Interface(u) {
			return u, nil
		}
	}
	return 0, fmt.Errorf("the route to %s uses %q, which is no uplink", to, via)
}

func (s *bird) events() []rig.Event { return nil }

func (s *bird) counters(context.Context) (counters, error) { return counters{}, nil }
