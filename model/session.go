package model

import (
	"context"
	"fmt"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
)

// SessionOptions tunes NewSession; its zero value is the recommended setting.
type SessionOptions struct {
	// Context is the most tokens that the session can hold; 0 means what the model was made for. More is an error.
	Context int
	// Float32 expands quantised weights. Without it, products are computed straight from the stored blocks: less memory and
	// faster. The inputs of single tokens are then rounded to int8, block by block, as in llama.cpp, which moves logits by a
	// per cent or so.
	Float32 bool
}

const (
	prefillTokens   = 512 // prompts are read in batches of this size
	smallestCache   = 256 // a cache starts with room for this many tokens and doubles
	smallestPrefill = 16  // shorter batches are padded to a power of two of at least this size
)

// Session generates from a model: it holds all weights, and the keys and values of the tokens so far (the KV cache). The
// cache is updated in place; a token costs one pass over the weights. A Session must not be used by two goroutines at once, nor
// at the same time as its Llama.
type Session struct {
	l        *Llama
	context  int
	weights  []weightSet
	head     headSet
	caches   []cache
	capacity int // tokens that the caches have room for
	used     int // tokens in the caches
	inputs   map[int]*stepInputs
	last     []float32 // logits of the last token
}

// cache holds a block's keys and values, 1 x capacity x K x d.
type cache struct{ keys, values compute.Buffer }

// stepInputs are the buffers that a step of a given number of tokens reads.
type stepInputs struct {
	cos, sin, used *array
	length         *array // keys that a single token sees
	mask           *array // keys that each of several tokens sees; for some steps
}

// ContextError says that more tokens were given than the model or session can hold.
type ContextError struct{ Tokens, Limit int }

func (e *ContextError) Error() string {
	return fmt.Sprintf("model: %d tokens for a context of %d: shorten the text", e.Tokens, e.Limit)
}

