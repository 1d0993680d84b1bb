package lowrank

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/lapack"
	"github.com/eckart-go/eckart/linop"
	"github.com/eckart-go/eckart/sketch"
)

// Eigenpairs is A ~ U diag(Values) Uᵀ of a symmetric matrix.
type Eigenpairs struct {
	U      *mat.Dense // n x k, orthonormal columns
	Values []float64  // by magnitude, largest first
	// Error is about ||A - U diag(Values) Uᵀ||, in the norm that the function documents; Estimate says what it rests on.
	Error    float64
	Estimate string
	Shift    float64 // what Nystrom added to A's diagonal to be safe, and took away again
	Missed   bool    // a tolerance was not reached
	Cost     sketch.Cost
}

// SymEigen returns the k eigenvalues of largest magnitude of a symmetric operator, definite or not, and their vectors, by subspace
// iteration (HMT 2011, algorithms 4.4 and 5.3). Error is the Frobenius norm, from norms if A knows its own (else 0 and Estimate
// "").
func SymEigen(a linop.Operator, k int, opts RandomizedOptions) (*Eigenpairs, error) {
	n, err := order(a)
	if err != nil {
		return nil, err
	}
	if err := checkRank(k, n, n); err != nil {
		return nil, err
	}
	basis, err := sketch.Range(a, k, sketch.RangeOptions{Oversamples: opts.Oversamples, Passes: 1 + 2*opts.powerIterations(), Seed: opts.Seed})
	if err != nil {
		return nil, err
	}
	counted := &sketch.Counted{Operator: a, Cost: basis.Cost}
	q := basis.Q
	w, t := general(n, q.Cols), general(q.Cols, q.Cols)
	if err := counted.MulTo(w, q); err != nil {
		return nil, err
	}
	if err := finiteBlock(w); err != nil {
		return nil, err
	}
	multiply(blas.Trans, blas.NoTrans, 1, q, w, 0, t)
	values, vectors := symmetricEigen(symmetrised(t))
	byMagnitude := make([]int, len(values))
	for i := range byMagnitude {
		byMagnitude[i] = i
	}
	slices.SortStableFunc(byMagnitude, func(i, j int) int { return -compareMagnitude(values[i], values[j]) })
	y, out := general(q.Cols, k), &Eigenpairs{Values: make([]float64, k), Cost: counted.Cost}
	for j, at := range byMagnitude[:k] {
		out.Values[j] = values[at]
		for i := range q.Cols {
			y.Data[i*k+j] = vectors.Data[at*vectors.Stride+i]
		}
	}
	out.U = mat.NewDense(n, k, product(q, y).Data)
	norm, known, err := counted.FrobeniusNorm()
	if err != nil {
		return nil, err
	}
	if kept := length(out.Values); known && norm-kept > validNorms*validNorms*norm {
		out.Error, out.Estimate = math.Sqrt(norm-kept)*math.Sqrt(norm+kept), "norms"
	}
	return out, nil
}

