package compress

import (
	"fmt"

	"github.com/eckart-go/eckart/checkpoint"
	"github.com/eckart-go/eckart/compress/budget"
	"github.com/eckart-go/eckart/model"
	"github.com/eckart-go/eckart/quant"
)

// linear is one matrix that takes part.
type linear struct {
	block  int
	name   string // within the block, one of model.Linears
	module string // in the model: "model.layers.3.mlp.up_proj"
	m, n   int
}

// plan is what is known before any number is read: which matrices take part, and what may be kept of them.
type plan struct {
	linears []linear
	keep    float64 // share of the parameters of linears
	params  int64   // of linears
	others  int64   // parameters of everything else
	fixed   int64   // bytes of everything else in the output
	affine  bool    // factorisations come with a bias that the layers do not have yet
}

// newPlan lists the matrices of m and checks that the budget can be met.
func newPlan(m *model.Llama, opts Options) (*plan, error) {
	p := &plan{affine: opts.Method.Objective == Affine && !m.Config().QKVBias}
	taken := map[string]bool{}
	for i := range m.Config().Layers {
		for _, name := range model.Linears() {
			l := linear{block: i, name: name, module: fmt.Sprintf("model.layers.%d.%s", i, name)}
			if !opts.takes(l.module) {
				continue
			}
			info, ok := m.Source().Info(l.module + ".weight")
			if !ok || len(info.Shape) != 2 {
				return nil, fmt.Errorf("compress: %s has no dense weight in this model: was it compressed before? Start from the original", l.module)
			}
			l.m, l.n = info.Shape[0], info.Shape[1]
			p.linears = append(p.linears, l)
			p.params += int64(l.m) * int64(l.n)
			taken[info.Name] = true
		}
	}
	if len(p.linears) == 0 {
		return nil, fmt.Errorf("compress: no layer is left to compress: names are like \"model.layers.0.mlp.up_proj\"; check --include and --exclude")
	}
	width, err := factorBytes(opts)
	if err != nil {
		return nil, err
	}
	for _, info := range m.Source().Tensors() {
		if !taken[info.Name] {
			p.others += int64(info.Elements())
			p.fixed += int64(info.Elements()) * int64(width)
		}
	}
	if p.keep, err = opts.Budget.Share(p.params, budget.Size{FixedBytes: p.fixed, BytesPerParam: float64(width)}); err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	if _, err := budget.Uniform(p.matrices(nil), p.keep); err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	if opts.Share == STRS {
		if err := checkSearch(p.matrices(nil), p.keep); err != nil {
			return nil, fmt.Errorf("compress: %w", err)
		}
	}
	return p, nil
}

// factorBytes returns the bytes of a stored parameter in the Factors target. Others have no sizes to plan.
func factorBytes(opts Options) (int, error) {
	if opts.Target != Factors {
		return 4, nil
	}
	t, err := factorType(opts)
	return t.BlockBytes(), err
}

// factorType is the element type of stored factors.
func factorType(opts Options) (quant.Type, error) {
	switch opts.Type {
	case checkpoint.OutF16:
		return quant.F16, nil
	case checkpoint.OutBF16:
		return quant.BF16, nil
	case checkpoint.OutF32:
		return quant.F32, nil
	}
	return 0, fmt.Errorf("compress: factors of type %v: expected f32, f16 or bf16", opts.Type)
}

// matrices describes the linears to package budget. energies, by position, may be nil.
func (p *plan) matrices(energies [][]float64) []budget.Matrix {
	list := make([]budget.Matrix, len(p.linears))
	for i, l := range p.linears {
		list[i] = budget.Matrix{Name: l.module, Group: l.name, M: l.m, N: l.n}
		if p.affine {
			list[i].Extra = l.m
		}
		if energies != nil {
			list[i].Energy = energies[i]
		}
	}
	return list
}

// block returns the positions in linears of block i.
func (p *plan) block(i int) []int {
	var at []int
	for k, l := range p.linears {
		if l.block == i {
			at = append(at, k)
		}
	}
	return at
}
