package lab_test

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/multi6/multi6/internal/lab"
)

// singleFrames is a loss that never strikes but makes the kernel cut up
// super-frames.
const singleFrames = 1e-15

// BenchmarkTCP sends TCP through an uplink and reports what the whole of it,
// both ends included, takes of the processor.
func BenchmarkTCP(b *testing.B) {
	for _, c := range []struct {
		name string
		lab.Config
	}{
		{"super-frames", lab.Config{}},
		{"super-frames,RTT=20ms", lab.Config{RTT: 20 * time.Millisecond}},
		{"frames", lab.Config{Loss: singleFrames}},
		{"frames,RTT=20ms", lab.Config{Loss: singleFrames, RTT: 20 * time.Millisecond}},
		{"frames,500Mbit/s", lab.Config{Loss: singleFrames, Rate: 500e6}},
		{"super-frames,500Mbit/s", lab.Config{Rate: 500e6}},
	} {
		b.Run(c.name, func(b *testing.B) {
			const size = 64 << 20
			l := newLab(b, c.Config)
			b.SetBytes(size)
			cpu, bits, took := cpuTime(b), 0.0, time.Duration(0)
			for b.Loop() {
				took += transfer(b, l, size)
				bits += size * 8
			}
			b.ReportMetric(bits/took.Seconds()/1e6, "Mbit/s")
			b.ReportMetric(float64(cpuTime(b)-cpu)/bits, "cpu-ms/Mbit")
			if n := l.Uplinks[0].Count(lab.AtoB); n.QueueFull > 0 {
				b.Logf("%+v", n)
			}
		})
	}
}

// BenchmarkSmallPackets sends small datagrams one way at a steady rate.
func BenchmarkSmallPackets(b *testing.B) {
	for _, delay := range []time.Duration{0, 10 * time.Millisecond} {
		for _, perSecond := range []int{20000, 50000, 100000} {
			b.Run(fmt.Sprintf("delay=%v,rate=%d", delay, perSecond), func(b *testing.B) {
				l := newLab(b, lab.Config{RTT: 2 * delay})
				sink, err := l.B.ListenPacket("udp", fmt.Sprintf("[%v]:9", l.B.Addr6(0)))
				if err != nil {
					b.Fatal(err)
				}
				defer sink.Close()
				c, err := l.A.DialFrom(b.Context(), "udp", l.A.Addr6(0), sink.LocalAddr().String())
				if err != nil {
					b.Fatal(err)
				}
				defer c.Close()
				before, cpu, start := l.Uplinks[0].Count(lab.AtoB), cpuTime(b), time.Now()
				sent := 0
				for b.Loop() {
					for due := time.Duration(sent) * time.Second / time.Duration(perSecond); time.Since(start) < due; {
						time.Sleep(due - time.Since(start))
					}
					if _, err := c.Write(make([]byte, 64)); err != nil {
						b.Fatal(err)
					}
					sent++
				}
				took := time.Since(start)
				time.Sleep(2*delay + 10*time.Millisecond) // what was lost cannot be waited for
				n := l.Uplinks[0].Count(lab.AtoB).Sub(before)
				b.ReportMetric(float64(sent)/took.Seconds(), "packets/s")
				b.ReportMetric(100*(1-float64(n.Delivered-n.Neighbour-n.Group)/float64(sent)), "%lost")
				b.ReportMetric(float64(cpuTime(b)-cpu)/float64(sent)/1e3, "cpu-µs/packet")
			})
		}
	}
}

// cpuTime is what this process, with what the kernel does for it, has used.
func cpuTime(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
