package papers

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/eckart-go/eckart/compress"
	"github.com/eckart-go/eckart/compress/budget"
	"github.com/eckart-go/eckart/compress/calib"
	"github.com/eckart-go/eckart/lowrank"
	"github.com/eckart-go/eckart/model"
)

var lord = Paper{
	ID: lordID, Title: "LoRD: low-rank decomposition of monolingual code models", Sources: []string{"2309.14021"},
	Package:   "compress, lowrank",
	Claim:     "the outputs of linear layers on one language are low-rank where weights are not: ranks can be cut much further by PCA of the outputs than by SVD of the weights",
	Baselines: []string{"dense model", "truncated SVD of the weights", "SVD-LLM (W)", "calibration on English instead of Go"},
	Run:       runLoRD,
}

const lordID = "lord"

// layerKind is a group of layers that LoRD decomposes together, with one rank for the whole depth.
type layerKind struct {
	name   string
	layers []string
}

// The grid of the card: kinds, rank reductions 1 - r/min(m, n), and methods from the baseline up.
var (
	layerKinds = []layerKind{
		{"q+k+v", []string{"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"}},
		{"o", []string{"self_attn.o_proj"}},
		{"gate+up", []string{"mlp.gate_proj", "mlp.up_proj"}},
		{"down", []string{"mlp.down_proj"}},
	}
	reductions = []float64{0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6}
	sweepers   = []string{"svd", "svdllm", "lord"}
)

func runLoRD(ctx context.Context, b *Bench) (*Verdict, error) {
	start := time.Now()
	b, err := b.checked()
	if err != nil {
		return nil, err
	}
	s, err := b.open()
	if err != nil {
		return nil, err
	}
	defer s.Close()
	l := &lordStudy{bench: b, subject: s, verdict: &Verdict{Paper: lordID, Settings: b.settings()}}
	for _, step := range []func(context.Context) error{l.read, l.sweep, l.monolingual, l.joint} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	l.verdict.Notes = append(l.verdict.Notes,
		"rank reduction is 1 - r/min(m, n); it is not a reduction of parameters, which begins only below the rank mn/(m+n)",
		"quantisation (SpQR), QLoRA and training of the factors are not part of this run")
	l.verdict.judge()
	l.verdict.Seconds = time.Since(start).Seconds()
	return l.verdict, nil
}

// lordStudy is one run of the experiment.
type lordStudy struct {
	bench            *Bench
	subject          *subject
	verdict          *Verdict
	code, prose      *calib.Statistics // moments on calibration windows
	codeOut, proseIn [][]int           // held-out windows of Go and of prose
	dense            float64           // perplexity of the dense model on codeOut
	points           map[point]float64 // perplexities of the sweep
}

// point is one model of the sweep.
type point struct {
	kind, method string
	reduction    float64
}

// read draws the splits and measures the dense model.
func (l *lordStudy) read(ctx context.Context) error {
	calibration, heldOut, err := l.bench.code(l.subject)
	if err != nil {
		return err
	}
	l.codeOut = heldOut
	prose, err := l.bench.prose(l.subject, l.bench.Prose)
	if err != nil {
		return err
	}
	if l.proseIn, err = l.bench.prose(l.subject, l.bench.Other); err != nil {
		return err
	}
	if l.code, err = l.bench.statistics(ctx, l.subject, calibration, false); err != nil {
		return err
	}
	if l.prose, err = l.bench.statistics(ctx, l.subject, prose, false); err != nil {
		return err
	}
	r, err := l.bench.perplexity(ctx, l.subject, l.codeOut)
	l.dense = r.Perplexity
	l.verdict.Settings["code"] = "the Go distribution's packages, alternately for calibration and held out"
	return err
}

// sweep measures every kind, method and reduction, and judges the claims about them.
func (l *lordStudy) sweep(ctx context.Context) error {
	l.points = map[point]float64{}
	progress := l.bench.Progress("sweep", "models")
	total := int64(len(layerKinds) * len(sweepers) * len(reductions))
	table := Table{Title: "Perplexity on held-out Go when one kind of layer is cut", Columns: []string{"kind", "method"}}
	for _, r := range reductions {
		table.Columns = append(table.Columns, fmt.Sprintf("-%.0f %%", 100*r))
	}
	table.row(append([]any{"none", "dense"}, repeated(l.dense, len(reductions))...)...)
	for _, kind := range layerKinds {
		for _, name := range sweepers {
			method, err := compress.Lookup(name)
			if err != nil {
				return err
			}
			cut, err := l.spectra(ctx, kind, compress.NewFitter(l.subject.Llama, l.code, method))
			if err != nil {
				return err
			}
			line := []any{kind.name, name}
			for _, reduction := range reductions {
				ppl, err := l.measure(ctx, cut, reduction)
				if err != nil {
					return err
				}
				l.points[point{kind.name, name, reduction}] = ppl
				line = append(line, ppl)
				progress(int64(len(l.points)), total)
			}
			table.row(line...)
		}
	}
	l.verdict.Tables = append(l.verdict.Tables, table)
	l.judgeOrder()
	l.judgeReach()
	return nil
}

