package lapack

import (
	"fmt"
	"slices"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/internal/pool"
)

// SVD is the singular value decomposition A = Uᵀ diag(values) V of an m x n matrix A, with the singular vectors as the rows of U
// and V, orthonormal. The zero value is ready; a value that is used again keeps its buffers.
//
// Method, for m >= n (a wide matrix is transposed first): a QR factorisation if m is much larger than n; blocked Householder
// reduction to bidiagonal form, 8/3 n^3 flops for a square matrix, half of them bound by reading it; divide and conquer, up to
// 8/3 n^3 (much less where values deflate); blocked back-transformation, 2 k n^2 for k vectors of either side. The computed
// decomposition is the exact one of A + E with ||E|| <= c max(m, n) eps ||A|| for a small c: singular values are accurate to
// that absolute error, small ones not relative to themselves.
type SVD[T Float] struct {
	bidiagonal bidiagonal[T]
	divide     divideSVD[T]
	tall       []T // the matrix as QR leaves it
	tau        []T
	work       []T
	values     []float64
	rounded    []T // values in the type of the matrix, descending
	u, v       []T // vectors as rows
	k          int // number of values
	left       rows[T]
	right      rows[T]
	lefts      int // vectors computed
	rights     int
	m, n       int
	transposed bool
}

// Vectors says how many singular vectors of one side are computed: a number, of those of the largest values, or Thin or Full.
type Vectors int

const (
	NoVectors Vectors = 0
	Thin      Vectors = -1 // min(m, n), as many as there are values
	Full      Vectors = -2 // all of them, a basis of the whole space: m on the left, n on the right
)

// tallRatio is from which m/n on a matrix is reduced to a triangle first.
const tallRatio = 1.4

// Factorize computes all singular values of a (m x n, row stride lda), which is not modified, and the vectors asked for; fewer
// are less work. It fails with ErrNotFinite, and panics if more than min(m, n) vectors are asked for by number.
func (s *SVD[T]) Factorize(left, right Vectors, m, n int, a []T, lda int) error {
	return s.factorize(left.count(m, n), right.count(n, m), m, n, a, lda)
}

// FactorizeTop computes all singular values of a and the vectors of the k largest of both sides.
func (s *SVD[T]) FactorizeTop(m, n int, a []T, lda, k int) error {
	return s.Factorize(Vectors(k), Vectors(k), m, n, a, lda)
}

// FactorizeValues computes the singular values of a only.
func (s *SVD[T]) FactorizeValues(m, n int, a []T, lda int) error {
	return s.factorize(0, 0, m, n, a, lda)
}

// Values returns the min(m, n) singular values, descending. The slice is the receiver's and valid until the next factorisation.
func (s *SVD[T]) Values() []T { return s.rounded[:s.k] }

// U returns the left singular vectors as the rows of a matrix with m columns, in the order of Values, the vectors that complete
// the basis after them. The data is the receiver's and valid until the next factorisation.
func (s *SVD[T]) U() General[T] {
	return General[T]{Rows: s.lefts, Cols: s.m, Stride: s.left.ld, Data: s.left.data[:s.lefts*s.left.ld]}
}

// V returns the right singular vectors as the rows of a matrix with n columns, as U does the left ones.
func (s *SVD[T]) V() General[T] {
	return General[T]{Rows: s.rights, Cols: s.n, Stride: s.right.ld, Data: s.right.data[:s.rights*s.right.ld]}
}

// UTo sets dst, which must be empty or of m rows and as many columns as there are left vectors, to the left vectors as columns,
// gonum's convention.
func (s *SVD[T]) UTo(dst *mat.Dense) { s.U().columnsTo(dst) }

// VTo sets dst to the right vectors as columns.
func (s *SVD[T]) VTo(dst *mat.Dense) { s.V().columnsTo(dst) }

func (g General[T]) columnsTo(dst *mat.Dense) {
	if dst.IsEmpty() {
		dst.ReuseAs(g.Cols, g.Rows)
	}
	for i := range g.Rows {
		for j, v := range g.Data[i*g.Stride : i*g.Stride+g.Cols] {
			dst.Set(j, i, float64(v))
		}
	}
}

// count returns how many vectors of length n there are to compute; the other side's have length other.
func (v Vectors) count(n, other int) int {
	switch {
	case v == Thin:
		return min(n, other)
	case v == Full:
		return n
	case v < 0 || int(v) > min(n, other):
		panic(fmt.Sprintf("lapack: %d singular vectors of length %d of a matrix of %d x %d", int(v), n, n, other))
	}
	return int(v)
}

func (s *SVD[T]) factorize(lefts, rights, m, n int, a []T, lda int) error {
	checkMatrix("the matrix", m, n, a, lda)
	s.m, s.n, s.k, s.lefts, s.rights = m, n, min(m, n), lefts, rights
	s.transposed = m < n
	if s.transposed {
		m, n, lefts, rights = n, m, rights, lefts
	}
	left := rows[T]{ld: stride(max(1, m)), width: m}
	right := rows[T]{ld: stride(max(1, n)), width: n}
	s.u, s.v = grown(s.u, lefts*left.ld), grown(s.v, rights*right.ld)
	left.data, right.data = s.u, s.v
	s.values, s.rounded = grown(s.values, n), grown(s.rounded, n)
	err := s.compute(lefts, rights, m, n, a, lda, left, right)
	if s.transposed {
		left, right = right, left
	}
	s.left, s.right = left, right
	if err != nil {
		s.k, s.lefts, s.rights = 0, 0, 0
	}
	return err
}

