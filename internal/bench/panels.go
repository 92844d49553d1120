package bench

import (
	"fmt"
	"slices"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/multi6/multi6/internal/picture"
)

// A grid is a part of the picture: rows of panels and what their curves are.
type grid struct {
	title   string
	columns int
	panels  [][]panel
	legend  []curve
}

// A panel is one plot.
type panel struct {
	title   string
	curves  []curve
	targets []target
}

// A curve is the distribution of some runs; in a legend there are none.
type curve struct {
	name string
	line draw.LineStyle
	runs []Trial
}

// A target is marked on the upper edge.
type target struct {
	at   time.Duration
	line draw.LineStyle
}

// systemStyles are how systems are drawn, ours first and by profile.
var systemStyles = []struct {
	system, profile, name string
	line                  draw.LineStyle
}{
	{systemMulti6, "fast", "multi6, fast", lineStyle(picture.Vermilion)},
	{systemMulti6, "balanced", "multi6, balanced", lineStyle(picture.Orange, 6, 2)},
	{systemMulti6, "gentle", "multi6, gentle", lineStyle(picture.Purple, 2, 2)},
	{systemBFD, "", "BGP and BFD, 10 ms × 3", lineStyle(picture.Blue)},
	{systemMPTCPTuned, "", "Multipath TCP, tuned", lineStyle(picture.Green)},
	{systemMPTCP, "", "Multipath TCP", lineStyle(picture.SkyBlue, 6, 2)},
	{systemTCP, "", "TCP", lineStyle(middleGrey, 2, 2)},
}

// grids returns the parts of the picture. The first is left out where there is but
// one system.
func (r *Result) grids() (gs []grid) {
	if g := r.bySystem(); len(g.legend) > 1 {
		gs = append(gs, g)
	}
	if g := r.byFault(); len(g.panels) > 0 {
		gs = append(gs, g)
	}
	return gs
}

// bySystem compares systems: a row for each mode, a column for each round-trip
// time.
func (r *Result) bySystem() grid {
	g := grid{title: "Failures of one path (F1 to F5), by system"}
	var rtts []time.Duration
	for _, x := range r.Groups {
		if rtt := time.Duration(x.RTT); !slices.Contains(rtts, rtt) {
			rtts = append(rtts, rtt)
		}
	}
	g.columns = len(rtts)
	for _, m := range modesOf(r.Groups) {
		var row []panel
		for _, rtt := range rtts {
			p := panel{title: fmt.Sprintf("%v, RTT %v", m, rtt)}
			for _, s := range systemStyles {
				c := curve{s.name, s.line, nil}
				for _, x := range r.Groups {
					if x.System == s.system && x.Profile == s.profile && time.Duration(x.RTT) == rtt {
						c.runs = append(c.runs, runsOf(x, m, 0)...)
					}
				}
				p.curves = append(p.curves, c)
			}
			row = append(row, p)
		}
		g.panels = append(g.panels, row)
	}
	g.collect()
	return g
}

// byFault tells our faults apart: a row for each mode, a column for each
// round-trip time and profile.
func (r *Result) byFault() grid {
	g := grid{title: "multi6, by fault"}
	var columns []Group
	for _, x := range r.Groups {
		if x.System == systemMulti6 && len(x.Cells) > 0 {
			columns = append(columns, x)
		}
	}
	g.columns = len(columns)
	for _, m := range modesOf(columns) {
		var row []panel
		for _, x := range columns {
			p := panel{title: fmt.Sprintf("%v, RTT %v, %s", m, time.Duration(x.RTT), x.Profile)}
			for _, f := range Faults() {
				runs := runsOf(x, m, f)
				p.curves = append(p.curves, curve{fmt.Sprintf("%v %s", f, f.Text()), faultStyles[f], runs})
				if t := Target(f, m, time.Duration(x.RTT), x.Profile); t > 0 && len(runs) > 0 {
					p.targets = append(p.targets, target{t, faultStyles[f]})
				}
			}
			row = append(row, p)
		}
		g.panels = append(g.panels, row)
	}
	g.collect()
	return g
}

// collect makes the legend of the curves that have runs.
func (g *grid) collect() {
	for _, row := range g.panels {
		for _, p := range row {
			for _, c := range p.curves {
				known := slices.ContainsFunc(g.legend, func(o curve) bool { return o.name == c.name })
				if len(c.runs) > 0 && !known {
					g.legend = append(g.legend, curve{c.name, c.line, nil})
				}
			}
		}
	}
}

// drawLegend draws title and legend below top.
func (g *grid) drawLegend(c draw.Canvas, top vg.Length) {
	picture.Write(c, picture.Text(13, picture.Black), c.Min.X, top, g.title)
	at := vg.Point{X: c.Min.X, Y: top - 0.7*vg.Centimeter}
	for _, e := range g.legend {
		at = legend(c, at, e.line, e.name)
	}
}

// draw draws the panel, its axis ending at longest, ms.
func (pn panel) draw(c draw.Canvas, longest float64) {
	p := picture.NewPlot(pn.title)
	p.X.Label.Text, p.Y.Label.Text = "stall, ms", "% of runs"
	picture.SetLog(&p.X)
	p.Y.Tick.Marker = plot.ConstantTicks{{Value: 0, Label: "0"}, {Value: 50, Label: "50"}, {Value: 100, Label: "100"}}
	for _, cu := range slices.Backward(pn.curves) { // the first one is on top
		if xys := distribution(cu.runs, longest); len(xys) > 0 {
			p.Add(&plotter.Line{XYs: xys, LineStyle: cu.line})
		}
	}
	for _, t := range slices.Backward(pn.targets) { // of equal targets, the first one's colour shows
		p.Add(tick{float64(t.at) / float64(time.Millisecond), t.line.Color})
	}
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = float64(shortest)/float64(time.Millisecond), longest, 0, 112
	p.Draw(c)
}