func repeated(v float64, n int) []any {
	all := make([]any, n)
	for i := range all {
		all[i] = v
	}
	return all
}

// cutLayers are the spectra of all layers of a kind, ready to be cut at any rank.
type cutLayers struct {
	fitter  *compress.Fitter
	layers  []string
	spectra [][]*lowrank.Spectrum // by block and layer
}

func (l *lordStudy) spectra(ctx context.Context, kind layerKind, f *compress.Fitter) (*cutLayers, error) {
	c := &cutLayers{fitter: f, layers: kind.layers}
	for i := range l.subject.Config().Layers {
		row := make([]*lowrank.Spectrum, len(kind.layers))
		for j, name := range kind.layers {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			var err error
			if row[j], err = f.Spectrum(i, name, 0); err != nil {
				return nil, err
			}
		}
		c.spectra = append(c.spectra, row)
	}
	return c, nil
}

// measure returns the perplexity on held-out Go with every layer of c cut by a reduction of its rank, all others dense.
func (l *lordStudy) measure(ctx context.Context, c *cutLayers, reduction float64) (float64, error) {
	for i, row := range c.spectra {
		for j, s := range row {
			rank := max(1, int(math.Round((1-reduction)*float64(len(s.Values())))))
			factors, err := s.Cut(min(rank, s.MaxRank()))
			if err != nil {
				return 0, err
			}
			layer, err := c.fitter.Layer(i, c.layers[j], factors)
			if err != nil {
				return 0, err
			}
			if err := l.subject.SetLinear(i, c.layers[j], layer); err != nil {
				return 0, err
			}
		}
	}
	r, err := l.bench.perplexity(ctx, l.subject, l.codeOut)
	if err != nil {
		return 0, err
	}
	return r.Perplexity, l.restore()
}

