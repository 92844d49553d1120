package throughput

import (
	"bytes"
	"fmt"
	"image/color"
	"io"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// The layout of the picture: a row of panels for each link, a panel for each metric.
const (
	panelWidth  = 4.6 * vg.Centimeter
	panelHeight = 6.2 * vg.Centimeter
	panelGap    = 0.5 * vg.Centimeter
	headHeight  = 3.2 * vg.Centimeter
	rowHead     = 1 * vg.Centimeter // above the panels of a row
	rowGap      = 0.8 * vg.Centimeter
	margin      = 0.5 * vg.Centimeter
)

var (
	black = color.NRGBA{0x22, 0x22, 0x22, 0xff}
	grey  = color.NRGBA{0x60, 0x60, 0x60, 0xff}
)

// Colours after Okabe and Ito, which the colour-blind can tell apart; the order of the
// bars is that of the legend, too.
var colours = [systems + 1]color.NRGBA{
	Direct:    {0x90, 0x90, 0x90, 0xff},
	WireGuard: {0x00, 0x72, 0xb2, 0xff},
	AES:       {0xd5, 0x5e, 0x00, 0xff},
	ChaCha:    {0xe6, 0x9f, 0x00, 0xff},
}

// panels are the metrics that are drawn. less says that less is better.
var panels = []struct {
	metric Metric
	title  string
	less   bool
}{
	{TCP1, "One TCP stream", false},
	{TCP4, "Four TCP streams", false},
	{Reverse, "One TCP stream back", false},
	{UDP, "64-byte UDP received", false},
	{TCP1CPU, "CPU, one TCP stream", true},
	{IdleP50, "UDP round trip, p50", true},
	{LoadedP50, "… beside TCP, p50", true},
}

// WriteSVG draws the medians as bars, and each round as a dot.
func (r *Result) WriteSVG(w io.Writer) error {
	rows := r.links()
	width := vg.Length(len(panels))*(panelWidth+panelGap) + 2*margin
	height := headHeight + vg.Length(len(rows))*(rowHead+panelHeight+rowGap) + 2*margin
	svg := vgsvg.New(width, height)
	c := draw.New(svg)
	c.FillPolygon(color.White, []vg.Point{c.Min, {X: c.Max.X, Y: c.Min.Y}, c.Max, {X: c.Min.X, Y: c.Max.Y}})
	c = draw.Crop(c, margin, -margin, margin, -margin)
	r.drawHead(c)
	top := c.Max.Y - headHeight
	for _, o := range rows {
		write(c, 12, black, c.Min.X, top, texts[o])
		top -= rowHead
		for i := range panels {
			left := c.Min.X + vg.Length(i)*(panelWidth+panelGap)
			at := c
			at.Rectangle = vg.Rectangle{
				Min: vg.Point{X: left, Y: top - panelHeight},
				Max: vg.Point{X: left + panelWidth, Y: top},
			}
			r.drawPanel(at, o, i)
		}
		top -= panelHeight + rowGap
	}
	var b bytes.Buffer
	if _, err := svg.WriteTo(&b); err != nil {
		return err
	}
	// Liberation Sans has the metrics of these.
	_, err := w.Write(bytes.ReplaceAll(b.Bytes(), []byte("font-family:Liberation Sans"), []byte("font-family:Liberation Sans,Arial,Helvetica,sans-serif")))
	return err
}

// links returns those that something was measured on.
func (r *Result) links() (os []Offloads) {
	for _, o := range []Offloads{On, Off} {
		if slices.ContainsFunc(r.Rows, func(x Row) bool { return x.Offloads == o }) {
			os = append(os, o)
		}
	}
	return os
}

func (r *Result) drawHead(c draw.Canvas) {
	write(c, 16, black, c.Min.X, c.Max.Y, "What two hosts get through to each other")
	write(c, 10, grey, c.Min.X, c.Max.Y-0.75*vg.Centimeter, fmt.Sprintf(
		"Two network namespaces of one machine with %d processors, TCP %s; medians of %s. Dots are single rounds.", r.CPUs, r.Congestion, r.effort()))
	if len(r.Warnings) > 0 {
		write(c, 10, colours[AES], c.Min.X, c.Max.Y-1.2*vg.Centimeter, "The machine was busy with other things: the figures are worse than they could be, and vary more.")
	}
	at := vg.Point{X: c.Min.X, Y: c.Max.Y - 1.9*vg.Centimeter}
	for _, s := range Systems() {
		if !slices.ContainsFunc(r.Rows, func(x Row) bool { return x.System == s }) {
			continue
		}
		const box = 0.3 * vg.Centimeter
		fill(c, colours[s], at.X, at.X+box, at.Y-box, at.Y)
		write(c, 10, black, at.X+box+0.15*vg.Centimeter, at.Y+1, s.Title())
		at.X += box + 0.9*vg.Centimeter + vg.Length(len(s.Title()))*0.19*vg.Centimeter
	}
}

// drawPanel draws a metric of a link.
func (r *Result) drawPanel(c draw.Canvas, o Offloads, i int) {
	pn := panels[i]
	b := bars{metric: pn.metric}
	for _, s := range Systems() {
		if row := r.row(o, s, pn.metric); row != nil {
			b.all = append(b.all, bar{colours[s], row.Median, valuesOf(r.rounds(o, s, pn.metric))})
		}
	}
	if len(b.all) == 0 {
		return
	}
	label := units[pn.metric].name + ", more is better"
	if pn.less {
		label = units[pn.metric].name + ", less is better"
	}
	p := plot.New()
	p.Title.Text = pn.title
	p.Title.TextStyle = textStyle(10, black)
	p.Title.TextStyle.XAlign = draw.XCenter
	p.Title.Padding = 4
	p.X.Label.Text = label
	p.X.Label.TextStyle = textStyle(8, grey)
	p.X.Label.TextStyle.XAlign = draw.XCenter
	// Each bar bears its value, so there is no need for a scale.
	p.HideY()
	p.X.Padding, p.Y.Padding = 0, 0
	p.X.Tick.Marker, p.X.Tick.Length = plot.ConstantTicks{}, 0
	p.X.LineStyle.Color = grey
	p.Add(b)
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = -0.6, float64(len(b.all))-0.4, 0, b.highest()*1.12
	p.Draw(c)
}

// bars are the systems' values of a metric, side by side.
type bars struct {
	metric Metric
	all    []bar
}

// A bar is the median of some values, in units of the metric.
type bar struct {
	colour color.Color
	median float64
	rounds []float64
}

func (b bars) scaled(v float64) float64 { return v / units[b.metric].of }

func (b bars) highest() (most float64) {
	for _, x := range b.all {
		most = max(most, b.scaled(slices.Max(x.rounds)))
	}
	return most
}

// Plot implements plot.Plotter. Each bar has its value written above it.
func (b bars) Plot(c draw.Canvas, p *plot.Plot) {
	toX, toY := p.Transforms(&c)
	for i, x := range b.all {
		middle, top := toX(float64(i)), toY(b.scaled(x.median))
		fill(c, x.colour, toX(float64(i)-0.38), toX(float64(i)+0.38), toY(0), top)
		highest := top
		if len(x.rounds) > 1 {
			for _, v := range x.rounds {
				y := toY(b.scaled(v))
				highest = max(highest, y)
				c.DrawGlyph(dot, vg.Point{X: middle, Y: y})
			}
		}
		style := textStyle(8, black)
		style.XAlign, style.YAlign = draw.XCenter, draw.YBottom
		c.FillText(style, vg.Point{X: middle, Y: highest + 3}, b.metric.format(x.median))
	}
}

var dot = draw.GlyphStyle{Color: black, Radius: 1.3, Shape: draw.CircleGlyph{}}

func fill(c draw.Canvas, colour color.Color, left, right, bottom, top vg.Length) {
	c.FillPolygon(colour, []vg.Point{{X: left, Y: bottom}, {X: right, Y: bottom}, {X: right, Y: top}, {X: left, Y: top}})
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
