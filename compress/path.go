package compress

import (
	"context"
	"fmt"

	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/compress/calib"
	"github.com/eckart-go/eckart/lowrank"
	"github.com/eckart-go/eckart/model"
	"github.com/eckart-go/eckart/structure"
)

// compressedPath carries the hidden states that the compressed blocks produce, for methods that fit a block to the inputs
// it will really get (SVD-LLM's local update). The inputs of all layers of a block are those of the dense block behind
// compressed blocks, as in the authors' code: what the block's own compression changes further is not followed. For other
// methods it does nothing.
type compressedPath struct {
	run      *run
	active   bool
	hidden   *model.Hidden // behind the compressed blocks so far
	scratch  *model.Hidden // of the same shape
	releases []func()
	moments  map[string]*calib.Moments // of the block under way
}

func (r *run) newPath(ctx context.Context) (*compressedPath, error) {
	p := &compressedPath{run: r, active: r.opts.Method.Update == Refit}
	if !p.active {
		return p, nil
	}
	for _, h := range []**model.Hidden{&p.hidden, &p.scratch} {
		var release func()
		var err error
		if *h, release, err = calib.Embed(ctx, r.model, r.sequences, r.opts.Memory/2); err != nil {
			p.release()
			return nil, err
		}
		p.releases = append(p.releases, release)
	}
	return p, nil
}

func (p *compressedPath) release() {
	for _, f := range p.releases {
		f()
	}
}

// capture takes the moments of the inputs of block i, with the dense block running on a copy of the hidden states.
func (p *compressedPath) capture(ctx context.Context, i int) error {
	if !p.active {
		return nil
	}
	if err := copyStream(p.scratch, 0, p.hidden); err != nil {
		return err
	}
	c := calib.NewCollector(len(p.run.sequences[0]), p.run.opts.SkipFirst)
	if err := p.run.model.RunBlock(ctx, i, p.scratch, c.Capture); err != nil {
		return err
	}
	p.moments = c.Moments
	return nil
}

// refit returns f with B fitted again to the inputs of the path, and notes both errors.
func (p *compressedPath) refit(l linear, w *mat.Dense, f *lowrank.Factors, report *Layer) (*lowrank.Factors, error) {
	m := p.moments[model.CaptureOf(l.name)]
	if err := m.Check(); err != nil {
		return nil, err
	}
	h, err := lowrank.NewWhitener(m.Moment())
	if err != nil {
		return nil, err
	}
	before, err := h.Certify(w, f.B, f.A)
	if err != nil {
		return nil, err
	}
	updated, err := lowrank.UpdateB(w, f, m.Moment())
	if err != nil {
		return nil, err
	}
	report.PathBefore, report.PathAfter = before.Relative(), updated.Cert.Relative()
	return updated, nil
}

// advance runs the compressed block i on the hidden states.
func (p *compressedPath) advance(ctx context.Context, i int, f *fitted) error {
	if !p.active || i+1 == p.run.model.Config().Layers {
		return nil
	}
	if err := p.setLinears(i, f.layers); err != nil {
		return err
	}
	if err := p.run.model.RunBlock(ctx, i, p.hidden, nil); err != nil {
		return err
	}
	return p.setLinears(i, nil)
}

// setLinears puts layers in the place of block i's weights; what is not among them is dense again.
func (p *compressedPath) setLinears(i int, layers map[string]structure.Layer) error {
	for _, k := range p.run.plan.block(i) {
		l := p.run.plan.linears[k]
		if err := p.run.model.SetLinear(i, l.name, layers[l.module]); err != nil {
			return fmt.Errorf("compress: %w", err)
		}
	}
	return nil
}
