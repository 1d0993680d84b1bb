package model

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"

	"github.com/eckart-go/eckart/quant"
	"github.com/eckart-go/eckart/structure"
)

// weightSet is the weights of one block in the backend's buffers. Loading another block of the same shapes reuses them.
type weightSet struct {
	attentionNorm, mlpNorm *array
	layers                 []structure.Layer // parallel to linears
	parts                  [][]*array        // the layers' Parts, in order
	kinds                  string            // everything that a compiled graph depends on, from signature
	buffers                []compute.Buffer  // of arrays
}

// form says how stored quantised weights are held.
type form int

const (
	expanded form = iota // float32
	asStored             // in blocks, as far as products with blocks exist
)

// load fills the set with block i. Dense weights that SetLinear has not replaced come from the checkpoint.
func (l *Llama) load(w *weightSet, i int, f form) error {
	if w.parts == nil {
		w.layers, w.parts = make([]structure.Layer, len(linears)), make([][]*array, len(linears))
	}
	prefix := fmt.Sprintf("model.layers.%d.", i)
	var err error
	if w.attentionNorm, err = l.loadVector(w.attentionNorm, prefix+"input_layernorm.weight", l.config.Hidden); err != nil {
		return err
	}
	if w.mlpNorm, err = l.loadVector(w.mlpNorm, prefix+"post_attention_layernorm.weight", l.config.Hidden); err != nil {
		return err
	}
	for j := range linears {
		if err := l.loadLinear(w, i, j, f); err != nil {
			return err
		}
	}
	w.kinds, w.buffers = w.signature(), buffers(w.arrays())
	return nil
}

// loadLinear fills layer j of the set: the replacement given to SetLinear, the stored structure, the stored blocks, or the
// dense weight.
func (l *Llama) loadLinear(w *weightSet, block, j int, f form) error {
	if layer := l.replaced[block][j]; layer != nil {
		return l.place(w, j, layer)
	}
	name := fmt.Sprintf("model.layers.%d.%s", block, linears[j])
	if d, ok := l.structured[name]; ok {
		layer, err := structure.Load(l.source.Source(), name, d)
		if err != nil {
			return fmt.Errorf("model: %s: %w", l.path, err)
		}
		return l.place(w, j, layer)
	}
	m, n := l.linearDims(j)
	if f == asStored {
		layer, err := l.storedLayer(name, m, n)
		if err != nil || layer != nil {
			if err == nil {
				err = l.place(w, j, layer)
			}
			return err
		}
	}
	parts := grown(w.parts[j], 1)
	var err error
	if parts[0], err = l.fit(parts[0], dtypes.Float32, m, n); err != nil {
		return err
	}
	if err := l.readInto(parts[0].float32s(), name+".weight", m, n); err != nil {
		return err
	}
	l.source.Release(name + ".weight") // a model is not to pile up in memory, a block after the other
	var bias []float32
	if l.source.Has(name + ".bias") {
		parts = grown(parts, 2)
		if parts[1], err = l.loadVector(parts[1], name+".bias", m); err != nil {
			return err
		}
		bias = parts[1].float32s()
	}
	w.parts[j] = parts
	w.layers[j] = structure.NewDense(m, n, parts[0].float32s(), bias)
	return nil
}

// Layer returns a linear layer as it is now, in memory of its own: the replacement given to SetLinear, the checkpoint's own
// structure, or the dense weight in float32. name is one of Linears.
func (l *Llama) Layer(block int, name string) (structure.Layer, error) {
	j := slices.Index(linears, name)
	if j < 0 || block < 0 || block >= l.config.Layers {
		return nil, fmt.Errorf("model: no linear layer %q in block %d: expected one of %v in blocks 0 to %d", name, block, linears, l.config.Layers-1)
	}
	if layer := l.replaced[block][j]; layer != nil {
		return layer, nil
	}
	module := fmt.Sprintf("model.layers.%d.%s", block, name)
	if d, ok := l.structured[module]; ok {
		return structure.Load(l.source.Source(), module, d)
	}
	m, n := l.linearDims(j)
	weight := make([]float32, m*n)
	if err := l.readInto(weight, module+".weight", m, n); err != nil {
		return nil, err
	}
	l.source.Release(module + ".weight")
	var bias []float32
	if l.source.Has(module + ".bias") {
		bias = make([]float32, m)
		if err := l.readInto(bias, module+".bias", m); err != nil {
			return nil, err
		}
	}
	return structure.NewDense(m, n, weight, bias), nil
}

// storedLayer returns the linear layer of the given name in its stored blocks, or nil when it is not stored in blocks for
// which the backend has products.
func (l *Llama) storedLayer(name string, m, n int) (structure.Layer, error) {
	t, data, rows, cols, err := l.source.Blocks(name + ".weight")
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	if t.BlockSize() == 1 {
		return nil, nil
	}
	if rows != m || cols != n {
		return nil, l.shapeError(name+".weight", []int{m, n}, []int{rows, cols})
	}
	var bias []float32
	if l.source.Has(name + ".bias") {
		bias = make([]float32, m)
		if err := l.readInto(bias, name+".bias", m); err != nil {
			return nil, err
		}
	}
	return structure.NewQuantised(t, m, n, data, bias)
}

// place puts a layer's parts into the set's buffers.
func (l *Llama) place(w *weightSet, j int, layer structure.Layer) error {
	parts, err := l.placed(w.parts[j], layer)
	w.parts[j], w.layers[j] = parts, layer
	return err
}

