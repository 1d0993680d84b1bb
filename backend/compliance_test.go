package backend

import (
	"testing"

	"github.com/gomlx/compute/support/backendtest"
)

// TestCompliance runs compute's suite for backends. Operations that are not implemented skip there by their capability.
func TestCompliance(t *testing.T) {
	b := New()
	defer b.Finalize()
	backendtest.RunAll(t, b, nil)
}
