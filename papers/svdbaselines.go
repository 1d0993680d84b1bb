package papers

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
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

// The ratios of the card, the methods in the order that the claim puts them, worst first, and that of the order under the
// command's own calibration, at one ratio.
var (
	keeps         = []float64{0.9, 0.8, 0.6}
	ladder        = []string{"svd", "asvd", "svdllm", "svdllm-u"}
	defaultLadder = []string{"svd", "asvd", "svdllm", "svdllm2"}
)

const (
	defaultKeep    = 0.8
	defaultHeldOut = 32 // windows that the models of the command's own calibration are measured on
)

// allocationTolerance is how far from its budget the allocation by loss may end, as a share of the parameters.
const allocationTolerance = 0.001

func runSVDBaselines(ctx context.Context, b *Bench) (*Verdict, error) {
	start := time.Now()
	b, err := b.checked()
	if err != nil {
		return nil, err
	}
	if b.Cache == "" { // the search's trials serve all ratios
		if b.Cache, err = os.MkdirTemp("", "eckart-papers-"); err != nil {
			return nil, fmt.Errorf("papers: %w", err)
		}
		defer os.RemoveAll(b.Cache)
	}
	v := &Verdict{Paper: svdBaselinesID, Settings: b.settings()}
	for _, setting := range []func(context.Context, *Bench, *Verdict) error{cardSetting, withoutFirst, commandSetting} {
		if err := setting(ctx, b, v); err != nil {
			return nil, err
		}
	}
	v.Settings["search"] = fmt.Sprintf("strs measures every trial on %d of the calibration windows", compress.DefaultTrials)
	if b.SkipSearch {
		v.Settings["search"] = "left out: no row is ASVD as published"
	}
	v.Notes = append(v.Notes,
		"errors are root mean squares over all matrices of ||Y - Ŷ|| / ||Y||, Y being a layer's outputs on its own text",
		"all rows are free of training; the card's SVD-LLM row with sequential LoRA, and Dobi-SVD, need gradients and are not among them",
		"asvd has uniform ratios like svd, svdllm, svdllm-u and lord, and is the row that they are compared with; asvd+strs is ASVD as published, with "+
			"ratios from its search by calibration perplexity, and only svdllm2 chooses ratios too",
		"svdllm2 reads losses in the paper's units, summed over 256 sequences of 2048 tokens, whatever the text is: its logarithms, and so its ranks, depend on them")
	v.judge()
	v.Seconds = time.Since(start).Seconds()
	return v, nil
}

// searchedKeeps are the ratios at which ASVD searches.
func (b *Bench) searchedKeeps() []float64 {
	if b.SkipSearch {
		return nil
	}
	return keeps
}

// cardSetting is the experiment as the card has it: all ratios, short splits.
func cardSetting(ctx context.Context, b *Bench, v *Verdict) error {
	arms, err := armsOf(keeps, append(slices.Clone(ladder), "svdllm2", "lord"))
	if err != nil {
		return err
	}
	asvd, err := compress.Lookup("asvd")
	if err != nil {
		return err
	}
	for _, keep := range b.searchedKeeps() {
		arms = append(arms, compare.Arm{Method: asvd, Share: compress.STRS, Budget: budget.Budget{Keep: keep}})
	}
	table, err := compare.Run(ctx, b.Model, arms, b.comparison(b.Windows))
	if err != nil {
		return err
	}
	random, err := b.randomProjection(ctx, defaultKeep)
	if err != nil {
		return err
	}
	v.Tables = append(v.Tables, perplexityTable("Perplexity and layer errors, held-out text", table, random))
	for _, keep := range keeps {
		judgeOrder(v, table, ladder, keep, "")
	}
	judgeWhitening(v, table, "")
	for _, keep := range keeps {
		judgeAllocation(v, table, keep, "")
	}
	for _, keep := range b.searchedKeeps() {
		judgeSearch(v, table, keep)
	}
	return nil
}

// withoutFirst repeats it at one ratio with every sequence's first token, whose activations are massive, not counted.
func withoutFirst(ctx context.Context, b *Bench, v *Verdict) error {
	arms, err := armsOf([]float64{defaultKeep}, append(slices.Clone(ladder), "svdllm2"))
	if err != nil {
		return err
	}
	opts := b.comparison(b.Windows)
	opts.Compress.SkipFirst = true
	table, err := compare.Run(ctx, b.Model, arms, opts)
	if err != nil {
		return err
	}
	v.Tables = append(v.Tables, perplexityTable("The same with each sequence's first token left out of the statistics", table, 0))
	return nil
}

// commandSetting calibrates as eckart compress does unless told otherwise, on eight times as many tokens as the card.
func commandSetting(ctx context.Context, b *Bench, v *Verdict) error {
	arms, err := armsOf([]float64{defaultKeep}, append(slices.Clone(ladder), "svdllm2"))
	if err != nil {
		return err
	}
	c := *b
	s, err := b.open()
	if err != nil {
		return err
	}
	c.Windows, c.Length = compress.DefaultSequences, min(compress.DefaultLength, s.Config().MaxPositions)
	if err := s.Close(); err != nil {
		return err
	}
	table, err := compare.Run(ctx, b.Model, arms, c.comparison(defaultHeldOut))
	if err != nil {
		return err
	}
	with := fmt.Sprintf(", calibrated on %d x %d", c.Windows, c.Length)
	v.Tables = append(v.Tables, perplexityTable(fmt.Sprintf("The command's own calibration, %d sequences of %d tokens; measured on %s, %d tokens predicted",
		c.Windows, c.Length, table.Protocol, table.Tokens), table, 0))
	judgeOrder(v, table, defaultLadder, defaultKeep, with)
	judgeWhitening(v, table, with)
	judgeAllocation(v, table, defaultKeep, with)
	return nil
}

