package papers

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"

	eblas "github.com/eckart-go/eckart/blas"
	"github.com/eckart-go/eckart/internal/matgen"
	"github.com/eckart-go/eckart/lapack"
	"github.com/eckart-go/eckart/leastsquares"
	"github.com/eckart-go/eckart/linop"
	"github.com/eckart-go/eckart/lowrank"
	"github.com/eckart-go/eckart/sketch"
)

var sketchingCore = Paper{
	ID: sketchingCoreID, Title: "Randomized numerical linear algebra: sketching, low rank, least squares",
	Sources: []string{"0909.4061", "2302.11474", "1902.08651", "2311.08316", "2406.03468"}, Package: "sketch, lowrank, leastsquares",
	Claim:     "a few products with a matrix give its leading part, and solutions of least squares problems, as accurately as classical methods, and say how accurate they are",
	Baselines: []string{"full singular value decomposition", "one pass without power iterations", "Householder QR", "CholeskyQR", "sketch and solve", "uniform and greedy columns"},
	NoTexts:   true,
	Run:       runSketchingCore,
}

const sketchingCoreID = "sketching-core"

// coreSeeds is the number of runs that medians are of.
const coreSeeds = 10

// coreSpectrum is a line of the specification's table for 600 x 300 matrices: errors of rank 20 from 30 columns over the best in the
// Frobenius norm (and for one pass in the spectral norm), and more.
type coreSpectrum struct {
	name     string
	value    func(j int) float64
	ratio    [3]float64 // 0, 1, 2 power iterations
	spectral float64
	loo      [2]float64 // leave-one-out estimate over the error
	sketchy  float64    // rank 10 from one pass over the best
	frequent float64    // error over the bound, 20 rows
}

var coreSpectra = []coreSpectrum{
	{"j^-2", func(j int) float64 { return math.Pow(float64(j), -2) }, [3]float64{1.38, 1.001, 1}, 1.6, [2]float64{0.88, 1.16}, 1.05, 0.49},
	{"j^-1", func(j int) float64 { return 1 / float64(j) }, [3]float64{1.34, 1.009, 1.001}, 1.9, [2]float64{0.97, 1.10}, 1.31, 0.51},
	{"10^(-j/4)", func(j int) float64 { return math.Pow(10, -float64(j)/4) }, [3]float64{1, 1, 1}, 1, [2]float64{0.2, 4.9}, 1, 0.71},
	{"10 ones + 0.01", func(j int) float64 { return map[bool]float64{true: 1, false: 0.01}[j <= 10] }, [3]float64{1.22, 1, 1}, 6.2, [2]float64{0.96, 1.06}, 1.63, 0.49},
}

func runSketchingCore(ctx context.Context, b *Bench) (*Verdict, error) {
	start := time.Now()
	v := &Verdict{Paper: sketchingCoreID, Settings: map[string]string{"seeds": fmt.Sprintf("%d to %d", b.Seed, b.Seed+coreSeeds-1)}}
	progress := b.stages()
	for _, stage := range []struct {
		name string
		run  func(ctx context.Context, b *Bench, v *Verdict) error
	}{{"spectra", spectraTable}, {"least squares", leastSquaresTable}, {"orthogonality", orthogonalityTable}, {"weights", weightsTable}, {"kernel", kernelTable}} {
		progress(stage.name, "stages")(0, 1)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := stage.run(ctx, b, v); err != nil {
			return nil, err
		}
	}
	v.judge()
	v.Seconds = time.Since(start).Seconds()
	return v, nil
}

// stages returns Progress, or something that does nothing.
func (b *Bench) stages() func(stage, unit string) func(done, total int64) {
	if b.Progress != nil {
		return b.Progress
	}
	return func(string, string) func(int64, int64) { return func(int64, int64) {} }
}

