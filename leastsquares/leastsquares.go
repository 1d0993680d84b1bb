// Package leastsquares solves min ||A x - b|| for an A with many more rows than columns, known by its products, in the time of a
// few of them: a random sketch S A, a few times as high as wide, gives a preconditioner P with which A P has a condition number
// below 2, whatever that of A.
//
// Methods:
//
//	Stable   iterations with momentum, done twice (FOSSILS: Epperly, Meier, Nakatsukasa 2024, arXiv 2406.03468): as accurate as a
//	         QR factorisation, backward stable
//	LSQR     the Krylov method of Paige, Saunders 1982 on A P (Rokhlin, Tygert 2008; Avron, Maymounkov, Toledo 2010)
//	Momentum the iteration once (iterative sketching with momentum: Epperly 2024, arXiv 2311.04362): forward stable
//	Rough    sketch and solve (Sarlós 2006): one pass, a residual some percent above the least
//	Direct   a singular value decomposition of all elements
//
// Every result says how good it is: an estimate of the backward error (Karlson, Waldén 1997), from the sketch.
package leastsquares

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"

	"github.com/eckart-go/eckart/internal/simd"
	"github.com/eckart-go/eckart/lapack"
	"github.com/eckart-go/eckart/linop"
	"github.com/eckart-go/eckart/sketch"
)

// Method is an algorithm.
type Method int

const (
	// Auto is Stable, or Direct where A has not many more rows than the sketch would have.
	Auto Method = iota
	Stable
	LSQR
	Momentum
	Rough
	Direct
)

var methodNames = map[Method]string{Stable: "stable", LSQR: "lsqr", Momentum: "momentum", Rough: "rough", Direct: "direct"}

// Options tunes Solve; the zero value is the recommended setting.
type Options struct {
	Method Method
	Ridge  float64 // mu of min ||A x - b||^2 + mu ||x||^2
	Rows   int     // of the sketch; 0 means 12 n, for LSQR 4 n
	Steps  int     // most iterations of a loop; 0 means 100
	Seed   uint64
}

// Result is a solution and what is known of it.
type Result struct {
	X        []float64
	Residual float64 // ||b - A x||
	// BackwardError estimates the size (Frobenius norm) of the least change of A, its columns scaled to norm one, for which X is
	// an exact solution; relative to ||A||_F, eps is as good as it gets. It is 0 if x or the residual is, and not estimated for Direct.
	BackwardError float64
	Condition     float64 // of A with columns of norm one, estimated by the sketch's; that of A itself for Direct
	Rank          int     // below n where singular values under 30 eps of the largest were dropped: X is then the shortest solution
	Steps         int     // iterations, all loops together
	Converged     bool
	Method        string
	Cost          sketch.Cost
	// Updates are the norms of the updates, step by step, in the norm ||A . ||: what the rate of convergence shows in.
	Updates []float64
}

const eps = 0x1p-52

// rankTolerance is what singular values are dropped below, relative to the largest.
const rankTolerance = 30 * eps

// Solve returns the x (n) that minimises ||A x - b|| for a (m x n, m >= n) and b (m). It fails if shapes do not fit, if numbers are
// not finite, or if a product fails.
func Solve(a linop.Operator, b []float64, opts Options) (*Result, error) {
	m, n := a.Dims()
	switch {
	case len(b) != m:
		return nil, fmt.Errorf("leastsquares: %d right-hand sides for %d rows", len(b), m)
	case m < n || n == 0:
		return nil, fmt.Errorf("leastsquares: a matrix of %d x %d: expected at least as many rows as columns, and one", m, n)
	case !(opts.Ridge >= 0) || math.IsInf(opts.Ridge, 1):
		return nil, fmt.Errorf("leastsquares: ridge %v: expected a finite number >= 0", opts.Ridge)
	}
	if sum := simd.Dasum(b); math.IsNaN(sum) || math.IsInf(sum, 0) {
		return nil, errors.New("leastsquares: the right-hand side is not finite")
	}
	d := opts.Rows
	if d == 0 {
		d = 12 * n
		if opts.Method == LSQR {
			d = 4 * n
		}
	}
	if opts.Method == Auto && m <= 2*d || d >= m {
		opts.Method = Direct
	}
	if opts.Method == Direct {
		return direct(a, b, opts)
	}
	if opts.Method == Auto {
		opts.Method = Stable
	}
	if d < n {
		return nil, fmt.Errorf("leastsquares: a sketch of %d rows for %d columns", d, n)
	}
	if opts.Steps == 0 {
		opts.Steps = 100
	}
	s := &solver{a: &sketch.Counted{Operator: a}, b: b, m: m, n: n, d: d, ridge: math.Sqrt(opts.Ridge), opts: opts}
	if err := s.precondition(); err != nil {
		return nil, err
	}
	return s.solve()
}

