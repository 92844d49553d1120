package shim

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"
)

func checksum(header []byte) (sum uint32) {
	for i := 0; i < len(header); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(header[i:]))
	}
	for sum>>16 != 0 {
		sum = sum>>16 + sum&0xffff
	}
	return sum
}

func TestMarkCE(t *testing.T) {
	w := newWorld(t, setup{})
	for class := range 256 {
		six := w.a.udp("x")
		six[0], six[1] = 0x60|byte(class)>>4, byte(class)<<4|6
		four := ipv4(17, 0, class%11, udpBytes("x"))
		four[1] = byte(class)
		n := int(four[0]&15) * 4
		binary.BigEndian.PutUint16(four[10:], 0)
		binary.BigEndian.PutUint16(four[10:], ^uint16(checksum(four[:n])))
		want := class&3 == 1 || class&3 == 2
		for _, pkt := range [][]byte{six, four} {
			was := bytes.Clone(pkt)
			if got := MarkCE(pkt); got != want || !got && !bytes.Equal(was, pkt) {
				t.Errorf("class %#x: marked %v", class, got)
			}
			if !want {
				continue
			}
			if pkt[0] == was[0] && pkt[1] == was[1] {
				t.Errorf("class %#x: no mark", class)
			}
			if after := MarkCE(bytes.Clone(pkt)); after {
				t.Errorf("class %#x: marked twice", class)
			}
		}
		if sum := checksum(four[:n]); sum != 0xffff {
			t.Errorf("class %#x: the header's checksum is wrong: %#x", class, sum)
		}
		if got := six[0]<<4 | six[1]>>4; want && got != byte(class)|3 || six[1]&15 != 6 {
			t.Errorf("class %#x became %#x", class, got)
		}
	}
}

// After a switch packets are marked for a round trip, from the first that can be.
func TestMarksAfterSwitch(t *testing.T) {
	w := newWorld(t, setup{})
	capable := func() []byte { p := w.a.udp("x"); p[1] = p[1]&^(3<<4) | 1<<4; return p }
	plain := func() []byte { p := w.a.udp("x"); p[1] &^= 3 << 4; return p }
	w.open()
	if w.a.path.Term.Mark(w.a.since(), capable()) {
		t.Error("marked from the start")
	}
	w.run(time.Second)
	w.a.perform(w.a.c.Switch(w.now, w.a.pair(1, 1), nil))
	was := w.a.path
	if !w.until(time.Second, func() bool { return w.a.path.Pair != was.Pair }) {
		t.Fatal("no switch")
	}
	w.run(time.Second) // nobody had anything to say
	term, now := w.a.path.Term, w.a.since()
	for _, step := range []struct {
		after time.Duration
		pkt   []byte
		want  bool
	}{
		{0, plain(), false}, {time.Second, capable(), true}, {time.Second + oneWay, capable(), true},
		{time.Second + oneWay, plain(), false}, {2 * time.Second, capable(), false}, {3 * time.Second, capable(), false},
	} {
		if got := term.Mark(now+step.after, step.pkt); got != step.want {
			t.Errorf("after %v: marked %v, want %v", step.after, got, step.want)
		}
	}
}
