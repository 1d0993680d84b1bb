package model

import (
	"fmt"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/support/exceptions"

	"github.com/eckart-go/eckart/backend"
)

// maxPrograms bounds the compiled graphs that are kept. A model whose blocks all differ, run on many lengths, needs more
// in turn, but never more at once.
const maxPrograms = 256

// engine compiles graphs for one backend and keeps them by signature.
type engine struct {
	backend  compute.Backend
	programs map[string]*program
}

func newEngine(b compute.Backend) (*engine, error) {
	if !b.HasSharedBuffers() {
		return nil, fmt.Errorf("model: backend %s: its buffers are not shared with Go: use a CPU backend", b.Name())
	}
	return &engine{backend: b, programs: map[string]*program{}}, nil
}

// program is a compiled graph.
type program struct {
	name  string
	graph *graph.Graph
}

// program returns the compiled graph of the given signature. The first time it is built: a parameter for each shape, and
// outputs from build, which may panic as graph functions do.
func (e *engine) program(signature string, params []shapes.Shape, build func(in []*graph.Node) []*graph.Node) (*program, error) {
	if p, ok := e.programs[signature]; ok {
		return p, nil
	}
	if len(e.programs) >= maxPrograms {
		e.finalize()
	}
	g := graph.NewGraph(e.backend, signature)
	var compileErr error
	err := exceptions.TryCatch[error](func() {
		in := make([]*graph.Node, len(params))
		for i, s := range params {
			in[i] = graph.Parameter(g, fmt.Sprintf("in%d", i), s)
		}
		compileErr = g.Compile(build(in)...)
	})
	if err == nil {
		err = compileErr
	}
	if err != nil {
		return nil, fmt.Errorf("model: compiling %s for backend %s: %w", signature, e.backend.Name(), err)
	}
	p := &program{signature, g}
	e.programs[signature] = p
	return p, nil
}

// finalize frees all compiled graphs.
func (e *engine) finalize() {
	for _, p := range e.programs {
		p.graph.Finalize()
	}
	clear(e.programs)
}

// run executes the program. Inputs marked in donate (nil: none) belong to the program afterwards. The caller finalizes the
// outputs.
func (p *program) run(in []compute.Buffer, donate []bool) ([]compute.Buffer, error) {
	out, err := p.graph.Executable().Execute(in, donate, 0)
	if err != nil {
		return nil, fmt.Errorf("model: running %s: %w", p.name, err)
	}
	return out, nil
}

// array is a buffer that graphs read and Go writes.
type array struct {
	buf      compute.Buffer
	shape    shapes.Shape
	flat     any
	borrowed bool // the memory is someone else's and must not be written
}

// newArray returns an uninitialised array.
func (e *engine) newArray(t dtypes.DType, dims ...int) (*array, error) {
	s := shapes.Make(t, dims...)
	buf, flat, err := e.backend.NewSharedBuffer(0, s)
	if err != nil {
		return nil, fmt.Errorf("model: a buffer of %s: %w", s, err)
	}
	return &array{buf: buf, shape: s, flat: flat}, nil
}

// borrow returns an array over flat, which must not change while it is in use. Only our own backend can do without a copy.
func (e *engine) borrow(flat any, s shapes.Shape) (*array, error) {
	own, ok := e.backend.(*backend.Backend)
	if !ok {
		buf, err := e.backend.BufferFromFlatData(0, flat, s)
		if err != nil {
			return nil, fmt.Errorf("model: a buffer of %s: %w", s, err)
		}
		return &array{buf: buf, shape: s, borrowed: true}, nil
	}
	buf, err := own.Wrap(flat, s)
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	return &array{buf: buf, shape: s, borrowed: true}, nil
}

// float32s returns the array's values.
func (a *array) float32s() []float32 { return a.flat.([]float32) }

// free gives the memory back to the backend.
func (a *array) free() {
	if a != nil && a.buf != nil {
		a.buf.Finalize() // fails only when the backend is gone, and with it the memory
		a.buf, a.flat = nil, nil
	}
}

// float32sOf returns the values of an output.
func float32sOf(b compute.Buffer) ([]float32, error) {
	flat, err := b.Data()
	if err != nil {
		return nil, fmt.Errorf("model: reading a result: %w", err)
	}
	values, ok := flat.([]float32)
	if !ok {
		return nil, fmt.Errorf("model: reading a result: expected float32 values, found %T", flat)
	}
	return values, nil
}

// finalizeAll gives outputs back to the backend.
func finalizeAll(buffers []compute.Buffer) {
	for _, b := range buffers {
		b.Finalize() // fails only when the backend is gone
	}
}
