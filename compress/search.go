package compress

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/eckart-go/eckart/compress/budget"
	"github.com/eckart-go/eckart/compress/calib"
	"github.com/eckart-go/eckart/model"
	"github.com/eckart-go/eckart/structure"
)

// search measures what budget.STRS needs: the calibration perplexity of the model with one matrix cut, for every matrix and
// every rank of budget.Matrix.TrialRanks. A cut in block i changes nothing before it, so all trials of a block start from the
// dense hidden states at its input, and pass through the blocks behind it together: a block's weights are expanded once for
// all of them. What is left is ratios x matrices forward passes of half the model, and as many of its output matrix.
type search struct {
	run       *run
	sequences []model.Scored
	dense     *model.Hidden // before the block under way
	matrices  []budget.Matrix
	file      string                    // of found, written after every block
	found     map[string][]budget.Trial // by module
	done      int64                     // tokens times blocks so far
	progress  func(done, total int64)
}

// trial is one cut under way.
type trial struct {
	at    int // position in plan.linears
	rank  int
	layer structure.Layer
	loss  float64
}

// checkSearch reports whether a search can meet a ratio at all, before anything is measured.
func checkSearch(matrices []budget.Matrix, keep float64) error {
	for i, a := range matrices {
		for _, rank := range a.TrialRanks() {
			matrices[i].Trials = append(matrices[i].Trials, budget.Trial{Rank: rank})
		}
	}
	_, err := budget.STRS(matrices, keep)
	return err
}

// trials returns the trials of all matrices. They do not depend on the budget: with a cache, runs at other budgets and runs
// that were cut off share them.
func (r *run) trials(ctx context.Context) ([][]budget.Trial, error) {
	s := &search{run: r, matrices: r.plan.matrices(nil), found: map[string][]budget.Trial{}, progress: r.opts.Progress("search", "token blocks")}
	if err := s.open(); err != nil {
		return nil, err
	}
	n := min(r.opts.Trials, len(r.sequences))
	for k := range n { // evenly spaced, since they are in the order of the text
		s.sequences = append(s.sequences, model.Scored{Tokens: r.sequences[k*len(r.sequences)/n], From: 1})
	}
	var err error
	if s.dense, err = s.embed(ctx, 1); err != nil {
		return nil, err
	}
	for i := range r.model.Config().Layers {
		if err := s.block(ctx, i); err != nil {
			return nil, err
		}
	}
	all := make([][]budget.Trial, len(r.plan.linears))
	for k, l := range r.plan.linears {
		all[k] = s.found[l.module]
	}
	return all, nil
}

// open finds the file of trials and reads what is in it.
func (s *search) open() error {
	o := s.run.opts
	s.file = s.run.work.trialsFile()
	if o.Cache != "" {
		h := sha256.New()
		fmt.Fprintf(h, "eckart trials 1 %s %v %v %v", s.run.stats.Fingerprint, o.Method.Objective, s.run.rounding(), o.Trials)
		dir := filepath.Join(o.Cache, "trials")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("compress: cache folder: %w", err)
		}
		s.file = filepath.Join(dir, hex.EncodeToString(h.Sum(nil))[:32]+".json")
	}
	if err := readJSON(s.file, &s.found); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// embed returns the embeddings of the sequences, copies times after each other.
func (s *search) embed(ctx context.Context, copies int) (*model.Hidden, error) {
	var tokens [][]int
	for range copies {
		for _, seq := range s.sequences {
			tokens = append(tokens, seq.Tokens)
		}
	}
	return s.run.model.Embed(ctx, tokens, nil)
}

// block measures what is not known yet of block i, and takes the dense hidden states through it.
func (s *search) block(ctx context.Context, i int) error {
	var at []int // of matrices without a trial at one of their ranks
	for _, k := range s.run.plan.block(i) {
		for _, rank := range s.matrices[k].TrialRanks() {
			if !slices.ContainsFunc(s.found[s.run.plan.linears[k].module], func(t budget.Trial) bool { return t.Rank == rank }) {
				at = append(at, k)
				break
			}
		}
	}
	trials, err := s.cuts(i, at)
	if err != nil {
		return err
	}
	for rest := trials; len(rest) > 0; {
		n := min(len(rest), s.group())
		if err := s.measure(ctx, i, rest[:n]); err != nil {
			return err
		}
		rest = rest[n:]
	}
	for _, k := range at {
		s.found[s.run.plan.linears[k].module] = nil
	}
	for _, t := range trials {
		module := s.run.plan.linears[t.at].module
		s.found[module] = append(s.found[module], budget.Trial{Rank: t.rank, Loss: t.loss})
	}
	if len(trials) > 0 {
		if err := writeJSON(s.file, s.found); err != nil {
			return err
		}
	}
	s.report(i, 0)
	return s.run.model.RunBlock(ctx, i, s.dense, nil)
}

