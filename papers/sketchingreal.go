package papers

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"time"

	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/checkpoint"
	"github.com/eckart-go/eckart/lapack"
	"github.com/eckart-go/eckart/linop"
	"github.com/eckart-go/eckart/lowrank"
)

// This file holds the parts of sketching-core that work on real matrices: a language model's weights, and a kernel matrix of
// embeddings.

// weightArms are what is compared on weights: power iterations, and the Krylov method at its default accuracy.
var weightArms = []struct {
	name string
	opts lowrank.Options
}{
	{"0 power iterations", lowrank.Options{Method: lowrank.Randomized, Randomized: lowrank.RandomizedOptions{PowerIterations: lowrank.NoPower}}},
	{"1", lowrank.Options{Method: lowrank.Randomized, Randomized: lowrank.RandomizedOptions{PowerIterations: 1}}},
	{"2", lowrank.Options{Method: lowrank.Randomized, Randomized: lowrank.RandomizedOptions{PowerIterations: 2}}},
	{"Krylov", lowrank.Options{Method: lowrank.Krylov}},
}

// weightsTable compares truncated decompositions of one matrix of every block with the full one.
func weightsTable(ctx context.Context, b *Bench, v *Verdict) error {
	if b.Model == "" {
		v.Notes = append(v.Notes, "no model was given: weights were left out")
		return nil
	}
	m, err := checkpoint.OpenModel(b.Model)
	if err != nil {
		return err
	}
	defer m.Close()
	v.Settings["model"] = filepath.Base(b.Model)
	kinds := []string{"self_attn.q_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"}
	ranks := []int{64, 128}
	if side := m.Config().Hidden; side < 4*ranks[1] {
		ranks = []int{side / 8, side / 4}
	}
	type cell struct{ ratios, seconds []float64 }
	cells := map[[2]int]*cell{}
	var full float64
	for layer := range m.Config().Layers {
		if err := ctx.Err(); err != nil {
			return err
		}
		w, err := weight(m, fmt.Sprintf("model.layers.%d.%s.weight", layer, kinds[layer%len(kinds)]))
		if err != nil {
			return err
		}
		var svd lapack.SVD[float64]
		start := time.Now()
		if err := svd.Factorize(lapack.Thin, lapack.Thin, w.Rows, w.Cols, w.Data, w.Stride); err != nil {
			return err
		}
		full += time.Since(start).Seconds()
		for i, rank := range ranks {
			best := floats.Norm(svd.Values()[rank:], 2)
			for j, arm := range weightArms {
				opts := arm.opts
				opts.Randomized.Seed, opts.Krylov.Seed = b.Seed, b.Seed
				start := time.Now()
				f, err := lowrank.OperatorSVD(w, rank, opts)
				if err != nil {
					return err
				}
				c := cells[[2]int{i, j}]
				if c == nil {
					c = &cell{}
					cells[[2]int{i, j}] = c
				}
				c.seconds = append(c.seconds, time.Since(start).Seconds())
				c.ratios = append(c.ratios, mat.Norm(difference(w, f), 2)/best)
			}
		}
	}
	t := Table{Title: fmt.Sprintf("%d weight matrices: error over that of the full decomposition", m.Config().Layers),
		Columns: []string{"rank", "method", "mean ratio", "worst ratio", "seconds, all", "full decomposition's seconds", "times faster (of seconds)"}}
	for i, rank := range ranks {
		for j, arm := range weightArms {
			c := cells[[2]int{i, j}]
			t.row(rank, arm.name, fmt.Sprintf("%.5f", floats.Sum(c.ratios)/float64(len(c.ratios))), fmt.Sprintf("%.5f", slices.Max(c.ratios)), floats.Sum(c.seconds), full, full/floats.Sum(c.seconds))
		}
		worst := func(j int) float64 { return slices.Max(cells[[2]int{i, j}].ratios) }
		v.check(worst(1) <= 1.01 && worst(2) <= 1.001, fmt.Sprintf("weights, rank %d", rank), "within 1 % of the full decomposition's error with one power iteration, 0.1 % with two", "worst %.5f and %.5f", worst(1), worst(2))
		v.check(worst(0) > worst(1), fmt.Sprintf("weights, rank %d, without power iterations", rank), "visibly worse", "worst %.4f", worst(0))
		speed := full / floats.Sum(cells[[2]int{i, 1}].seconds)
		v.check(speed >= 3, fmt.Sprintf("weights, rank %d, time", rank), "one power iteration at least 3 times faster than the full decomposition", "%.1f times", speed)
	}
	v.Tables = append(v.Tables, t)
	return nil
}

// weight returns a weight matrix in float64.
func weight(m *checkpoint.Model, name string) (linop.Dense, error) {
	info, ok := m.Info(name)
	if !ok || len(info.Shape) != 2 {
		return linop.Dense{}, fmt.Errorf("papers: the model has no matrix %s", name)
	}
	x, err := m.Float32(name, nil)
	if err != nil {
		return linop.Dense{}, err
	}
	w := linop.Dense(blas64.General{Rows: info.Shape[0], Cols: info.Shape[1], Stride: info.Shape[1], Data: make([]float64, len(x))})
	for i, v := range x {
		w.Data[i] = float64(v)
	}
	return w, nil
}

// points is how many embeddings the kernel matrix is of, and kernelRank the rank of its approximations, for as many embeddings.
const (
	points     = 2000
	kernelRank = 100
)

