package node_test

import (
	"context"
	"crypto/rand"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/multi6/multi6/detect"
	"github.com/multi6/multi6/inner"
	"github.com/multi6/multi6/internal/fdwait"
	"github.com/multi6/multi6/internal/node"
	"github.com/multi6/multi6/locator"
	"github.com/multi6/multi6/shim"
	"github.com/multi6/multi6/tun"
	"github.com/multi6/multi6/wire"
)

// A teller is a device that is told of by a pipe, and of which the kernel knows nothing
// more once the pipe is read: the rest of what came at once is pending.
type teller struct {
	tun.Device
	file *fdwait.File
	told int // and how long pending
}

func (d *teller) File() *fdwait.File { return d.file }
func (d *teller) Pending() bool      { return d.told > 0 }
func (d *teller) Close() error       { return d.file.Close() }

func (d *teller) TryRead(buf []byte, pkts []inner.Packet, headroom, _ int) (int, error) {
	if d.told == 0 {
		var b [1]byte
		if err := d.file.Try(func(fd uintptr) bool { unix.Read(int(fd), b[:]); return true }); err != nil {
			return 0, err
		}
		d.told = int(b[0])
	}
	if d.told == 0 {
		return 0, nil
	}
	d.told--
	p := inner6(netip.MustParseAddr("fd00::1"), netip.MustParseAddr("fd00::2"), 100)
	pkts[0] = inner.Packet{Buf: buf[headroom : headroom+copy(buf[headroom:], p)]}
	return 1, nil
}

type noUnderlay struct{}

func (noUnderlay) Close() error { return nil }

func togetherConfig() node.Config {
	return node.Config{
		Name: "a", Identity: numberedIdentity(1), Port: locator.DefaultPort, MTU: 1400, Timers: detect.Balanced,
		Ciphers: wire.AES256GCM, Policy: locator.DefaultPolicy(),
	}
}

// TestPendingPackets: what the device still has is read without anything new to come.
func TestPendingPackets(t *testing.T) {
	var fds [2]int
	must(t, unix.Pipe2(fds[:], unix.O_NONBLOCK|unix.O_CLOEXEC))
	file, err := fdwait.New(fds[0])
	must(t, err)
	defer unix.Close(fds[1])
	n, err := node.New(togetherConfig(), node.Edges{
		Device: &teller{file: file}, Sender: new(catcher), Underlay: noUnderlay{},
		Facts: make(chan []locator.Fact), Random: rand.Reader, Together: true,
	})
	must(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	for _, k := range []byte{1, 5} {
		before := dropped(n, shim.DropNoPeer)
		_, err := unix.Write(fds[1], []byte{k})
		must(t, err)
		eventually(t, patience, "all packets", func() bool { return dropped(n, shim.DropNoPeer) == before+uint64(k) })
	}
	stop()
	select {
	case err := <-ended:
		must(t, err)
	case <-time.After(patience):
		t.Fatal("the node does not end")
	}
}

func dropped(n *node.Node, d shim.Drop) uint64 {
	s, _ := n.Status()
	return s.Drops[d.String()]
}

func TestTogetherNeedsFiles(t *testing.T) {
	_, err := node.New(togetherConfig(), node.Edges{Device: tun.NewMemory(), Sender: new(catcher), Random: rand.Reader, Together: true})
	if err == nil || !strings.Contains(err.Error(), "*tun.Memory") {
		t.Errorf("error %v, want one that names the device", err)
	}
}
