package model

import (
	"fmt"
)

// Hidden is the stream between two blocks for many sequences: one row of Width numbers a token, sequence after sequence.
// RunBlock replaces it by the stream after the block.
type Hidden struct {
	Width   int
	lengths []int
	starts  []int // first row of every sequence
	rows    Rows
}

// Rows stores the rows of a Hidden. NewMemory keeps them in memory; other stores may keep them in a file. Rows are read and
// written by one goroutine, a whole sequence at a time.
type Rows interface {
	// Read fills dst with rows first, first+1, ...; len(dst) is a multiple of the width.
	Read(dst []float32, first int) error
	// Write stores src as rows first, first+1, ...
	Write(src []float32, first int) error
}

// memory is a store of rows in one slice.
type memory struct {
	width int
	data  []float32
}

// NewMemory returns a store of n rows of width numbers in memory.
func NewMemory(n, width int) Rows { return &memory{width, make([]float32, n*width)} }

func (m *memory) Read(dst []float32, first int) error {
	copy(dst, m.data[first*m.width:])
	return nil
}

func (m *memory) Write(src []float32, first int) error {
	copy(m.data[first*m.width:], src)
	return nil
}

// newHidden returns a stream for sequences of the given lengths in rows, which must hold their sum.
func newHidden(width int, lengths []int, rows Rows) *Hidden {
	h := &Hidden{Width: width, lengths: lengths, starts: make([]int, len(lengths)), rows: rows}
	n := 0
	for i, length := range lengths {
		h.starts[i] = n
		n += length
	}
	return h
}

// Sequences returns the number of sequences, and Len the number of tokens in sequence i.
func (h *Hidden) Sequences() int { return len(h.lengths) }

// Len returns the number of tokens in sequence i.
func (h *Hidden) Len(i int) int { return h.lengths[i] }

// Tokens returns the number of tokens in all sequences.
func (h *Hidden) Tokens() int {
	n := 0
	for _, length := range h.lengths {
		n += length
	}
	return n
}

// Read fills dst (t x Width) with tokens first, ..., first+t-1 of sequence i.
func (h *Hidden) Read(dst []float32, i, first int) error {
	if err := h.check(len(dst), i, first); err != nil {
		return err
	}
	return h.rows.Read(dst, h.starts[i]+first)
}

// Write replaces tokens first, ..., first+t-1 of sequence i by src (t x Width).
func (h *Hidden) Write(src []float32, i, first int) error {
	if err := h.check(len(src), i, first); err != nil {
		return err
	}
	return h.rows.Write(src, h.starts[i]+first)
}

func (h *Hidden) check(n, i, first int) error {
	if n%h.Width != 0 || first < 0 || first+n/h.Width > h.lengths[i] {
		return fmt.Errorf("model: %d numbers at token %d of a sequence of %d tokens of width %d", n, first, h.lengths[i], h.Width)
	}
	return nil
}

// maxBatchTokens is the size of the batches that a block runs on: enough rows for fast matrix products, few enough that
// the activations of a batch stay in the cache levels near the cores.
const maxBatchTokens = 1024

// batch is some sequences of (padded) equal length that run through a block together.
type batch struct {
	sequences []int
	tokens    int // of each sequence, padding included
}

// batches groups the sequences by padded length, in order, into batches of at most maxBatchTokens tokens (or of one
// sequence). Sizes are powers of two, so that few graphs are compiled.
func batches(lengths []int) []batch {
	var out []batch
	byLength := map[int]int{} // padded length -> index in groups
	var groups []batch
	distinct := map[int]bool{}
	for _, n := range lengths {
		distinct[n] = true
	}
	for i, n := range lengths {
		if n == 0 {
			continue
		}
		if len(distinct) > 8 {
			n = padded(n)
		}
		g, ok := byLength[n]
		if !ok {
			g = len(groups)
			byLength[n] = g
			groups = append(groups, batch{tokens: n})
		}
		groups[g].sequences = append(groups[g].sequences, i)
	}
	for _, g := range groups {
		size := 1
		for 2*size*g.tokens <= maxBatchTokens {
			size *= 2
		}
		for rest := g.sequences; len(rest) > 0; {
			for size > len(rest) {
				size /= 2
			}
			out = append(out, batch{rest[:size], g.tokens})
			rest = rest[size:]
		}
	}
	return out
}

// padded rounds a length up so that many different lengths share few graphs: at most an eighth more, or 15 tokens.
func padded(n int) int {
	step := 16
	for step*16 <= n {
		step *= 2
	}
	return (n + step - 1) / step * step
}
