package papers

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/compare"
	"github.com/eckart-go/eckart/compress"
	"github.com/eckart-go/eckart/compress/budget"
	"github.com/eckart-go/eckart/eval"
	"github.com/eckart-go/eckart/model"
	"github.com/eckart-go/eckart/structure"
)

var svdBaselines = Paper{
	ID: svdBaselinesID, Title: "Data-aware SVD: ASVD, SVD-LLM, SVD-LLM v2",
	Sources: []string{"2312.05821", "2403.07378", "2503.12340"}, Package: "compress, lowrank, compress/budget",
	Claim:     "whitening by the inputs' second moment keeps a model usable where truncating its weights destroys it, and beats scaling by magnitudes",
	Baselines: []string{"dense model", "random projection of the same rank", "truncated SVD of the weights"},
	Run:       runSVDBaselines,
}

const svdBaselinesID = "svd-baselines"

// The ratios of the card, and the methods in the order that the claim puts them, worst first.
var (
	keeps  = []float64{0.9, 0.8, 0.6}
	ladder = []string{"svd", "asvd", "svdllm", "svdllm-u"}
)

// allocationTolerance is how far from its budget the allocation by loss may end, as a share of the parameters.
const allocationTolerance = 0.001

func runSVDBaselines(ctx context.Context, b *Bench) (*Verdict, error) {
	start := time.Now()
	b, err := b.checked()
	if err != nil {
		return nil, err
	}
	v := &Verdict{Paper: svdBaselinesID, Settings: b.settings()}
	table, err := b.compareMethods(ctx, keeps, append(ladder, "svdllm2", "lord"), false)
	if err != nil {
		return nil, err
	}
	random, err := b.randomProjection(ctx, 0.8)
	if err != nil {
		return nil, err
	}
	v.Tables = append(v.Tables, perplexityTable("Perplexity and layer errors, held-out text", table, random))
	judgeLadder(v, table)
	skipped, err := b.compareMethods(ctx, []float64{0.8}, append(ladder, "svdllm2"), true)
	if err != nil {
		return nil, err
	}
	v.Tables = append(v.Tables, perplexityTable("The same with each sequence's first token left out of the statistics", skipped, 0))
	v.Notes = append(v.Notes,
		"errors are root mean squares over all matrices of ||Y - Ŷ|| / ||Y||, Y being a layer's outputs on its own text",
		"all rows are free of training; the card's SVD-LLM row with sequential LoRA, and Dobi-SVD, need gradients and are not among them",
		"asvd is at uniform ratios like the others, without its search for ratios by perplexity")
	v.judge()
	v.Seconds = time.Since(start).Seconds()
	return v, nil
}

// compareMethods runs methods at every ratio on the bench's splits.
func (b *Bench) compareMethods(ctx context.Context, keeps []float64, methods []string, skipFirst bool) (*compare.Table, error) {
	var arms []compare.Arm
	for _, keep := range keeps {
		for _, name := range methods {
			m, err := compress.Lookup(name)
			if err != nil {
				return nil, err
			}
			arms = append(arms, compare.Arm{Method: m, Budget: budget.Budget{Keep: keep}})
		}
	}
	return compare.Run(ctx, b.Model, arms, compare.Options{
		Compress: compress.Options{
			Text: b.Prose, Sequences: b.Windows, Length: b.Length, Seed: b.Seed, SkipFirst: skipFirst, Cache: b.Cache, Progress: b.Progress,
		},
		Data: b.Other, Protocol: eval.Blocks{N: b.Length}, Limit: b.Windows, HeldOut: true,
	})
}

// perplexityTable lists the rows of a comparison; random, if not 0, is the perplexity of random projections at 0.8.
func perplexityTable(title string, t *compare.Table, random float64) Table {
	out := Table{Title: title, Columns: []string{"method", "keep", "perplexity", "±", "layer error, calibration", "least possible", "layer error, held out", "seconds"}}
	out.row("dense", 1, t.Baseline, t.BaselineErr, "", "", "", "")
	for _, r := range t.Runs {
		out.row(r.Method, r.Keep, r.Perplexity, r.StdErr, r.WeightedError, r.OptimumError, r.HeldOutError, r.Seconds)
	}
	if random > 0 {
		out.row("random projection", 0.8, random, "", "", "", "", "")
	}
	return out
}

