package sketch

import (
	"fmt"
	"math"
	"math/bits"
	"runtime"
	"slices"
	"testing"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/linop"
	"github.com/eckart-go/eckart/linop/linoptest"
)

// kinds makes one of every operator.
var kinds = []struct {
	name string
	make func(s, n int, seed uint64) Operator
}{
	{"gaussian", func(s, n int, seed uint64) Operator { return NewGaussian(s, n, seed) }},
	{"uniform", func(s, n int, seed uint64) Operator { return NewUniform(s, n, seed) }},
	{"sparse sign", func(s, n int, seed uint64) Operator { return NewSparseSign(s, n, 0, seed) }},
	{"sparse sign 2", func(s, n int, seed uint64) Operator { return NewSparseSign(s, n, 2, seed) }},
	{"count", func(s, n int, seed uint64) Operator { return NewCountSketch(s, n, seed) }},
	{"long sparse", func(s, n int, seed uint64) Operator { return NewLongSparse(s, n, 0, seed) }},
	{"SRHT", func(s, n int, seed uint64) Operator { return NewSubsampled(s, n, seed, SubsampledOptions{}) }},
	{"SRHT 2", func(s, n int, seed uint64) Operator {
		return NewSubsampled(s, n, seed, SubsampledOptions{Rounds: 2})
	}},
	{"SRCT", func(s, n int, seed uint64) Operator {
		return NewSubsampled(s, n, seed, SubsampledOptions{Transform: Cosine})
	}},
	{"SRCT 2", func(s, n int, seed uint64) Operator {
		return NewSubsampled(s, n, seed, SubsampledOptions{Transform: Cosine, Rounds: 2})
	}},
	{"uniform rows", func(s, n int, seed uint64) Operator { return sampling(s, n, nil, seed) }},
	{"weighted rows", func(s, n int, seed uint64) Operator {
		weight := make([]float64, n)
		for j := range weight {
			weight[j] = 1 + float64(j%3)
		}
		return sampling(s, n, weight, seed)
	}},
}

func sampling(s, n int, weight []float64, seed uint64) Operator {
	r, err := NewSampling(s, n, weight, seed)
	if err != nil {
		panic(err)
	}
	return r
}

// elements returns S as a matrix.
func elements(s Operator) blas64.General {
	rows, n := s.Dims()
	d := newBlock(rows, n)
	s.BlockTo(d, 0, 0)
	return d
}

func view(b blas64.General) *mat.Dense { return mat.NewDense(b.Rows, b.Cols, b.Data) }

// random returns a Gaussian matrix.
func random(m, n int, seed uint64) blas64.General {
	b := newBlock(m, n)
	NewGaussian(m, n, seed).fill(b, 0, 0, 1)
	return b
}

// Products are those of the matrix, whatever the strides, and the two are adjoint.
func TestProductsAreThoseOfTheElements(t *testing.T) {
	for _, k := range kinds {
		for _, dims := range [][2]int{{10, 37}, {16, 16}, {9, 300}} {
			t.Run(fmt.Sprint(k.name, dims), func(t *testing.T) {
				s := k.make(dims[0], dims[1], 3)
				linoptest.Run(t, s, view(elements(s)), math.Sqrt(float64(dims[1]*8)))
			})
		}
	}
}

// RightTo, Left and Right agree with the matrix: the bound is that of linoptest.
func TestSketchesFromBothSides(t *testing.T) {
	for _, k := range kinds {
		s := k.make(12, 50, 5)
		e := elements(s)
		a, b := random(50, 21, 1), random(21, 50, 2)
		left, right := newBlock(12, 21), newBlock(21, 12)
		gemm(blas.NoTrans, blas.NoTrans, 1, e, a, 0, left)
		gemm(blas.NoTrans, blas.Trans, 1, b, e, 0, right)
		tol := 8 * 71 * 0x1p-53 * mat.Norm(view(e), 2) * mat.Norm(view(a), 2)
		for _, hidden := range []bool{false, true} { // as a dense matrix, and as an operator that has only products
			oa, ob := linop.Operator(linop.Dense(a)), linop.Operator(linop.Dense(b))
			if hidden {
				oa, ob = linop.Scaled(1, oa), linop.Scaled(1, ob)
			}
			gotLeft, gotRight := newBlock(12, 21), newBlock(21, 12)
			if err := Left(gotLeft, s, oa); err != nil {
				t.Fatal(err)
			}
			if err := Right(gotRight, ob, s); err != nil {
				t.Fatal(err)
			}
			for what, pair := range map[string][2]blas64.General{"S A": {gotLeft, left}, "A Sᵀ": {gotRight, right}} {
				if d := distance(pair[0], pair[1]); !(d <= tol) {
					t.Errorf("%s, %s: off by %.3g, tolerance %.3g", k.name, what, d, tol)
				}
			}
		}
	}
}

func distance(a, b blas64.General) float64 {
	var d mat.Dense
	d.Sub(view(a), view(b))
	return mat.Norm(&d, 2)
}

