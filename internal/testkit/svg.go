package testkit

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

// SVGWords returns the texts in a picture, each in a line of its own, after an empty one.
// The picture is to be well-formed.
func SVGWords(t testing.TB, write func(io.Writer) error) string {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	words := []string{""}
	for d := xml.NewDecoder(&b); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return strings.Join(words, "\n") + "\n"
		}
		if err != nil {
			t.Fatal(err)
		}
		if text, ok := token.(xml.CharData); ok {
			if text := strings.TrimSpace(string(text)); text != "" {
				words = append(words, text)
			}
		}
	}
}