// judgeLadder checks the claims.
func judgeLadder(v *Verdict, t *compare.Table) {
	for _, keep := range keeps {
		logs := make([]float64, len(ladder))
		var found []string
		ordered := true
		for i, name := range ladder {
			logs[i] = math.Log(rowOf(t, name, keep).Perplexity)
			found = append(found, fmt.Sprintf("%s %.3f", name, logs[i]))
			ordered = ordered && (i == 0 || logs[i] <= logs[i-1])
		}
		v.check(ordered, fmt.Sprintf("order at keep %v", keep), "log-perplexity svd > asvd > svdllm >= svdllm-u", "%s", strings.Join(found, ", "))
	}
	svd, asvd, whitened := rowOf(t, "svd", 0.8), rowOf(t, "asvd", 0.8), rowOf(t, "svdllm", 0.8)
	gap := math.Log(svd.Perplexity / whitened.Perplexity)
	v.check(gap >= 1, "whitening against truncation at keep 0.8", "log-perplexity at least 1.0 lower", "%.3f lower", gap)
	gap = math.Log(asvd.Perplexity / whitened.Perplexity)
	v.check(gap >= 0.2, "whitening against scaling at keep 0.8", "log-perplexity at least 0.2 lower", "%.3f lower", gap)
	better := 0
	for name, e := range whitened.HeldOut {
		if e < asvd.HeldOut[name] {
			better++
		}
	}
	share := float64(better) / float64(len(whitened.HeldOut))
	v.check(share >= 0.9, "held-out error of single layers at keep 0.8", "svdllm below asvd in at least 90 % of the matrices", "in %.1f %% of %d", 100*share, len(whitened.HeldOut))
	for _, keep := range keeps {
		v2, w := rowOf(t, "svdllm2", keep), rowOf(t, "svdllm", keep)
		off := math.Abs(v2.Keep-keep) / keep
		v.check(off <= allocationTolerance, fmt.Sprintf("v2's allocation at keep %v", keep), "parameters within 0.1 % of the budget; perplexity of either sign printed",
			"%.4f %% off; log-perplexity %+.3f against uniform ranks", 100*off, math.Log(v2.Perplexity/w.Perplexity))
	}
}

// rowOf returns the row of a method at a ratio; it is there.
func rowOf(t *compare.Table, method string, keep float64) compare.Row {
	name := budget.Budget{Keep: keep}.String()
	for _, r := range t.Runs {
		if r.Method == method && r.Budget == name {
			return r
		}
	}
	panic(fmt.Sprintf("papers: no row of %s at %v", method, keep))
}

// randomProjection returns the perplexity when every matrix W is replaced by Q Qᵀ W, Q spanning a random subspace of the
// rank that the ratio gives: what a method must beat to have done anything.
func (b *Bench) randomProjection(ctx context.Context, keep float64) (float64, error) {
	s, err := b.open()
	if err != nil {
		return 0, err
	}
	defer s.Close()
	rng := rand.New(rand.NewPCG(b.Seed, 0xa11))
	for i := range s.Config().Layers {
		for _, name := range model.Linears() {
			layer, err := s.Layer(i, name)
			if err != nil {
				return 0, err
			}
			if err := s.SetLinear(i, name, projected(layer, keep, rng)); err != nil {
				return 0, err
			}
		}
	}
	windows, err := b.heldOutBlocks(s)
	if err != nil {
		return 0, err
	}
	r, err := b.perplexity(ctx, s, windows)
	return r.Perplexity, err
}

// heldOutBlocks returns the windows that compareMethods measures on: the first of the held-out text.
func (b *Bench) heldOutBlocks(s *subject) ([][]int, error) {
	tokens, err := b.allTokens(s, b.Other)
	if err != nil {
		return nil, err
	}
	scored, err := eval.Blocks{N: b.Length}.Windows(tokens, b.Windows)
	if err != nil {
		return nil, err
	}
	windows := make([][]int, len(scored))
	for i, w := range scored {
		windows[i] = w.Tokens
	}
	return windows, nil
}

// projected returns Q (Qᵀ W).
func projected(layer structure.Layer, keep float64, rng *rand.Rand) *structure.LowRank {
	m, n := layer.Dims()
	r := budget.Rank(m, n, keep)
	gauss := mat.NewDense(m, r, nil)
	for i := range m {
		for j := range r {
			gauss.Set(i, j, rng.NormFloat64())
		}
	}
	var qr mat.QR
	qr.Factorize(gauss)
	var q mat.Dense
	qr.QTo(&q)
	basis := q.Slice(0, m, 0, r)
	var a mat.Dense
	a.Mul(basis.T(), structure.Float64(layer))
	var bias []float64
	for _, v := range layer.Bias() {
		bias = append(bias, float64(v))
	}
	return structure.NewLowRank(basis, &a, bias)
}