// kernelTable compares approximations of a Gaussian kernel matrix of embeddings.
func kernelTable(_ context.Context, b *Bench, v *Verdict) error {
	x, source, err := b.embeddings()
	if err != nil {
		return err
	}
	if source == "" {
		v.Notes = append(v.Notes, "no model was given: the kernel matrix was left out")
		return nil
	}
	v.Settings["embeddings"] = source
	kernel := gaussianKernel(x)
	n := kernel.SymmetricDim()
	rank := min(kernelRank, n/8)
	var e lapack.SymEigen[float64]
	sym := kernel.RawSymmetric()
	if err := e.FactorizeValues(sym.Uplo, n, sym.Data, sym.Stride); err != nil {
		return err
	}
	best := floats.Sum(e.Values()[:n-rank])
	t := Table{Title: fmt.Sprintf("Gaussian kernel matrix of %d embeddings, rank %d: trace of what is left over the trace, medians of %d seeds", n, rank, coreSeeds),
		Columns: []string{"method", "trace error", "over the best"}}
	t.row("best of the rank", best/float64(n), 1)
	found := map[string]float64{}
	for _, arm := range []struct {
		name string
		run  func(seed uint64) (float64, error)
	}{
		{"Nystrom, Gaussian test matrix", func(seed uint64) (float64, error) {
			f, err := lowrank.Nystrom(linop.Of(mat.DenseCopyOf(kernel)), rank, lowrank.NystromOptions{Seed: seed, Steps: 1})
			if err != nil {
				return 0, err
			}
			return float64(n) - floats.Sum(f.Values), nil
		}},
		{"RPCholesky", pivotedTrace(kernel, rank, lowrank.RandomPivots)},
		{"greedy pivots", pivotedTrace(kernel, rank, lowrank.GreedyPivots)},
		{"uniform pivots", pivotedTrace(kernel, rank, lowrank.UniformPivots)},
	} {
		var errs []float64
		for i := range uint64(coreSeeds) {
			trace, err := arm.run(b.Seed + i)
			if err != nil {
				return err
			}
			errs = append(errs, trace)
		}
		found[arm.name] = medianOf(errs)
		t.row(arm.name, found[arm.name]/float64(n), found[arm.name]/best)
	}
	v.Tables = append(v.Tables, t)
	nystrom, random, uniform := found["Nystrom, Gaussian test matrix"], found["RPCholesky"], found["uniform pivots"]
	v.check(nystrom <= uniform && random <= uniform*1.02, "kernel matrix", "trace errors of Nystrom and RPCholesky not above that of uniform pivots (2 % for the median of ten)",
		"%.4f and %.4f of the best, uniform %.4f", nystrom/best, random/best, uniform/best)
	return nil
}

func pivotedTrace(kernel *mat.SymDense, rank int, pivoting lowrank.Pivoting) func(seed uint64) (float64, error) {
	return func(seed uint64) (float64, error) {
		f, err := lowrank.PivotedCholesky(lowrank.KernelOf(kernel), rank, lowrank.PivotedOptions{Pivoting: pivoting, Seed: seed})
		if err != nil {
			return 0, err
		}
		return f.TraceError, nil
	}
}

// embeddings returns rows of the embedding matrix of Bench.Embeddings (a sentence encoder's folder), or of the model: evenly
// spaced through the vocabulary.
func (b *Bench) embeddings() (x linop.Dense, source string, err error) {
	path, name := b.Embeddings, "embeddings.word_embeddings.weight"
	if path == "" {
		path, name = b.Model, "model.embed_tokens.weight"
	}
	if path == "" {
		return x, "", nil
	}
	c, err := checkpoint.Open(path)
	if err != nil {
		return x, "", err
	}
	defer c.Close()
	if b.Embeddings == "" { // by the model's own naming
		m, err := checkpoint.OpenModel(path)
		if err != nil {
			return x, "", err
		}
		defer m.Close()
		x, err = weight(m, name)
		if err != nil {
			return x, "", err
		}
	} else {
		info, ok := c.Info(name)
		if !ok || len(info.Shape) != 2 {
			return x, "", fmt.Errorf("papers: %s has no matrix %s", path, name)
		}
		values, err := c.Float32(name, nil)
		if err != nil {
			return x, "", err
		}
		x = linop.Dense(blas64.General{Rows: info.Shape[0], Cols: info.Shape[1], Stride: info.Shape[1], Data: make([]float64, len(values))})
		for i, v := range values {
			x.Data[i] = float64(v)
		}
	}
	count := min(points, x.Rows)
	spaced := linop.Dense(blas64.General{Rows: count, Cols: x.Cols, Stride: x.Cols, Data: make([]float64, count*x.Cols)})
	for i := range count {
		copy(spaced.Data[i*x.Cols:(i+1)*x.Cols], x.Data[i*x.Rows/count*x.Cols:])
	}
	return spaced, fmt.Sprintf("%d rows of %s of %s", count, name, filepath.Base(path)), nil
}

// gaussianKernel returns exp(-||x - y||^2/(2 h^2)) of all rows, h being half the median distance of neighbours in the list.
func gaussianKernel(x linop.Dense) *mat.SymDense {
	n := x.Rows
	row := func(i int) []float64 { return x.Data[i*x.Stride : i*x.Stride+x.Cols] }
	var distances []float64
	for i := range n - 1 {
		distances = append(distances, floats.Distance(row(i), row(i+1), 2))
	}
	h := medianOf(distances) / 2
	var gram mat.Dense
	dense := mat.NewDense(n, x.Cols, x.Data)
	gram.Mul(dense, dense.T())
	kernel := mat.NewSymDense(n, nil)
	for i := range n {
		kernel.SetSym(i, i, 1)
		for j := i + 1; j < n; j++ {
			square := max(0, gram.At(i, i)+gram.At(j, j)-2*gram.At(i, j))
			kernel.SetSym(i, j, math.Exp(-square/(2*h*h)))
		}
	}
	return kernel
}