// restore makes all layers dense again.
func (l *lordStudy) restore() error {
	for i := range l.subject.Config().Layers {
		for _, name := range model.Linears() {
			if err := l.subject.SetLinear(i, name, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// judgeOrder checks that beyond 10 % LoRD is no worse than whitening, and whitening better than plain SVD.
func (l *lordStudy) judgeOrder() {
	closeTo, below, of := 0, 0, 0
	for _, kind := range layerKinds {
		for _, r := range reductions {
			if r <= 0.1 {
				continue
			}
			of++
			svd, white, own := l.points[point{kind.name, "svd", r}], l.points[point{kind.name, "svdllm", r}], l.points[point{kind.name, "lord", r}]
			if own <= 1.02*white {
				closeTo++
			}
			if white < svd {
				below++
			}
		}
	}
	l.verdict.check(closeTo == of, "LoRD against whitening", "perplexity at most 1.02 times svdllm's at every point beyond 10 %", "at %d of %d", closeTo, of)
	l.verdict.check(below == of, "whitening against truncation", "perplexity below svd's at every point beyond 10 %", "at %d of %d", below, of)
}

// judgeReach compares how far each method can cut before perplexity rises by 1 % and by 5 %.
func (l *lordStudy) judgeReach() {
	table := Table{Title: "Largest rank reduction of the grid within a rise of perplexity", Columns: []string{"kind", "rise", "svd", "svdllm", "lord"}}
	for _, rise := range []float64{0.01, 0.05} {
		twice := 0
		for _, kind := range layerKinds {
			line := []any{kind.name, fmt.Sprintf("%.0f %%", 100*rise)}
			reach := map[string]float64{}
			for _, name := range sweepers {
				for _, r := range reductions {
					if l.points[point{kind.name, name, r}] <= (1+rise)*l.dense {
						reach[name] = r
					}
				}
				line = append(line, fmt.Sprintf("%.0f %%", 100*reach[name]))
			}
			table.row(line...)
			if reach["lord"] > 0 && reach["lord"] >= 2*reach["svd"] {
				twice++
			}
		}
		l.verdict.check(2*twice > len(layerKinds), fmt.Sprintf("reach within %.0f %%", 100*rise),
			"LoRD cuts at least twice as far as svd in most kinds", "in %d of %d kinds", twice, len(layerKinds))
	}
	l.verdict.Tables = append(l.verdict.Tables, table)
}

// monolingualKeeps are the joint ratios at which calibration languages are compared.
var monolingualKeeps = []float64{0.8, 0.6}

// monolingual compares calibration on Go with calibration on English, on held-out text of both.
func (l *lordStudy) monolingual(ctx context.Context) error {
	table := Table{Title: "LoRD on all layers, calibrated on one language", Columns: []string{"keep", "calibrated on", "perplexity on Go", "perplexity on English"}}
	for _, keep := range monolingualKeeps {
		results := map[string][2]float64{}
		for _, language := range []struct {
			name  string
			stats *calib.Statistics
		}{{"Go", l.code}, {"English", l.prose}} {
			if err := l.setAll(ctx, language.stats, "lord", keep); err != nil {
				return err
			}
			onGo, err := l.bench.perplexity(ctx, l.subject, l.codeOut)
			if err != nil {
				return err
			}
			onEnglish, err := l.bench.perplexity(ctx, l.subject, l.proseIn)
			if err != nil {
				return err
			}
			results[language.name] = [2]float64{onGo.Perplexity, onEnglish.Perplexity}
			table.row(keep, language.name, onGo.Perplexity, onEnglish.Perplexity)
		}
		goOn, englishOn := results["Go"], results["English"]
		l.verdict.check(goOn[0] < englishOn[0], fmt.Sprintf("monolingual calibration at keep %v, measured on Go", keep),
			"lower perplexity when calibrated on Go", "%.4g against %.4g", goOn[0], englishOn[0])
		l.verdict.check(math.Log(goOn[1]/englishOn[1]) > math.Log(goOn[0]/englishOn[0]), fmt.Sprintf("the same models at keep %v, measured on English", keep),
			"the order reverses or the difference shrinks", "%.4g against %.4g", goOn[1], englishOn[1])
	}
	l.verdict.Tables = append(l.verdict.Tables, table)
	return l.restore()
}

// setAll replaces every layer at one ratio of its parameters; the bias counts.
func (l *lordStudy) setAll(ctx context.Context, stats *calib.Statistics, method string, keep float64) error {
	m, err := compress.Lookup(method)
	if err != nil {
		return err
	}
	f := compress.NewFitter(l.subject.Llama, stats, m)
	for i := range l.subject.Config().Layers {
		for _, name := range model.Linears() {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := l.setOne(f, i, name, m, keep); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *lordStudy) setOne(f *compress.Fitter, i int, name string, m compress.Method, keep float64) error {
	module := fmt.Sprintf("model.layers.%d.%s.weight", i, name)
	info, ok := l.subject.Source().Info(module)
	if !ok || len(info.Shape) != 2 {
		return fmt.Errorf("papers: no matrix %s in the model", module)
	}
	rows, cols := info.Shape[0], info.Shape[1]
	if m.Objective == compress.Affine { // the bias is paid from the ratio
		keep -= float64(rows) / float64(rows*cols)
	}
	rank := budget.Rank(rows, cols, keep)
	s, err := f.Spectrum(i, name, rank)
	if err != nil {
		return err
	}
	factors, err := s.Cut(rank)
	if err != nil {
		return err
	}
	low, err := f.Layer(i, name, factors)
	if err != nil {
		return err
	}
	return l.subject.SetLinear(i, name, low)
}

// joint measures what a whole compressed model saves in time: tokens a second while reading, dense and at keep 0.8.
func (l *lordStudy) joint(ctx context.Context) error {
	table := Table{Title: "Whole model at keep 0.8, calibrated on Go", Columns: []string{"model", "perplexity on Go", "tokens/s read", "seconds to fit"}}
	speed := func() (ppl, rate float64, err error) {
		start := time.Now()
		r, err := l.bench.perplexity(ctx, l.subject, l.codeOut)
		return r.Perplexity, float64(l.bench.Windows*l.bench.Length) / time.Since(start).Seconds(), err
	}
	ppl, rate, err := speed()
	if err != nil {
		return err
	}
	table.row("dense", ppl, rate, "")
	dense := rate
	start := time.Now()
	if err := l.setAll(ctx, l.code, "lord", 0.8); err != nil {
		return err
	}
	fit := time.Since(start).Seconds()
	if ppl, rate, err = speed(); err != nil {
		return err
	}
	table.row("lord", ppl, rate, fit)
	l.verdict.check(fit < 300, "time to compress", "below 5 minutes on two cores, calibration aside", "%.1f s", fit)
	l.verdict.Tables = append(l.verdict.Tables, table)
	l.verdict.Notes = append(l.verdict.Notes, fmt.Sprintf("reading at keep 0.8 runs at %.2f times the dense model's rate, head and attention included", rate/dense))
	return l.restore()
}
