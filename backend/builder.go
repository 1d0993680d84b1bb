package backend

import (
	"slices"
	"unsafe"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/notimplemented"
	"github.com/gomlx/compute/shapes"
	"github.com/pkg/errors"
)

// Builder collects the operations of a computation; Compile turns them into an executable. Operations that this backend
// lacks return compute.ErrNotImplemented.
type Builder struct {
	notimplemented.Builder
	backend  *Backend
	name     string
	main     *Function
	compiled bool
}

var _ compute.Builder = (*Builder)(nil)

// Name returns the computation's name.
func (b *Builder) Name() string { return b.name }

// Main returns the function that will be compiled.
func (b *Builder) Main() compute.Function { return b.main }

// NewFunction returns compute.ErrNotImplemented.
func (b *Builder) NewFunction(name string) (compute.Function, error) {
	return nil, errors.Wrapf(compute.ErrNotImplemented, "backend: %s: function %q: only the main function is supported", b.name, name)
}

// OpShape returns the shape of a value.
func (b *Builder) OpShape(op compute.Value) (shapes.Shape, error) { return b.main.Shape(op) }

// Compile plans kernels and memory. The builder must not be used afterwards.
func (b *Builder) Compile() (compute.Executable, error) {
	switch {
	case b.compiled:
		return nil, errors.Errorf("backend: %s: Compile was called before", b.name)
	case !b.main.returned:
		return nil, errors.Errorf("backend: %s: Compile before the main function's Return", b.name)
	case b.backend.IsFinalized():
		return nil, errors.Errorf("backend: %s: the backend was finalized", b.name)
	}
	b.compiled = true
	return compile(b)
}

// Function is the main function of a computation: its methods append operations.
type Function struct {
	notimplemented.Function
	builder    *Builder
	nodes      []*node
	parameters []*node
	outputs    []*node
	returned   bool
}

var _ compute.Function = (*Function)(nil)

// node is one operation and its result.
type node struct {
	fn    *Function
	id    int // position in fn.nodes, a topological order
	op    compute.OpType
	shape shapes.Shape
	in    []*node
	attr  any // what the operation needs beyond its inputs
}

// Operations of our own, that patterns and decompositions use.
const (
	opSilu            compute.OpType = compute.OpTypeLast + 1 + iota // x * logistic(x)
	opRelu                                                           // max(x, 0)
	opHardSwish                                                      // x * min(max(x+3, 0), 6) / 6
	opGeluTanh                                                       // FusedGelu, tanh approximation
	opRMSNorm                                                        // x * rsqrt(mean(x²) + eps) * w over the last axis
	opRotary                                                         // rotation of the two halves of the last axis
	opQuantizedMatMul                                                // x Wᵀ with W in GGML blocks
)

// nameOf returns an operation's name.
func nameOf(op compute.OpType) string {
	switch op {
	case opSilu:
		return "SiLU"
	case opRelu:
		return "ReLU"
	case opHardSwish:
		return "HardSwish"
	case opGeluTanh:
		return "GELU by tanh"
	}
	return op.String()
}

type parameterAttr struct {
	name  string
	index int
}

// Name returns "main".
func (f *Function) Name() string { return compute.MainName }

// Builder returns the builder that the function belongs to.
func (f *Function) Builder() compute.Builder { return f.builder }

// Parent returns nil: there are no closures.
func (f *Function) Parent() compute.Function { return nil }

// Shape returns the shape of a value of this function.
func (f *Function) Shape(v compute.Value) (shapes.Shape, error) {
	n, err := f.node("Shape", v)
	if err != nil {
		return shapes.Invalid(), err
	}
	return n.shape, nil
}

// Parameter adds an input. Dynamic shapes are not supported.
func (f *Function) Parameter(name string, shape shapes.Shape, sharding *compute.ShardingSpec) (compute.Value, error) {
	if sharding != nil {
		return nil, errors.Wrapf(compute.ErrNotImplemented, "backend: parameter %q: sharding", name)
	}
	if !supported[shape.DType] || shape.IsDynamic() {
		return nil, errors.Wrapf(compute.ErrNotImplemented, "backend: parameter %q of shape %s", name, shape)
	}
	if f.returned {
		return nil, errors.Errorf("backend: parameter %q: the function has returned", name)
	}
	n := f.add(compute.OpTypeParameter, shape.Clone(), parameterAttr{name, len(f.parameters)})
	f.parameters = append(f.parameters, n)
	return n, nil
}

