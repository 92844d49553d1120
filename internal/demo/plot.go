package demo

import (
	"fmt"
	"io"
	"math"
	"time"

	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/multi6/multi6/internal/picture"
	"github.com/multi6/multi6/internal/rig"
)

// The layout of the picture.
const (
	pictureWidth   = 30 * vg.Centimeter
	overviewHeight = 6.5 * vg.Centimeter
	panelHeight    = 6.9 * vg.Centimeter
	headHeight     = 2.3 * vg.Centimeter
	columns        = 2
	captionHeight  = 1.2 * vg.Centimeter
)

// Widths of the buckets of goodput.
const (
	overviewBucket = 100 * time.Millisecond
	zoomBucket     = 20 * time.Millisecond
)

// What a zoomed panel shows around its zero: the least and the most.
const (
	zoomBefore = 300 * time.Millisecond
	zoomAfter  = time.Second
	zoomMost   = 3 * time.Second
)

// WriteSVG draws the goodput of the bulk stream over the whole run, and around
// each failure. Of a fault that was repeated it shows the longest stall.
func (r *Result) WriteSVG(w io.Writer) error {
	shown := slowest(r.Trials)
	rows := (len(shown) + columns - 1) / columns
	height := headHeight + overviewHeight + vg.Length(rows)*panelHeight + 3*picture.Margin
	peak := r.peak()
	return picture.WriteSVG(w, pictureWidth, height, func(c draw.Canvas) {
		head, rest := cut(c, headHeight)
		r.drawHead(head)
		top, rest := cut(rest, overviewHeight)
		_, rest = cut(rest, picture.Margin)
		r.drawOverview(top, shown, peak)
		for i := 0; i < len(shown); i += columns {
			var row draw.Canvas
			row, rest = cut(rest, panelHeight)
			for j, t := range shown[i:min(i+columns, len(shown))] {
				r.drawZoom(column(row, j), i+j+1, t, peak)
			}
		}
	})
}

// slowest returns, of each fault, the trial with the longest stall, in the order of
// their first.
func slowest(all []Trial) []*Trial {
	var shown []*Trial
	place := make(map[string]int)
	for i := range all {
		t := &all[i]
		at, seen := place[t.Fault]
		switch {
		case !seen:
			place[t.Fault] = len(shown)
			shown = append(shown, t)
		case t.Bulk.Length > shown[at].Bulk.Length:
			shown[at] = t
		}
	}
	return shown
}

// peak returns the top of the y axes, Mbit/s.
func (r *Result) peak() float64 {
	return math.Ceil(float64(r.Rate)*1.15/50e6) * 50
}

// drawHead draws title and legend.
func (r *Result) drawHead(c draw.Canvas) {
	picture.Write(c, picture.Text(16, picture.Black), c.Min.X, c.Max.Y, "TCP goodput from A to B while paths fail")
	picture.Write(c, picture.Text(10, picture.Grey), c.Min.X, c.Max.Y-0.75*vg.Centimeter, fmt.Sprintf(
		"%d s, RTT %v, uplinks of %d Mbit/s, TCP %s, profile %s; %s verified, %d connections reset",
		int(r.Totals.Length.Seconds()), time.Duration(r.RTT), r.Rate/1e6, r.Congestion, r.Profile, megabytes(r.Totals.Bytes), r.Totals.Resets))
	x, y := c.Min.X, c.Min.Y+0.45*vg.Centimeter
	for _, m := range marks {
		x = m.legend(c, x, y)
	}
	legendBox(c, x, y)
}

func megabytes(n int64) string { return fmt.Sprintf("%.0f MB", float64(n)/1e6) }

// drawOverview draws the whole run, with the times of failure shaded and
// numbered.
func (r *Result) drawOverview(c draw.Canvas, shown []*Trial, peak float64) {
	const headroom = 1.15 // for the numbers
	p := newPlot(peak * headroom)
	p.X.Label.Text = "seconds since the start of the run"
	p.X.Min, p.X.Max = 0, r.Totals.Length.Seconds()
	p.X.Tick.Marker = evenTicks(niceStep(p.X.Max))
	var labels plotter.XYLabels
	for i := range r.Trials {
		t := &r.Trials[i]
		p.Add(span{t.BrokenAt.Seconds(), t.HealedAt.Seconds()})
		if n := indexOf(shown, t); n > 0 {
			labels.XYs = append(labels.XYs, plotter.XY{X: (t.BrokenAt.Seconds() + t.HealedAt.Seconds()) / 2, Y: p.Y.Max})
			labels.Labels = append(labels.Labels, fmt.Sprint(n))
		}
	}
	n := int(time.Duration(r.Totals.Length) / overviewBucket)
	p.Add(newArea(rig.Buckets(r.bulk, 0, overviewBucket, n), 0, overviewBucket, peak))
	p.Add(numbers(labels))
	p.Draw(c)
}

func indexOf(shown []*Trial, t *Trial) int {
	for i, s := range shown {
		if s == t {
			return i + 1
		}
	}
	return 0
}

// drawZoom draws what surrounds a failure, or the return of the paths where all
// had failed.
func (r *Result) drawZoom(c draw.Canvas, number int, t *Trial, peak float64) {
	caption, c := cut(c, captionHeight)
	drawCaption(caption, number, t)
	zero, what := t.BrokenAt, "failure"
	if t.Link == linkAll {
		zero, what = t.HealedAt, "return of the paths"
	}
	last := time.Duration(0)
	for _, m := range t.moments() {
		last = max(last, time.Duration(t.BrokenAt+m.after-zero))
	}
	afterZero := min(max(zoomAfter, last*6/5), zoomMost).Truncate(zoomBucket)

	p := newPlot(peak)
	p.X.Label.Text = "seconds since the " + what
	p.X.Min, p.X.Max = -zoomBefore.Seconds(), afterZero.Seconds()
	p.X.Tick.Marker = evenTicks(niceStep(p.X.Max - p.X.Min))
	p.Add(span{(t.BrokenAt - zero).Seconds(), (t.HealedAt - zero).Seconds()})
	n := int((zoomBefore + afterZero) / zoomBucket)
	p.Add(newArea(rig.Buckets(r.bulk, time.Duration(zero)-zoomBefore, zoomBucket, n), -zoomBefore, zoomBucket, peak))
	for _, m := range t.moments() {
		p.Add(line{m.mark, (t.BrokenAt + m.after - zero).Seconds()})
	}
	p.Draw(c)
}

func drawCaption(c draw.Canvas, number int, t *Trial) {
	picture.Write(c, picture.Text(11, picture.Black), c.Min.X, c.Max.Y, fmt.Sprintf("%d   %s", number, describe(t)))
	picture.Write(c, picture.Text(9, picture.Grey), c.Min.X, c.Max.Y-0.5*vg.Centimeter, t.caption())
}

// caption tells the figures of a panel.
func (t *Trial) caption() string {
	stall := fmt.Sprintf("stall %s (bulk), %s (rr)", t.Bulk, t.RR)
	if t.Link == linkAll {
		return stall + " after the return"
	}
	var moments string
	if t.Suspicion != nil {
		moments = fmt.Sprintf("suspicion %s, ", plus(t.Suspicion.After))
	}
	if len(t.Switches) > 0 {
		moments += fmt.Sprintf("switch %s, ", plus(t.Switches[0].After))
	}
	return moments + stall
}

// niceStep returns a distance of ticks for an axis of that length.
func niceStep(length float64) float64 {
	for _, step := range []float64{0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500} {
		if length/step <= 16 {
			return step
		}
	}
	return 1000
}
