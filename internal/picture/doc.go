// Package picture is what the program's pictures have in common: paper, colours,
// lettering and axes. What is drawn is the business of those who draw.
package picture
