package resident_test

import (
	"fmt"

	"github.com/eckart-go/eckart/internal/resident"
)

func ExamplePeak() {
	fmt.Println(resident.Peak() > 0)
	// Output: true
}
