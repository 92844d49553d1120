package lab_test

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/multi6/multi6/internal/lab"
)

func TestSetTakesEffectAtOnce(t *testing.T) {
	l := newLab(t, lab.Config{})
	echo(t, l.B)
	p := pair{l.A.Addr6(0), l.B.Addr6(0)}
	if !reaches(l, p, patience) {
		t.Fatal("unreachable")
	}
	c := dial(t, l.A, p.a, p.b)
	const delay = 30 * time.Millisecond
	slow := lab.Impairment{Delay: delay}
	if err := l.Uplinks[0].SetBoth(slow); err != nil {
		t.Fatal(err)
	}
	for _, d := range []lab.Direction{lab.AtoB, lab.BtoA} {
		if got := l.Uplinks[0].Impairment(d); got != slow {
			t.Errorf("%v: %+v, want %+v", d, got, slow)
		}
	}
	if rtt, ok := ping(c, patience); !ok || rtt < 2*delay {
		t.Errorf("RTT %v, %v; want at least %v", rtt, ok, 2*delay)
	}
	if err := l.Uplinks[0].Set(lab.BtoA, lab.Impairment{Blackhole: true}); err != nil {
		t.Fatal(err)
	}
	if rtt, ok := ping(c, brevity); ok {
		t.Errorf("an answer after %v through a blackhole", rtt)
	}
}

func TestSetRefusesNonsense(t *testing.T) {
	l := newLab(t, lab.Config{})
	if l.Uplinks[0].Set(lab.AtoB, lab.Impairment{Loss: 2}) == nil {
		t.Error("loss of 2 was taken")
	}
	if err := l.Uplinks[0].Set(2, lab.Impairment{}); err == nil {
		t.Errorf("%v was taken", lab.Direction(2))
	}
}

// What is on its way when the link breaks does not arrive.
func TestFramesUnderWayAreLostInABlackhole(t *testing.T) {
	l := newLab(t, lab.Config{})
	echo(t, l.B)
	p := pair{l.A.Addr6(0), l.B.Addr6(0)}
	if !reaches(l, p, patience) { // so that the neighbours are known
		t.Fatal("unreachable")
	}
	link := l.Uplinks[0]
	if err := link.Set(lab.AtoB, lab.Impairment{Delay: 500 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	before := link.Count(lab.AtoB)
	if _, err := dial(t, l.A, p.a, p.b).Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the datagram on its way", func() bool { return link.Count(lab.AtoB).Sub(before).UDP == 1 })
	heal, err := l.Break(lab.BlackholeAtoB, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer heal()
	eventually(t, "the datagram dropped", func() bool { return link.Count(lab.AtoB).Sub(before).Blackholed >= 1 })
}

// TestStood has the whole process stopped for a while: a link that has something to deliver
// meanwhile knows that it stood still.
func TestStood(t *testing.T) {
	l := newLab(t, lab.Config{RTT: 20 * time.Millisecond})
	echo(t, l.B)
	p := pair{l.A.Addr6(0), l.B.Addr6(0)}
	if !reaches(l, p, patience) {
		t.Fatal("unreachable")
	}
	const stop = 300 * time.Millisecond
	c := dial(t, l.A, p.a, p.b)
	var stood time.Duration
	for range 10 { // it may have nothing at the very moment
		l.Uplinks[0].Stood()
		stopProcess(t, stop, func() { ping(c, patience) })
		if stood = l.Uplinks[0].Stood(); stood >= stop/2 {
			return
		}
	}
	t.Errorf("stood for %v, want some %v", stood, stop)
}

// stopProcess stops this process for d, while it does something again and again.
func stopProcess(t *testing.T, d time.Duration, something func()) {
	t.Helper()
	sh := exec.Command("sh", "-c", fmt.Sprintf("kill -STOP %[1]d; sleep %[2]v; kill -CONT %[1]d", os.Getpid(), d.Seconds()))
	if err := sh.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- sh.Wait() }()
	for {
		something()
		select {
		case err := <-ended:
			if err != nil {
				t.Fatal(err)
			}
			return
		default:
		}
	}
}
