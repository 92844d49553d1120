package testkit

import (
	"os"
	"testing"
)

// NeedRoot skips a test or benchmark of the kernel tier unless it runs as root. With
// MULTI6_REQUIRE_ROOT=1 in the environment, as scripts/test.sh has it, it fails instead.
func NeedRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("MULTI6_REQUIRE_ROOT") == "1" {
		t.Fatal("needs root, and MULTI6_REQUIRE_ROOT is set")
	}
	t.Skip("the kernel tier needs root")
}