// spectraTable measures the table's lines. A Gaussian test matrix does not see the directions of A's singular vectors, so one A
// for each spectrum is enough.
func spectraTable(_ context.Context, b *Bench, v *Verdict) error {
	const m, n, k = 600, 300, 20
	t := Table{Title: "600 x 300 of known spectra, medians of 10 seeds: rank 20 over the best (spectral norm in brackets), and the specification's figures",
		Columns: []string{"spectrum", "0 power iterations", "1", "2", "expected", "leave-one-out / error", "expected", "SketchySVD rank 10", "expected", "frequent directions / bound", "expected"}}
	for _, tc := range coreSpectra {
		r, err := tc.measure(m, n, k, b.Seed)
		if err != nil {
			return err
		}
		t.row(tc.name, fmt.Sprintf("%.3f (%.1f)", r.ratio[0], r.spectral), fmt.Sprintf("%.4f", r.ratio[1]), fmt.Sprintf("%.4f", r.ratio[2]),
			fmt.Sprintf("%.2f (%.1f), %.3f, %.3f", tc.ratio[0], tc.spectral, tc.ratio[1], tc.ratio[2]), fmt.Sprintf("%.2f to %.2f", r.loo[0], r.loo[1]), fmt.Sprintf("%.2f to %.2f", tc.loo[0], tc.loo[1]),
			r.sketchy, tc.sketchy, r.frequent, tc.frequent)
		// Medians of ten vary by some of the excess; the bands were fixed with the unit tests.
		ok := math.Abs(r.ratio[0]-tc.ratio[0]) <= 2e-3+0.35*(tc.ratio[0]-1)
		for q := 1; q < 3; q++ {
			ok = ok && math.Abs(r.ratio[q]-tc.ratio[q]) <= 5e-4+2*(tc.ratio[q]-1)
		}
		v.check(ok, "range finder, "+tc.name, fmt.Sprintf("%.2f, %.3f, %.3f of the best with 0, 1, 2 power iterations", tc.ratio[0], tc.ratio[1], tc.ratio[2]),
			"%.3f, %.4f, %.4f", r.ratio[0], r.ratio[1], r.ratio[2])
		v.check(math.Abs(r.sketchy-tc.sketchy) <= 2e-3+(tc.sketchy-1)/3 && r.frequent <= 1, "one pass, "+tc.name,
			fmt.Sprintf("SketchySVD %.2f of the best, frequent directions below their bound (%.2f of it)", tc.sketchy, tc.frequent), "%.3f; %.2f of the bound", r.sketchy, r.frequent)
	}
	v.Notes = append(v.Notes, "the leave-one-out estimate is not reliable where singular values fall as fast as 10^(-j/4): both columns show it")
	v.Tables = append(v.Tables, t)
	return nil
}

// measure returns medians for one spectrum; loo holds the extremes.
func (tc coreSpectrum) measure(m, n, k int, seed uint64) (coreSpectrum, error) {
	s := make([]float64, n)
	for j := range s {
		s[j] = tc.value(j + 1)
	}
	a := linop.Dense(blas64.General{Rows: m, Cols: n, Stride: n, Data: matgen.WithSingularValues(m, n, s, seed)})
	var ratios [3][]float64
	var spectral, loo, sketchy []float64
	for i := range uint64(coreSeeds) {
		for q, power := range []int{lowrank.NoPower, 1, 2} {
			f, err := lowrank.OperatorSVD(a, k, lowrank.Options{Method: lowrank.Randomized, Randomized: lowrank.RandomizedOptions{PowerIterations: power, Seed: seed + i}})
			if err != nil {
				return tc, err
			}
			e := difference(a, f)
			ratios[q] = append(ratios[q], mat.Norm(e, 2)/floats.Norm(s[k:], 2))
			if q == 0 {
				norm, err := sketch.PowerNorm(linop.Of(e), 20, seed)
				if err != nil {
					return tc, err
				}
				spectral = append(spectral, norm/s[k])
			}
		}
		basis, err := sketch.Range(a, k, sketch.RangeOptions{Passes: 1, Seed: seed + i})
		if err != nil {
			return tc, err
		}
		loo = append(loo, basis.Error/outside(a, basis.Q))
		one, err := lowrank.NewSketchy(m, n, k/2, lowrank.SketchyOptions{Seed: seed + i})
		if err != nil {
			return tc, err
		}
		if err := one.AddRows(0, blas64.General(a)); err != nil {
			return tc, err
		}
		f, err := one.Factors(k/2, lowrank.Even)
		if err != nil {
			return tc, err
		}
		sketchy = append(sketchy, mat.Norm(difference(a, f), 2)/floats.Norm(s[k/2:], 2))
	}
	out := coreSpectrum{spectral: medianOf(spectral), loo: [2]float64{slices.Min(loo), slices.Max(loo)}, sketchy: medianOf(sketchy)}
	for q := range ratios {
		out.ratio[q] = medianOf(ratios[q])
	}
	var err error
	out.frequent, err = frequentRatio(a, s, k)
	return out, err
}