// solver is a problem with its preconditioner. A stands for [A; sqrt(mu) I], b for [b; 0].
type solver struct {
	a       *sketch.Counted
	b       []float64
	m, n, d int
	ridge   float64
	opts    Options
	v       blas64.General // n x r: right singular vectors of the scaled sketch
	sigma   []float64
	scale   []float64 // of columns: A diag(scale) is what is sketched
	start   []float64 // solution of the sketched problem
	result  Result
}

// precondition sketches A and decomposes S A diag(scale) = U diag(sigma) Vᵀ; P = diag(scale) V diag(1/sigma).
func (s *solver) precondition() error {
	op := sketch.NewSparseSign(s.d, s.m, 0, s.opts.Seed)
	sa, sb := general(s.d+s.n, s.n), general(s.d, 1)
	top := blas64.General{Rows: s.d, Cols: s.n, Stride: sa.Stride, Data: sa.Data}
	if err := sketch.Left(top, op, s.a.Operator); err != nil {
		return err
	}
	s.a.Cost.Passes++
	if err := op.MulTo(sb, column(s.b)); err != nil {
		return err
	}
	if sum := simd.Dasum(sa.Data); math.IsNaN(sum) || math.IsInf(sum, 0) {
		return errors.New("leastsquares: the matrix is not finite")
	}
	rows := s.d
	if s.ridge > 0 {
		rows += s.n
		for i := range s.n {
			sa.Data[(s.d+i)*sa.Stride+i] = s.ridge
		}
	}
	s.scale = columnScales(sa, rows)
	if rank := s.decompose(sa, rows, sb.Data); rank < s.n {
		for j := range s.scale { // the shortest solution is that of the columns as they are
			s.scale[j] = 1
		}
		s.decompose(sa, rows, sb.Data)
	}
	s.result.Condition = s.sigma[0] / s.sigma[len(s.sigma)-1]
	return nil
}

// columnScales returns 1 over the norms of the columns; 1 for zero columns.
func columnScales(sa blas64.General, rows int) []float64 {
	scale := make([]float64, sa.Cols)
	for i := range rows {
		for j, v := range sa.Data[i*sa.Stride : i*sa.Stride+sa.Cols] {
			scale[j] = math.Hypot(scale[j], v)
		}
	}
	for j, norm := range scale {
		scale[j] = 1
		if norm > 0 {
			scale[j] = 1 / norm
		}
	}
	return scale
}

// decompose sets V, sigma and the start, and returns the rank.
func (s *solver) decompose(sa blas64.General, rows int, sb []float64) int {
	scaled := general(rows, s.n)
	for i := range rows {
		for j, v := range sa.Data[i*sa.Stride : i*sa.Stride+s.n] {
			scaled.Data[i*s.n+j] = v * s.scale[j]
		}
	}
	var svd lapack.SVD[float64]
	if err := svd.Factorize(lapack.Thin, lapack.Thin, rows, s.n, scaled.Data, scaled.Stride); err != nil {
		panic(err) // finite
	}
	values, u, v := svd.Values(), svd.U(), svd.V()
	rank := 1
	for rank < s.n && values[rank] > rankTolerance*values[0] {
		rank++
	}
	s.sigma = append([]float64(nil), values[:rank]...)
	if s.sigma[0] == 0 {
		s.sigma[0] = 1 // a zero matrix: any direction does
	}
	s.v = general(s.n, rank)
	y := make([]float64, rank)
	for k := range rank {
		for j, x := range v.Data[k*v.Stride : k*v.Stride+s.n] {
			s.v.Data[j*rank+k] = x
		}
		if values[k] > 0 {
			y[k] = simd.Ddot(sb, u.Data[k*u.Stride:k*u.Stride+s.d])
		}
	}
	s.start = s.timesP(y)
	s.result.Rank = rank
	return rank
}

