package papers_test

import (
	"fmt"

	"github.com/eckart-go/eckart/papers"
)

func ExampleCatalogue() {
	for _, p := range papers.Catalogue() {
		fmt.Printf("%s (arXiv %s)\n", p.ID, p.Sources[0])
	}
	// Output:
	// svd-baselines (arXiv 2312.05821)
	// lord (arXiv 2309.14021)
	// sketching-core (arXiv 0909.4061)
}
