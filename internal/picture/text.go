package picture

import (
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Colours for lettering, axes and grids.
var (
	Black = color.NRGBA{0x22, 0x22, 0x22, 0xff}
	Grey  = color.NRGBA{0x60, 0x60, 0x60, 0xff}
	Pale  = color.NRGBA{0xdd, 0xdd, 0xdd, 0xff}
)

// Colours after Okabe and Ito, which the colour-blind can tell apart. What they stand
// for has to differ in something else too, such as dashes.
var (
	Vermilion = color.NRGBA{0xd5, 0x5e, 0x00, 0xff}
	Orange    = color.NRGBA{0xe6, 0x9f, 0x00, 0xff}
	Purple    = color.NRGBA{0xcc, 0x79, 0xa7, 0xff}
	Blue      = color.NRGBA{0x00, 0x72, 0xb2, 0xff}
	SkyBlue   = color.NRGBA{0x56, 0xb4, 0xe9, 0xff}
	Green     = color.NRGBA{0x00, 0x9e, 0x73, 0xff}
)

// Text is lettering of that size in points. It is written from its top left corner on.
func Text(size vg.Length, c color.Color) draw.TextStyle {
	return draw.TextStyle{
		Color: c, Font: sans(size), XAlign: draw.XLeft, YAlign: draw.YTop, Handler: plot.DefaultTextHandler,
	}
}

func sans(size vg.Length) font.Font {
	return font.Font{Typeface: "Liberation", Variant: "Sans", Size: size}
}

// Write writes s at x and y.
func Write(c draw.Canvas, style draw.TextStyle, x, y vg.Length, s string) {
	c.FillText(style, vg.Point{X: x, Y: y}, s)
}
