package wire

import "testing"

// TestPart has every part come back as it was, by the kind of a part.
func TestPart(t *testing.T) {
	for i := range MaxParts {
		for _, more := range []bool{false, true} {
			want := Part{i, more}
			b := want.AppendTo(nil)
			if k, err := PayloadKind(b[0]); len(b) != PartLen || k != KindPart || err != nil {
				t.Errorf("%+v: % x is a %v (%v)", want, b, k, err)
			}
			if got := ParsePart(b[0]); got != want {
				t.Errorf("%+v came back as %+v", want, got)
			}
		}
	}
}
