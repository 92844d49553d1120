package alarms

import (
	"cmp"
	"fmt"
	"image/color"
	"io"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/multi6/multi6/internal/picture"
)

// The layout of the picture: a panel for each condition.
const (
	panelWidth  = 12.5 * vg.Centimeter
	panelHeight = 9 * vg.Centimeter
	headHeight  = 3.3 * vg.Centimeter
	columns     = 3
	// mostPanels bounds the picture; the table has everything.
	mostPanels = 24
)

// A series is what one kind of mistake looks like, in detection time and rate.
type series struct {
	name   string
	colour color.Color
	// square says that its marks are squares, else circles.
	square bool
	rate   func(Cell) Rate
	time   func(Cell) float64 // ms
}

var allSeries = []series{
	{"false alarms, over the time to suspicion", picture.Orange, false,
		func(c Cell) Rate { return rate(c.FalseAlarms, c.Hours) }, func(c Cell) float64 { return c.Suspicion.Median.Milliseconds() }},
	{"false switches, over the time until both ends have left the pair", picture.Blue, true,
		func(c Cell) Rate { return rate(c.Switches, c.Hours) }, func(c Cell) float64 { return c.Switch.Median.Milliseconds() }},
}

// WriteSVG draws detection time against mistakes per hour: a curve over the margins, and
// the profiles by name.
func (r *Result) WriteSVG(w io.Writer) error {
	panels := r.panels()
	if extra := len(panels) - mostPanels; extra > 0 {
		panels = panels[:mostPanels]
	}
	across := min(max(len(panels), 2), columns)
	down := (len(panels) + across - 1) / across
	width := vg.Length(across)*panelWidth + 2*picture.Margin
	height := headHeight + vg.Length(down)*panelHeight + 2*picture.Margin
	low, high := limits(panels)
	return picture.WriteSVG(w, width, height, func(c draw.Canvas) {
		r.drawHead(c)
		for i, cells := range panels {
			left, top := c.Min.X+vg.Length(i%across)*panelWidth, c.Max.Y-headHeight-vg.Length(i/across)*panelHeight
			drawPanel(picture.Panel(c, left, top, panelWidth, panelHeight), cells, low, high)
		}
	})
}

// panels returns the cells that can be drawn, by condition.
func (r *Result) panels() (all [][]Cell) {
	place := make(map[string]int)
	for _, c := range r.Cells {
		if c.Failures == 0 || c.Hours == 0 {
			continue
		}
		name := c.setting.condition()
		i, known := place[name]
		if !known {
			i = len(all)
			place[name] = i
			all = append(all, nil)
		}
		all[i] = append(all[i], c)
	}
	return all
}

// limits returns the powers of ten that hold all rates, per hour.
func limits(panels [][]Cell) (low, high float64) {
	low, high = 1, 10
	for _, cells := range panels {
		for _, c := range cells {
			for _, s := range allSeries {
				v := s.rate(c).PerHour
				low, high = min(low, v), max(high, v)
			}
		}
	}
	return math.Pow(10, math.Floor(math.Log10(low))), math.Pow(10, math.Ceil(math.Log10(high)))
}

// drawHead draws title and legend.
func (r *Result) drawHead(c draw.Canvas) {
	picture.Write(c, picture.Text(16, picture.Black), c.Min.X, c.Max.Y, "How often detection is wrong, and how soon it is right")
	picture.Write(c, picture.Text(10, picture.Grey), c.Min.X, c.Max.Y-0.75*vg.Centimeter, fmt.Sprintf(
		"Simulated: %.4g hours in which no path is broken, both ends counted together. Times are medians after a silent failure.", r.Hours))
	picture.Write(c, picture.Text(10, picture.Grey), c.Min.X, c.Max.Y-1.2*vg.Centimeter,
		"Lines: the balanced profile with other margins. Hollow: none was seen, so the rate is below the mark (95 %).")
	at := vg.Point{X: c.Min.X, Y: c.Max.Y - 1.95*vg.Centimeter}
	for _, s := range allSeries {
		c.DrawGlyph(s.glyph(false, 3.5), vg.Point{X: at.X + 0.2*vg.Centimeter, Y: at.Y - 0.17*vg.Centimeter})
		picture.Write(c, picture.Text(10, picture.Black), at.X+0.6*vg.Centimeter, at.Y, s.name)
		at.X += 1.4*vg.Centimeter + vg.Length(len(s.name))*0.19*vg.Centimeter
	}
}

