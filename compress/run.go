package compress

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/eckart-go/eckart/compress/budget"
	"github.com/eckart-go/eckart/compress/calib"
	"github.com/eckart-go/eckart/corpus"
	"github.com/eckart-go/eckart/internal/pool"
	"github.com/eckart-go/eckart/internal/resident"
	"github.com/eckart-go/eckart/model"
	"github.com/eckart-go/eckart/tokenizer"
)

// run is one call of Run.
type run struct {
	source, output string
	opts           Options
	model          *model.Llama
	plan           *plan
	sequences      [][]int
	stats          *calib.Statistics
	work           *work
	ranks          []int // by position in plan.linears; budget.Dense leaves one as it is
	report         *Report
}

// Run compresses the model at source, a path that model.Open accepts, and writes it to output. What stands at output stays
// as it is until the result is complete. If ctx ends or the process dies, finished blocks are kept in OUTPUT.work, where
// Options.Resume finds them.
func Run(ctx context.Context, source, output string, opts Options) (*Report, error) {
	tokens := pool.Beside(func() ([]int, error) { return tokensOf(source, opts.Text) })
	defer func() { tokens() }() // nothing goes on after an early error
	m, err := model.Open(source, model.Options{})
	if err != nil {
		return nil, err
	}
	defer m.Close()
	if opts, err = opts.resolved(output, m.Config().MaxPositions); err != nil {
		return nil, err
	}
	r := &run{source: source, output: output, opts: opts, model: m}
	if r.plan, err = newPlan(m, opts); err != nil {
		return nil, err
	}
	r.report = &Report{
		Model: source, Method: opts.Method.Name, Share: opts.Share.String(), Budget: opts.Budget.String(), Output: output,
		Target: opts.Target.String(), Type: opts.Type.String(), Seconds: map[string]float64{},
	}
	if err := r.draw(tokens); err != nil {
		return nil, err
	}
	if err := r.stages(ctx); err != nil {
		return nil, err
	}
	return r.report, nil
}

// tokensOf returns the ids of a text for a model.
func tokensOf(source, text string) ([]int, error) {
	s, err := corpus.Read(text)
	if err != nil {
		return nil, err
	}
	tok, err := tokenizer.Open(source)
	if err != nil {
		return nil, err
	}
	return tok.Encode(nil, s, tokenizer.EncodeOptions{Literal: true}), nil
}

// draw draws the calibration sequences from the tokens of the text.
func (r *run) draw(text func() ([]int, error)) error {
	tokens, err := text()
	if err != nil {
		return err
	}
	r.sequences, err = corpus.Sample(tokens, r.opts.Length, r.opts.Sequences, r.opts.Seed)
	if err != nil {
		return fmt.Errorf("compress: %s: %w", r.opts.Text, err)
	}
	for i, s := range r.sequences {
		r.sequences[i] = slices.Clone(s) // lets go of the rest of the text
	}
	r.report.Calibration = Reading{
		Text: r.opts.Text, Sequences: len(r.sequences), Length: r.opts.Length, Seed: r.opts.Seed, SkipFirst: r.opts.SkipFirst,
	}
	return nil
}

// stages runs them in order and fills in the report.
func (r *run) stages(ctx context.Context) error {
	w, err := openWork(r.output, r.opts.Target)
	if err != nil {
		return err
	}
	defer w.unlock()
	r.work = w
	if err := r.calibrate(ctx); err != nil {
		return err
	}
	defer r.stats.Close()
	mine := journal{journalVersion, r.fingerprint(), fmt.Sprintf("%s at %v of %s", r.opts.Method.Name, r.opts.Budget, r.source)}
	if err := w.begin(mine, r.opts.Resume); err != nil {
		return err
	}
	for _, stage := range []struct {
		name string
		f    func(context.Context) error
	}{{"survey", r.survey}, {"fit", r.fit}, {"write", r.write}} {
		start := time.Now()
		if err := stage.f(ctx); err != nil {
			return err
		}
		r.report.Seconds[stage.name] = time.Since(start).Seconds()
	}
	if err := r.measureSizes(); err != nil {
		return err
	}
	return w.remove()
}

// calibrate collects moments, or finds them in the cache.
func (r *run) calibrate(ctx context.Context) error {
	start := time.Now()
	stats, err := calib.Collect(ctx, r.model, r.sequences, calib.Options{
		SkipFirst: r.opts.SkipFirst, Cache: r.opts.Cache, Memory: r.opts.Memory, Progress: r.opts.Progress("calibrate", "token blocks"),
	})
	if err != nil {
		return err
	}
	r.stats = stats
	c := &r.report.Calibration
	c.Tokens, c.Fingerprint, c.Reused = stats.Tokens, stats.Fingerprint, stats.Reused == r.model.Config().Layers
	r.report.Seconds["calibrate"] = time.Since(start).Seconds()
	return nil
}

// fingerprint identifies everything that the finished blocks depend on.
func (r *run) fingerprint() string {
	o := r.opts
	h := sha256.New()
	fmt.Fprintf(h, "%s %+v %v %v %v %v %v %v", r.stats.Fingerprint, o.Method, o.Budget, o.Share, o.Target, o.Type, r.plan.keep, r.plan.linears)
	if o.Share == STRS {
		fmt.Fprintf(h, " %d", o.Trials)
	}
	return hex.EncodeToString(h.Sum(nil))[:32]
}

