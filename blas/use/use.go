// Package use makes gonum run on Eckart's kernels. Import it for its effect:
//
//	import _ "github.com/eckart-go/eckart/blas/use"
//
// It registers blas.Implementation with blas32 and blas64, on which gonum's mat and lapack are built. The complex packages
// keep gonum's implementation.
package use

import (
	"gonum.org/v1/gonum/blas/blas32"
	"gonum.org/v1/gonum/blas/blas64"

	"github.com/eckart-go/eckart/blas"
)

func init() {
	blas32.Use(blas.Implementation{})
	blas64.Use(blas.Implementation{})
}