// compute decomposes the matrix, transposed if it is wide: m >= n.
func (s *SVD[T]) compute(lefts, rights, m, n int, a []T, lda int, left, right rows[T]) error {
	if n == 0 {
		setIdentity(lefts, left.data, left.ld)
		return nil
	}
	b := &s.bidiagonal
	tall := float64(m) >= tallRatio*float64(n) && m-n > leafSize
	dst, ldd := &b.a, stride(n)
	if tall {
		dst = &s.tall
		b.resize(n, n)
	} else {
		b.resize(m, n)
	}
	*dst = grown(*dst, m*ldd)
	scale, err := s.copyScaled(m, n, a, lda, *dst, ldd)
	if err != nil {
		return err
	}
	if tall {
		s.tau = grown(s.tau, n)
		factorQR(m, n, s.tall, ldd, s.tau)
		for i := range n {
			row := b.a[i*b.lda : i*b.lda+n]
			clear(row[:i])
			copy(row[i:], s.tall[i*ldd+i:i*ldd+n])
		}
	}
	b.reduce()
	copy(s.values, b.d)
	if lefts == 0 && rights == 0 {
		if !bidiagonalQR(s.values, b.e, rows[T]{}, rows[T]{}) {
			return s.stalled()
		}
		slices.Sort(s.values)
		for i, v := range s.values {
			s.rounded[n-1-i] = T(v * scale)
		}
		return nil
	}
	c := &s.divide
	c.resize(n, lefts > 0)
	if !c.solve(s.values, b.e, min(n, max(lefts, rights))) {
		return s.stalled()
	}
	order := c.order[:n]
	for i, row := range order {
		s.rounded[n-1-i] = T(s.values[row] * scale)
	}
	space := backSpace(lefts)
	s.work = grown(s.work, space+backSpace(rights))
	pool.Run(2, func(side int) {
		if side == 0 {
			s.transformLeft(lefts, m, n, order, left, tall, s.work[:space])
			return
		}
		right.gather(rights, order, c.v, c.ldv)
		transformBack(rights, n, right.data, right.ld, n-1, 1, b.right, b.ldr, b.tauRight, s.work[space:])
	})
	return nil
}

// transformLeft turns k left vectors of the bidiagonal matrix into those of the matrix.
func (s *SVD[T]) transformLeft(k, m, n int, order []int, left rows[T], tall bool, work []T) {
	if k == 0 {
		return
	}
	b, c := &s.bidiagonal, &s.divide
	left.gather(k, order, c.u, c.ldu)
	if !tall {
		transformBack(k, m, left.data, left.ld, n, 0, b.left, b.ldl, b.tauLeft, work)
		return
	}
	transformBack(min(k, n), n, left.data, left.ld, n, 0, b.left, b.ldl, b.tauLeft, work)
	ldd := stride(n)
	if k > n { // a basis of the whole space
		q := reflectors[T]{byColumn, m, n, s.tall, ldd, s.tau}
		q.apply(blas.Right, blas.Trans, k, left.data, left.ld)
		return
	}
	s.applyTall(k, m, n, left)
}

// applyTall overwrites the rows of left, k vectors of n elements continued by m-n zeros, with their products with Qᵀ = I - V Tᵀ
// Vᵀ of the QR factorisation in s.tall. All of Q is one block: the zeros save half of what a block after the other would
// compute, and the rest is one large product.
func (s *SVD[T]) applyTall(k, m, n int, left rows[T]) {
	v, ld := s.tall, stride(n)
	for i := range n { // units and zeros in the place of R
		row := v[i*ld+i : i*ld+n]
		clear(row)
		row[0] = 1
	}
	p, space := borrow[T](n * (2*n + 2*k))
	defer giveBack(p)
	gram, space := cut(space, n*n)
	t, space := cut(space, n*n)
	zv, zvt := cut(space, k*n)
	syrk(blas.Upper, blas.Trans, n, m, 1, v, ld, 0, gram, n)
	triangularFromGram(n, gram, n, s.tau, t, n)
	gemm(blas.NoTrans, blas.NoTrans, k, n, n, 1, left.data, left.ld, v, ld, 0, zv, n)
	gemm(blas.NoTrans, blas.Trans, k, n, n, 1, zv, n, t, n, 0, zvt, n)
	gemm(blas.NoTrans, blas.Trans, k, m, n, -1, zvt, n, v, ld, 1, left.data, left.ld)
}

// gather sets k rows to those of z (n x n, n = len(order)) in the opposite of order, continued by zeros; rows from n on to unit
// vectors.
func (r rows[T]) gather(k int, order []int, z []T, ldz int) {
	n := len(order)
	for i := range k {
		row := r.data[i*r.ld : i*r.ld+r.width]
		if i < n {
			clear(row[copy(row, z[order[n-1-i]*ldz:][:n]):])
			continue
		}
		clear(row)
		row[i] = 1
	}
}

func (s *SVD[T]) stalled() error {
	return fmt.Errorf("lapack: singular value decomposition of %d x %d: the QR iteration did not converge", s.m, s.n)
}

// copyScaled copies a to dst (m x n, row stride ldd), from its transpose if s.transposed, divided by a power of two near its
// largest element, so that squares are safe; it returns that power.
func (s *SVD[T]) copyScaled(m, n int, a []T, lda int, dst []T, ldd int) (scale float64, err error) {
	var largest T
	for i := range s.m {
		x := maxAbs(a[i*lda : i*lda+s.n])
		if !isFinite(x) {
			return 0, ErrNotFinite
		}
		largest = max(largest, x)
	}
	if s.transposed {
		transpose(s.m, s.n, a, lda, dst, ldd)
		a, lda = dst, ldd
	}
	scale = powerOfTwo(float64(largest))
	inverse := 1 / scale
	for i := range m {
		row := dst[i*ldd : i*ldd+n]
		for j, v := range a[i*lda : i*lda+n] {
			row[j] = T(float64(v) * inverse)
		}
	}
	return scale, nil
}