// Constant adds a constant with a copy of the slice flat.
func (f *Function) Constant(flat any, dims ...int) (compute.Value, error) {
	if f.returned {
		return nil, errors.New("backend: Constant: the function has returned")
	}
	dtype := sliceDType(flat)
	if dtype == dtypes.InvalidDType {
		return nil, errors.Errorf("backend: Constant: got a %T, want a slice of numbers or booleans", flat)
	}
	shape := shapes.Make(dtype, dims...)
	src, err := flatPointer(flat, shape)
	if err != nil {
		return nil, errors.WithMessage(err, "backend: Constant")
	}
	return f.add(compute.OpTypeConstant, shape, slices.Clone(byteSlice(src, int(shape.ByteSize())))), nil
}

// Return sets the function's results.
func (f *Function) Return(outputs []compute.Value, shardings []*compute.ShardingSpec) error {
	if f.returned {
		return errors.New("backend: Return was called before")
	}
	if len(outputs) == 0 {
		return errors.New("backend: Return without outputs")
	}
	if slices.ContainsFunc(shardings, func(s *compute.ShardingSpec) bool { return s != nil }) {
		return errors.Wrap(compute.ErrNotImplemented, "backend: Return with shardings")
	}
	nodes, err := f.check("Return", outputs...)
	if err != nil {
		return err
	}
	f.outputs, f.returned = nodes, true
	return nil
}

// node casts a value and checks that it is this function's.
func (f *Function) node(op string, v compute.Value) (*node, error) {
	n, ok := v.(*node)
	if !ok || n == nil {
		return nil, errors.Errorf("backend: %s: operand is a %T, not a value of this backend", op, v)
	}
	if n.fn != f {
		return nil, errors.Errorf("backend: %s: operand belongs to another computation (%s)", op, n.fn.builder.name)
	}
	return n, nil
}

// check casts the operands of an operation that is about to be added.
func (f *Function) check(op string, values ...compute.Value) ([]*node, error) {
	if op != "Return" && f.returned {
		return nil, errors.Errorf("backend: %s: the function has returned", op)
	}
	nodes := make([]*node, len(values))
	for i, v := range values {
		n, err := f.node(op, v)
		if err != nil {
			return nil, err
		}
		nodes[i] = n
	}
	return nodes, nil
}

// add appends a node. Operands must have been checked.
func (f *Function) add(op compute.OpType, shape shapes.Shape, attr any, in ...*node) *node {
	n := &node{fn: f, id: len(f.nodes), op: op, shape: shape, in: in, attr: attr}
	f.nodes = append(f.nodes, n)
	return n
}

// scalar adds a constant scalar of a floating-point type.
func (f *Function) scalar(dtype dtypes.DType, v float64) *node {
	data := make([]byte, dtype.Size())
	if dtype == dtypes.Float64 {
		*(*float64)(unsafe.Pointer(&data[0])) = v
	} else {
		*(*float32)(unsafe.Pointer(&data[0])) = float32(v)
	}
	return f.add(compute.OpTypeConstant, shapes.Make(dtype), data)
}

// half reports whether arithmetic on the type is done in float32.
func half(t dtypes.DType) bool { return t == dtypes.Float16 || t == dtypes.BFloat16 }

// widen converts half-precision nodes to float32, and narrow a result back.
func (f *Function) widen(n *node) *node {
	if n == nil || !half(n.shape.DType) {
		return n
	}
	return f.convert(n, dtypes.Float32)
}

func (f *Function) convert(n *node, to dtypes.DType) *node {
	if n.shape.DType == to {
		return n
	}
	shape := n.shape.Clone()
	shape.DType = to
	return f.add(compute.OpTypeConvertDType, shape, nil, n)
}
