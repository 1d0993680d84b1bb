package philox_test

import (
	"fmt"

	"github.com/eckart-go/eckart/internal/philox"
)

// The numbers of a position do not depend on what was drawn before.
func ExampleKey_At() {
	k := philox.NewKey(0)
	x, _, _, _ := k.At(0, 0, 0)
	fmt.Printf("%08x, a number of six: %d\n", x, philox.Below(x, 6))
	// Output: 6627e8d5, a number of six: 2
}
