package compress

import (
	"github.com/eckart-go/eckart/compress/budget"
	"github.com/eckart-go/eckart/model"
)

// Forecast is what a run would need and do.
type Forecast struct {
	Matrices    int     `json:"matrices"`
	Keep        float64 `json:"keep"`         // share of the matrices' parameters
	Params      int64   `json:"params"`       // of the whole model afterwards, at uniform ranks
	WorkBytes   int64   `json:"work_bytes"`   // of disk for finished blocks, beside the output
	CacheBytes  int64   `json:"cache_bytes"`  // of disk for calibration statistics
	Trials      int     `json:"trials"`       // models that a search by perplexity measures, half of each on average; 0 without one
	MemoryBytes int64   `json:"memory_bytes"` // of memory: one block, its statistics and their factorisations, hidden states
}

// Plan checks a run without reading weights or text, and says what it needs. It fails as Run would for options that cannot
// work.
func Plan(source, output string, opts Options) (*Forecast, error) {
	m, err := model.Open(source, model.Options{})
	if err != nil {
		return nil, err
	}
	defer m.Close()
	if opts, err = opts.resolved(output, m.Config().MaxPositions); err != nil {
		return nil, err
	}
	p, err := newPlan(m, opts)
	if err != nil {
		return nil, err
	}
	ranks, err := budget.Uniform(p.matrices(nil), p.keep)
	if err != nil {
		return nil, err
	}
	kept := budget.Params(p.matrices(nil), ranks)
	width, err := factorBytes(opts)
	if err != nil {
		return nil, err
	}
	c := m.Config()
	attention := int64(c.Heads * c.HeadDim)
	squares := 2*square(int64(c.Hidden)) + square(attention) + square(int64(c.Intermediate)) // numbers in a block's Gram matrices
	weights := p.params / int64(c.Layers)
	widest := square(max(int64(c.Intermediate), attention))
	hidden := min(int64(opts.Sequences)*int64(opts.Length)*int64(c.Hidden)*4, max(opts.Memory, 1))
	if opts.Memory == 0 {
		hidden = min(int64(opts.Sequences)*int64(opts.Length)*int64(c.Hidden)*4, 1<<30)
	}
	if opts.Method.Update == Refit {
		hidden *= 2
	}
	trials := 0
	if opts.Share == STRS {
		for _, a := range p.matrices(nil) {
			trials += len(a.TrialRanks())
		}
	}
	return &Forecast{
		Trials:   trials,
		Matrices: len(p.linears), Keep: float64(kept) / float64(p.params), Params: p.others + kept,
		WorkBytes:  kept * int64(width),
		CacheBytes: int64(c.Layers) * squares * 4, // the upper triangles in float64
		// Weights in float32 and moments in float64, twice while a block changes, and eight float64 matrices of the widest
		// layer's input for its eigenproblem.
		MemoryBytes: hidden + weights*4 + 2*squares*8 + 8*widest*8 + int64(opts.Length)*int64(c.Intermediate)*16,
	}, nil
}

func square(n int64) int64 { return n * n }