// armsOf returns methods, each with its own rule, at every ratio.
func armsOf(keeps []float64, methods []string) ([]compare.Arm, error) {
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
	return arms, nil
}

// comparison returns the options of a comparison on the bench's splits, measured on limit held-out windows.
func (b *Bench) comparison(limit int) compare.Options {
	return compare.Options{
		Compress: compress.Options{Text: b.Prose, Sequences: b.Windows, Length: b.Length, Seed: b.Seed, Cache: b.Cache, Progress: b.Progress},
		Data:     b.Other, Protocol: eval.Blocks{N: b.Length}, Limit: limit, HeldOut: true,
	}
}

// perplexityTable lists the rows of a comparison; random, if not 0, is the perplexity of random projections at defaultKeep.
func perplexityTable(title string, t *compare.Table, random float64) Table {
	out := Table{Title: title, Columns: []string{"method", "keep", "perplexity", "±", "layer error, calibration", "least possible", "layer error, held out", "seconds"}}
	out.row("dense", 1, t.Baseline, t.BaselineErr, "", "", "", "")
	for _, r := range t.Runs {
		out.row(r.Method, r.Keep, r.Perplexity, r.StdErr, r.WeightedError, r.OptimumError, r.HeldOutError, r.Seconds)
	}
	if random > 0 {
		out.row("random projection", defaultKeep, random, "", "", "", "", "")
	}
	return out
}

// judgeOrder checks that methods come out in the order of names, worst first. with describes the setting.
func judgeOrder(v *Verdict, t *compare.Table, names []string, keep float64, with string) {
	var found []string
	ordered, last := true, math.Inf(1)
	for _, name := range names {
		row := rowOf(t, name, keep)
		now := math.Log(row.Perplexity)
		found = append(found, fmt.Sprintf("%s %.3f", name, now))
		ordered, last = ordered && now <= last, now
	}
	n := len(names)
	expected := "log-perplexity " + strings.Join(names[:n-1], " > ") + " >= " + names[n-1]
	v.check(ordered, fmt.Sprintf("order at keep %v%s", keep, with), expected, "%s", strings.Join(found, ", "))
}

// judgeWhitening checks by how much whitening is better than truncation and than scaling.
func judgeWhitening(v *Verdict, t *compare.Table, with string) {
	svd, asvd, whitened := rowOf(t, "svd", defaultKeep), rowOf(t, "asvd", defaultKeep), rowOf(t, "svdllm", defaultKeep)
	at := fmt.Sprintf(" at keep %v%s", defaultKeep, with)
	gap := math.Log(svd.Perplexity / whitened.Perplexity)
	v.check(gap >= 1, "whitening against truncation"+at, "log-perplexity at least 1.0 lower", "%.3f lower", gap)
	gap = math.Log(asvd.Perplexity / whitened.Perplexity)
	v.check(gap >= 0.2, "whitening against scaling, both at uniform ratios,"+at, "log-perplexity at least 0.2 lower", "%.3f lower", gap)
	better := 0
	for name, e := range whitened.HeldOut {
		if e < asvd.HeldOut[name] {
			better++
		}
	}
	share := float64(better) / float64(len(whitened.HeldOut))
	v.check(share >= 0.9, "held-out error of single layers"+at, "svdllm below asvd in at least 90 % of the matrices", "in %.1f %% of %d", 100*share, len(whitened.HeldOut))
}

// judgeAllocation checks that v2 keeps its budget, and prints what its ranks do.
func judgeAllocation(v *Verdict, t *compare.Table, keep float64, with string) {
	v2, w := rowOf(t, "svdllm2", keep), rowOf(t, "svdllm", keep)
	off := math.Abs(v2.Keep-keep) / keep
	v.check(off <= allocationTolerance, fmt.Sprintf("v2's allocation at keep %v%s", keep, with), "parameters within 0.1 % of the budget; perplexity of either sign printed",
		"%.4f %% off; log-perplexity %s against uniform ranks", 100*off, logRatio(v2, w))
}

// judgeSearch checks that ASVD's search meets its budget within one step, and prints what its ratios do.
func judgeSearch(v *Verdict, t *compare.Table, keep float64) {
	searched, uniform, whitened := rowOf(t, "asvd+strs", keep), rowOf(t, "asvd", keep), rowOf(t, "svdllm", keep)
	var widest, all int64
	for _, l := range searched.Report.Layers {
		widest, all = max(widest, int64(l.M)*int64(l.N)), all+int64(l.M)*int64(l.N)
	}
	step := float64(widest) / float64(all) // a candidate step changes one matrix by less than that
	below := keep - searched.Keep
	v.check(below >= 0 && below < step, fmt.Sprintf("ASVD's search at keep %v", keep), "within the budget by less than one matrix; perplexity of either sign printed",
		"%.4f of the parameters below, the largest matrix is %.4f; log-perplexity %s against uniform ratios, %s against svdllm at uniform ratios",
		below, step, logRatio(searched, uniform), logRatio(searched, whitened))
}

// logRatio writes the logarithm of the ratio of two perplexities, with its standard error.
func logRatio(a, b compare.Row) string {
	ratio, err := eval.LogRatio(a.Result, b.Result)
	return fmt.Sprintf("%+.3f ± %.3f", ratio, err)
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

// heldOutBlocks returns the windows that comparisons measure on: the first of the held-out text.
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
