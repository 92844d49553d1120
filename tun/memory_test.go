package tun_test

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/multi6/multi6/inner"
	"github.com/multi6/multi6/tun"
)

// packet returns an IPv6-looking packet of n bytes, each but the first being
// tag.
func packet(n int, tag byte) []byte {
	p := bytes.Repeat([]byte{tag}, n)
	p[0] = 6 << 4
	return p
}

// A reading is what a test hands to Read.
type reading struct {
	buf  []byte
	pkts []inner.Packet
}

// The room around packets that tests ask for.
const headroom, tailroom = 16, 24

func newReading(packets int) reading {
	return reading{make([]byte, 2*tun.MaxPacket), make([]inner.Packet, packets)}
}

// from reads from d, and fails unless the packets lie as they should.
func (r reading) from(t testing.TB, d tun.Device) ([]inner.Packet, error) {
	t.Helper()
	n, err := d.Read(r.buf, r.pkts, headroom, tailroom)
	at := headroom
	for i, p := range r.pkts[:n] {
		if len(p.Buf) == 0 || &p.Buf[0] != &r.buf[at] {
			t.Fatalf("packet %d is not at %d", i, at)
		}
		at += len(p.Buf) + tailroom + headroom
	}
	if at-headroom > len(r.buf) {
		t.Fatalf("the last packet leaves no tailroom")
	}
	return r.pkts[:n], err
}

func TestMemoryReadsInOrder(t *testing.T) {
	m := tun.NewMemory()
	defer m.Close()
	for i := range 3 {
		if !m.Inject(packet(40+i, byte(i))) {
			t.Fatalf("packet %d dropped", i)
		}
	}
	r := newReading(2)
	got, err := r.from(t, m)
	if len(got) != 2 || err != nil {
		t.Fatalf("%d packets, %v; want 2", len(got), err)
	}
	for i, p := range got {
		if want := packet(40+i, byte(i)); !bytes.Equal(p.Buf, want) || p.Partial || p.Segment != 0 {
			t.Errorf("packet %d: %+v, want %x", i, p, want)
		}
	}
	if got, err := r.from(t, m); len(got) != 1 || err != nil || len(got[0].Buf) != 42 {
		t.Errorf("second Read: %v, %v; want the third packet", got, err)
	}
}

// TestMemoryReadFillsBuffer: what might not fit is for the next Read.
func TestMemoryReadFillsBuffer(t *testing.T) {
	m := tun.NewMemory()
	defer m.Close()
	for range 4 {
		m.Inject(packet(30000, 1))
	}
	r := newReading(10)
	for _, want := range []int{3, 1} {
		if got, err := r.from(t, m); len(got) != want || err != nil {
			t.Errorf("%d packets, %v; want %d", len(got), err, want)
		}
	}
}

func TestMemoryReadBlocksUntilClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := tun.NewMemory()
		time.AfterFunc(time.Hour, func() { m.Close() })
		start := time.Now()
		if _, err := newReading(1).from(t, m); !errors.Is(err, os.ErrClosed) {
			t.Errorf("Read: %v, want os.ErrClosed", err)
		}
		if d := time.Since(start); d != time.Hour {
			t.Errorf("Read returned after %v, want 1h", d)
		}
	})
}

func TestMemoryDrops(t *testing.T) {
	m := tun.NewMemory()
	defer m.Close()
	if m.Inject(packet(tun.MaxPacket+1, 1)) {
		t.Error("a packet of more than MaxPacket was taken")
	}
	if bad := superPacket(t); m.InjectPacket(inner.Packet{Buf: bad.Buf, Partial: true}) {
		t.Error("a packet with a checksum in the wrong place was taken")
	}
	injected := 0
	for m.Inject(packet(40, 0)) {
		injected++
	}
	if injected != 500 {
		t.Errorf("%d packets fit the queue, want txqueuelen's 500", injected)
	}
	if in, _ := m.Drops(); in != 3 {
		t.Errorf("%d drops counted, want 3", in)
	}
}

