package demo

import (
	"fmt"
	"image/color"
	"math"
	"strings"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/multi6/multi6/internal/picture"
	"github.com/multi6/multi6/internal/rig"
)

// Colours of areas.
var (
	paleBlue = color.NRGBA{0xbf, 0xdc, 0xec, 0xff}
	paleRed  = color.NRGBA{0xf8, 0xe7, 0xdd, 0xff}
)

// A markKind is a moment that the picture marks.
type markKind uint8

const (
	markFailure markKind = iota
	markSuspicion
	markSwitch
	markFirstByte
)

// A mark is how a moment looks.
type mark struct {
	kind   markKind
	name   string
	colour color.NRGBA
	dashes []vg.Length
}

var marks = [...]mark{
	markFailure:   {markFailure, "failure", picture.Vermilion, nil},
	markSuspicion: {markSuspicion, "suspicion", picture.Orange, []vg.Length{1.5, 1.5}},
	markSwitch:    {markSwitch, "switch of a node", picture.Green, []vg.Length{5, 2}},
	markFirstByte: {markFirstByte, "first byte after the stall", picture.Purple, []vg.Length{7, 2, 1.5, 2}},
}

func (m mark) style() draw.LineStyle {
	return draw.LineStyle{Color: m.colour, Width: 1.6, Dashes: m.dashes}
}

// A moment is where a mark goes, after the failure.
type moment struct {
	mark  mark
	after rig.Millis
}

// moments returns what the picture marks, the failure first.
func (t *Trial) moments() []moment {
	all := []moment{{marks[markFailure], 0}}
	if t.Suspicion != nil {
		all = append(all, moment{marks[markSuspicion], t.Suspicion.After})
	}
	for _, s := range t.Switches {
		all = append(all, moment{marks[markSwitch], s.After})
	}
	if t.FirstByte != nil {
		all = append(all, moment{marks[markFirstByte], *t.FirstByte})
	}
	return all
}

var descriptions = map[string]string{
	"blackhole":       "Blackhole of %s, both ways",
	"blackhole-out":   "Blackhole of %s, A to B only",
	"blackhole-in":    "Blackhole of %s, B to A only",
	"link-down":       "Interface %s set down",
	"address-removed": "Addresses of %s removed",
	"all-dead":        "All paths dead for 5 s",
	"carrier-lost":    "Cable of %s pulled",
}

func describe(t *Trial) string {
	d := descriptions[t.Fault]
	if strings.Contains(d, "%s") {
		return fmt.Sprintf(d, t.Link)
	}
	return d
}

// A line is a vertical line at x.
type line struct {
	mark mark
	x    float64
}

// Plot implements plot.Plotter.
func (l line) Plot(c draw.Canvas, p *plot.Plot) {
	toX, _ := p.Transforms(&c)
	if x := toX(l.x); c.ContainsX(x) {
		c.StrokeLine2(l.mark.style(), x, c.Min.Y, x, c.Max.Y)
	}
}

// A span is the time of a fault.
type span struct{ from, to float64 }

// Plot implements plot.Plotter.
func (s span) Plot(c draw.Canvas, p *plot.Plot) {
	toX, _ := p.Transforms(&c)
	left, right := max(toX(s.from), c.Min.X), min(toX(s.to), c.Max.X)
	if left < right {
		c.FillPolygon(paleRed, picture.Corners(vg.Rectangle{Min: vg.Point{X: left, Y: c.Min.Y}, Max: vg.Point{X: right, Y: c.Max.Y}}))
	}
}

// An area is goodput over time, in steps, cut off at the top.
type area struct {
	steps plotter.XYs
	top   float64
}

// newArea returns the goodput of buckets that begin at from.
func newArea(bytes []int, from, width time.Duration, top float64) area {
	a := area{top: top}
	for i, n := range bytes {
		mbit := float64(n) * 8 / width.Seconds() / 1e6
		start := from + time.Duration(i)*width
		a.steps = append(a.steps,
			plotter.XY{X: start.Seconds(), Y: mbit}, plotter.XY{X: (start + width).Seconds(), Y: mbit})
	}
	return a
}

