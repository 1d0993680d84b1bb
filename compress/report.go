package compress

import (
	"math"

	"github.com/eckart-go/eckart/lowrank"
)

// Layer is what is known about one compressed matrix, all of it measured on the factors as they are stored.
type Layer struct {
	Name string `json:"name"` // "model.layers.3.mlp.up_proj"
	M    int    `json:"m"`
	N    int    `json:"n"`
	// Certificate has the rank and the errors. Weighted is the root mean square, over the calibration tokens x, of the
	// Euclidean error of the layer's outputs, and Optimum the least that any matrix of this rank (for lord: any affine
	// map) reaches. A matrix that is left dense has rank 0 and no errors.
	lowrank.Certificate
	Spectrum []float64 `json:"spectrum,omitempty"` // singular values in the method's norm, thinned to at most 64 for plots
	// PathBefore and PathAfter are relative errors of the outputs on the inputs that come through the compressed blocks
	// before, without and with the update of B. They are 0 for methods without one.
	PathBefore float64 `json:"path_before,omitempty"`
	PathAfter  float64 `json:"path_after,omitempty"`
}

// Dense reports whether the matrix was left as it is.
func (l Layer) Dense() bool { return l.Rank == 0 }

// Size counts a model.
type Size struct {
	Params  int64 `json:"params"`
	Bytes   int64 `json:"bytes"`    // of the file or files on disk
	MulAdds int64 `json:"mul_adds"` // of all matrices of the blocks, and of the output matrix, for one token
}

// Report is what a run did and what it cost.
type Report struct {
	Model       string  `json:"model"`
	Method      string  `json:"method"`
	Share       string  `json:"allocation"`
	Budget      string  `json:"budget"`
	Output      string  `json:"output"`
	Target      string  `json:"target"`
	Type        string  `json:"type"`
	Calibration Reading `json:"calibration"`

	Before Size `json:"before"`
	After  Size `json:"after"`
	// Keep is the share of the parameters of the compressed matrices that is left: 1 - the compression ratio of the papers.
	Keep float64 `json:"keep"`
	// Whole is the share of all parameters of the model that is left, embeddings included.
	Whole float64 `json:"whole"`
	// WeightedError and OptimumError are root mean squares over the compressed matrices of the relative errors
	// Weighted/WeightedNorm and Optimum/WeightedNorm.
	WeightedError float64 `json:"weighted_error"`
	OptimumError  float64 `json:"optimum_error"`

	Layers    []Layer            `json:"layers"`
	Loads     []string           `json:"loads"` // what the output can be used with, and what not to expect
	Seconds   map[string]float64 `json:"seconds"`
	PeakBytes int64              `json:"peak_bytes"` // of memory
	Resumed   int                `json:"resumed"`    // blocks that an earlier, interrupted run had finished
}

// Reading says what the methods were calibrated on.
type Reading struct {
	Text        string `json:"text"`
	Sequences   int    `json:"sequences"`
	Length      int    `json:"length"`
	Tokens      int64  `json:"tokens"`
	Seed        uint64 `json:"seed"`
	SkipFirst   bool   `json:"skip_first"`
	Reused      bool   `json:"reused"` // all statistics came from the cache
	Fingerprint string `json:"fingerprint"`
}

// total fills in the sums over the layers.
func (r *Report) total(p *plan) {
	var kept int64
	var weighted, optimum, counted float64
	for i, l := range r.Layers {
		if l.Dense() {
			kept += int64(p.linears[i].m) * int64(p.linears[i].n)
			continue
		}
		kept += l.Params
		if l.WeightedNorm > 0 {
			weighted += math.Pow(l.Weighted/l.WeightedNorm, 2)
			optimum += math.Pow(l.Optimum/l.WeightedNorm, 2)
			counted++
		}
	}
	r.Before.Params = p.others + p.params
	r.After.Params = p.others + kept
	r.Keep = float64(kept) / float64(p.params)
	r.Whole = float64(r.After.Params) / float64(r.Before.Params)
	if counted > 0 {
		r.WeightedError, r.OptimumError = math.Sqrt(weighted/counted), math.Sqrt(optimum/counted)
	}
}

// loads says what an output of the target can be used with.
func loads(t Target, affine bool) []string {
	switch t {
	case Factors:
		return []string{
			"loads in eckart (eval, generate, verify, inspect); not in transformers, vLLM or llama.cpp, which have no factored layers",
			"fewer multiply-adds a token; time a token falls less, because thin products run at a lower rate",
		}
	case HuggingFace:
		return []string{"loads in transformers and eckart; the matrices are dense again: neither smaller nor faster than the original"}
	}
	list := []string{"loads in llama.cpp, Ollama and eckart; the matrices are dense again: neither smaller nor faster than the original at the same type"}
	if affine {
		list = append(list, "has biases in all linear layers, which llama.cpp reads and older runtimes may ignore without a word")
	}
	return list
}
