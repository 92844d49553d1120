package tun_test

import (
	"bytes"
	"errors"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/multi6/multi6/tun"
)

// packet returns an IPv6-looking packet of n bytes, each but the first being
// tag.
func packet(n int, tag byte) []byte {
	p := bytes.Repeat([]byte{tag}, n)
	p[0] = 6 << 4
	return p
}

// buffers returns what a reader of one batch hands to Read.
func buffers(n, size int) ([][]byte, []int) {
	bufs := make([][]byte, n)
	for i := range bufs {
		bufs[i] = make([]byte, size)
	}
	return bufs, make([]int, n)
}

func TestMemoryReadsBatchAtOffset(t *testing.T) {
	m := tun.NewMemory()
	defer m.Close()
	for i := range 3 {
		if !m.Inject(packet(40+i, byte(i))) {
			t.Fatalf("packet %d dropped", i)
		}
	}
	bufs, sizes := buffers(2, 100)
	n, err := m.Read(bufs, sizes, 16)
	if n != 2 || err != nil {
		t.Fatalf("Read = %d, %v; want 2 packets", n, err)
	}
	for i := range n {
		if got, want := bufs[i][16:16+sizes[i]], packet(40+i, byte(i)); !bytes.Equal(got, want) {
			t.Errorf("packet %d: %x, want %x", i, got, want)
		}
	}
	if n, err := m.Read(bufs, sizes, 16); n != 1 || err != nil || sizes[0] != 42 {
		t.Errorf("second Read = %d, %v with size %d; want the third packet", n, err, sizes[0])
	}
}

func TestMemoryReadBlocksUntilClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := tun.NewMemory()
		time.AfterFunc(time.Hour, func() { m.Close() })
		start := time.Now()
		bufs, sizes := buffers(1, 100)
		if _, err := m.Read(bufs, sizes, 0); !errors.Is(err, os.ErrClosed) {
			t.Errorf("Read: %v, want os.ErrClosed", err)
		}
		if d := time.Since(start); d != time.Hour {
			t.Errorf("Read returned after %v, want 1h", d)
		}
	})
}

func TestMemoryDropsWhatDoesNotFit(t *testing.T) {
	m := tun.NewMemory()
	defer m.Close()
	m.Inject(packet(90, 1))
	m.Inject(packet(40, 2))
	bufs, sizes := buffers(4, 100)
	if n, err := m.Read(bufs, sizes, 16); n != 1 || err != nil || sizes[0] != 40 {
		t.Errorf("Read = %d, %v with size %d; want the packet that fits alone", n, err, sizes[0])
	}
	injected := 0
	for m.Inject(packet(40, 0)) {
		injected++
	}
	if injected != 500 {
		t.Errorf("%d packets fit the queue, want txqueuelen's 500", injected)
	}
	if in, _ := m.Drops(); in != 2 {
		t.Errorf("%d drops counted, want 2", in)
	}
}

func TestMemoryWrite(t *testing.T) {
	m := tun.NewMemory()
	buf := append(make([]byte, 16), packet(40, 7)...)
	bad := append(make([]byte, 16), 0x50)
	n, err := m.Write([][]byte{buf, bad, buf[:16], buf}, 16)
	if n != 2 || !errors.Is(err, syscall.EINVAL) {
		t.Errorf("Write = %d, %v; want 2 and EINVAL", n, err)
	}
	clear(buf) // the buffers are the caller's again
	for range 2 {
		if got := <-m.Packets(); !bytes.Equal(got, packet(40, 7)) {
			t.Errorf("application got %x", got)
		}
	}
	if _, err := m.Write([][]byte{buf}, 8); err == nil {
		t.Error("Write took an offset without room for the virtio-net header")
	}
}

func TestMemoryWriteNeverBlocks(t *testing.T) {
	m := tun.NewMemory()
	defer m.Close()
	buf := append(make([]byte, 16), packet(40, 7)...)
	for range 510 {
		if _, err := m.Write([][]byte{buf}, 16); err != nil {
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
	bufs, sizes := buffers(m.BatchSize(), 100)
	if _, err := m.Read(bufs, sizes, 16); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Read: %v, want os.ErrClosed", err)
	}
	if _, err := m.Write(bufs, 16); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Write: %v, want os.ErrClosed", err)
	}
	if m.Inject(packet(40, 0)) {
		t.Error("a closed device took a packet")
	}
	if _, ok := <-m.Packets(); ok {
		t.Error("a closed device delivered a packet")
	}
}

func TestMemoryReadNeedsBuffers(t *testing.T) {
	m := tun.NewMemory()
	defer m.Close()
	if _, err := m.Read(nil, nil, 16); err == nil {
		t.Error("Read without buffers did not fail")
	}
}