// drawPanel draws the cells of one condition.
func drawPanel(c draw.Canvas, cells []Cell, low, high float64) {
	p := picture.NewPlot(cells[0].setting.condition())
	p.X.Label.Text, p.Y.Label.Text = "detection time, ms", "per hour"
	picture.SetLog(&p.X)
	picture.SetLog(&p.Y)
	left, right := math.Inf(1), 0.0
	for _, s := range allSeries {
		for _, cell := range cells {
			left, right = min(left, s.time(cell)), max(right, s.time(cell))
		}
		p.Add(points{s, cells})
	}
	p.X.Min, p.X.Max = left/1.4, right*1.8
	p.Y.Min, p.Y.Max = low/10, high*2 // with room for names
	p.Draw(c)
}

// points are the cells of a panel as marks of a series.
type points struct {
	series series
	cells  []Cell
}

// Plot implements plot.Plotter.
func (s points) Plot(c draw.Canvas, p *plot.Plot) {
	toX, toY := p.Transforms(&c)
	at := func(cell Cell) vg.Point {
		return vg.Point{X: toX(s.series.time(cell)), Y: toY(s.series.rate(cell).PerHour)}
	}
	var swept []Cell
	for _, cell := range s.cells {
		if cell.Profile == marginProfile {
			swept = append(swept, cell)
		}
	}
	slices.SortFunc(swept, func(a, b Cell) int { return cmp.Compare(a.Margin, b.Margin) })
	for i := 1; i < len(swept); i++ {
		from, to := at(swept[i-1]), at(swept[i])
		line := draw.LineStyle{Color: s.series.colour, Width: 1.5}
		if s.series.rate(swept[i-1]).Bound || s.series.rate(swept[i]).Bound {
			line.Dashes = []vg.Length{2, 2} // no more than a bound
		}
		c.StrokeLine2(line, from.X, from.Y, to.X, to.Y)
	}
	var named []vg.Point
	for _, cell := range s.cells {
		hollow, where := s.series.rate(cell).Bound, at(cell)
		size := vg.Length(2.5)
		if cell.Profile != marginProfile {
			size = 4.5
			label(c, where, cell.Profile, s.series.square == near(named, where))
			named = append(named, where)
		}
		c.DrawGlyph(s.series.glyph(hollow, size), where)
	}
}

// near reports whether a name at p would touch those at other marks, if on their side.
func near(others []vg.Point, p vg.Point) bool {
	const room = 20
	return slices.ContainsFunc(others, func(o vg.Point) bool {
		return math.Abs(float64(o.X-p.X)) < room && math.Abs(float64(o.Y-p.Y)) < room
	})
}

// label names a mark, aslant since marks of equal height are close together.
func label(c draw.Canvas, at vg.Point, name string, up bool) {
	style := picture.Text(9, picture.Black)
	style.YAlign = draw.YCenter
	style.Rotation = math.Pi / 4
	at.Y += 6
	if !up {
		style.Rotation = -math.Pi / 4
		at.Y -= 12
	}
	c.FillText(style, vg.Point{X: at.X + 3, Y: at.Y}, name)
}

// glyph returns a mark of the series.
func (s series) glyph(hollow bool, radius vg.Length) draw.GlyphStyle {
	g := draw.GlyphStyle{Color: s.colour, Radius: radius}
	switch {
	case s.square && hollow:
		g.Shape = draw.SquareGlyph{}
	case s.square:
		g.Shape = draw.BoxGlyph{}
	case hollow:
		g.Shape = draw.RingGlyph{}
	default:
		g.Shape = draw.CircleGlyph{}
	}
	return g
}