func TestMemoryInjectPacket(t *testing.T) {
	m := tun.NewMemory()
	defer m.Close()
	want := superPacket(t)
	injected := want
	injected.Buf = bytes.Clone(want.Buf)
	if !m.InjectPacket(injected) {
		t.Fatal("dropped")
	}
	clear(injected.Buf) // the buffer is the caller's again
	got, err := newReading(1).from(t, m)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]inner.Packet{want}, got); diff != "" {
		t.Error(diff)
	}
}

func TestMemoryWrite(t *testing.T) {
	m := tun.NewMemory()
	pkt := packet(40, 7)
	long := packet(tun.MaxPacket+1, 7)
	n, err := m.Write([]inner.Packet{{Buf: pkt}, {Buf: []byte{0x50}}, {}, {Buf: pkt}, {Buf: long}, {Buf: pkt, Partial: true}})
	if n != 2 || !errors.Is(err, syscall.EINVAL) {
		t.Errorf("Write = %d, %v; want 2 and EINVAL", n, err)
	}
	clear(pkt) // the buffers are the caller's again
	for range 2 {
		if got := <-m.Packets(); !bytes.Equal(got, packet(40, 7)) {
			t.Errorf("application got %x", got)
		}
	}
}

// TestMemoryWriteSuper: applications see single packets with whole checksums.
func TestMemoryWriteSuper(t *testing.T) {
	m := tun.NewMemory()
	super := superPacket(t)
	partial := single(t, "partial")
	if n, err := m.Write([]inner.Packet{super, partial}); n != 2 || err != nil {
		t.Fatalf("Write = %d, %v", n, err)
	}
	m.Close()
	var got []byte
	packets := 0
	for pkt := range m.Packets() {
		got = append(got, payload(t, pkt)...)
		packets++
	}
	if want := super.Segments() + 1; packets != want {
		t.Errorf("%d packets, want %d", packets, want)
	}
	if want := append(super.Buf[super.HeaderLen():], "partial"...); !bytes.Equal(got, want) {
		t.Errorf("the payloads are %d bytes or others than the %d sent", len(got), len(want))
	}
}

func TestMemoryWriteNeverBlocks(t *testing.T) {
	m := tun.NewMemory()
	defer m.Close()
	for range 510 {
		if _, err := m.Write([]inner.Packet{{Buf: packet(40, 7)}}); err != nil {
			t.Fatal(err)
		}
	}
	if _, out := m.Drops(); out != 10 {
		t.Errorf("%d drops counted, want 10", out)
	}
}

func TestMemoryAfterClose(t *testing.T) {
	m := tun.NewMemory()
	m.Inject(packet(40, 0))
	for range 2 {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := newReading(1).from(t, m); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Read: %v, want os.ErrClosed", err)
	}
	if _, err := m.Write([]inner.Packet{{Buf: packet(40, 0)}}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Write: %v, want os.ErrClosed", err)
	}
	if m.Inject(packet(40, 0)) {
		t.Error("a closed device took a packet")
	}
	if _, ok := <-m.Packets(); ok {
		t.Error("a closed device delivered a packet")
	}
}

func TestReadNeedsRoom(t *testing.T) {
	m := tun.NewMemory()
	defer m.Close()
	m.Inject(packet(40, 0))
	buf, pkts := make([]byte, tun.MaxPacket+40), make([]inner.Packet, 1)
	for _, c := range []struct {
		buf                []byte
		pkts               []inner.Packet
		headroom, tailroom int
		want               string
	}{
		{buf, nil, 0, 0, "no packets to read into"},
		{nil, pkts, 0, 0, "buffer of 0 bytes"},
		{buf, pkts, 20, 21, "buffer of 65575 bytes, want at least 65576"},
		{buf, pkts, -1, 0, "negative"},
		{buf, pkts, 0, -1, "negative"},
		{buf, pkts, 20, 20, ""},
	} {
		n, err := m.Read(c.buf, c.pkts, c.headroom, c.tailroom)
		if c.want == "" && n != 1 || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("Read = %d, %v; want %q", n, err, c.want)
		}
	}
}
