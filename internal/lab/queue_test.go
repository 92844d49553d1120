package lab

import (
	"bytes"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A queue gives back what was put in, in order, as a slice of slices would.
func TestQueueAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := newQueue()
		var model [][]byte
		fill := byte(0)
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				for range rapid.IntRange(1, 40).Draw(t, "times") {
					room := q.space()
					if room == nil {
						t.Fatal("full")
					}
					n := rapid.SampledFrom([]int{60, 1524, 20000, maxRecord}).Draw(t, "length")
					fill++
					for i := range room[:n] {
						room[i] = fill
					}
					model = append(model, bytes.Repeat([]byte{fill}, n))
					q.push(entry{length: n, at: time.Duration(len(model))})
				}
			},
			"pop": func(t *rapid.T) {
				for range min(len(model), rapid.IntRange(1, 60).Draw(t, "times")) {
					if _, got := q.first(); !bytes.Equal(got, model[0]) {
						t.Fatalf("got %d bytes, want %d", len(got), len(model[0]))
					}
					q.pop()
					model = model[1:]
				}
			},
			"": func(t *rapid.T) {
				if e, _ := q.first(); q.count != len(model) || (e == nil) != (len(model) == 0) {
					t.Fatalf("%d entries, want %d", q.count, len(model))
				}
			},
		})
	})
}

func TestQueueIsBounded(t *testing.T) {
	q := newQueue()
	n := 0
	for q.space() != nil {
		q.push(entry{length: maxRecord})
		n++
	}
	if got := n * maxRecord; got > queueLimit || got < queueLimit-2*maxRecord {
		t.Errorf("full at %d bytes, want about %d", got, queueLimit)
	}
	q.pop()
	q.pop()
	if q.space() == nil {
		t.Error("still full after two were taken")
	}
}

// An empty queue starts again at the front of its buffer, which the processor's
// cache holds.
func TestEmptyQueueStaysInPlace(t *testing.T) {
	q := newQueue()
	for range 1000 {
		if room := q.space(); &room[0] != &q.buf[0] || len(q.buf) != queueStart {
			t.Fatal("an empty queue has moved")
		}
		q.push(entry{length: 1524})
		q.pop()
	}
}