// difference returns A - B A.
func difference(a linop.Dense, f *lowrank.Factors) *mat.Dense {
	e := mat.NewDense(a.Rows, a.Cols, nil)
	e.Mul(f.B, f.A)
	e.Sub(mat.NewDense(a.Rows, a.Cols, a.Data), e)
	return e
}

// outside returns ||A - QQᵀA||_F.
func outside(a linop.Dense, q blas64.General) float64 {
	basis, dense := mat.NewDense(q.Rows, q.Cols, q.Data), mat.NewDense(a.Rows, a.Cols, a.Data)
	var c, e mat.Dense
	c.Mul(basis.T(), dense)
	e.Mul(basis, &c)
	e.Sub(dense, &e)
	return mat.Norm(&e, 2)
}

// frequentRatio returns ||AᵀA - BᵀB||_2 of frequent directions with l rows over the bound for the best k.
func frequentRatio(a linop.Dense, s []float64, l int) (float64, error) {
	f := lowrank.NewFrequentDirections(l, a.Cols)
	if err := f.AddRows(blas64.General(a)); err != nil {
		return 0, err
	}
	b := f.Sketch()
	var gram, low mat.Dense
	dense := mat.NewDense(a.Rows, a.Cols, a.Data)
	gram.Mul(dense.T(), dense)
	low.Mul(b.T(), b)
	gram.Sub(&gram, &low)
	norm, err := sketch.PowerNorm(linop.Of(&gram), 50, 1)
	bound := math.Inf(1)
	for k := range l {
		bound = min(bound, math.Pow(floats.Norm(s[k:], 2), 2)/float64(l-k))
	}
	return norm / bound, err
}

func medianOf(x []float64) float64 {
	x = slices.Sorted(slices.Values(x))
	return (x[(len(x)-1)/2] + x[len(x)/2]) / 2
}

// lsProblem is min ||A x - b||, x of norm one, and a residual of norm 1e-3 orthogonal to A's columns.
func lsProblem(m, n int, condition float64, seed uint64) (a linop.Dense, b, x []float64) {
	u, vt := mat.NewDense(m, n+1, matgen.Orthogonal(m, n+1, seed)), mat.NewDense(n, n, matgen.Orthogonal(n, n, seed+1))
	x = matgen.Gaussian(n, 1, seed+2)
	floats.Scale(1/floats.Norm(x, 2), x)
	var us, dense mat.Dense
	us.Mul(u.Slice(0, m, 0, n), mat.NewDiagDense(n, matgen.Geometric(n, 1, 1/condition)))
	dense.Mul(&us, vt)
	var right, r mat.VecDense
	right.MulVec(&dense, mat.NewVecDense(n, x))
	r.ScaleVec(1e-3, u.ColView(n))
	right.AddVec(&right, &r)
	return linop.Dense(dense.RawMatrix()), right.RawVector().Data, x
}

// leastSquaresTable compares forward errors with those of QR, and looks at the rate.
func leastSquaresTable(_ context.Context, b *Bench, v *Verdict) error {
	const m, n, problems = 4000, 100, 3
	t := Table{Title: "Least squares, 4000 x 100, residual 1e-3, sketch of 1200 rows: medians of 3 problems of ||x - x̂||", Columns: []string{"condition", "Householder QR", "stable (FOSSILS)", "stable / QR", "LSQR", "backward error, stable", "sketch and solve"}}
	var rate float64
	for _, cond := range []float64{1e2, 1e8, 1e12} {
		errs := map[string][]float64{}
		for i := range uint64(problems) {
			a, right, x := lsProblem(m, n, cond, b.Seed+10*i)
			dense, qr := slices.Clone(a.Data), slices.Clone(right)
			if err := lapack.LeastSquares(blas.NoTrans, m, n, 1, dense, n, qr, 1); err != nil {
				return err
			}
			errs["qr"] = append(errs["qr"], floats.Distance(qr[:n], x, 2))
			for name, method := range map[string]leastsquares.Method{"stable": leastsquares.Stable, "lsqr": leastsquares.LSQR, "rough": leastsquares.Rough, "momentum": leastsquares.Momentum} {
				r, err := leastsquares.Solve(a, right, leastsquares.Options{Method: method, Seed: b.Seed + i})
				if err != nil {
					return err
				}
				errs[name] = append(errs[name], floats.Distance(r.X, x, 2))
				if name == "stable" {
					errs["backward"] = append(errs["backward"], r.BackwardError)
				}
				if name == "momentum" && cond == 1e8 && i == 0 {
					rate = math.Pow(r.Updates[13]/r.Updates[3], 0.1)
				}
			}
		}
		qr, stable := medianOf(errs["qr"]), medianOf(errs["stable"])
		t.row(cond, qr, stable, stable/qr, medianOf(errs["lsqr"]), medianOf(errs["backward"]), medianOf(errs["rough"]))
		v.check(stable <= 3*qr, fmt.Sprintf("least squares at condition %.0e", cond), "forward error within a factor of 3 of QR's", "%.2g, QR's %.2g", stable, qr)
	}
	v.Tables = append(v.Tables, t)
	a, right, _ := lsProblem(m, n, 1, b.Seed)
	r, err := leastsquares.Solve(a, right, leastsquares.Options{Method: leastsquares.Stable, Seed: b.Seed})
	if err != nil {
		return err
	}
	condition := r.Condition // of S A for an orthonormal A, which is that of (A P)^+
	v.check(rate > 0.25 && rate < 0.31, "rate of momentum", "updates shrink by 0.285 a step (theory sqrt(1/12) = 0.289)", "%.3f", rate)
	v.check(condition > 1.65 && condition < 1.9, "condition after preconditioning", "1.76 to 1.78 (theory 1.81)", "%.3f", condition)
	return nil
}