func compareMagnitude(x, y float64) int {
	switch x, y = math.Abs(x), math.Abs(y); {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

// order returns n of an n x n operator.
func order(a linop.Operator) (int, error) {
	m, n := a.Dims()
	if m != n || n == 0 {
		return 0, fmt.Errorf("lowrank: an operator of %d x %d: expected a symmetric one", m, n)
	}
	return n, nil
}

// symmetrised returns (t + tᵀ)/2, in place.
func symmetrised(t blas64.General) blas64.General {
	for i := range t.Rows {
		for j := range i {
			v := t.Data[i*t.Stride+j]/2 + t.Data[j*t.Stride+i]/2
			t.Data[i*t.Stride+j], t.Data[j*t.Stride+i] = v, v
		}
	}
	return t
}

// symmetricEigen returns eigenvalues, ascending, and vectors as rows.
func symmetricEigen(t blas64.General) ([]float64, blas64.General) {
	var e lapack.SymEigen[float64]
	if err := e.Factorize(blas.Upper, t.Rows, t.Data, t.Stride); err != nil {
		panic(err) // products have been checked
	}
	return e.Values(), blas64.General(e.Vectors())
}

// NystromOptions tunes Nystrom; the zero value is the recommended setting.
type NystromOptions struct {
	Oversamples int // columns of the test matrix beyond the rank; 0 means 10
	// Tol, if not 0, doubles the rank until an estimate of ||A - U diag(Values) Uᵀ||_2 is at most 5 Tol ||A||_2, or rounding.
	Tol     float64
	MaxRank int // of the doubling; 0 means n
	Steps   int // of the power method that estimates the error; 0 means 10
	Seed    uint64
}

// Nystrom returns the approximation AΩ (ΩᵀAΩ)^+ (AΩ)ᵀ of a positive semidefinite operator, cut at rank k, from one product with
// A: near the best, and never above A. It is the stable form of Tropp, Yurtsever, Udell, Cevher 2017 (algorithm 3): a shift of
// the order of eps ||A|| makes the small matrix definite and is taken away from the eigenvalues, which are not negative. If a
// Cholesky factorisation fails all the same, the shift grows tenfold, twice, and then an eigendecomposition takes its place.
//
// Error is the spectral norm by the power method, a lower bound that is seldom off by more than some percent (Estimate "power
// iteration"). It fails if A has numbers that are not finite or is clearly not positive semidefinite.
func Nystrom(a linop.Operator, k int, opts NystromOptions) (*Eigenpairs, error) {
	n, err := order(a)
	if err != nil {
		return nil, err
	}
	if err := checkRank(k, n, n); err != nil {
		return nil, err
	}
	most, steps := opts.MaxRank, opts.Steps
	if most == 0 {
		most = n
	}
	if steps == 0 {
		steps = 10
	}
	counted := &sketch.Counted{Operator: a}
	for round := 0; ; round++ {
		f, err := nystrom(counted, n, k, opts, round)
		if err != nil {
			return nil, err
		}
		e := sketch.Residual(counted, blas64.General(f.U.RawMatrix()), f.scaledTranspose())
		if f.Error, err = sketch.PowerNorm(e, steps, opts.Seed); err != nil {
			return nil, err
		}
		f.Estimate, f.Cost = "power iteration", counted.Cost
		if opts.Tol == 0 || f.Error <= 5*max(opts.Tol*f.Values[0], f.Shift) {
			return f, nil
		}
		if k >= min(most, n) {
			f.Missed = true
			return f, nil
		}
		k = min(2*k, most, n)
	}
}

// scaledTranspose returns diag(Values) Uᵀ.
func (e *Eigenpairs) scaledTranspose() blas64.General {
	n, k := e.U.Dims()
	b := general(k, n)
	for i := range n {
		for j, v := range e.U.RawRowView(i) {
			b.Data[j*n+i] = v * e.Values[j]
		}
	}
	return b
}

// nystrom is one approximation.
func nystrom(a *sketch.Counted, n, k int, opts NystromOptions, round int) (*Eigenpairs, error) {
	extra := opts.Oversamples
	if extra == 0 {
		extra = 10
	}
	l := min(k+extra, n)
	omega, y := general(n, l), general(n, l)
	sketch.GaussianTo(omega, opts.Seed, round)
	var o sketch.Orthonormaliser
	o.Basis(omega)
	if err := a.MulTo(y, omega); err != nil {
		return nil, err
	}
	if err := finiteBlock(y); err != nil {
		return nil, err
	}
	b, shift, err := nystromRoot(omega, y)
	if err != nil {
		return nil, err
	}
	r := general(l, l)
	o.Factorize(b, r)
	var svd lapack.SVD[float64]
	if err := svd.FactorizeTop(l, l, r.Data, r.Stride, k); err != nil {
		panic(err) // finite
	}
	u := general(n, k)
	multiply(blas.NoTrans, blas.Trans, 1, b, blas64.General(svd.U()), 0, u)
	out := &Eigenpairs{U: mat.NewDense(n, k, u.Data), Values: make([]float64, k), Shift: shift}
	for i, s := range svd.Values()[:k] {
		out.Values[i] = max(0, s*s-shift)
	}
	return out, nil
}

// nystromRoot returns B (n x l, over y) and a shift with B Bᵀ = Yₛ (Ωᵀ Yₛ)^+ Yₛᵀ, Yₛ = Y + shift Ω.
func nystromRoot(omega, y blas64.General) (b blas64.General, shift float64, err error) {
	l := y.Cols
	size := norm(y)
	if size == 0 {
		return y, 0, nil
	}
	shift = 0x1p-52 * size
	h := general(l, l)
	var added float64
	for range 3 {
		for i := range y.Rows {
			axpyRow(shift-added, omega, y, i)
		}
		added = shift
		multiply(blas.Trans, blas.NoTrans, 1, omega, y, 0, h)
		symmetrised(h)
		if lapack.Cholesky(blas.Upper, l, h.Data, h.Stride) == nil {
			if err := solveRight(h, y); err == nil {
				return y, shift, nil
			}
		}
		shift *= 10
	}
	multiply(blas.Trans, blas.NoTrans, 1, omega, y, 0, h)
	values, vectors := symmetricEigen(symmetrised(h))
	largest := max(math.Abs(values[0]), math.Abs(values[l-1]))
	if values[0] < -1e-8*largest {
		return y, 0, fmt.Errorf("lowrank: the operator is not positive semidefinite: a projection of it has the eigenvalue %.3g beside %.3g", values[0], values[l-1])
	}
	b = general(y.Rows, l)
	multiply(blas.NoTrans, blas.Trans, 1, y, vectors, 0, b)
	for i := range b.Rows {
		row := b.Data[i*l : (i+1)*l]
		for j, v := range values {
			if v > float64(l)*0x1p-52*largest {
				row[j] /= math.Sqrt(v)
			} else {
				row[j] = 0
			}
		}
	}
	return b, added, nil
}

// solveRight overwrites y with y r^-1, r upper triangular.
func solveRight(r, y blas64.General) error {
	blas64Implementation.Dtrsm(blas.Right, blas.Upper, blas.NoTrans, blas.NonUnit, y.Rows, y.Cols, 1, r.Data, r.Stride, y.Data, y.Stride)
	return finiteBlock(y)
}

// axpyRow adds alpha times row i of x to that of y.
func axpyRow(alpha float64, x, y blas64.General, i int) {
	for j, v := range x.Data[i*x.Stride : i*x.Stride+x.Cols] {
		y.Data[i*y.Stride+j] += alpha * v
	}
}

// PreconditionTo sets dst to P^-1 x for the preconditioner of A + mu I that an approximation of A makes (Frangella, Tropp, Udell
// 2023): (λ_k + mu) U (Λ + mu)^-1 Uᵀ + (I - U Uᵀ), of condition about (λ_k + mu + error)/mu. dst may be x; mu is positive.
func (e *Eigenpairs) PreconditionTo(dst, x []float64, mu float64) {
	n, k := e.U.Dims()
	if len(dst) != n || len(x) != n || !(mu > 0) {
		panic(fmt.Sprintf("lowrank: a preconditioner of order %d for vectors of %d and %d, mu %v", n, len(x), len(dst), mu))
	}
	c := make([]float64, k)
	in, out := mat.NewVecDense(n, x), mat.NewVecDense(k, c)
	out.MulVec(e.U.T(), in)
	for i := range c {
		c[i] *= (e.Values[k-1]+mu)/(e.Values[i]+mu) - 1
	}
	var change mat.VecDense
	change.MulVec(e.U, out)
	for i := range n {
		dst[i] = x[i] + change.AtVec(i)
	}
}
