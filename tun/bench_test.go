package tun_test

import (
	"net"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/multi6/multi6/inner"
	"github.com/multi6/multi6/internal/testkit"
	"github.com/multi6/multi6/tun"
)

// benchmarkDevice opens a device in a network namespace of its own.
func benchmarkDevice(b *testing.B) *tun.Kernel {
	b.Helper()
	testkit.NeedRoot(b)
	runtime.LockOSThread() // never unlocked: the thread ends with the benchmark
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		b.Fatal(err)
	}
	k, err := tun.Open(config("shim0"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { k.Close() })
	return k
}

// BenchmarkKernelRead reads datagrams that an application has sent, as many at a time as
// there are; an operation is one of them.
func BenchmarkKernelRead(b *testing.B) {
	const waiting, size = 64, 1000
	k := benchmarkDevice(b)
	c, err := net.Dial("udp4", net.JoinHostPort(peer4, "9"))
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	payload := make([]byte, size)
	r := newReading(waiting)
	b.ReportAllocs()
	b.SetBytes(size)
	b.ResetTimer()
	for n := 0; n < b.N; n += waiting {
		b.StopTimer()
		for range waiting {
			if _, err := c.Write(payload); err != nil {
				b.Fatal(err)
			}
		}
		b.StartTimer()
		for left := waiting; left > 0; {
			n, err := k.Read(r.buf, r.pkts, headroom, tailroom)
			if err != nil {
				b.Fatal(err)
			}
			left -= n
		}
	}
}

// BenchmarkKernelWrite hands packets and super-packets to the host, which has nobody to
// give them to.
func BenchmarkKernelWrite(b *testing.B) {
	k := benchmarkDevice(b)
	for name, p := range map[string]inner.Packet{"packet": single(b, "x"), "super": superPacket(b)} {
		b.Run(name, func(b *testing.B) {
			pkts := []inner.Packet{p}
			b.ReportAllocs()
			b.SetBytes(int64(len(p.Buf)))
			for b.Loop() {
				if _, err := k.Write(pkts); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
