package bench

import (
	"fmt"
	"image/color"
	"io"
	"math"
	"slices"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/multi6/multi6/internal/picture"
	"github.com/multi6/multi6/internal/rig"
)

// The layout of the picture.
const (
	panelWidth   = 11 * vg.Centimeter
	panelHeight  = 7 * vg.Centimeter
	headHeight   = 2.2 * vg.Centimeter
	legendHeight = 2 * vg.Centimeter
)

// shortest is where the x axes begin; stalls shorter than it are drawn there.
const shortest = time.Millisecond

// middleGrey is for what matters least.
var middleGrey = color.NRGBA{0x80, 0x80, 0x80, 0xff}

// faultStyles are how faults are drawn.
var faultStyles = [faults]draw.LineStyle{
	F1: lineStyle(picture.Vermilion),
	F2: lineStyle(picture.Orange, 6, 2),
	F3: lineStyle(picture.Purple, 2, 2),
	F4: lineStyle(picture.Blue),
	F5: lineStyle(picture.SkyBlue, 6, 2),
	F6: lineStyle(picture.Green),
	F7: lineStyle(picture.Black, 6, 2, 2, 2),
	F8: lineStyle(middleGrey, 2, 2),
}

func lineStyle(c color.Color, dashes ...vg.Length) draw.LineStyle {
	return draw.LineStyle{Color: c, Width: 1.8, Dashes: dashes}
}

// WriteSVG draws the cumulative distributions of the stalls: first, for each mode
// and round-trip time, a curve for each system; then, for each mode and profile,
// one for each fault. A curve that ends below 100 % has stalls that never ended.
func (r *Result) WriteSVG(w io.Writer) error {
	all := r.grids()
	columns, rows := 2, 0
	for _, g := range all {
		columns, rows = max(columns, g.columns), rows+len(g.panels)
	}
	width := vg.Length(columns)*panelWidth + 2*picture.Margin
	height := headHeight + vg.Length(len(all))*legendHeight + vg.Length(rows)*panelHeight + 2*picture.Margin
	return picture.WriteSVG(w, width, height, func(c draw.Canvas) {
		r.drawHead(c)
		top := c.Max.Y - headHeight
		for _, g := range all {
			g.drawLegend(c, top)
			top -= legendHeight
			for _, row := range g.panels {
				for j, p := range row {
					left := c.Min.X + vg.Length(j)*panelWidth
					p.draw(picture.Panel(c, left, top, panelWidth, panelHeight), r.longest())
				}
				top -= panelHeight
			}
		}
	})
}

// modesOf returns the modes that were measured, in order.
func modesOf(groups []Group) (ms []Mode) {
	for _, m := range Modes() {
		if slices.ContainsFunc(groups, func(g Group) bool {
			return slices.ContainsFunc(g.Cells, func(c Cell) bool { return c.Mode == m })
		}) {
			ms = append(ms, m)
		}
	}
	return ms
}

// longest returns where the x axes end: a power of ten, ms.
func (r *Result) longest() float64 {
	most := 100.0
	for _, g := range r.Groups {
		for _, c := range g.Cells {
			most = max(most, c.Max.Milliseconds())
		}
	}
	return math.Pow(10, math.Ceil(math.Log10(most)))
}

func (r *Result) drawHead(c draw.Canvas) {
	picture.Write(c, picture.Text(16, picture.Black), c.Min.X, c.Max.Y, "How long connections stall when their path fails")
	picture.Write(c, picture.Text(10, picture.Grey), c.Min.X, c.Max.Y-0.75*vg.Centimeter,
		"Share of the runs whose stall was no longer; a curve that stays below 100 % has stalls without end.")
	picture.Write(c, picture.Text(10, picture.Grey), c.Min.X, c.Max.Y-1.2*vg.Centimeter, fmt.Sprintf("Triangles are the targets for the medians. TCP %s.", r.Congestion))
}

// legend draws an entry, on the next line if there is no room, and returns where
// the next one goes.
func legend(c draw.Canvas, at vg.Point, style draw.LineStyle, name string) vg.Point {
	const sample = 0.9 * vg.Centimeter
	width := sample + 0.8*vg.Centimeter + vg.Length(len(name))*0.18*vg.Centimeter
	if at.X+width > c.Max.X {
		at = vg.Point{X: c.Min.X, Y: at.Y - 0.5*vg.Centimeter}
	}
	y := at.Y - 0.15*vg.Centimeter
	c.StrokeLine2(style, at.X, y, at.X+sample, y)
	picture.Write(c, picture.Text(9, picture.Black), at.X+sample+0.15*vg.Centimeter, at.Y, name)
	at.X += width
	return at
}

// runsOf returns the runs of a mode and a fault, 0 being all but those that last
// (F6 to F8), whose stalls mean something else.
func runsOf(g Group, m Mode, f Fault) (runs []Trial) {
	for _, c := range g.Cells {
		if c.Mode == m && (c.Fault == f || f == 0 && c.Fault <= F5) {
			runs = append(runs, c.Runs...)
		}
	}
	return runs
}

// distribution returns the cumulative distribution in steps, %, over the
// stalls in ms up to longest. Stalls that did not end count as longer.
func distribution(runs []Trial, longest float64) (xys plotter.XYs) {
	var stalls []rig.Millis
	for _, r := range runs {
		if r.Ended {
			stalls = append(stalls, r.Stall)
		}
	}
	if len(runs) == 0 {
		return nil
	}
	slices.Sort(stalls)
	least := float64(shortest) / float64(time.Millisecond)
	y := 0.0
	xys = plotter.XYs{{X: least, Y: 0}}
	for i, s := range stalls {
		x := max(s.Milliseconds(), least)
		xys = append(xys, plotter.XY{X: x, Y: y})
		y = 100 * float64(i+1) / float64(len(runs))
		xys = append(xys, plotter.XY{X: x, Y: y})
	}
	return append(xys, plotter.XY{X: longest, Y: y})
}

// A tick marks a target on the upper edge.
type tick struct {
	x      float64
	colour color.Color
}

// Plot implements plot.Plotter.
func (t tick) Plot(c draw.Canvas, p *plot.Plot) {
	toX, toY := p.Transforms(&c)
	x, y := toX(t.x), toY(100)
	c.FillPolygon(t.colour, []vg.Point{{X: x, Y: y}, {X: x - 4, Y: y + 8}, {X: x + 4, Y: y + 8}})
}
