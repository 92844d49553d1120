package bench

import (
	"bytes"
	"fmt"
	"image/color"
	"io"
	"math"
	"slices"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/multi6/multi6/internal/rig"
)

// The layout of the picture: a row for each mode, a column for each round-trip
// time and profile.
const (
	panelWidth  = 11 * vg.Centimeter
	panelHeight = 7 * vg.Centimeter
	headHeight  = 3.6 * vg.Centimeter
	margin      = 0.5 * vg.Centimeter
)

// shortest is where the x axes begin; stalls shorter than it are drawn there.
const shortest = time.Millisecond

var (
	black = color.NRGBA{0x22, 0x22, 0x22, 0xff}
	grey  = color.NRGBA{0x60, 0x60, 0x60, 0xff}
	pale  = color.NRGBA{0xdd, 0xdd, 0xdd, 0xff}
)

// Colours of the faults after Okabe and Ito, which the colour-blind can tell
// apart. Faults differ in their dashes too.
var faultStyles = [faults]draw.LineStyle{
	F1: lineStyle(0xd5, 0x5e, 0x00),
	F2: lineStyle(0xe6, 0x9f, 0x00, 6, 2),
	F3: lineStyle(0xcc, 0x79, 0xa7, 2, 2),
	F4: lineStyle(0x00, 0x72, 0xb2),
	F5: lineStyle(0x56, 0xb4, 0xe9, 6, 2),
	F6: lineStyle(0x00, 0x9e, 0x73),
	F7: lineStyle(0x22, 0x22, 0x22, 6, 2, 2, 2),
	F8: lineStyle(0x80, 0x80, 0x80, 2, 2),
}

func lineStyle(r, g, b uint8, dashes ...vg.Length) draw.LineStyle {
	return draw.LineStyle{Color: color.NRGBA{r, g, b, 0xff}, Width: 1.8, Dashes: dashes}
}

// A systemStyle is how the stalls of one system over all faults are drawn, where
// they are for comparison.
type systemStyle struct {
	system, name string
	line         draw.LineStyle
}

var systemStyles = []systemStyle{
	{systemMPTCP, "Multipath TCP, F1 to F5", draw.LineStyle{Color: color.NRGBA{0x99, 0x99, 0x99, 0xff}, Width: 3}},
	{systemTCP, "TCP, F1 to F5", draw.LineStyle{Color: color.NRGBA{0xbb, 0xbb, 0xbb, 0xff}, Width: 3, Dashes: []vg.Length{7, 4}}},
}

