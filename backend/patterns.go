package backend

import (
	"math"
	"slices"
	"unsafe"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
)

// fusePatterns turns the last node of each decomposed operation that compute has no name for into one operation of our own,
// in place; parts that nothing else reads are then dead. It returns the function's outputs.
func fusePatterns(f *Function) []*node {
	for _, n := range f.nodes[:len(f.nodes):len(f.nodes)] {
		switch n.op {
		case compute.OpTypeMul:
			if !fuseSilu(n) && !fuseNorm(n) {
				fuseNormWeight(n)
			}
		case compute.OpTypeDiv:
			fuseNormDivision(n)
		case compute.OpTypeAdd:
			fuseRotary(n)
		case compute.OpTypeConcatenate:
			fuseRotaryHalves(n)
		}
	}
	return f.outputs
}

// become makes n another operation with the same result.
func (n *node) become(op compute.OpType, attr any, in ...*node) bool {
	n.op, n.attr, n.in = op, attr, in
	return true
}

// scalarValue returns the value of a float constant with one element, or of its broadcast.
func scalarValue(n *node) (float64, bool) {
	for n.op == compute.OpTypeBroadcastInDim || n.op == compute.OpTypeReshape {
		n = n.in[0]
	}
	if n.op != compute.OpTypeConstant || n.shape.Size() != 1 {
		return 0, false
	}
	data := unsafe.Pointer(unsafe.SliceData(n.attr.([]byte)))
	switch n.shape.DType {
	case dtypes.Float32:
		return float64(*(*float32)(data)), true
	case dtypes.Float64:
		return *(*float64)(data), true
	}
	return 0, false
}

// withScalar splits a commutative operation into its scalar constant and its other operand.
func withScalar(n *node, op compute.OpType) (x *node, c float64, ok bool) {
	if n.op != op {
		return nil, 0, false
	}
	for i, operand := range n.in {
		if c, ok := scalarValue(operand); ok {
			return n.in[1-i], c, true
		}
	}
	return nil, 0, false
}

// fuseSilu recognises x * logistic(x).
func fuseSilu(n *node) bool {
	for i, s := range n.in {
		if s.op == compute.OpTypeLogistic && s.in[0] == n.in[1-i] && sameShape(s.shape, n.shape) {
			return n.become(opSilu, nil, s.in[0])
		}
	}
	return false
}

// fuseNorm recognises x * rsqrt(mean(x²) + eps) over the last axis, the root mean square norm without its weight.
func fuseNorm(n *node) bool {
	for i, s := range n.in {
		if inner := perRow(s, n.in[1-i]); inner != nil && inner.op == compute.OpTypeRsqrt {
			if eps, ok := meanSquare(inner.in[0], n.in[1-i]); ok {
				return n.becomeNorm(n.in[1-i], eps)
			}
		}
	}
	return false
}

// fuseNormDivision recognises x / sqrt(mean(x²) + eps).
func fuseNormDivision(n *node) bool {
	if inner := perRow(n.in[1], n.in[0]); inner != nil && inner.op == compute.OpTypeSqrt {
		if eps, ok := meanSquare(inner.in[0], n.in[0]); ok {
			return n.becomeNorm(n.in[0], eps)
		}
	}
	return false
}

func (n *node) becomeNorm(x *node, eps float64) bool {
	width := x.shape.Dimensions[x.shape.Rank()-1]
	data := make([]byte, 4*width)
	for i := range width {
		*(*float32)(unsafe.Pointer(&data[4*i])) = 1
	}
	ones := n.fn.add(compute.OpTypeConstant, shapes.Make(dtypes.Float32, width), data)
	return n.become(opRMSNorm, normAttr{width: width, epsilon: eps}, x, ones)
}

// perRow returns the node that s broadcasts over x's last axis, one value for each row in order, or nil.
func perRow(s, x *node) *node {
	rank := x.shape.Rank()
	if x.shape.DType != dtypes.Float32 || rank == 0 || x.shape.Size() == 0 {
		return nil
	}
	lead := x.shape.Dimensions[:rank-1]
	if s.op == compute.OpTypeBroadcastInDim && sameShape(s.shape, x.shape) {
		from := s.in[0].shape.Dimensions
		for i, axis := range s.attr.([]int) {
			if axis != i {
				return nil
			}
		}
		if len(from) < rank-1 || !slices.Equal(from[:rank-1], lead) || len(from) == rank && from[rank-1] != 1 {
			return nil
		}
		s = s.in[0]
	} else if s.shape.Rank() != rank || !slices.Equal(s.shape.Dimensions[:rank-1], lead) || s.shape.Dimensions[rank-1] != 1 {
		return nil
	}
	if x.shape.Dimensions[rank-1] == 1 { // not worth it, and ambiguous
		return nil
	}
	return skipReshapes(s)
}

