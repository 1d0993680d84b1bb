package sketch

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"

	eblas "github.com/eckart-go/eckart/blas"
	"github.com/eckart-go/eckart/internal/simd"
	"github.com/eckart-go/eckart/lapack"
	"github.com/eckart-go/eckart/linop"
)

// LeverageOptions tunes LeverageScores; the zero value gives exact scores.
type LeverageOptions struct {
	Ridge float64 // mu of ridge leverage scores, row_i (AᵀA + mu I)^-1 row_iᵀ
	// Columns, if not 0, estimates the scores from that many Gaussian columns of A R^-1 G, R from a sparse sketch of A (Drineas,
	// Magdon-Ismail, Mahoney, Woodruff 2012): each is right to a factor of about 1 +- 3/sqrt(Columns).
	Columns int
	Rows    int // of the sketch; 0 means 8 n
	Seed    uint64
}

// LeverageScores returns how much each row of a (m x n, m >= n) matters for its range: the squared norms of the rows of Q in
// A = Q R, between 0 and 1, with sum n (the rank), or with a ridge less. It fails if columns are dependent and there is no
// ridge, or if numbers are not finite.
func LeverageScores(a linop.Operator, opts LeverageOptions) ([]float64, error) {
	m, n := a.Dims()
	switch {
	case m < n || n == 0:
		return nil, fmt.Errorf("sketch: leverage scores of %d x %d: expected at least as many rows as columns, and one", m, n)
	case !(opts.Ridge >= 0) || math.IsInf(opts.Ridge, 1) || opts.Columns < 0:
		return nil, fmt.Errorf("sketch: leverage scores with ridge %v and %d columns: expected none negative", opts.Ridge, opts.Columns)
	}
	top := newBlock(m, n)
	unit := identity(n)
	if opts.Columns > 0 {
		d := opts.Rows
		if d == 0 {
			d = 8 * n
		}
		if d < m {
			top = newBlock(d, n)
			if err := Left(top, NewSparseSign(d, m, 0, opts.Seed), a); err != nil {
				return nil, err
			}
		}
	}
	if top.Rows == m {
		if err := a.MulTo(top, unit); err != nil {
			return nil, err
		}
	}
	if err := finite(top); err != nil {
		return nil, err
	}
	r, err := triangle(top, math.Sqrt(opts.Ridge))
	if err != nil {
		return nil, err
	}
	w := unit // R^-1, or R^-1 G
	if opts.Columns > 0 {
		w = newBlock(n, opts.Columns)
		gaussianTo(w, opts.Seed, streamProbe)
		simd.Dscal(1/math.Sqrt(float64(opts.Columns)), w.Data)
	}
	var kernel eblas.Implementation
	kernel.Dtrsm(blas.Left, blas.Upper, blas.NoTrans, blas.NonUnit, n, w.Cols, 1, r.Data, r.Stride, w.Data, w.Stride)
	q := newBlock(m, w.Cols)
	if err := a.MulTo(q, w); err != nil {
		return nil, err
	}
	return RowNorms(q), nil
}

func identity(n int) blas64.General {
	e := newBlock(n, n)
	for i := range n {
		e.Data[i*n+i] = 1
	}
	return e
}

// triangle returns R of the QR factorisation of [a; ridge I].
func triangle(a blas64.General, ridge float64) (blas64.General, error) {
	n := a.Cols
	stacked := a
	if ridge > 0 {
		stacked = newBlock(a.Rows+n, n)
		copyTo(stacked, a)
		for i := range n {
			stacked.Data[(a.Rows+i)*n+i] = ridge
		}
	}
	var qr lapack.QR[float64]
	qr.Factorize(stacked.Rows, n, stacked.Data, stacked.Stride)
	r := newBlock(n, n)
	qr.RTo(r.Data, r.Stride)
	var largest float64
	for i := range n {
		largest = max(largest, math.Abs(r.Data[i*n+i]))
	}
	for i := range n {
		if !(math.Abs(r.Data[i*n+i]) > float64(n)*0x1p-52*largest) {
			return r, errors.New("sketch: leverage scores: columns are dependent to working precision: use a ridge")
		}
	}
	return r, nil
}

// EstimateRowNorms estimates the squared norms of the rows of an operator b (m x n) from about products products: a third of them for
// a basis Q of its leading right directions, a third for B Q, whose row norms are exact, and the rest for random signs on
// B (I - QQᵀ) (the idea of Hutch++: Meyer, Musco, Musco, Woodruff 2021). The estimate is unbiased
// given Q.
func EstimateRowNorms(b linop.Operator, products int, seed uint64) ([]float64, error) {
	m, n := b.Dims()
	l := min(products/3, m, n)
	if l < 1 {
		return nil, fmt.Errorf("sketch: %d products for the norms of rows: expected at least 3", products)
	}
	x, q := newBlock(m, l), newBlock(n, l)
	gaussianTo(x, seed, streamProbe)
	if err := b.MulTransTo(q, x); err != nil {
		return nil, err
	}
	if err := finite(q); err != nil {
		return nil, err
	}
	new(Orthonormaliser).Basis(q)
	if err := b.MulTo(x, q); err != nil {
		return nil, err
	}
	norms := RowNorms(x)
	if l == n {
		return norms, nil
	}
	rest := products - 2*l
	g, y := newBlock(n, rest), newBlock(m, rest)
	NewSparseSign(n, rest, n, seed).BlockTo(g, 0, 0) // all elements +-1/sqrt(n)
	simd.Dscal(math.Sqrt(float64(n)/float64(rest)), g.Data)
	project(q, g, blas64.General{})
	if err := b.MulTo(y, g); err != nil {
		return nil, err
	}
	for i, v := range RowNorms(y) {
		norms[i] += v
	}
	return norms, nil
}
