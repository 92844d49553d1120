package config

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Problem is one thing wrong with a configuration file, in words for the
// person who wrote it.
type Problem struct {
	// File is the configuration file as the caller named it.
	File string
	// Line and Column say where, counting from 1; Column counts bytes. Both are
	// zero where the trouble is with the file as a whole.
	Line, Column int
	// Text says what is wrong and what to write instead.
	Text string
}

// String returns "FILE:LINE:COL: text".
func (p Problem) String() string {
	if p.Line == 0 {
		return fmt.Sprintf("%s: %s", p.File, p.Text)
	}
	return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Text)
}

// Problems is the error that Load returns: all that is wrong with one file, in
// the order of the file. It holds at least one Problem.
type Problems []Problem

// Error returns one line per problem, without a final newline.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// A pos is a place in the file, counting from 1. The zero pos means absent.
type pos struct{ line, column int }

// start is where a problem with the file's contents as a whole is reported.
var start = pos{1, 1}

// A reporter collects the problems of one file.
type reporter struct {
	file  string
	found Problems
}

func (r *reporter) report(at pos, format string, args ...any) {
	r.found = append(r.found, Problem{r.file, at.line, at.column, fmt.Sprintf(format, args...)})
}

// err returns what was found in the order of the file, or nil.
func (r *reporter) err() error {
	if len(r.found) == 0 {
		return nil
	}
	slices.SortStableFunc(r.found, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return r.found
}

// quoteLimit bounds how much of a value a message repeats, in bytes.
const quoteLimit = 60

// quote returns s in double quotes, control characters escaped and its end cut
// off where it is long.
func quote(s string) string {
	if len(s) > quoteLimit {
		return strconv.Quote(strings.ToValidUTF8(s[:quoteLimit], "") + "…")
	}
	return strconv.Quote(s)
}