// survey shares the budget out. Rules by loss need the singular values of every matrix, which are kept for a resumed run;
// the search by perplexity needs its trials.
func (r *run) survey(ctx context.Context) error {
	rule := shares[r.opts.Share].rule
	var energies [][]float64
	var trials [][]budget.Trial
	switch r.opts.Share {
	case Uniform:
	case STRS:
		var err error
		if trials, err = r.trials(ctx); err != nil {
			return err
		}
	default:
		if err := readJSON(r.work.surveyFile(), &energies); err != nil || len(energies) != len(r.plan.linears) {
			if energies, err = r.energies(ctx); err != nil {
				return err
			}
			if err := writeJSON(r.work.surveyFile(), energies); err != nil {
				return err
			}
		}
	}
	matrices := r.plan.matrices(energies)
	for i, t := range trials {
		matrices[i].Trials = t
	}
	ranks, err := rule(matrices, r.plan.keep)
	if err != nil {
		return fmt.Errorf("compress: %w", err)
	}
	r.ranks = ranks
	return nil
}

// energies returns the squares of the singular values of every matrix in the method's norm.
func (r *run) energies(ctx context.Context) ([][]float64, error) {
	progress := r.opts.Progress("survey", "matrices")
	all := make([][]float64, len(r.plan.linears))
	done := 0
	for i := range r.model.Config().Layers {
		at := r.plan.block(i)
		if len(at) == 0 {
			continue
		}
		b, err := r.openBlock(i)
		if err != nil {
			return nil, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		errs := make([]error, len(at))
		b.each(at, func(j int, l linear) { all[at[j]], errs[j] = b.energy(l) })
		if err := errors.Join(errs...); err != nil {
			return nil, err
		}
		done += len(at)
		progress(int64(done), int64(len(all)))
	}
	return all, nil
}

// fit finishes block after block, except those that an earlier run has finished. Reading the next block's moments and
// writing the last one's factors go on beside the work on a block.
func (r *run) fit(ctx context.Context) error {
	path, err := r.newPath(ctx)
	if err != nil {
		return err
	}
	defer path.release()
	progress := r.opts.Progress("fit", "blocks")
	blocks := r.model.Config().Layers
	saved := func() (struct{}, error) { return struct{}{}, nil }
	defer func() { saved() }() // whichever that is then
	ahead := pool.Beside(func() (start, error) { return r.start(0) })
	defer func() { ahead() }()
	for i := range blocks {
		if err := ctx.Err(); err != nil {
			return err
		}
		s, err := ahead()
		if err != nil {
			return err
		}
		if i+1 < blocks {
			ahead = pool.Beside(func() (start, error) { return r.start(i + 1) })
		}
		f := s.finished
		if f != nil {
			r.report.Resumed++
		} else {
			if f, err = r.fitBlock(ctx, s.block, path); err != nil {
				return err
			}
			if _, err := saved(); err != nil {
				return err
			}
			saved = pool.Beside(func() (struct{}, error) { return struct{}{}, r.work.saveBlock(i, f) })
		}
		if err := path.advance(ctx, i, f); err != nil {
			return err
		}
		r.report.Layers = append(r.report.Layers, f.reports...)
		progress(int64(i+1), int64(blocks))
	}
	if _, err := saved(); err != nil {
		return err
	}
	r.report.total(r.plan)
	return nil
}

// start is where the work on a block begins.
type start struct {
	finished *fitted // by an earlier run, or
	block    *block
}

func (r *run) start(i int) (s start, err error) {
	if s.finished, err = r.work.loadBlock(i); s.finished == nil && err == nil {
		s.block, err = r.openBlock(i)
	}
	return s, err
}

// measureSizes fills in bytes on disk, multiply-adds and memory.
func (r *run) measureSizes() error {
	var err error
	if r.report.Before.Bytes, err = bytesOf(r.source); err != nil {
		return err
	}
	if r.report.After.Bytes, err = bytesOf(r.output); err != nil {
		return err
	}
	c := r.model.Config()
	head := int64(c.Vocab) * int64(c.Hidden)
	r.report.Before.MulAdds, r.report.After.MulAdds = head, head
	compressed := map[string]int64{}
	for _, l := range r.report.Layers {
		if !l.Dense() {
			compressed[l.Name] = l.MulAdds
		}
	}
	for i := range c.Layers {
		for _, name := range model.Linears() {
			module := fmt.Sprintf("model.layers.%d.%s", i, name)
			info, ok := r.model.Source().Info(module + ".weight")
			if !ok {
				return fmt.Errorf("compress: tensor %s.weight is missing", module)
			}
			dense := int64(info.Elements())
			r.report.Before.MulAdds += dense
			if fewer, ok := compressed[module]; ok && r.opts.Target == Factors {
				dense = fewer
			}
			r.report.After.MulAdds += dense
		}
	}
	r.report.Loads = loads(r.opts.Target, r.opts.Method.Objective == Affine)
	r.report.PeakBytes = resident.Peak()
	return nil
}

// bytesOf returns the size of a file, or of all files of a folder.
func bytesOf(path string) (int64, error) {
	var total int64
	err := filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := os.Stat(name) // of what a link points to
		if err == nil {
			total += info.Size()
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("compress: size of %s: %w", path, err)
	}
	return total, nil
}

// dense reports whether position k is left as it is.
func (r *run) dense(k int) bool { return r.ranks[k] == budget.Dense }
