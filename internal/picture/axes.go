package picture

import (
	"fmt"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg/draw"
)

// NewPlot returns axes and a grid under that title, which may be empty.
func NewPlot(title string) *plot.Plot {
	p := plot.New()
	p.Title.Text = title
	p.Title.TextStyle = Text(11, Black)
	p.Title.TextStyle.XAlign = draw.XCenter
	p.Title.Padding = 2
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Label.TextStyle.Font, a.Tick.Label.Font = sans(9), sans(9)
		a.LineStyle.Color, a.Tick.LineStyle.Color = Grey, Grey
	}
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = Pale, Pale
	p.Add(grid)
	return p
}

// SetLog makes the scale of an axis logarithmic.
func SetLog(a *plot.Axis) { a.Scale, a.Tick.Marker = plot.LogScale{}, plot.TickerFunc(logTicks) }

// logTicks names powers of ten, and marks 2 and 5 times them; where there are few, it
// names all.
func logTicks(low, high float64) (ticks []plot.Tick) {
	few := high/low < 100
	for decade := math.Pow(10, math.Floor(math.Log10(low))); decade <= high; decade *= 10 {
		for _, n := range []float64{1, 2, 5} {
			label := ""
			if n == 1 || few {
				label = fmt.Sprintf("%g", n*decade)
			}
			if v := n * decade; v >= low && v <= high {
				ticks = append(ticks, plot.Tick{Value: v, Label: label})
			}
		}
	}
	return ticks
}
