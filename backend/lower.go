package backend

import (
	"slices"

	"github.com/gomlx/compute"
	"github.com/pkg/errors"
)

// maxRank is the largest number of axes that kernels' index arithmetic holds.
const maxRank = 16

// step is one kernel call of a compiled program. Either run is set, or piece, which pool.Run calls pieces times.
type step struct {
	name    string
	run     func(f *frame)
	piece   func(f *frame, i int)
	pieces  int
	reads   []*storage
	writes  []*storage
	inplace []*storage // storages whose memory writes[0] may take over if this step is their last reader
}

// lowering turns a graph into steps. Views (reshapes, transpositions, slices, broadcasts) cost nothing unless a kernel needs
// its operand contiguous; element-wise nodes with one element-wise reader wait and run inside their reader's program.
type lowering struct {
	fn       *Function
	order    []*node // reachable nodes, operands first
	live     []bool  // by node id: reachable from the outputs
	uses     []int
	reader   []*node // the only reader, when uses is 1 and it is not an output
	deferred []bool
	views    []view
	done     []bool
	dense    []view // contiguous copies, by node id
	hasDense []bool

	steps    []*step
	storages []*storage
	consts   [][]byte
	err      error
}

// compile is Builder.Compile: patterns, lowering, memory planning.
func compile(b *Builder) (*Executable, error) {
	outputs := fusePatterns(b.main)
	l := &lowering{fn: b.main}
	n := len(b.main.nodes)
	l.live, l.uses, l.reader = make([]bool, n), make([]int, n), make([]*node, n)
	l.deferred, l.done, l.hasDense = make([]bool, n), make([]bool, n), make([]bool, n)
	l.views, l.dense = make([]view, n), make([]view, n)
	l.count(outputs)
	for _, node := range b.main.parameters { // also those that nothing reads
		l.parameter(node)
	}
	for _, node := range l.order {
		if !l.done[node.id] {
			if node.shape.Rank() > maxRank {
				return nil, errors.Wrapf(compute.ErrNotImplemented, "backend: %s: %s of rank above %d", b.name, node.op, maxRank)
			}
			l.node(node)
		}
		if l.err != nil {
			return nil, errors.WithMessagef(l.err, "backend: %s", b.name)
		}
	}
	for i, node := range outputs {
		l.output(i, node)
	}
	return newExecutable(b, l, outputs), nil
}

// count finds the live nodes and counts their readers.
func (l *lowering) count(outputs []*node) {
	var visit func(n *node)
	visit = func(n *node) {
		if l.live[n.id] {
			return
		}
		l.live[n.id] = true
		for _, x := range n.in {
			l.uses[x.id]++
			l.reader[x.id] = n
			visit(x)
		}
		l.order = append(l.order, n)
	}
	for _, n := range outputs {
		l.uses[n.id]++
		visit(n)
	}
	for _, n := range outputs {
		l.reader[n.id] = nil
	}
}

func (l *lowering) storage(size int, kind storageKind, index int) *storage {
	s := &storage{size: size, kind: kind, index: index}
	l.storages = append(l.storages, s)
	return s
}

// alloc gives n a contiguous storage of its own.
func (l *lowering) alloc(n *node) view {
	v := l.fresh(n.shape.DType.Size(), n.shape.Dimensions)
	l.set(n, v)
	return v
}

func (l *lowering) fresh(esize int, dims []int) view {
	return view{mem: l.storage(product(dims)*esize, inArena, 0), esize: esize, dims: dims, strides: rowMajor(dims)}
}

func (l *lowering) set(n *node, v view) { l.views[n.id], l.done[n.id] = v, true }

func (l *lowering) emit(s *step) { l.steps = append(l.steps, s) }

func (l *lowering) parameter(n *node) {
	size := n.shape.DType.Size()
	l.set(n, view{mem: l.storage(n.shape.Size()*size, isParameter, n.attr.(parameterAttr).index), esize: size,
		dims: n.shape.Dimensions, strides: rowMajor(n.shape.Dimensions)})
}

// view returns where n's value is, emitting its steps if they waited.
func (l *lowering) view(n *node) view {
	if !l.done[n.id] {
		l.deferred[n.id] = false
		l.elementwise(n)
	}
	return l.views[n.id]
}

// contiguous returns n's value in row-major order without gaps, copying it if need be.
func (l *lowering) contiguous(n *node) view {
	v := l.view(n)
	if v.contiguous() {
		return v
	}
	if !l.hasDense[n.id] {
		l.dense[n.id], l.hasDense[n.id] = l.copyOf(v), true
	}
	return l.dense[n.id]
}

func (l *lowering) copyOf(v view) view {
	out := l.fresh(v.esize, v.dims)
	l.move("copy", out, v)
	return out
}

