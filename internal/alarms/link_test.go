package alarms

import (
	"math/rand/v2"
	"testing"
	"time"
)

// TestLinks: links lose and delay as much as they are to.
func TestLinks(t *testing.T) {
	const n, every = 400_000, 5 * time.Millisecond
	for _, tt := range []struct {
		name       string
		link       link
		mean, most time.Duration // of the extra delay
	}{
		{"plain", link{}, 0, 0},
		{"uniform", link{jitter: 10 * time.Millisecond, shape: Uniform, loss: 0.05}, 5 * time.Millisecond, 10 * time.Millisecond},
		{"pareto", link{jitter: 10 * time.Millisecond, shape: Pareto, loss: 0.01, bursts: true}, 5 * time.Millisecond, 200 * time.Millisecond},
		{"swell", link{jitter: 10 * time.Millisecond, shape: Swell, loss: 0.005, bursts: true}, time.Millisecond, 20 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := tt.link
			l.random, l.delay = rand.New(rand.NewPCG(1, 2)), 10*time.Millisecond
			lost, sum, most := 0, time.Duration(0), time.Duration(0)
			last, overtaken := time.Duration(0), 0
			for i := range n {
				now := time.Second + time.Duration(i)*every
				at, ok := l.cross(now, true)
				if !ok {
					lost++
					continue
				}
				extra := at - now - l.delay
				if extra < 0 {
					t.Fatalf("a datagram arrives %v early", -extra)
				}
				if at < last {
					overtaken++
				}
				last = at
				sum += extra
				most = max(most, extra)
			}
			share := float64(lost) / n
			if share < l.loss*0.85 || share > l.loss*1.15 {
				t.Errorf("%.4f lost, want %.4f", share, l.loss)
			}
			if mean := sum / time.Duration(n-lost); mean < tt.mean*9/10 || mean > tt.mean*11/10 || most > tt.most {
				t.Errorf("%v more on average and %v at most, want %v and %v", mean, most, tt.mean, tt.most)
			}
			if l.shape == Swell && overtaken > 0 {
				t.Errorf("%d overtaken in a queue", overtaken)
			}
		})
	}
}

// TestBursts: losses of the bursty kind come together.
func TestBursts(t *testing.T) {
	together := func(bursts bool) float64 {
		l := link{random: rand.New(rand.NewPCG(1, 2)), loss: 0.02, bursts: bursts}
		lost, next, before := 0, 0, false
		for i := range 400_000 {
			is := l.loses(time.Second + time.Duration(i)*5*time.Millisecond)
			if is {
				lost++
				if before {
					next++
				}
			}
			before = is
		}
		return float64(next) / float64(lost)
	}
	if alone, burst := together(false), together(true); alone > 0.03 || burst < 0.3 {
		t.Errorf("after a loss, another one follows with %.3f, in bursts %.3f", alone, burst)
	}
}

// TestQueue: flights arrive in order of time, and of departure where that is the same.
func TestQueue(t *testing.T) {
	var q queue
	random := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		f := q.take()
		f.at = time.Duration(random.IntN(50))
		q.push(f)
	}
	last := new(flight)
	for range 1000 {
		f := q.pop()
		if f.before(last) {
			t.Fatalf("%v after %v", f.at, last.at)
		}
		last = f
	}
	if _, ok := q.next(); ok {
		t.Error("the queue is not empty")
	}
}