// placed returns buffers over a layer's parts, in the place of those given.
func (l *Llama) placed(parts []*array, layer structure.Layer) ([]*array, error) {
	stored := layer.Parts()
	parts = grown(parts, len(stored))
	for k, p := range stored {
		parts[k].free()
		var flat any = p.Float32
		if p.Blocks != nil {
			flat = p.Blocks
		}
		var err error
		if parts[k], err = l.engine.borrow(flat, partShape(p)); err != nil {
			return parts, err
		}
	}
	return parts, nil
}

// partShape returns the shape of a part in a graph.
func partShape(p structure.Part) shapes.Shape {
	if p.Blocks != nil {
		return shapes.Make(dtypes.Uint8, p.Shape[0], len(p.Blocks)/p.Shape[0])
	}
	return shapes.Make(dtypes.Float32, p.Shape...)
}

// shapesOf returns shapes of one element type.
func shapesOf(t dtypes.DType, dims ...[]int) []shapes.Shape {
	s := make([]shapes.Shape, len(dims))
	for i, d := range dims {
		s[i] = shapes.Make(t, d...)
	}
	return s
}

// grown returns parts cut or extended to n, freeing what is cut.
func grown(parts []*array, n int) []*array {
	for len(parts) > n {
		parts[len(parts)-1].free()
		parts = parts[:len(parts)-1]
	}
	for len(parts) < n {
		parts = append(parts, nil)
	}
	return parts
}

// fit returns a when it may be written and has the wanted type and shape, and otherwise frees it and returns a new array.
func (l *Llama) fit(a *array, t dtypes.DType, dims ...int) (*array, error) {
	if a != nil && !a.borrowed && a.shape.Equal(shapes.Make(t, dims...)) {
		return a, nil
	}
	a.free()
	return l.engine.newArray(t, dims...)
}

// loadVector reads a tensor of n values into a, or into a new array.
func (l *Llama) loadVector(a *array, name string, n int) (*array, error) {
	a, err := l.fit(a, dtypes.Float32, n)
	if err != nil {
		return nil, err
	}
	return a, l.readInto(a.float32s(), name, n)
}

// readInto reads a tensor of the given dimensions into dst, which holds exactly that many values.
func (l *Llama) readInto(dst []float32, name string, dims ...int) error {
	info, ok := l.source.Info(name)
	if !ok {
		return fmt.Errorf("model: %s: tensor %q is missing", l.path, name)
	}
	if !sameDims(info.Shape, dims) {
		return l.shapeError(name, dims, info.Shape)
	}
	got, err := l.source.Float32(name, dst)
	if err != nil {
		return fmt.Errorf("model: %w", err)
	}
	if &got[0] != &dst[0] {
		copy(dst, got)
	}
	return nil
}

func (l *Llama) shapeError(name string, want, got []int) error {
	return fmt.Errorf("model: %s: tensor %q: expected shape %v from the configuration, found %v", l.path, name, want, got)
}

func sameDims(a, b []int) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// linearDims returns outputs and inputs of linear layer j.
func (l *Llama) linearDims(j int) (m, n int) {
	c := l.config
	switch j {
	case qProj:
		return c.Heads * c.HeadDim, c.Hidden
	case kProj, vProj:
		return c.KVHeads * c.HeadDim, c.Hidden
	case oProj:
		return c.Hidden, c.Heads * c.HeadDim
	case downProj:
		return c.Hidden, c.Intermediate
	default:
		return c.Intermediate, c.Hidden
	}
}

// free gives the buffers back.
func (w *weightSet) free() {
	w.attentionNorm.free()
	w.mlpNorm.free()
	for _, parts := range w.parts {
		grown(parts, 0)
	}
	*w = weightSet{}
}

// arrays lists the buffers in the order in which graphs take them.
func (w *weightSet) arrays() []*array {
	all := []*array{w.attentionNorm, w.mlpNorm}
	for _, parts := range w.parts {
		all = append(all, parts...)
	}
	return all
}

// signature identifies everything about the set that a compiled graph depends on.
func (w *weightSet) signature() string {
	var s strings.Builder
	for _, layer := range w.layers {
		s.WriteString(layer.Kind())
		for _, p := range layer.Parts() {
			t := quant.F32
			if p.Blocks != nil {
				t = p.Type
			}
			fmt.Fprintf(&s, " %v%v", t, p.Shape)
		}
		s.WriteByte(';')
	}
	return s.String()
}

// nodes names the parameters of a graph, given in the order of arrays.
func (w *weightSet) nodes(in []node) blockWeights {
	b := blockWeights{attentionNorm: in[0], mlpNorm: in[1], parts: make([][]node, len(w.parts))}
	in = in[2:]
	for j, parts := range w.parts {
		b.parts[j], in = in[:len(parts)], in[len(parts):]
	}
	return b
}

// paramShapes returns the shapes of arrays.
func paramShapes(all []*array) []shapes.Shape {
	s := make([]shapes.Shape, len(all))
	for i, a := range all {
		s[i] = a.shape
	}
	return s
}

// buffers returns the buffers of arrays.
func buffers(all []*array) []compute.Buffer {
	b := make([]compute.Buffer, len(all))
	for i, a := range all {
		b[i] = a.buf
	}
	return b
}
