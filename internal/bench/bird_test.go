package bench

import (
	"bufio"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/multi6/multi6/internal/lab"
	"github.com/multi6/multi6/internal/testkit"
)

func TestReadBird(t *testing.T) {
	tests := []struct{ name, said, want, fails string }{
		{"one line", "0001 BIRD 2 ready.\nmore", "BIRD 2 ready.\n", ""},
		{"a table", "2002-Name Proto\n1002-x BGP up\n y BGP up\n0000 \n", "Name Proto\nx BGP up\ny BGP up\n\n", ""},
		{"a block that is not the last", "1002 x\n1018 y\n0000 \n", "x\ny\n\n", ""},
		{"an error", "9001 syntax error\n", "", "syntax error"},
		{"refused", "8003 no protocols match\n", "", "no protocols match"},
		{"cut off", "2002-Name", "", "EOF"},
		{"nonsense", "hm\n", "", `unexpected "hm\n"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := readBird(bufio.NewReader(strings.NewReader(tt.said)))
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if (err == nil) != (tt.fails == "") || err != nil && err.Error() != tt.fails {
				t.Errorf("error %v, want %q", err, tt.fails)
			}
		})
	}
}

// TestAskBird asks a stand-in.
func TestAskBird(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		r := bufio.NewReader(c)
		c.Write([]byte("0001 ready\n"))
		for range 2 {
			q, _ := r.ReadString('\n')
			c.Write([]byte("1000-" + q + "0000 \n"))
		}
	}()
	got, err := askBird(t.Context(), socket, "one", "two")
	if err != nil || len(got) != 2 || got[0] != "one\n\n" || got[1] != "two\n\n" {
		t.Errorf("got %q (%v)", got, err)
	}
	l.Close()
	<-done
}

// TestBirdConfiguration has BIRD itself read what it would be told, where it is
// installed.
func TestBirdConfiguration(t *testing.T) {
	testkit.NeedRoot(t)
	l, err := lab.New(lab.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := &bird{lab: l, dir: t.TempDir()}
	text, err := s.configuration(1)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"route 2001:db8:f::b/128 unreachable;",
		"route 2001:db8:a2::1/128 via 2001:db8:b2::fe;",
		"local 2001:db8:b1::1 as 65001;",
		"neighbor 2001:db8:a1::1 as 65001;",
		"bgp_local_pref = 200;", "bgp_local_pref = 100;",
		"interval 10 ms; multiplier 3;",
		"krt_prefsrc = 2001:db8:f::b;",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	program, err := exec.LookPath("bird")
	if err != nil {
		t.Log("bird is not installed, so it does not read this")
		return
	}
	file := filepath.Join(s.dir, "b.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(program, "-p", "-c", file).CombinedOutput(); err != nil {
		t.Errorf("bird does not understand it: %v\n%s", err, out)
	}
}

func TestEstimate(t *testing.T) {
	o := Options{
		Faults: []Fault{F1, F6, F8}, Modes: []Mode{RR, UDP}, RTTs: []time.Duration{0}, Profiles: []string{"fast"},
		Runs: 10, CompareRuns: 2, Outage: 30 * time.Second, Trouble: 20 * time.Second,
	}
	alone := o.Estimate()
	// 2 modes, 10 runs of each of F1, F6, F8, and counting in 2 modes and at rest.
	if least := 20 * (watchFor + 30*time.Second + 20*time.Second); alone < least || alone > least+3*time.Minute {
		t.Errorf("%v, want a little more than %v", alone, least)
	}
	o.Rivals = Rivals()
	if both := o.Estimate(); both < alone+4*4*50*time.Second/2 {
		t.Errorf("%v with others, %v without", both, alone)
	}
	o.Runs, o.Rivals = 20, nil
	if twice := o.Estimate(); twice < alone*19/10 {
		t.Errorf("%v for twice the runs of %v", twice, alone)
	}
}