// timesP returns P y.
func (s *solver) timesP(y []float64) []float64 {
	z, x := make([]float64, len(y)), make([]float64, s.n)
	for k, v := range y {
		z[k] = v / s.sigma[k]
	}
	simd.Dgemv(blas.NoTrans, s.n, len(y), 1, s.v.Data, s.v.Stride, z, 1, 0, x, 1)
	for j := range x {
		x[j] *= s.scale[j]
	}
	return x
}

// timesVT returns Vᵀ diag(scale) g.
func (s *solver) timesVT(g []float64) []float64 {
	z, y := make([]float64, s.n), make([]float64, len(s.sigma))
	for j, v := range g {
		z[j] = v * s.scale[j]
	}
	simd.Dgemv(blas.Trans, s.n, len(y), 1, s.v.Data, s.v.Stride, z, 1, 0, y, 1)
	return y
}

// apply returns [A; sqrt(mu) I] x as m + n numbers, or m without a ridge.
func (s *solver) apply(x []float64) ([]float64, error) {
	y := make([]float64, s.m, s.m+s.n)
	if err := s.a.MulTo(column(y), column(x)); err != nil {
		return nil, err
	}
	if s.ridge > 0 {
		for _, v := range x {
			y = append(y, s.ridge*v)
		}
	}
	return y, nil
}

// applyTrans returns the transpose's product.
func (s *solver) applyTrans(y []float64) ([]float64, error) {
	x := make([]float64, s.n)
	if err := s.a.MulTransTo(column(x), column(y[:s.m])); err != nil {
		return nil, err
	}
	if s.ridge > 0 {
		simd.Daxpy(s.ridge, y[s.m:], x)
	}
	return x, nil
}

// residual returns b - A x.
func (s *solver) residual(x []float64) ([]float64, error) {
	ax, err := s.apply(x)
	if err != nil {
		return nil, err
	}
	for i := range ax {
		ax[i] = -ax[i]
	}
	simd.Daxpy(1, s.b, ax[:s.m])
	return ax, nil
}

// backward returns the Karlson-Waldén estimate of the backward error of x with residual r, from the sketch's singular values:
// w/||r|| ||(sigma^2 + w^2)^-1/2 Vᵀ Aᵀ r||, w = ||r||/||x||. gradient is Aᵀ r.
func (s *solver) backward(x, r, gradient []float64) float64 {
	size, rest := s.scaledNorm(x), norm(r)
	if size == 0 || rest == 0 {
		return 0
	}
	w := rest / size
	y := s.timesVT(gradient)
	for k := range y {
		y[k] /= math.Hypot(s.sigma[k], w)
	}
	return norm(y) * w / rest
}

// scaledNorm returns the norm of x in the coordinates of the scaled columns.
func (s *solver) scaledNorm(x []float64) float64 {
	var sum float64
	for j, v := range x {
		sum = math.Hypot(sum, v/s.scale[j])
	}
	return sum
}

// size returns the norm of the scaled A in the Frobenius norm, from the sketch.
func (s *solver) size() float64 { return norm(s.sigma) }

func norm(x []float64) float64 {
	if sum := simd.Dsumsq(x); sum > 0x1p-900 && sum < 0x1p900 {
		return math.Sqrt(sum)
	}
	var sum float64
	for _, v := range x {
		sum = math.Hypot(sum, v)
	}
	return sum
}

func column(x []float64) blas64.General {
	return blas64.General{Rows: len(x), Cols: 1, Stride: 1, Data: x}
}

func general(rows, cols int) blas64.General {
	return blas64.General{Rows: rows, Cols: cols, Stride: cols, Data: make([]float64, rows*cols)}
}