// orthogonalityTable compares CholeskyQR with its preconditioned form.
func orthogonalityTable(_ context.Context, b *Bench, v *Verdict) error {
	const m, n = 4000, 100
	t := Table{Title: "||QᵀQ - I||_F, 4000 x 100", Columns: []string{"condition", "CholeskyQR", "preconditioned", "pivoted (CQRRPT)"}}
	worst, plainFails := 0.0, false
	for _, cond := range []float64{1e2, 1e8, 1e12} {
		a := blas64.General{Rows: m, Cols: n, Stride: n, Data: matgen.WithSingularValues(m, n, matgen.Geometric(n, 1, 1/cond), b.Seed)}
		plain := "fails"
		if q, ok := choleskyQR(a); ok {
			plain = fmt.Sprintf("%.1e", orthogonality(q))
		} else {
			plainFails = true
		}
		cells := []any{fmt.Sprintf("%.0e", cond), plain}
		for _, factorise := range []func(blas64.General, sketch.TallOptions) (*sketch.TallQR, error){sketch.PreconditionedQR, sketch.PivotedQR} {
			f, err := factorise(a, sketch.TallOptions{Seed: b.Seed})
			if err != nil {
				return err
			}
			o := orthogonality(f.Q)
			worst = max(worst, o)
			cells = append(cells, fmt.Sprintf("%.1e", o))
		}
		t.row(cells...)
	}
	v.Tables = append(v.Tables, t)
	v.check(worst <= 2e-14, "orthogonality of preconditioned CholeskyQR", "about 3e-15 at every condition", "at most %.1e", worst)
	v.check(plainFails, "plain CholeskyQR", "fails at condition 1e12", "%s", strings.Join(column(t, 1), ", "))
	return nil
}

func column(t Table, j int) []string {
	var cells []string
	for _, row := range t.Rows {
		cells = append(cells, row[j])
	}
	return cells
}

// choleskyQR is the method without preconditioning.
func choleskyQR(a blas64.General) (q blas64.General, ok bool) {
	n := a.Cols
	q = blas64.General{Rows: a.Rows, Cols: n, Stride: n, Data: slices.Clone(a.Data)}
	gram := make([]float64, n*n)
	var kernel eblas.Implementation
	kernel.Dsyrk(blas.Upper, blas.Trans, n, a.Rows, 1, q.Data, n, 0, gram, n)
	if lapack.Cholesky(blas.Upper, n, gram, n) != nil {
		return q, false
	}
	kernel.Dtrsm(blas.Right, blas.Upper, blas.NoTrans, blas.NonUnit, q.Rows, n, 1, gram, n, q.Data, n)
	return q, true
}

func orthogonality(q blas64.General) float64 {
	basis := mat.NewDense(q.Rows, q.Cols, q.Data)
	var gram mat.Dense
	gram.Mul(basis.T(), basis)
	for i := range q.Cols {
		gram.Set(i, i, gram.At(i, i)-1)
	}
	return mat.Norm(&gram, 2)
}