// Any submatrix is the slice of the whole, bit for bit, and nothing depends on the number of threads.
func TestSubmatricesAndThreads(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for _, k := range kinds {
		s := k.make(11, 70, 9)
		runtime.GOMAXPROCS(1)
		whole := elements(s)
		product, right := newBlock(11, 33), newBlock(45, 11)
		a, b := random(70, 33, 4), random(45, 70, 6)
		s.MulTo(product, a)
		s.RightTo(right, b)
		for _, threads := range []int{1, 2, 5} {
			runtime.GOMAXPROCS(threads)
			for _, at := range [][4]int{{0, 0, 11, 70}, {3, 5, 4, 13}, {10, 69, 1, 1}, {2, 31, 9, 38}} {
				part := newBlock(at[2], at[3])
				s.BlockTo(part, at[0], at[1])
				for i := range part.Rows {
					if !slices.Equal(row(part, i), row(whole, at[0]+i)[at[1]:at[1]+at[3]]) {
						t.Fatalf("%s, %d threads: row %d of the submatrix at %v differs", k.name, threads, i, at)
					}
				}
			}
			again, rightAgain := newBlock(11, 33), newBlock(45, 11)
			s.MulTo(again, a)
			s.RightTo(rightAgain, b)
			if !slices.Equal(again.Data, product.Data) || !slices.Equal(rightAgain.Data, right.Data) {
				t.Errorf("%s: products differ with %d threads", k.name, threads)
			}
		}
	}
}

// E SᵀS = I. Over r seeds the mean of x_i'Sx_j has standard deviation about 1/sqrt(s r) (2/sqrt(s r) on a Gaussian's diagonal;
// row sampling: sqrt(n/(s r))); 5.5 of them are exceeded by one of 300 independent entries with probability 1e-5.
func TestMeanIsTheIdentity(t *testing.T) {
	const s, n, r = 8, 24, 600
	for _, k := range kinds {
		mean := newBlock(n, n)
		for seed := range uint64(r) {
			e := elements(k.make(s, n, 1000+seed))
			gemm(blas.Trans, blas.NoTrans, 1./r, e, e, 1, mean)
		}
		deviation := 2 / math.Sqrt(s*r)
		if k.name == "uniform rows" || k.name == "weighted rows" || k.name == "long sparse" {
			deviation = math.Sqrt(2 * n / float64(s*r))
		}
		for i := range n {
			for j := range n {
				want := 0.0
				if i == j {
					want = 1
				}
				if got := mean.Data[i*n+j]; !(math.Abs(got-want) <= 5.5*deviation) {
					t.Errorf("%s: mean of (SᵀS)[%d,%d] is %.3f, want %v within %.3f", k.name, i, j, got, want, 5.5*deviation)
				}
			}
		}
	}
}

// The sparsity that definitions promise, exactly: zeta distinct rows in each column of value 1/sqrt(zeta); zeta draws in each row.
func TestSparsityIsExact(t *testing.T) {
	for _, zeta := range []int{1, 2, 5, 8, 40} {
		const s, n = 40, 500
		var d Operator = NewCountSketch(s, n, 1)
		if zeta > 1 {
			d = NewSparseSign(s, n, zeta, 1)
		}
		e := elements(d)
		hits, signs := make([]int, s), 0.0
		for j := range n {
			count := 0
			for i := range s {
				if v := e.Data[i*n+j]; v != 0 {
					count++
					hits[i]++
					signs += math.Copysign(1, v)
					if math.Abs(v) != 1/math.Sqrt(float64(zeta)) {
						t.Fatalf("zeta %d: element %v", zeta, v)
					}
				}
			}
			if count != zeta {
				t.Fatalf("zeta %d: column %d has %d nonzeros", zeta, j, count)
			}
		}
		// Rows are hit evenly: binomial with mean n zeta/s; six standard deviations. Signs are even: six too.
		p := float64(zeta) / s
		for i, h := range hits {
			if bound := 6 * math.Sqrt(n*p*(1-p)); !(math.Abs(float64(h)-n*p) <= bound) {
				t.Errorf("zeta %d: row %d is hit %d times, want %.0f within %.0f", zeta, i, h, n*p, bound)
			}
		}
		if bound := 6 * math.Sqrt(n*float64(zeta)); !(math.Abs(signs) <= bound) {
			t.Errorf("zeta %d: signs sum to %v, bound %v", zeta, signs, bound)
		}
	}
	const s, n, zeta = 30, 12, 7 // so few columns that draws coincide
	e := elements(NewLongSparse(s, n, zeta, 2))
	repeated := false
	for i := range s {
		draws := 0.0
		for _, v := range row(e, i) {
			c := v * v * zeta * s / n // how often it was drawn
			if math.Abs(c-math.Round(c)) > 1e-12 {
				t.Fatalf("row %d: element %v is no root of a count", i, v)
			}
			draws += math.Round(c)
			repeated = repeated || c > 1.5
		}
		if draws != zeta {
			t.Errorf("row %d has %v draws", i, draws)
		}
	}
	if !repeated {
		t.Error("no coordinate was drawn twice: the test shows nothing")
	}
}

