package rig

import (
	"encoding/json"
	"testing"
	"time"
)

func TestMillisJSON(t *testing.T) {
	for _, d := range []time.Duration{0, 1500 * time.Microsecond, -3 * time.Second, 86399999999 * time.Microsecond} {
		b, err := json.Marshal(Millis(d))
		if err != nil {
			t.Fatal(err)
		}
		var got Millis
		if err := json.Unmarshal(b, &got); err != nil || got != Millis(d) {
			t.Errorf("%v became %s, then %v (%v)", d, b, time.Duration(got), err)
		}
	}
}
