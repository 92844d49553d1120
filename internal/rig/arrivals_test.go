package rig

import (
	"slices"
	"testing"
	"time"
)

const msec = time.Millisecond

// steps returns arrivals of one byte each at these milliseconds.
func steps(at ...int) []Arrival {
	var as []Arrival
	for _, ms := range at {
		as = append(as, Arrival{time.Duration(ms) * msec, 1})
	}
	return as
}

func TestLongestGap(t *testing.T) {
	tests := []struct {
		name     string
		arrivals []Arrival
		want     Gap // in milliseconds
	}{
		{"nothing ever", nil, Gap{0, 1000, true}},
		{"steady", steps(90, 100, 110, 150, 190, 200, 210), Gap{110, 150, false}},
		{"a longer gap before does not count", steps(0, 99, 100, 110, 120, 150, 190, 201), Gap{150, 190, false}},
		{"a longer gap after does not count", steps(99, 110, 150, 190, 200, 900), Gap{110, 150, false}},
		{"it may begin before", steps(20, 120, 150, 199, 205), Gap{20, 120, false}},
		{"it may end after", steps(100, 120, 150, 180, 400), Gap{180, 400, false}},
		{"it may cover all", steps(90, 300), Gap{90, 300, false}},
		{"it may not end", steps(90, 110), Gap{110, 1000, true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := Gap{tt.want.Start * msec, tt.want.End * msec, tt.want.Open}
			if got := LongestGap(tt.arrivals, 100*msec, 200*msec, 1000*msec); got != want {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

func TestBuckets(t *testing.T) {
	as := []Arrival{{9 * msec, 1}, {10 * msec, 2}, {19 * msec, 4}, {20 * msec, 8}, {39 * msec, 16}, {40 * msec, 32}}
	if got, want := Buckets(as, 10*msec, 10*msec, 3), []int{6, 8, 16}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got, want := Total(as, 10*msec, 20*msec), 6; got != want {
		t.Errorf("total %d, want %d", got, want)
	}
}