// WriteSVG draws the cumulative distributions of the stalls, one curve for each
// fault. A curve that ends below 100 % has stalls that never ended.
func (r *Result) WriteSVG(w io.Writer) error {
	var columns []Group
	for _, g := range r.Groups {
		if g.System == systemMulti6 && len(g.Cells) > 0 {
			columns = append(columns, g)
		}
	}
	rows := modesOf(columns)
	width := vg.Length(max(len(columns), 2))*panelWidth + 2*margin
	height := headHeight + vg.Length(len(rows))*panelHeight + 2*margin
	svg := vgsvg.New(width, height)
	c := draw.New(svg)
	c.FillPolygon(color.White, []vg.Point{c.Min, {X: c.Max.X, Y: c.Min.Y}, c.Max, {X: c.Min.X, Y: c.Max.Y}})
	c = draw.Crop(c, margin, -margin, margin, -margin)
	r.drawHead(c, columns)
	longest := r.longest()
	for i, m := range rows {
		for j, g := range columns {
			top := c.Max.Y - headHeight - vg.Length(i)*panelHeight
			left := c.Min.X + vg.Length(j)*panelWidth
			panel := c
			panel.Rectangle = vg.Rectangle{
				Min: vg.Point{X: left, Y: top - panelHeight + 0.7*vg.Centimeter},
				Max: vg.Point{X: left + panelWidth - 0.6*vg.Centimeter, Y: top},
			}
			r.drawPanel(panel, g, m, longest)
		}
	}
	var b bytes.Buffer
	if _, err := svg.WriteTo(&b); err != nil {
		return err
	}
	// Liberation Sans has the metrics of these.
	_, err := w.Write(bytes.ReplaceAll(b.Bytes(), []byte("font-family:Liberation Sans"), []byte("font-family:Liberation Sans,Arial,Helvetica,sans-serif")))
	return err
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

// drawHead draws title and legend.
func (r *Result) drawHead(c draw.Canvas, columns []Group) {
	write(c, 16, black, c.Min.X, c.Max.Y, "How long connections stall when their path fails")
	write(c, 10, grey, c.Min.X, c.Max.Y-0.75*vg.Centimeter,
		"Share of the runs whose stall was no longer; a curve that stays below 100 % has stalls without end.")
	write(c, 10, grey, c.Min.X, c.Max.Y-1.2*vg.Centimeter, "Triangles are the targets for the medians.")
	at := vg.Point{X: c.Min.X, Y: c.Max.Y - 1.9*vg.Centimeter}
	for _, f := range Faults() {
		if slices.ContainsFunc(columns, func(g Group) bool {
			return slices.ContainsFunc(g.Cells, func(c Cell) bool { return c.Fault == f })
		}) {
			at = legend(c, at, faultStyles[f], fmt.Sprintf("%v %s", f, f.Text()))
		}
	}
	for _, s := range systemStyles {
		if slices.ContainsFunc(r.Groups, func(g Group) bool { return g.System == s.system }) {
			at = legend(c, at, s.line, s.name)
		}
	}
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
	write(c, 9, black, at.X+sample+0.15*vg.Centimeter, at.Y, name)
	at.X += width
	return at
}

// drawPanel draws the distributions of one mode.
func (r *Result) drawPanel(c draw.Canvas, g Group, m Mode, longest float64) {
	p := plot.New()
	p.Title.Text = fmt.Sprintf("%v, RTT %v, %s", m, time.Duration(g.RTT), g.Profile)
	p.Title.TextStyle = textStyle(11, black)
	p.Title.TextStyle.XAlign = draw.XCenter
	p.Title.Padding = 2
	p.X.Label.Text, p.Y.Label.Text = "stall, ms", "% of runs"
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Label.TextStyle.Font, a.Tick.Label.Font = sans(9), sans(9)
		a.Color, a.Tick.Color = grey, grey
		a.LineStyle.Color, a.Tick.LineStyle.Color = grey, grey
	}
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.TickerFunc(logTicks)
	p.Y.Tick.Marker = plot.ConstantTicks{{Value: 0, Label: "0"}, {Value: 50, Label: "50"}, {Value: 100, Label: "100"}}
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = pale, pale
	p.Add(grid)
	for _, s := range systemStyles {
		var stalls []Trial
		for _, other := range r.Groups {
			if other.System == s.system && other.RTT == g.RTT {
				stalls = append(stalls, runsOf(other, m, 0)...)
			}
		}
		addCurve(p, stalls, s.line, longest)
	}
	for _, f := range slices.Backward(Faults()) { // of equal targets, the first one's colour shows
		addCurve(p, runsOf(g, m, f), faultStyles[f], longest)
		if t := Target(f, m, time.Duration(g.RTT), g.Profile); t > 0 && len(runsOf(g, m, f)) > 0 {
			p.Add(tick{float64(t) / float64(time.Millisecond), faultStyles[f].Color})
		}
	}
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = float64(shortest)/float64(time.Millisecond), longest, 0, 112
	p.Draw(c)
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

func addCurve(p *plot.Plot, runs []Trial, style draw.LineStyle, longest float64) {
	if xys := distribution(runs, longest); len(xys) > 0 {
		p.Add(&plotter.Line{XYs: xys, LineStyle: style})
	}
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

// logTicks names powers of ten, and marks 2 and 5 times them.
func logTicks(low, high float64) (ticks []plot.Tick) {
	for decade := math.Pow(10, math.Floor(math.Log10(low))); decade <= high; decade *= 10 {
		for _, n := range []float64{1, 2, 5} {
			label := ""
			if n == 1 {
				label = fmt.Sprintf("%g", decade)
			}
			if v := n * decade; v >= low && v <= high {
				ticks = append(ticks, plot.Tick{Value: v, Label: label})
			}
		}
	}
	return ticks
}

func sans(size vg.Length) font.Font {
	return font.Font{Typeface: "Liberation", Variant: "Sans", Size: size}
}

func textStyle(size vg.Length, c color.Color) draw.TextStyle {
	return draw.TextStyle{
		Color: c, Font: sans(size), XAlign: draw.XLeft, YAlign: draw.YTop, Handler: plot.DefaultTextHandler,
	}
}

func write(c draw.Canvas, size vg.Length, colour color.Color, x, y vg.Length, s string) {
	c.FillText(textStyle(size, colour), vg.Point{X: x, Y: y}, s)
}
