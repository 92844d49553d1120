package picture

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

func TestWriteSVG(t *testing.T) {
	const width, height = 20 * vg.Centimeter, 10 * vg.Centimeter
	var b bytes.Buffer
	err := WriteSVG(&b, width, height, func(c draw.Canvas) {
		if c.Min.X != Margin || c.Max.Y != height-Margin {
			t.Errorf("the canvas is %+v", c.Rectangle)
		}
		Write(c, Text(10, Black), c.Min.X, c.Max.Y, "hello")
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`width="566.93pt"`, ">hello<", "font-family:Liberation Sans,Arial", "fill:#222222"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %s in\n%s", want, b.String())
		}
	}
	if err := WriteSVG(full{}, width, height, func(draw.Canvas) {}); !errors.Is(err, errFull) {
		t.Errorf("%v, want what the writer says", err)
	}
}

var errFull = errors.New("full")

// full takes nothing more.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestLogTicks(t *testing.T) {
	for _, tt := range []struct {
		low, high float64
		want      string
	}{
		{1, 1000, "1 2- 5- 10 20- 50- 100 200- 500- 1000"},
		{3, 40, "5 10 20"},
		{0.5, 0.9, "0.5"},
	} {
		var got []string
		for _, tick := range logTicks(tt.low, tt.high) {
			s := fmt.Sprint(tick.Value)
			if tick.Label == "" {
				s += "-"
			}
			got = append(got, s)
		}
		if !slices.Equal(got, strings.Fields(tt.want)) {
			t.Errorf("from %v to %v: %v, want %s", tt.low, tt.high, got, tt.want)
		}
	}
}