// The transforms are the matrices of their definitions: signs (-1)^popcount(k & j), and cosines.
func TestTransformsAreTheirFormulas(t *testing.T) {
	for _, n := range []int{1, 2, 4, 8, 64, 256} {
		x, had, cos, work := newBlock(n, n), newBlock(n, n), newBlock(n, n), newBlock(n, n)
		for i := range n {
			x.Data[i*n+i] = 1
		}
		copyTo(had, x)
		copyTo(cos, x)
		hadamard(had.Data, n)
		cosine(cos.Data, work.Data, n)
		tol := 4 * math.Log2(2*float64(n)) * 0x1p-52 // each of log2 N levels of orthogonal butterflies and rotations rounds by some eps
		for k := range n {
			for j := range n {
				if want := 1 - 2*float64(bits.OnesCount(uint(k&j))%2); had.Data[k*n+j] != want {
					t.Fatalf("Hadamard %d: (%d, %d) is %v, want %v", n, k, j, had.Data[k*n+j], want)
				}
				want := math.Sqrt(2/float64(n)) * math.Cos(float64(k*(2*j+1))*math.Pi/float64(2*n))
				if k == 0 {
					want = 1 / math.Sqrt(float64(n))
				}
				// the argument of cos is known to (its size) eps only
				if got := cos.Data[k*n+j]; !(math.Abs(got-want) <= tol+float64(2*n)*0x1p-52) {
					t.Errorf("cosine %d: (%d, %d) is %v, want %v", n, k, j, got, want)
				}
			}
		}
		cosineInverse(cos.Data, work.Data, n)
		if d := distance(cos, x); !(d <= 2*tol*math.Sqrt(float64(n))) {
			t.Errorf("cosine %d: inverse of the transform is off by %.3g", n, d)
		}
	}
}

// Rows of a subsampled transform are different rows of an orthogonal matrix: with n a power of two S Sᵀ = N/s I.
func TestSubsampledRowsAreOrthogonal(t *testing.T) {
	for _, opts := range []SubsampledOptions{{}, {Rounds: 2}, {Transform: Cosine}, {Transform: Cosine, Rounds: 3}} {
		e := elements(NewSubsampled(20, 64, 8, opts))
		gram := newBlock(20, 20)
		gemm(blas.NoTrans, blas.Trans, 20./64, e, e, 0, gram)
		for i := range 20 {
			gram.Data[i*20+i]--
		}
		if d := mat.Norm(view(gram), 2); !(d <= 64*0x1p-53*8) {
			t.Errorf("%+v: rows are off orthogonality by %.3g", opts, d)
		}
	}
}

// What weights say: rows of weight zero are never drawn, others in proportion, within five standard deviations.
func TestSamplingFollowsWeights(t *testing.T) {
	const s = 20000
	weight := []float64{0, 3, 0, 1, 6, 0}
	r := sampling(s, 6, weight, 4).(*RowSparse)
	counts := make([]float64, 6)
	for i := range s {
		var j [1]int
		var v [1]float64
		r.list.fill(i, j[:], v[:])
		counts[j[0]]++
		if want := math.Sqrt(10 / (s * weight[j[0]])); math.Abs(v[0]-want) > 1e-15*want {
			t.Fatalf("row %d has the factor %v, want %v", j[0], v[0], want)
		}
	}
	for j, w := range weight {
		if p := w / 10; !(math.Abs(counts[j]-s*p) <= 5*math.Sqrt(s*p*(1-p))) {
			t.Errorf("row %d was drawn %v times of %d, weight %v of 10", j, counts[j], s, w)
		}
	}
	for _, bad := range [][]float64{{1, -1}, {0, 0}, {math.NaN(), 1}, {math.Inf(1), 1}} {
		if _, err := NewSampling(3, 2, bad, 0); err == nil {
			t.Errorf("weights %v were accepted", bad)
		}
	}
}

// A sketch of 12 dimensions to a subspace keeps its geometry: singular values of S U are in 1 +- sqrt(d/s), with some room.
func TestEmbedsSubspaces(t *testing.T) {
	const n, d, s = 1000, 20, 240
	u := random(n, d, 11)
	mustOrthonormalise(t, u)
	for _, k := range kinds {
		if k.name == "count" || k.name == "uniform rows" || k.name == "weighted rows" {
			continue // these embed incoherent subspaces or need s of the order of d^2
		}
		for seed := range uint64(5) {
			su := newBlock(s, d)
			k.make(s, n, seed).MulTo(su, u)
			var svd mat.SVD
			if !svd.Factorize(view(su), mat.SVDNone) {
				t.Fatal("no convergence")
			}
			values := svd.Values(nil)
			if lo, hi := 1-1.5*math.Sqrt(d/float64(s)), 1+1.5*math.Sqrt(d/float64(s)); !(values[d-1] >= lo && values[0] <= hi) {
				t.Errorf("%s, seed %d: singular values from %.3f to %.3f, want %.3f to %.3f", k.name, seed, values[d-1], values[0], lo, hi)
			}
		}
	}
}