// output makes node the i-th result: in a storage of its own, whole.
func (l *lowering) output(i int, n *node) {
	v := l.view(n)
	if !v.whole() || v.mem.kind != inArena {
		out := l.fresh(v.esize, v.dims)
		st := l.move("output", out, v)
		if st != nil && v.whole() {
			st.inplace = []*storage{v.mem}
		}
		v = out
	}
	v.mem.kind, v.mem.index = isOutput, i
}

// node lowers one node whose operands were lowered or wait.
func (l *lowering) node(n *node) {
	switch n.op {
	case compute.OpTypeConstant:
		data := n.attr.([]byte)
		size := n.shape.DType.Size()
		l.set(n, view{mem: l.storage(len(data), isConstant, len(l.consts)), esize: size, dims: n.shape.Dimensions,
			strides: rowMajor(n.shape.Dimensions)})
		l.consts = append(l.consts, data)
	case compute.OpTypeIdentity:
		for _, x := range n.in[1:] {
			l.view(x)
		}
		l.set(n, l.view(n.in[0]))
	case compute.OpTypeReshape:
		v, ok := l.view(n.in[0]).reshape(n.shape.Dimensions)
		if !ok {
			v, _ = l.contiguous(n.in[0]).reshape(n.shape.Dimensions)
		}
		l.set(n, v)
	case compute.OpTypeBitcast:
		v := l.view(n.in[0])
		if v.esize != n.shape.DType.Size() {
			v = l.contiguous(n.in[0])
			v.strides = rowMajor(n.shape.Dimensions)
		}
		v.dims, v.esize = n.shape.Dimensions, n.shape.DType.Size()
		l.set(n, v)
	case compute.OpTypeTranspose:
		l.set(n, l.view(n.in[0]).transpose(n.attr.([]int)))
	case compute.OpTypeBroadcastInDim:
		l.set(n, l.view(n.in[0]).broadcast(n.shape.Dimensions, n.attr.([]int)))
	case compute.OpTypeSlice:
		a := n.attr.(sliceAttr)
		l.set(n, l.view(n.in[0]).slice(a.starts, a.strides, n.shape.Dimensions))
	case compute.OpTypeReverse:
		l.set(n, l.view(n.in[0]).reverse(n.attr.([]int)))
	default:
		l.kernelNode(n)
	}
}

// kernelNode lowers a node that computes something.
func (l *lowering) kernelNode(n *node) {
	if n.op == compute.OpTypeConvertDType && n.in[0].shape.DType == n.shape.DType {
		l.set(n, l.view(n.in[0]))
		return
	}
	if isElementwise(n) {
		reader := l.reader[n.id]
		if l.uses[n.id] == 1 && reader != nil && isElementwise(reader) &&
			slices.Equal(reader.shape.Dimensions, n.shape.Dimensions) {
			l.deferred[n.id] = true
			l.done[n.id] = false
			return
		}
		l.elementwise(n)
		return
	}
	lower, ok := lowerings[n.op]
	if !ok {
		l.err = errors.Wrapf(compute.ErrNotImplemented, "%s of %s", n.op, n.shape)
		return
	}
	if n.shape.Size() == 0 {
		for _, x := range n.in {
			l.view(x)
		}
		l.alloc(n)
		return
	}
	lower(l, n)
}

// lowerings are the operations with kernels of their own. The results' storage is never empty.
var lowerings map[compute.OpType]func(l *lowering, n *node)

func init() {
	lowerings = map[compute.OpType]func(l *lowering, n *node){
		compute.OpTypeConcatenate:                    (*lowering).concatenate,
		compute.OpTypePad:                            (*lowering).pad,
		compute.OpTypeDynamicSlice:                   (*lowering).dynamicSlice,
		compute.OpTypeDynamicUpdateSlice:             (*lowering).dynamicUpdateSlice,
		compute.OpTypeGather:                         (*lowering).gather,
		compute.OpTypeDotGeneral:                     (*lowering).dot,
		compute.OpTypeArgMinMax:                      (*lowering).argMinMax,
		compute.OpTypeFusedSoftmax:                   (*lowering).softmax,
		compute.OpTypeFusedLayerNorm:                 (*lowering).layerNorm,
		compute.OpTypeFusedScaledDotProductAttention: (*lowering).attention,
		compute.OpTypeQuantizedEmbeddingLookup:       (*lowering).quantizedLookup,
		opQuantizedMatMul:                            (*lowering).quantizedMatMul,
		opRMSNorm:                                    (*lowering).rmsNorm,
		opRotary:                                     (*lowering).rotary,
	}
	for _, op := range []compute.OpType{compute.OpTypeReduceSum, compute.OpTypeReduceProduct, compute.OpTypeReduceMax,
		compute.OpTypeReduceMin, compute.OpTypeReduceLogicalAnd, compute.OpTypeReduceLogicalOr, compute.OpTypeReduceLogicalXor,
		compute.OpTypeReduceBitwiseAnd, compute.OpTypeReduceBitwiseOr, compute.OpTypeReduceBitwiseXor} {
		lowerings[op] = (*lowering).reduce
	}
}
