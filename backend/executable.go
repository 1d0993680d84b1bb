package backend

import (
	"slices"
	"sync"
	"unsafe"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
	"github.com/pkg/errors"

	"github.com/eckart-go/eckart/internal/pool"
)

// Executable is a compiled computation. It may be executed by several goroutines at once.
type Executable struct {
	backend    *Backend
	name       string
	steps      []*step
	consts     [][]byte
	constBytes int64
	arena      int // bytes that an execution needs besides inputs and outputs
	donors     []int
	names      []string
	inputs     []shapes.Shape
	outputs    []shapes.Shape

	mu     sync.Mutex
	frames []*frame // idle
	closed bool
}

var _ compute.Executable = (*Executable)(nil)

func newExecutable(b *Builder, l *lowering, outputs []*node) *Executable {
	e := &Executable{backend: b.backend, name: b.name, steps: l.steps, consts: l.consts}
	for _, n := range b.main.parameters {
		e.names = append(e.names, n.attr.(parameterAttr).name)
		e.inputs = append(e.inputs, n.shape)
	}
	for _, n := range outputs {
		e.outputs = append(e.outputs, n.shape)
	}
	l.lifetimes()
	e.donors = l.reuse(len(outputs))
	e.arena = l.place()
	firstParameter := 1 + len(e.consts)
	for _, s := range l.storages {
		r := s.root()
		s.offset = r.offset
		switch r.kind {
		case isConstant:
			s.space = int32(1 + r.index)
		case isParameter:
			s.space = int32(firstParameter + r.index)
		case isOutput:
			s.space = int32(firstParameter + len(e.inputs) + r.index)
		}
	}
	for _, c := range e.consts {
		e.constBytes += int64(len(c))
	}
	b.backend.memory.account(e.constBytes)
	return e
}

// Inputs returns the parameters' names and shapes.
func (e *Executable) Inputs() (names []string, inputShapes []shapes.Shape) {
	return slices.Clone(e.names), slices.Clone(e.inputs)
}

// Outputs returns the results' shapes.
func (e *Executable) Outputs() []shapes.Shape { return slices.Clone(e.outputs) }

// TemporaryBytes returns the memory that one execution takes besides its inputs and outputs, known since compilation.
func (e *Executable) TemporaryBytes() int64 { return int64(e.arena) }

// Steps returns the names of the kernels that an execution runs, in order; fused operations count as one.
func (e *Executable) Steps() []string {
	names := make([]string, len(e.steps))
	for i, st := range e.steps {
		names[i] = st.name
	}
	return names
}

// Finalize frees the constants. The executable must not be used afterwards.
func (e *Executable) Finalize() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return
	}
	e.closed = true
	e.frames = nil
	e.backend.memory.account(-e.constBytes)
}

// Execute runs the computation. A donated input is finalized; where it is the last use of a result's operand and the sizes
// match, the result is computed in its memory.
func (e *Executable) Execute(inputs []compute.Buffer, donate []bool, _ compute.DeviceNum) ([]compute.Buffer, error) {
	if len(inputs) != len(e.inputs) {
		return nil, errors.Errorf("backend: %s: %d inputs given, %d expected", e.name, len(inputs), len(e.inputs))
	}
	if len(donate) != 0 && len(donate) != len(inputs) {
		return nil, errors.Errorf("backend: %s: donate has %d elements for %d inputs", e.name, len(donate), len(inputs))
	}
	f, err := e.frame()
	if err != nil {
		return nil, err
	}
	defer e.release(f)
	for i, in := range inputs {
		buf, ok := in.(*Buffer)
		if !ok || buf == nil || buf.backend != e.backend {
			return nil, errors.Errorf("backend: %s: input %q is not a buffer of this backend", e.name, e.names[i])
		}
		if buf.dead.Load() {
			return nil, errors.Errorf("backend: %s: input %q was finalized or donated", e.name, e.names[i])
		}
		if !sameShape(buf.shape, e.inputs[i]) {
			return nil, errors.Errorf("backend: %s: input %q has shape %s, expected %s", e.name, e.names[i], buf.shape, e.inputs[i])
		}
		f.base[1+len(e.consts)+i] = buf.data
	}
	results := make([]compute.Buffer, len(e.outputs))
	for i, shape := range e.outputs {
		var blk *block
		if d := e.donors[i]; d >= 0 && len(donate) > 0 && donate[d] && onlyOnce(inputs, d) {
			blk = inputs[d].(*Buffer).block.Swap(nil)
		}
		if blk == nil {
			blk = e.backend.memory.get(shape.ByteSize())
		}
		f.base[1+len(e.consts)+len(e.inputs)+i] = blk.data
		results[i] = e.backend.newBufferIn(blk, shape)
	}
	e.run(f)
	err = f.err
	for i := range donate {
		if donate[i] {
			inputs[i].(*Buffer).Finalize()
		}
	}
	if err != nil {
		for _, r := range results {
			r.Finalize()
		}
		return nil, errors.WithMessagef(err, "backend: %s", e.name)
	}
	return results, nil
}

// run executes the steps in a frame whose bases are set.
func (e *Executable) run(f *frame) {
	for i, st := range e.steps {
		switch {
		case st.run != nil:
			st.run(f)
			if f.err != nil {
				return
			}
		case st.pieces == 1:
			st.piece(f, 0)
		default:
			pool.Run(st.pieces, f.pieces[i])
		}
	}
}

// frame returns an idle or new frame with an arena.
func (e *Executable) frame() (*frame, error) {
	e.mu.Lock()
	if e.closed || e.backend.IsFinalized() {
		e.mu.Unlock()
		return nil, errors.Errorf("backend: %s: the executable or its backend was finalized", e.name)
	}
	var f *frame
	if n := len(e.frames); n > 0 {
		f = e.frames[n-1]
		e.frames = e.frames[:n-1]
	}
	e.mu.Unlock()
	if f == nil {
		f = &frame{base: make([]unsafe.Pointer, 1+len(e.consts)+len(e.inputs)+len(e.outputs)),
			pieces: make([]func(i int), len(e.steps))}
		for i, c := range e.consts {
			f.base[1+i] = unsafe.Pointer(unsafe.SliceData(c))
		}
		for i, st := range e.steps {
			if st.run == nil && st.pieces > 1 {
				f.pieces[i] = func(i int) { st.piece(f, i) }
			}
		}
	}
	if e.arena > 0 {
		f.arena = e.backend.memory.get(int64(e.arena))
		f.base[0] = f.arena.data
	}
	return f, nil
}

// release returns a frame's arena to the backend's pool and keeps the frame.
func (e *Executable) release(f *frame) {
	if f.arena != nil {
		e.backend.memory.put(f.arena)
		f.arena = nil
	}
	f.base[0], f.err = nil, nil
	clear(f.base[1+len(e.consts):]) // keep no caller's memory alive
	e.mu.Lock()
	if !e.closed {
		e.frames = append(e.frames, f)
	}
	e.mu.Unlock()
}

func sameShape(a, b shapes.Shape) bool {
	return a.DType == b.DType && slices.Equal(a.Dimensions, b.Dimensions)
}

// onlyOnce reports whether the i-th buffer is given once: a buffer that is also another input is not overwritten.
func onlyOnce(inputs []compute.Buffer, i int) bool {
	for j, in := range inputs {
		if j != i && in == inputs[i] {
			return false
		}
	}
	return true
}