// NewSession loads all weights and returns an empty session. Layers given to SetLinear before are used as they are.
func (l *Llama) NewSession(ctx context.Context, opts SessionOptions) (*Session, error) {
	s := &Session{l: l, context: opts.Context, inputs: map[int]*stepInputs{}}
	if s.context <= 0 {
		s.context = l.config.MaxPositions
	}
	if s.context > l.config.MaxPositions {
		return nil, &ContextError{Tokens: s.context, Limit: l.config.MaxPositions}
	}
	f := asStored
	if opts.Float32 {
		f = expanded
	}
	s.weights = make([]weightSet, l.config.Layers)
	for i := range s.weights {
		if err := ctx.Err(); err != nil {
			s.Close()
			return nil, err
		}
		if err := l.load(&s.weights[i], i, f); err != nil {
			s.Close()
			return nil, err
		}
	}
	if err := l.loadHead(&s.head, f); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Len returns the number of tokens in the session, and Context the most it can hold.
func (s *Session) Len() int { return s.used }

// Context returns the most tokens that the session can hold.
func (s *Session) Context() int { return s.context }

// Truncate forgets all tokens but the first n.
func (s *Session) Truncate(n int) {
	s.used = max(0, min(n, s.used))
}

// Append adds tokens and returns the logits for the token after the last of them (Vocab numbers, valid until the next call).
// On an error, ctx's included, the session is as it was before, or holds some of the tokens; Len tells.
func (s *Session) Append(ctx context.Context, tokens []int) ([]float32, error) {
	if len(tokens) == 0 {
		return nil, fmt.Errorf("model: no tokens to append")
	}
	if s.used+len(tokens) > s.context {
		return nil, &ContextError{Tokens: s.used + len(tokens), Limit: s.context}
	}
	for len(tokens) > 0 {
		n := min(len(tokens), prefillTokens)
		if err := s.step(ctx, tokens[:n], n == len(tokens)); err != nil {
			return nil, err
		}
		tokens = tokens[n:]
	}
	return s.last, nil
}

// step runs a batch of tokens through all blocks and, if it is the last batch, the head. What a step that failed has written
// to the caches lies beyond their used part.
func (s *Session) step(ctx context.Context, tokens []int, last bool) error {
	width := stepWidth(len(tokens))
	if err := s.reserve(s.used + width); err != nil {
		return err
	}
	x, err := s.l.engine.newArray(dtypes.Float32, 1, width, s.l.config.Hidden)
	if err != nil {
		return err
	}
	d := s.l.config.Hidden
	if err := s.l.embed(x.float32s()[:len(tokens)*d], tokens); err != nil {
		x.free()
		return err
	}
	clear(x.float32s()[len(tokens)*d:])
	in, err := s.prepare(width, len(tokens))
	if err != nil {
		x.free()
		return err
	}
	h := x.buf
	for i := range s.weights {
		if err := ctx.Err(); err != nil {
			h.Finalize()
			return err
		}
		if h, err = s.runBlock(i, h, in, width); err != nil {
			return err
		}
	}
	defer h.Finalize()
	s.used += len(tokens)
	if !last {
		return nil
	}
	rows, err := float32sOf(h)
	if err != nil {
		return err
	}
	return s.runHead(rows[(len(tokens)-1)*d : len(tokens)*d])
}

// stepWidth is the number of tokens, padding included, that n tokens are run as. Padding writes keys and values beyond the
// used part of the cache, where nothing sees them and the next tokens overwrite them.
func stepWidth(n int) int {
	if n == 1 {
		return 1
	}
	width := smallestPrefill
	for width < n {
		width *= 2
	}
	return width
}

// prepare fills the inputs of a step of width tokens, n of them real.
func (s *Session) prepare(width, n int) (*stepInputs, error) {
	l := s.l
	in := s.inputs[width]
	if in == nil {
		in = &stepInputs{}
		s.inputs[width] = in
	}
	var err error
	if in.cos, err = l.fit(in.cos, dtypes.Float32, width, l.config.HeadDim); err != nil {
		return nil, err
	}
	if in.sin, err = l.fit(in.sin, dtypes.Float32, width, l.config.HeadDim); err != nil {
		return nil, err
	}
	if in.used, err = l.fit(in.used, dtypes.Int32); err != nil {
		return nil, err
	}
	l.rope.fill(in.cos.float32s(), in.sin.float32s(), s.used)
	in.used.flat.([]int32)[0] = int32(s.used)
	switch s.sees(width) {
	case seesLength:
		if in.length, err = l.fit(in.length, dtypes.Int32, 1); err != nil {
			return nil, err
		}
		in.length.flat.([]int32)[0] = int32(s.used + n)
	case seesMask:
		if in.mask, err = l.fit(in.mask, dtypes.Bool, width, s.capacity); err != nil {
			return nil, err
		}
		fillMask(in.mask.flat.([]bool), width, s.capacity, s.used, l.config.SlidingWindow)
	}
	return in, nil
}

// sight is how the tokens of a step learn what they see: see visible.
type sight int

const (
	seesCausal sight = iota // only each other: the cache is empty
	seesLength              // a single token, everything so far
	seesMask                // a mask over the whole cache
)

func (s *Session) sees(width int) sight {
	window := s.l.config.SlidingWindow
	switch {
	case window > 0 && s.used+width > window:
		return seesMask
	case width == 1:
		return seesLength
	case s.used == 0:
		return seesCausal
	}
	return seesMask
}

// fillMask writes what tokens used, used+1, ... see (width x keys): positions up to their own, and with a window > 0 only the
// last window of them.
func fillMask(mask []bool, width, keys, used, window int) {
	clear(mask)
	for i := range width {
		own := used + i
		first := 0
		if window > 0 {
			first = max(0, own-window+1)
		}
		row := mask[i*keys : (i+1)*keys]
		for j := first; j <= min(own, keys-1); j++ {
			row[j] = true
		}
	}
}

// runBlock runs block i on h (1 x width x D), which it consumes, updating its cache.
func (s *Session) runBlock(i int, h compute.Buffer, in *stepInputs, width int) (compute.Buffer, error) {
	w := &s.weights[i]
	see := s.sees(width)
	args := []compute.Buffer{h, s.caches[i].keys, s.caches[i].values, in.cos.buf, in.sin.buf, in.used.buf}
	switch see {
	case seesLength:
		args = append(args, in.length.buf)
	case seesMask:
		args = append(args, in.mask.buf)
	}
	p, err := s.program(w, width, see)
	if err != nil {
		h.Finalize()
		return nil, err
	}
	args = append(args, w.buffers...)
	donate := make([]bool, len(args))
	donate[0], donate[1], donate[2] = true, true, true
	out, err := p.run(args, donate)
	if err != nil {
		s.dropCaches() // they were given away
		return nil, err
	}
	s.caches[i] = cache{out[1], out[2]}
	return out[0], nil
}

// program returns the graph of a block with a cache for steps of width tokens.
func (s *Session) program(w *weightSet, width int, see sight) (*program, error) {
	c := s.l.config
	kv := []int{1, s.capacity, c.KVHeads, c.HeadDim}
	signature := fmt.Sprintf("cached block %d of %d, sight %d: %s", width, s.capacity, see, w.kinds)
	if p, ok := s.l.engine.programs[signature]; ok {
		return p, nil
	}
	params := shapesOf(dtypes.Float32, []int{1, width, c.Hidden}, kv, kv, []int{width, c.HeadDim}, []int{width, c.HeadDim})
	params = append(params, shapesOf(dtypes.Int32, nil)...)
	switch see {
	case seesLength:
		params = append(params, shapesOf(dtypes.Int32, []int{1})...)
	case seesMask:
		params = append(params, shapesOf(dtypes.Bool, []int{width, s.capacity})...)
	}
	params = append(params, paramShapes(w.arrays())...)
	return s.l.engine.program(signature, params, func(in []node) []node {
		x, past := in[0], cacheNodes{keys: in[1], values: in[2], used: in[5]}
		at := positions{cos: in[3], sin: in[4]}
		in = in[6:]
		switch see {
		case seesCausal:
			at.visible.causal = true
		case seesLength:
			at.visible.length, in = in[0], in[1:]
		case seesMask:
			at.visible.mask, in = in[0], in[1:]
		}
		r := s.l.block(w.layers).apply(x, w.nodes(in), at, &past)
		return []node{r.out, r.cache.keys, r.cache.values}
	})
}

// reserve makes room for n tokens in the caches, keeping what is used.
func (s *Session) reserve(n int) error {
	if n <= s.capacity {
		return nil
	}
	capacity := max(s.capacity, smallestCache)
	for capacity < n {
		capacity *= 2
	}
	c := s.l.config
	grown := make([]cache, c.Layers)
	grow := func(old compute.Buffer) (compute.Buffer, error) {
		a, err := s.l.engine.newArray(dtypes.Float32, 1, capacity, c.KVHeads, c.HeadDim)
		if err != nil {
			return nil, err
		}
		kept := s.used * c.KVHeads * c.HeadDim
		if kept > 0 {
			values, err := float32sOf(old)
			if err != nil {
				return nil, err
			}
			copy(a.float32s(), values[:kept])
		}
		clear(a.float32s()[kept:]) // the unused part is multiplied by zeros: it must not hold NaN
		return a.buf, nil
	}
	old := s.caches
	if old == nil {
		old = make([]cache, c.Layers)
	}
	for i := range grown {
		var err error
		if grown[i].keys, err = grow(old[i].keys); err != nil {
			return err
		}
		if grown[i].values, err = grow(old[i].values); err != nil {
			return err
		}
	}
	used := s.used
	s.dropCaches()
	s.caches, s.capacity, s.used = grown, capacity, used
	return nil
}

// dropCaches forgets all tokens.
func (s *Session) dropCaches() {
	for _, c := range s.caches {
		if c.keys != nil {
			finalizeAll([]compute.Buffer{c.keys, c.values})
		}
	}
	s.caches, s.capacity, s.used = nil, 0, 0
}

// Close frees the weights and the cache.
func (s *Session) Close() {
	s.dropCaches()
	for i := range s.weights {
		s.weights[i].free()
	}
	s.head.free()
	for _, in := range s.inputs {
		for _, a := range []*array{in.cos, in.sin, in.used, in.length, in.mask} {
			a.free()
		}
	}
	*s = Session{l: s.l}
}
