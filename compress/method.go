package compress

import (
	"fmt"
	"strings"

	"github.com/eckart-go/eckart/compress/budget"
)

// Objective is the norm in which factors are the best of their rank.
type Objective uint8

// The objectives. Errors are of W - B A for inputs x with second moment G = E[x xᵀ].
const (
	Plain    Objective = iota // ||W - B A||_F
	Scaled                    // ||(W - B A) diag(s)||_F, s_j = (mean |x_j|)^0.5 + 1e-6 (ASVD)
	Whitened                  // ||(W - B A) G^(1/2)||_F, the error of the outputs (SVD-LLM)
	Affine                    // the error of the outputs with a free bias (AFM, LoRD)
)

// Update is what happens to factors after the fit.
type Update uint8

// The updates.
const (
	Keep  Update = iota // nothing
	Refit               // B is fitted again to the inputs that come through the compressed blocks before (SVD-LLM, local update)
)

// Method is a way to compress: an objective, a rule that shares out the budget, and an update.
type Method struct {
	Name      string // as given on the command line
	Title     string
	Source    string // where it is published
	Objective Objective
	Share     Share // the rule that belongs to the method
	Update    Update
}

// Share names a rule of package budget, so that options can hold it.
type Share uint8

// The rules.
const (
	ByMethod  Share = iota // the method's own
	Uniform                // budget.Uniform
	Loss                   // budget.Loss
	GroupLoss              // budget.GroupLoss
	STRS                   // budget.STRS, by perplexities that are measured
)

var shares = []struct {
	name string
	rule budget.Rule
}{ByMethod: {"method", nil}, Uniform: {"uniform", budget.Uniform}, Loss: {"loss", budget.Loss}, GroupLoss: {"group-loss", budget.GroupLoss}, STRS: {"strs", budget.STRS}}

// String returns the rule's name, "uniform", "loss", "group-loss" or "strs".
func (s Share) String() string { return shares[s].name }

// ParseShare is the inverse of String; "" and "method" are ByMethod.
func ParseShare(s string) (Share, error) {
	for i, known := range shares {
		if s == known.name || s == "" {
			return Share(i), nil
		}
	}
	return 0, fmt.Errorf("compress: unknown allocation %q: expected uniform, loss, group-loss or strs", s)
}

// Methods returns all methods, from the simplest on.
func Methods() []Method {
	return []Method{
		{"svd", "truncated SVD of the weights", "Eckart, Young 1936", Plain, Uniform, Keep},
		{"asvd", "ASVD: inputs scaled by their mean magnitude", "arXiv 2312.05821", Scaled, Uniform, Keep},
		{"svdllm", "SVD-LLM (W): whitened by the inputs' second moment", "arXiv 2403.07378", Whitened, Uniform, Keep},
		{"svdllm-u", "SVD-LLM (W+U): whitened, then B fitted to the compressed model's inputs", "arXiv 2403.07378", Whitened, Uniform, Refit},
		{"svdllm2", "SVD-LLM v2: whitened, ranks by loss within each kind of matrix", "arXiv 2503.12340", Whitened, GroupLoss, Keep},
		{"lord", "LoRD: PCA of the outputs, with a bias", "arXiv 2309.14021", Affine, Uniform, Keep},
	}
}

// Lookup returns the method of the given name.
func Lookup(name string) (Method, error) {
	var names []string
	for _, m := range Methods() {
		if m.Name == name {
			return m, nil
		}
		names = append(names, m.Name)
	}
	return Method{}, fmt.Errorf("compress: unknown method %q: expected one of %s", name, strings.Join(names, ", "))
}