// cuts returns the layers of all trials of the matrices at positions at, which are in block i.
func (s *search) cuts(i int, at []int) ([]trial, error) {
	if len(at) == 0 {
		return nil, nil
	}
	b, err := s.run.openBlock(i)
	if err != nil {
		return nil, err
	}
	lists, errs := make([][]trial, len(at)), make([]error, len(at))
	b.each(at, func(j int, l linear) { lists[j], errs[j] = b.cuts(at[j], s.matrices[at[j]].TrialRanks()) })
	return slices.Concat(lists...), errors.Join(errs...)
}

// cuts returns one matrix cut to each of ranks, which ascend, as it would be stored.
func (b *block) cuts(at int, ranks []int) ([]trial, error) {
	l := b.run.plan.linears[at]
	w, err := b.weight(l, nil)
	if err != nil {
		return nil, err
	}
	s, err := b.spectrum(l, w, ranks[len(ranks)-1])
	if err != nil {
		return nil, fmt.Errorf("compress: %s: %w", l.module, err)
	}
	trials := make([]trial, len(ranks))
	for j, rank := range ranks {
		layer, err := b.cut(l, s, rank)
		if err != nil {
			return nil, fmt.Errorf("compress: %s: %w", l.module, err)
		}
		trials[j] = trial{at: at, rank: rank, layer: layer}
	}
	return trials, nil
}

// group returns how many trials pass through the model together: those whose hidden states fit into Options.Memory.
func (s *search) group() int {
	memory := s.run.opts.Memory
	if memory == 0 {
		memory = calib.DefaultMemory
	}
	return max(1, int(memory/(int64(s.dense.Tokens())*int64(s.dense.Width)*4)))
}

// measure fills in the losses of trials, which are in block i.
func (s *search) measure(ctx context.Context, i int, trials []trial) error {
	m := s.run.model
	together, err := s.embed(ctx, len(trials)) // to be overwritten: it makes room
	if err != nil {
		return err
	}
	alone, err := s.embed(ctx, 1)
	if err != nil {
		return err
	}
	n := len(s.sequences)
	for j, t := range trials {
		if err := copyStream(alone, 0, s.dense); err != nil {
			return err
		}
		name := s.run.plan.linears[t.at].name
		if err := m.SetLinear(i, name, t.layer); err != nil {
			return fmt.Errorf("compress: %w", err)
		}
		err := m.RunBlock(ctx, i, alone, nil)
		if err := errors.Join(err, m.SetLinear(i, name, nil)); err != nil {
			return err
		}
		if err := copyStream(together, j*n, alone); err != nil {
			return err
		}
	}
	s.report(i, len(trials))
	for later := i + 1; later < m.Config().Layers; later++ {
		if err := m.RunBlock(ctx, later, together, nil); err != nil {
			return err
		}
		s.report(i, len(trials))
	}
	var scored []model.Scored
	var losses [][]float64
	for range trials {
		for _, seq := range s.sequences {
			scored = append(scored, seq)
			losses = append(losses, make([]float64, len(seq.Tokens)-1))
		}
	}
	if err := m.HeadNLL(ctx, together, scored, losses); err != nil {
		return err
	}
	s.report(i, len(trials))
	for j := range trials {
		trials[j].loss = meanLoss(losses[j*n : (j+1)*n])
	}
	return nil
}

// meanLoss returns the mean over all tokens: the logarithm of the perplexity. A model that yields no number is the worst.
func meanLoss(losses [][]float64) float64 {
	var sum float64
	count := 0
	for _, seq := range losses {
		for _, v := range seq {
			sum += v
		}
		count += len(seq)
	}
	if mean := sum / float64(count); mean < math.MaxFloat64 {
		return mean
	}
	return math.MaxFloat64
}

// report counts one block, or the output matrix, of the given number of trials. Without trials it says that block i is done.
func (s *search) report(i, trials int) {
	tokens := int64(s.dense.Tokens())
	blocks := s.run.model.Config().Layers
	s.done += int64(trials) * tokens
	var before, total int64
	for k, a := range s.matrices {
		passes := int64(len(a.TrialRanks())) * int64(blocks-s.run.plan.linears[k].block+1) * tokens
		total += passes
		if s.run.plan.linears[k].block <= i {
			before += passes
		}
	}
	if trials == 0 {
		s.done = before
	}
	s.progress(s.done, total)
}

// copyStream overwrites the sequences of dst from number first on by all of src.
func copyStream(dst *model.Hidden, first int, src *model.Hidden) error {
	var row []float32
	for i := range src.Sequences() {
		row = slices.Grow(row[:0], src.Len(i)*src.Width)[:src.Len(i)*src.Width]
		if err := src.Read(row, i, 0); err != nil {
			return err
		}
		if err := dst.Write(row, first+i, 0); err != nil {
			return err
		}
	}
	return nil
}
