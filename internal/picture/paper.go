package picture

import (
	"bytes"
	"image/color"
	"io"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Margin is what is left white around a picture.
const Margin = 0.5 * vg.Centimeter

// WriteSVG has paint draw on white paper of that size, of which the canvas is what is
// within the margin, and writes it.
func WriteSVG(w io.Writer, width, height vg.Length, paint func(draw.Canvas)) error {
	svg := vgsvg.New(width, height)
	c := draw.New(svg)
	c.FillPolygon(color.White, Corners(c.Rectangle))
	paint(draw.Crop(c, Margin, -Margin, Margin, -Margin))
	var b bytes.Buffer
	if _, err := svg.WriteTo(&b); err != nil {
		return err
	}
	// Liberation Sans has the metrics of these.
	_, err := w.Write(bytes.ReplaceAll(b.Bytes(), []byte("font-family:Liberation Sans"), []byte("font-family:Liberation Sans,Arial,Helvetica,sans-serif")))
	return err
}

// Corners returns the corners of r, in order around it.
func Corners(r vg.Rectangle) []vg.Point {
	return []vg.Point{r.Min, {X: r.Max.X, Y: r.Min.Y}, r.Max, {X: r.Min.X, Y: r.Max.Y}}
}

// Panel returns the part of c for a panel whose place begins at left and top. A gap to
// the neighbours on the right and below stays free.
func Panel(c draw.Canvas, left, top, width, height vg.Length) draw.Canvas {
	const right, below = 0.6 * vg.Centimeter, 0.7 * vg.Centimeter
	c.Rectangle = vg.Rectangle{
		Min: vg.Point{X: left, Y: top - height + below},
		Max: vg.Point{X: left + width - right, Y: top},
	}
	return c
}
