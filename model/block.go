package model

import (
	"math"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"

	"github.com/eckart-go/eckart/structure"
)

// This file is the model: a Llama block as a graph (Touvron et al., arXiv 2302.13971; grouped-query attention, Ainslie et
// al., arXiv 2305.13245; rotary positions, Su et al., arXiv 2104.09864). Shapes: B sequences, S tokens of each, D the
// width, H query heads and K key/value heads of d numbers, F the width of the MLP, C the capacity of the cache.

// linears are the linear layers of a block, named as in a Hugging Face checkpoint, in the order of their inputs.
var linears = []string{
	"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
	"mlp.gate_proj", "mlp.up_proj", "mlp.down_proj",
}

const (
	qProj = iota
	kProj
	vProj
	oProj
	gateProj
	upProj
	downProj
)

// capturePoints are the distinct inputs of a block's linear layers, each named after the first layer that reads it.
var capturePoints = []string{linears[qProj], linears[oProj], linears[gateProj], linears[downProj]}

// blockWeights are the nodes of one block's weights: two norms (D each) and the parts of every linear layer.
type blockWeights struct {
	attentionNorm, mlpNorm *graph.Node
	parts                  [][]*graph.Node // parallel to linears
}

// positions are the nodes that depend on where the tokens stand: cosines and signed sines of the rotary angles (S x d), and
// what each token may attend to.
type positions struct {
	cos, sin *graph.Node
	visible  visible
}

// visible says which keys a query sees. Either causal: query s sees keys 0..s of as many keys as queries; or mask, a Bool
// node of S x keys; or length, for a single query: an Int32 node of shape [1], the number of keys from the first on.
type visible struct {
	causal bool
	mask   *graph.Node
	length *graph.Node
}

// cacheNodes are the keys and values of earlier tokens (1 x C x K x d) and the Int32 scalar of how many there are.
type cacheNodes struct{ keys, values, used *graph.Node }

// block is the graph function of one transformer block. Only dimensions, epsilons and the kinds of its layers are read.
type block struct {
	heads, kvHeads, headDim int
	eps                     float64
	layers                  []structure.Layer // parallel to linears
}

// blockResult is what a block's graph computes.
type blockResult struct {
	out      *graph.Node   // B x S x D
	captured []*graph.Node // parallel to capturePoints, B x S x width
	cache    cacheNodes    // with the new keys and values written after the old
}

// apply builds the graph for x (B x S x D): attention and MLP, each on the normalised stream and added back to it. With a
// cache (B = 1), keys and values are written into it at cache.used and attention reads the whole cache.
func (b *block) apply(x *graph.Node, w blockWeights, at positions, cache *cacheNodes) blockResult {
	dims := x.Shape().Dimensions
	batch, tokens := dims[0], dims[1]
	var r blockResult
	linear := func(i int, in *graph.Node) *graph.Node { return b.layers[i].Apply(in, w.parts[i]) }

	h := rmsNorm(x, w.attentionNorm, b.eps)
	q := rotate(graph.Reshape(linear(qProj, h), batch, tokens, b.heads, b.headDim), at)
	k := rotate(graph.Reshape(linear(kProj, h), batch, tokens, b.kvHeads, b.headDim), at)
	v := graph.Reshape(linear(vProj, h), batch, tokens, b.kvHeads, b.headDim)
	if cache != nil {
		zero := graph.ScalarZero(x.Graph(), dtypes.Int32)
		start := []*graph.Node{zero, cache.used, zero, zero}
		r.cache.keys = graph.DynamicUpdateSlice(cache.keys, k, start)
		r.cache.values = graph.DynamicUpdateSlice(cache.values, v, start)
		if !at.visible.causal { // else nothing came before: the new keys are all there is
			k, v = r.cache.keys, r.cache.values
		}
	}
	a := graph.Reshape(attention(q, k, v, at.visible), batch, tokens, b.heads*b.headDim)
	x = graph.Add(x, linear(oProj, a))

	n := rmsNorm(x, w.mlpNorm, b.eps)
	gate := linear(gateProj, n)
	m := graph.Mul(graph.Mul(gate, graph.Sigmoid(gate)), linear(upProj, n)) // SiLU(gate) * up
	r.out = graph.Add(x, linear(downProj, m))
	r.captured = []*graph.Node{h, a, n, m}
	return r
}

