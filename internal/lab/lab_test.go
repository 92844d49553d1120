package lab_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/multi6/multi6/internal/lab"
	"github.com/multi6/multi6/internal/testkit"
)

// The test binary runs itself as nobody when this is set.
const (
	asNobody   = "MULTI6_LAB_AS_NOBODY"
	nobodyExit = 42
)

func TestNewWithoutRootSaysSo(t *testing.T) {
	testkit.NeedRoot(t)
	exe, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	// The directory of the test binary may be closed to others.
	dir, err := os.MkdirTemp("/tmp", "lab")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	name := dir + "/lab.test"
	if err := errors.Join(os.Chmod(dir, 0o755), os.WriteFile(name, exe, 0o755)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(name)
	cmd.Dir = "/"
	cmd.Env = []string{asNobody + "=1"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.Output()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != nobodyExit {
		t.Fatalf("New as nobody: %v, %q; want os.ErrPermission", err, out)
	}
	if !strings.Contains(string(out), "needs root") {
		t.Errorf("New as nobody: %q does not say that it needs root", out)
	}
}

func TestNewRefusesBadConfig(t *testing.T) {
	for _, c := range []lab.Config{
		{MTU: 1279}, {MTU: 70000}, {RTT: -1}, {Jitter: -1}, {Rate: -1}, {Queue: -1}, {Loss: -0.1}, {Loss: 1.1},
	} {
		if l, err := lab.New(c); err == nil {
			l.Close()
			t.Errorf("New(%+v) succeeded", c)
		}
	}
}

func TestAllPairsReachEachOther(t *testing.T) {
	l := newLab(t, lab.Config{})
	echo(t, l.B)
	for i := range 2 {
		for _, p := range pairs(l, i) {
			before := l.Uplinks[i].Count(lab.AtoB)
			if !reaches(l, p, patience) {
				t.Errorf("%v does not reach %v", p.a, p.b)
			}
			// A frame is counted right after it was delivered; the answer may be quicker.
			var n lab.Count
			for end := time.Now().Add(patience); (n.UDP == 0 || n.Delivered == 0) && time.Now().Before(end); {
				n = l.Uplinks[i].Count(lab.AtoB).Sub(before)
			}
			if n.UDP == 0 || n.Delivered == 0 {
				t.Errorf("%v to %v did not use uplink %d: %+v", p.a, p.b, i, n)
			}
		}
	}
}

// A socket that is not bound, but names its interface for each packet, leaves by
// that one although the default route of the other is preferred.
func TestPinnedInterfaceChoosesUplink(t *testing.T) {
	l := newLab(t, lab.Config{})
	for i := range 2 {
		var index int
		err := l.A.Do(func() error {
			ifc, err := net.InterfaceByName(l.A.Interface(i))
			if err == nil {
				index = ifc.Index
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		six := pktinfo6(index)
		four := pktinfo4(index)
		for _, c := range []struct {
			network string
			to      netip.Addr
			oob     []byte
		}{{"udp6", l.B.Addr6(0), six}, {"udp4", l.B.Addr4(0), four}} {
			conn, err := l.A.ListenPacket(c.network, ":0")
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			before := l.Uplinks[i].Count(lab.AtoB)
			to := netip.AddrPortFrom(c.to, echoPort)
			if _, _, err := conn.(*net.UDPConn).WriteMsgUDPAddrPort([]byte("x"), c.oob, to); err != nil {
				t.Fatalf("%s by uplink %d: %v", c.network, i, err)
			}
			eventually(t, fmt.Sprintf("a datagram to %v on uplink %d", to, i), func() bool {
				return l.Uplinks[i].Count(lab.AtoB).Sub(before).UDP == 1
			})
		}
	}
}

// eventually waits until ok returns true.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// atRest returns what d of link has carried once nothing is under way: a frame that
// others have received may not be counted as delivered yet.
func atRest(t testing.TB, link *lab.Link, d lab.Direction) (n lab.Count) {
	t.Helper()
	eventually(t, "nothing under way", func() bool {
		n = link.Count(d)
		return n.UnderWay() == 0
	})
	return n
}

func TestAddresses(t *testing.T) {
	l := newLab(t, lab.Config{})
	for i := range 2 {
		for _, a := range []netip.Addr{l.A.Addr6(i), l.A.Addr4(i)} {
			if got, ok := l.UplinkOf(a); !ok || got != i {
				t.Errorf("UplinkOf(%v) = %d, %v; want %d", a, got, ok, i)
			}
		}
	}
	if _, ok := l.UplinkOf(l.B.Addr6(0)); ok {
		t.Error("UplinkOf knows an address of B")
	}
	if l.R1.Addr6(0).IsValid() || l.A.Addr4(2).IsValid() || l.A.Interface(-1) != "" {
		t.Error("an uplink that does not exist has an address or a name")
	}
}

func TestRoundTripTime(t *testing.T) {
	const rtt = 20 * time.Millisecond
	l := newLab(t, lab.Config{RTT: rtt})
	echo(t, l.B)
	p := pair{l.A.Addr6(0), l.B.Addr6(0)}
	if !reaches(l, p, patience) {
		t.Fatal("unreachable")
	}
	c := dial(t, l.A, p.a, p.b)
	var times []time.Duration
	for range 50 {
		if d, ok := ping(c, patience); ok {
			times = append(times, d)
		}
	}
	slices.Sort(times)
	if len(times) != 50 || times[0] < rtt {
		t.Fatalf("%d of 50 answers, the first after %v; want all, none before %v", len(times), times[0], rtt)
	}
	median := times[len(times)/2]
	t.Logf("RTT %v: fastest %v, median %v, slowest %v", rtt, times[0], median, times[len(times)-1])
	if median > 2*rtt {
		t.Errorf("median RTT %v, want about %v", median, rtt)
	}
}

func TestLoss(t *testing.T) {
	const sent, loss = 5000, 0.1
	l := newLab(t, lab.Config{Seed: 1})
	p := pair{l.A.Addr6(0), l.B.Addr6(0)}
	echo(t, l.B)
	if !reaches(l, p, patience) {
		t.Fatal("unreachable")
	}
	if err := l.Uplinks[0].Set(lab.AtoB, lab.Impairment{Loss: loss}); err != nil {
		t.Fatal(err)
	}
	before := atRest(t, l.Uplinks[0], lab.AtoB)
	c := dial(t, l.A, p.a, p.b)
	var n lab.Count
	for i := range sent {
		if _, err := c.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if i%100 == 0 { // keep the device's queue short
			eventually(t, "frames taken", func() bool { return l.Uplinks[0].Count(lab.AtoB).Sub(before).UDP > uint64(i) })
		}
	}
	eventually(t, "all frames to meet their fate", func() bool {
		n = l.Uplinks[0].Count(lab.AtoB).Sub(before)
		return n.UDP >= sent && n.UnderWay() == 0
	})
	// Five standard deviations of a binomial distribution.
	if got := float64(n.Lost); got < sent*loss-106 || got > sent*loss+106 {
		t.Errorf("%v of %d frames lost, want about %v", got, sent, sent*loss)
	}
}

// transfer sends n pseudo-random bytes by TCP from A to B on the first pair and
// returns how long it took until B had them all, checked.
func transfer(t testing.TB, l *lab.Lab, n int) time.Duration {
	t.Helper()
	ln, err := l.B.Listen("tcp", netip.AddrPortFrom(l.B.Addr6(0), 5001).String())
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	data := make([]byte, n)
	rand.NewChaCha8([32]byte{}).Read(data)
	sent := make(chan error, 1)
	start := time.Now()
	go func() {
		c, err := l.A.DialFrom(context.Background(), "tcp", l.A.Addr6(0), ln.Addr().String())
		if err == nil {
			_, err = c.Write(data)
			err = errors.Join(err, c.Close())
		}
		sent <- err
	}()
	_ = ln.(*net.TCPListener).SetDeadline(start.Add(time.Minute))
	c, err := ln.Accept()
	if err != nil {
		t.Fatal(err, <-sent)
	}
	defer c.Close()
	_ = c.SetDeadline(start.Add(time.Minute))
	got, err := io.ReadAll(c)
	took := time.Since(start)
	if err := errors.Join(err, <-sent); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, data) {
		t.Fatalf("%d bytes came of %d, or others than were sent", len(got), len(data))
	}
	return took
}

func TestRateLimit(t *testing.T) {
	for _, rate := range []int64{20e6, 800e6} {
		t.Run(fmt.Sprintf("%d Mbit per s", rate/1e6), func(t *testing.T) {
			l := newLab(t, lab.Config{Rate: rate})
			n := int(rate / 8) // a second's worth
			took := transfer(t, l, n)
			got := float64(n) * 8 / took.Seconds()
			t.Logf("%d bytes in %v: %.1f Mbit/s, %+v", n, took, got/1e6, l.Uplinks[0].Count(lab.AtoB))
			// Headers take 5.7 %. A slow machine may stay well below the higher rate, but
			// never go above.
			if got > float64(rate) || rate < 100e6 && got < 0.5*float64(rate) {
				t.Errorf("TCP reached %.1f Mbit/s on a line of %.1f", got/1e6, float64(rate)/1e6)
			}
		})
	}
}

func TestTCPOverLossyDelayedLinkArrivesWhole(t *testing.T) {
	l := newLab(t, lab.Config{RTT: 10 * time.Millisecond, Jitter: time.Millisecond, Rate: 50e6, Loss: 0.01, Seed: 2})
	took := transfer(t, l, 2<<20)
	n := l.Uplinks[0].Count(lab.AtoB)
	t.Logf("2 MiB in %v, %+v", took, n)
	if n.Lost == 0 {
		t.Error("nothing was lost")
	}
}

func TestIdleLinksAreSilent(t *testing.T) {
	l := newLab(t, lab.Config{})
	before := l.Uplinks[0].Count(lab.AtoB)
	time.Sleep(200 * time.Millisecond) // an absence cannot be waited for
	n := l.Uplinks[0].Count(lab.AtoB).Sub(before)
	if n.UDP+n.TCP+n.Other != 0 {
		t.Errorf("an idle link carried %+v", n)
	}
}

func TestStartRunsInsideAndDiesWithTheLab(t *testing.T) {
	l := newLab(t, lab.Config{})
	var in, own unix.Stat_t
	if err := l.A.Do(func() error { return unix.Stat("/proc/thread-self/ns/net", &in) }); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sleep", "600")
	if err := l.A.Start(cmd); err != nil {
		t.Fatal(err)
	}
	if err := unix.Stat(fmt.Sprintf("/proc/%d/ns/net", cmd.Process.Pid), &own); err != nil {
		t.Fatal(err)
	}
	if in.Ino != own.Ino {
		t.Error("the child is in another namespace")
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != unix.SIGKILL {
		t.Errorf("child: %v, want killed", err)
	}
}

func TestClosedLab(t *testing.T) {
	l := newLab(t, lab.Config{})
	if err := errors.Join(l.Close(), l.Close()); err != nil {
		t.Fatal(err)
	}
	_, breaks := l.Break(lab.Blackhole, 0)
	_, downs := l.Break(lab.LinkDown, 0)
	for what, err := range map[string]error{
		"Do":        l.A.Do(func() error { return nil }),
		"Start":     l.A.Start(exec.Command("true")),
		"Set":       l.Uplinks[0].Set(lab.AtoB, lab.Impairment{}),
		"blackhole": breaks,
		"link down": downs,
	} {
		if !errors.Is(err, lab.ErrClosed) {
			t.Errorf("%s after Close: %v", what, err)
		}
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	newLab(t, lab.Config{}).Close() // what is opened once for all
	before := open(t)
	for range 20 {
		l := newLab(t, lab.Config{RTT: time.Millisecond})
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if after := open(t); after > before {
		t.Errorf("%d descriptors open before, %d after 20 rounds", before, after)
	}
}

func open(t *testing.T) int {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(fds)
}