func skipReshapes(n *node) *node {
	for n.op == compute.OpTypeReshape || n.op == compute.OpTypeIdentity {
		n = n.in[0]
	}
	return n
}

// meanSquare matches mean(x²) + eps over x's last axis, where the mean is a sum times 1/width or divided by width.
func meanSquare(n, x *node) (eps float64, ok bool) {
	n = skipReshapes(n)
	mean, eps, ok := withScalar(n, compute.OpTypeAdd)
	if !ok {
		return 0, false
	}
	mean = skipReshapes(mean)
	width := float64(x.shape.Dimensions[x.shape.Rank()-1])
	var sum *node
	if s, c, ok := withScalar(mean, compute.OpTypeMul); ok && math.Abs(c*width-1) < 1e-6 {
		sum = s
	} else if mean.op == compute.OpTypeDiv {
		if c, ok := scalarValue(mean.in[1]); ok && c == width {
			sum = mean.in[0]
		}
	}
	if sum == nil {
		return 0, false
	}
	sum = skipReshapes(sum)
	if sum.op != compute.OpTypeReduceSum || !slices.Equal(sum.attr.([]int), []int{x.shape.Rank() - 1}) {
		return 0, false
	}
	square := sum.in[0]
	if square.op == compute.OpTypeMul && square.in[0] == x && square.in[1] == x {
		return eps, true
	}
	if square.op == compute.OpTypePow && square.in[0] == x {
		c, ok := scalarValue(square.in[1])
		return eps, ok && c == 2
	}
	return 0, false
}

// fuseNormWeight recognises norm(x) * w with w a vector along the last axis.
func fuseNormWeight(n *node) bool {
	for i, norm := range n.in {
		if norm.op != opRMSNorm || !sameShape(norm.shape, n.shape) {
			continue
		}
		a := norm.attr.(normAttr)
		if a.weighted {
			continue
		}
		a.weighted = true
		if w := lastAxisVector(n.in[1-i], n.shape.Rank(), a.width); w != nil {
			return n.become(opRMSNorm, a, norm.in[0], w)
		}
	}
	return false
}

// lastAxisVector returns the node with width elements that w repeats along a result's last axis, or nil.
func lastAxisVector(w *node, rank, width int) *node {
	if w.op == compute.OpTypeBroadcastInDim && w.shape.Rank() == rank {
		axes := w.attr.([]int)
		if len(axes) > 0 && axes[len(axes)-1] == rank-1 && w.in[0].shape.Size() == width && lastDim(w.in[0]) == width {
			return w.in[0]
		}
	}
	if w.shape.Rank() == rank && w.shape.Size() == width && lastDim(w) == width {
		return w
	}
	return nil
}

func lastDim(n *node) int { return n.shape.Dimensions[n.shape.Rank()-1] }

// rotaryAttr describes y = x * cos + sign(swap(x)) * sin over the last axis, of even width d: swap exchanges the two halves
// and negate negates the one that comes first. cos and sin have width d, or d/2 when halves is set and both halves share them.
type rotaryAttr struct{ negate, halves bool }

// fuseRotary recognises the rotary embedding (Su et al. 2021) in the form x * cos + concat(x2, x1) * sin, where x1 and x2 are
// the halves of x; x2 may be negated.
func fuseRotary(n *node) bool {
	for i := range n.in {
		direct, crossed := n.in[i], n.in[1-i]
		if direct.op != compute.OpTypeMul || crossed.op != compute.OpTypeMul {
			continue
		}
		for j := range crossed.in {
			x, negate := swappedHalves(crossed.in[j])
			if x == nil || !sameShape(x.shape, n.shape) || !sameShape(direct.shape, n.shape) {
				continue
			}
			for k := range direct.in {
				if direct.in[k] == x {
					return n.become(opRotary, rotaryAttr{negate: negate}, x, direct.in[1-k], crossed.in[1-j])
				}
			}
		}
	}
	return false
}

// swappedHalves matches concat(x2, x1) or concat(-x2, x1) along the last axis and returns x, or nil.
func swappedHalves(n *node) (x *node, negate bool) {
	if n.op != compute.OpTypeConcatenate || len(n.in) != 2 || n.shape.DType != dtypes.Float32 || n.attr.(int) != n.shape.Rank()-1 {
		return nil, false
	}
	second, first := n.in[0], n.in[1]
	if second.op == compute.OpTypeNeg {
		second, negate = second.in[0], true
	}
	x = halfOf(first, 0)
	if x == nil || halfOf(second, 1) != x {
		return nil, false
	}
	return x, negate
}