// rmsNorm returns x / sqrt(mean(x^2) + eps) * weight over the last axis (Zhang, Sennrich, arXiv 1910.07467).
func rmsNorm(x, weight *graph.Node, eps float64) *graph.Node {
	mean := graph.ReduceAndKeep(graph.Mul(x, x), graph.ReduceMean, -1)
	scale := graph.Rsqrt(graph.AddScalar(mean, eps))
	return graph.Mul(graph.Mul(x, scale), graph.ExpandLeftToRank(weight, x.Rank()))
}

// rotate applies the rotary embedding to x (B x S x heads x d): the pair (x_i, x_{i+d/2}) is turned by its angle, which is
// x * cos + (second half, first half) * (-sin, sin). Hugging Face's convention of halves, not of neighbours.
func rotate(x *graph.Node, at positions) *graph.Node {
	d := x.Shape().Dimensions[3]
	first := graph.SliceAxis(x, 3, graph.AxisRange(0, d/2))
	second := graph.SliceAxis(x, 3, graph.AxisRange(d/2, d))
	swapped := graph.Concatenate([]*graph.Node{second, first}, 3)
	tokens := x.Shape().Dimensions[1]
	cos := graph.Reshape(at.cos, 1, tokens, 1, d)
	sin := graph.Reshape(at.sin, 1, tokens, 1, d)
	return graph.Add(graph.Mul(x, cos), graph.Mul(swapped, sin))
}

// attention returns softmax(q kᵀ / sqrt(d)) v per head for q (B x S x H x d), k and v (B x T x K x d), every key/value head
// serving H/K query heads: B x S x H x d. The backend's fused operation is used when it has one.
func attention(q, k, v *graph.Node, see visible) *graph.Node {
	plain := func() *graph.Node { return plainAttention(q, k, v, see) }
	if !q.Graph().Backend().Capabilities().Operations[compute.OpTypeFusedScaledDotProductAttention] {
		return plain()
	}
	fused := func() *graph.Node {
		cfg := &compute.ScaledDotProductAttentionConfig{Causal: see.causal}
		switch {
		case see.length != nil:
			one := graph.Const(q.Graph(), []int32{1})
			cfg.QuerySeqLen = graph.InternalBackendOutputs(one)[0]
			cfg.KeyValueSeqLen = graph.InternalBackendOutputs(see.length)[0]
		case see.mask != nil:
			cfg.Mask = graph.InternalBackendOutputs(see.mask)[0]
		}
		out, _ := graph.BackendFusedScaledDotProductAttention(q, k, v, compute.AttentionAxesLayoutBSHD, cfg)
		return out
	}
	out, _ := graph.InternalFusedOpCaller(fused, plain, true)
	return out
}

// plainAttention is attention in elementary operations: (S x T) scores for every head are materialised.
func plainAttention(q, k, v *graph.Node, see visible) *graph.Node {
	dims := q.Shape().Dimensions
	batch, tokens, heads, d := dims[0], dims[1], dims[2], dims[3]
	keys, kvHeads := k.Shape().Dimensions[1], k.Shape().Dimensions[2]
	g := q.Graph()
	mask := see.mask
	switch {
	case see.causal:
		mask = graph.LowerTriangular(g, tokens)
	case see.length != nil:
		key := graph.Iota(g, shapes.Make(dtypes.Int32, 1, keys), 1)
		mask = graph.LessThan(key, graph.BroadcastToDims(graph.Reshape(see.length, 1, 1), 1, keys))
	}
	q = graph.Reshape(q, batch, tokens, kvHeads, heads/kvHeads, d)
	scores := graph.MulScalar(graph.Einsum("bskgd,btkd->bkgst", q, k), 1/math.Sqrt(float64(d)))
	full := scores.Shape().Dimensions
	mask = graph.BroadcastToDims(graph.Reshape(mask, 1, 1, 1, tokens, keys), full...)
	scores = graph.Where(mask, scores, graph.BroadcastToDims(graph.Infinity(g, dtypes.Float32, -1), full...))
	out := graph.Einsum("bkgst,btkd->bskgd", graph.Softmax(scores, -1), v)
	return graph.Reshape(out, batch, tokens, heads, d)
}
