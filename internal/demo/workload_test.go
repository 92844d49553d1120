package demo

import (
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/multi6/multi6/internal/rig"
)

func TestSortError(t *testing.T) {
	tests := []struct {
		name         string
		err          error
		wrong, reset bool
	}{
		{"none", nil, false, false},
		{"of another part", syscall.ECONNRESET, false, false},
		{"reset", &streamError{"bulk", &net.OpError{Op: "read", Err: syscall.ECONNRESET}}, false, true},
		{"timed out in the kernel", &streamError{"rr", syscall.ETIMEDOUT}, false, true},
		{"wrong byte", &streamError{"bulk", &rig.WrongError{Text: "byte 1"}}, true, false},
		{"short", &streamError{"bulk", ended(1, 2, "bytes")}, true, false},
		{"never drained", &streamError{"rr", os.ErrDeadlineExceeded}, true, false},
		{"closed by us", &streamError{"rr", net.ErrClosed}, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if wrong, reset := sortError(tt.err); wrong != tt.wrong || reset != tt.reset {
				t.Errorf("wrong %v, reset %v; want %v, %v", wrong, reset, tt.wrong, tt.reset)
			}
		})
	}
	if err := ended(2, 2, "bytes"); err != nil {
		t.Error(err)
	}
}