// halfOf returns x if n is the first (0) or second (1) half of x's last axis, else nil.
func halfOf(n *node, half int) *node {
	if n.op != compute.OpTypeSlice {
		return nil
	}
	x, a := n.in[0], n.attr.(sliceAttr)
	last := x.shape.Rank() - 1
	d := x.shape.Dimensions[last]
	if d%2 != 0 || n.shape.Dimensions[last] != d/2 || a.starts[last] != half*d/2 ||
		!slices.Equal(n.shape.Dimensions[:last], x.shape.Dimensions[:last]) || slices.ContainsFunc(a.strides, func(s int) bool { return s != 1 }) {
		return nil
	}
	return x
}

// fuseRotaryHalves recognises concat(x1*cos - x2*sin, x2*cos + x1*sin).
func fuseRotaryHalves(n *node) bool {
	if len(n.in) != 2 || n.shape.DType != dtypes.Float32 || n.attr.(int) != n.shape.Rank()-1 {
		return false
	}
	sub, add := n.in[0], n.in[1]
	if sub.op != compute.OpTypeSub || add.op != compute.OpTypeAdd {
		return false
	}
	x1, cos, ok1 := halfTimes(sub.in[0], 0)
	x2, sin, ok2 := halfTimes(sub.in[1], 1)
	if !ok1 || !ok2 || x1 != x2 || !sameShape(x1.shape, n.shape) {
		return false
	}
	for i := range add.in {
		x3, c, ok3 := halfTimes(add.in[i], 1)
		x4, s, ok4 := halfTimes(add.in[1-i], 0)
		if ok3 && ok4 && x3 == x1 && x4 == x1 && c == cos && s == sin {
			return n.become(opRotary, rotaryAttr{negate: true, halves: true}, x1, cos, sin)
		}
	}
	return false
}

// halfTimes matches the product of a half of x and a table.
func halfTimes(n *node, half int) (x, table *node, ok bool) {
	if n.op != compute.OpTypeMul {
		return nil, nil, false
	}
	for i := range n.in {
		if x := halfOf(n.in[i], half); x != nil && sameShape(n.in[i].shape, n.shape) {
			return x, n.in[1-i], true
		}
	}
	return nil, nil, false
}

// rotary lowers opRotary.
func (l *lowering) rotary(n *node) {
	a := n.attr.(rotaryAttr)
	width := lastDim(n)
	table := width
	dims := slices.Clone(n.shape.Dimensions)
	if a.halves {
		table = width / 2
		dims[len(dims)-1] = table
	}
	src := l.rowsOf(n.in[0], width)
	tables := [2]rows{}
	for i := range tables {
		v := l.view(n.in[1+i]).stretch(dims)
		r, ok := asRows(v, table)
		if !ok {
			r, _ = asRows(l.copyOf(v), table)
		}
		tables[i] = r
	}
	out := l.alloc(n)
	count := out.count() / width
	per := max(1, rowGrain/width)
	st := &step{name: "Rotary", reads: []*storage{src.mem, tables[0].mem, tables[1].mem}, writes: []*storage{out.mem},
		pieces: (count + per - 1) / per}
	st.inplace = src.inplace(tables[0].mem, tables[1].mem)
	st.piece = func(f *frame, i int) {
		dst := f.ptr(&out)
		for j := i * per; j < min(count, (i+1)*per); j++ {
			rotateRow(at[float32](unsafe.Add(dst, j*width*4), width), at[float32](src.row(f, j), width),
				at[float32](tables[0].row(f, j), table), at[float32](tables[1].row(f, j), table), a.negate)
		}
	}
	l.emit(st)
}

// rotateRow computes one row, possibly in place; cos and sin have the row's width or half of it.
func rotateRow(dst, x, cos, sin []float32, negate bool) {
	h := len(x) / 2
	cos2, sin2 := cos[len(cos)-h:], sin[len(sin)-h:]
	x1, x2, y1, y2 := x[:h], x[h:][:h], dst[:h], dst[h:][:h]
	cos1, sin1 := cos[:h], sin[:h]
	if negate {
		for i := range x1 {
			a, b := x1[i], x2[i]
			y1[i] = a*cos1[i] - b*sin1[i]
			y2[i] = b*cos2[i] + a*sin2[i]
		}
		return
	}
	for i := range x1 {
		a, b := x1[i], x2[i]
		y1[i] = a*cos1[i] + b*sin1[i]
		y2[i] = b*cos2[i] + a*sin2[i]
	}
}
