package inner_test

import (
	"testing"

	"github.com/multi6/multi6/inner"
)

func BenchmarkCutter(b *testing.B) {
	p := segmented(b)
	headers := make([]byte, p.HeaderLen())
	var c inner.Cutter
	b.ReportAllocs()
	b.SetBytes(int64(len(p.Buf)))
	for b.Loop() {
		if err := c.Reset(&p); err != nil {
			b.Fatal(err)
		}
		for i := range c.Segments() {
			c.PutHeaders(headers, i)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(p.Segments()), "ns/segment")
}

func BenchmarkCompleteChecksum(b *testing.B) {
	p := segmented(b)
	for _, c := range []struct {
		name string
		size int
	}{{"64", 64}, {"1460", 1460}, {"61000", len(p.Buf)}} {
		one := inner.Packet{Buf: append([]byte(nil), p.Buf[:c.size]...), Transport: p.Transport}
		one.Buf[4], one.Buf[5] = byte((c.size-40)>>8), byte(c.size-40)
		if c.size < 72 {
			one.Buf[52] = 5 << 4 // no options
		}
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(c.size))
			for b.Loop() {
				one.Partial = true
				if err := one.CompleteChecksum(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkPutPseudo(b *testing.B) {
	p := segmented(b)
	b.ReportAllocs()
	for b.Loop() {
		inner.PutPseudo(p.Buf, p.Transport)
	}
}
