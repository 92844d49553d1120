package rig

import (
	"net"
	"testing"
)

// A port that another program holds for a moment is waited for.
func TestListenWaits(t *testing.T) {
	held, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	tries := 0
	l, err := listen(t.Context(), func() (net.Listener, error) {
		if tries++; tries == 3 {
			held.Close()
		}
		return net.Listen("tcp", held.Addr().String())
	})
	if err != nil || tries != 3 {
		t.Fatalf("after %d tries: %v", tries, err)
	}
	l.Close()
}
