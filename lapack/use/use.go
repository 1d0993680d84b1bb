// Package use makes gonum factorise with Eckart. Import it for its effect:
//
//	import _ "github.com/eckart-go/eckart/lapack/use"
//
// It registers lapack.Implementation with lapack64, on which mat's Cholesky, LU, QR, LQ, SVD, EigenSym and solves stand, and
// blas.Implementation, as package blas/use does, since gonum's own routines spend their time there.
package use

import (
	"gonum.org/v1/gonum/lapack/lapack64"

	_ "github.com/eckart-go/eckart/blas/use" // for its effect
	"github.com/eckart-go/eckart/lapack"
)

func init() { lapack64.Use(lapack.Implementation{}) }
