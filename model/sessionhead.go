package model

import (
	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"

	"github.com/eckart-go/eckart/structure"
)

// headSet is the final norm and the output matrix (Vocab x D) of a session, and the row that they are applied to.
type headSet struct {
	norm, in *array
	layer    structure.Layer
	parts    []*array
}

// loadHead fills the set.
func (l *Llama) loadHead(h *headSet, f form) error {
	v, d := l.config.Vocab, l.config.Hidden
	var err error
	if h.norm, err = l.loadVector(nil, "model.norm.weight", d); err != nil {
		return err
	}
	if h.in, err = l.engine.newArray(dtypes.Float32, 1, d); err != nil {
		return err
	}
	matrix, err := l.table(l.headName())
	if err != nil {
		return err
	}
	if f == asStored && matrix.stored.BlockSize() > 1 {
		if h.layer, err = structure.NewQuantised(matrix.stored, v, d, matrix.data, nil); err != nil {
			return err
		}
		h.parts, err = l.placed(nil, h.layer)
		return err
	}
	weight, err := l.engine.newArray(dtypes.Float32, v, d)
	if err != nil {
		return err
	}
	h.parts = []*array{weight}
	h.layer = structure.NewDense(v, d, weight.float32s(), nil)
	return matrix.expand(weight.float32s(), 0)
}

// runHead sets s.last to the logits of one row (D numbers) of the stream after the last block.
func (s *Session) runHead(row []float32) error {
	copy(s.head.in.float32s(), row)
	p, err := s.l.headProgram(1, s.head.layer)
	if err != nil {
		return err
	}
	out, err := p.run(append([]compute.Buffer{s.head.in.buf, s.head.norm.buf}, buffers(s.head.parts)...), nil)
	if err != nil {
		return err
	}
	defer finalizeAll(out)
	logits, err := float32sOf(out[0])
	if err != nil {
		return err
	}
	s.last = append(s.last[:0], logits...)
	return nil
}

func (h *headSet) free() {
	h.norm.free()
	h.in.free()
	grown(h.parts, 0)
	*h = headSet{}
}