// Plot implements plot.Plotter.
func (a area) Plot(c draw.Canvas, p *plot.Plot) {
	if len(a.steps) == 0 {
		return
	}
	toX, toY := p.Transforms(&c)
	top := make([]vg.Point, len(a.steps))
	for i, s := range a.steps {
		top[i] = vg.Point{X: toX(s.X), Y: toY(min(s.Y, a.top))}
	}
	ground := toY(0)
	outline := append([]vg.Point{{X: top[0].X, Y: ground}}, top...)
	outline = append(outline, vg.Point{X: top[len(top)-1].X, Y: ground})
	c.FillPolygon(paleBlue, c.ClipPolygonX(outline))
	c.StrokeLines(draw.LineStyle{Color: picture.Blue, Width: 1}, c.ClipLinesX(top)...)
}

// numbers are labels along the top.
type numbers plotter.XYLabels

// Plot implements plot.Plotter.
func (n numbers) Plot(c draw.Canvas, p *plot.Plot) {
	toX, toY := p.Transforms(&c)
	style := picture.Text(10, picture.Vermilion)
	style.XAlign = draw.XCenter
	for i, at := range n.XYs {
		picture.Write(c, style, toX(at.X), toY(at.Y)-2, n.Labels[i])
	}
}

// newPlot returns axes of goodput.
func newPlot(peak float64) *plot.Plot {
	p := picture.NewPlot("")
	p.Y.Min, p.Y.Max = 0, peak
	p.Y.Label.Text = "Mbit/s"
	p.Y.Tick.Marker = evenTicks(50)
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Label.TextStyle.Color, a.Tick.Label.Color = picture.Grey, picture.Grey
		a.Label.Padding, a.Padding = 2, 2
	}
	return p
}

// evenTicks puts a label every step.
func evenTicks(step float64) plot.Ticker {
	return plot.TickerFunc(func(low, high float64) []plot.Tick {
		var ticks []plot.Tick
		const hair = 1e-9 // of rounding
		for i := math.Ceil(low/step - hair); i*step <= high+hair; i++ {
			value := i*step + 0 // no negative zero
			ticks = append(ticks, plot.Tick{Value: value, Label: fmt.Sprintf("%.4g", value)})
		}
		return ticks
	})
}

// legend draws the mark's entry at x and returns the place of the next.
func (m mark) legend(c draw.Canvas, x, y vg.Length) vg.Length {
	c.StrokeLine2(m.style(), x, y, x+legendLength, y)
	return label(c, x, y, m.name)
}

const legendLength = 0.9 * vg.Centimeter

// legendBox draws the entry of the time of failure.
func legendBox(c draw.Canvas, x, y vg.Length) {
	c.FillPolygon(paleRed, picture.Corners(vg.Rectangle{
		Min: vg.Point{X: x, Y: y - 4}, Max: vg.Point{X: x + legendLength, Y: y + 4},
	}))
	label(c, x, y, "the path is broken")
}

func label(c draw.Canvas, x, y vg.Length, name string) vg.Length {
	style := picture.Text(10, picture.Black)
	style.YAlign = draw.YCenter
	x += legendLength + 0.2*vg.Centimeter
	picture.Write(c, style, x, y, name)
	return x + style.Width(name) + 1.2*vg.Centimeter
}

// cut returns the top of c and what is below it.
func cut(c draw.Canvas, height vg.Length) (top, rest draw.Canvas) {
	all := c.Max.Y - c.Min.Y
	return draw.Crop(c, 0, 0, all-height, 0), draw.Crop(c, 0, 0, 0, -height)
}

// column returns column i of c.
func column(c draw.Canvas, i int) draw.Canvas {
	width := (c.Max.X - c.Min.X) / columns
	left := vg.Length(i) * width
	return draw.Crop(c, left+picture.Margin/2, left+width-(c.Max.X-c.Min.X)-picture.Margin/2, 0, 0)
}
