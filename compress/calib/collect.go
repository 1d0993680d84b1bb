package calib

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/eckart-go/eckart/checkpoint"
	"github.com/eckart-go/eckart/internal/pool"
	"github.com/eckart-go/eckart/model"
)

// Options tunes Collect; its zero value is the recommended setting.
type Options struct {
	// SkipFirst leaves the first token of every sequence out of the moments. Llama-type models answer it with activations
	// hundreds of times larger than all others, which then dominate every Gram matrix.
	SkipFirst bool
	// Cache is the folder under which statistics are kept and looked for; "" means no folder but one that is removed by
	// Statistics.Close.
	Cache string
	// Memory is how many bytes the hidden states may take in memory; beyond, they go to a temporary file. 0 means 1 GiB.
	Memory int64
	// Progress, if not nil, is called after every batch with the tokens done, counted once a block, and their total.
	Progress func(done, total int64)
}

// DefaultMemory is how many bytes hidden states take in memory unless options say otherwise.
const DefaultMemory = 1 << 30

// Statistics are the moments of the inputs of every linear layer of a model, on disk.
type Statistics struct {
	dir         string
	temporary   bool
	blocks      int
	Fingerprint string // of the model's weights, the tokens and the options that shape the moments
	Tokens      int64  // that the moments were taken over
	Reused      int    // blocks that were found in the cache
}

// Collect runs the sequences through the dense model m, one block at a time, and returns the moments of the inputs of all
// linear layers. Blocks that the cache has under the same fingerprint are not accumulated again, so an interrupted pass
// goes on where it was, and a second method pays nothing.
func Collect(ctx context.Context, m *model.Llama, sequences [][]int, opts Options) (*Statistics, error) {
	if err := check(sequences); err != nil {
		return nil, err
	}
	print, err := fingerprint(m.Source(), sequences, opts)
	if err != nil {
		return nil, err
	}
	s := &Statistics{blocks: m.Config().Layers, Fingerprint: print}
	for _, seq := range sequences {
		s.Tokens += int64(len(seq))
	}
	if opts.SkipFirst {
		s.Tokens -= int64(len(sequences))
	}
	if err := s.open(opts.Cache); err != nil {
		return nil, err
	}
	for s.Reused < s.blocks && s.have(s.Reused) {
		s.Reused++
	}
	if s.Reused < s.blocks {
		if err := s.run(ctx, m, sequences, opts); err != nil {
			s.Close()
			return nil, err
		}
	}
	return s, nil
}

// check wants sequences of one length, so that every one counts alike and batches need no padding.
func check(sequences [][]int) error {
	if len(sequences) == 0 {
		return errors.New("calib: no sequences to calibrate on")
	}
	for i, s := range sequences {
		if len(s) != len(sequences[0]) || len(s) < 2 {
			return fmt.Errorf("calib: sequence %d has %d tokens, the first has %d: expected one length of at least 2", i, len(s), len(sequences[0]))
		}
	}
	return nil
}

// open makes the folder.
func (s *Statistics) open(cache string) error {
	if cache == "" {
		dir, err := os.MkdirTemp("", "eckart-calib-")
		if err != nil {
			return fmt.Errorf("calib: %w", err)
		}
		s.dir, s.temporary = dir, true
		return nil
	}
	s.dir = filepath.Join(cache, "calib", s.Fingerprint)
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return fmt.Errorf("calib: cache folder: %w", err)
	}
	return nil
}

// Close removes the statistics if they are not in a cache.
func (s *Statistics) Close() error {
	if s.temporary {
		return os.RemoveAll(s.dir)
	}
	return nil
}

// run takes all blocks from the first that is missing on. Those before it are run too, for the hidden states, but their
// moments are not accumulated.
func (s *Statistics) run(ctx context.Context, m *model.Llama, sequences [][]int, opts Options) error {
	hidden, release, err := Embed(ctx, m, sequences, opts.Memory)
	if err != nil {
		return err
	}
	defer release()
	perBlock := int64(hidden.Tokens())
	// One block's moments are written while the next one's are collected.
	collectors := [2]*Collector{NewCollector(len(sequences[0]), opts.SkipFirst), NewCollector(len(sequences[0]), opts.SkipFirst)}
	saved := func() (struct{}, error) { return struct{}{}, nil }
	defer func() { saved() }() // whichever that is then
	for i := range s.blocks {
		if s.have(i) && i+1 == s.blocks {
			break
		}
		collect := collectors[i%2]
		collect.reset()
		if opts.Progress != nil {
			collect.progress = func(tokens int64) { opts.Progress(int64(i)*perBlock+tokens, int64(s.blocks)*perBlock) }
		}
		collect.idle = s.have(i)
		if err := m.RunBlock(ctx, i, hidden, collect.Capture); err != nil {
			return err
		}
		if collect.idle {
			continue
		}
		if _, err := saved(); err != nil {
			return err
		}
		saved = pool.Beside(func() (struct{}, error) { return struct{}{}, s.save(i, collect.Moments) })
	}
	_, err = saved()
	return err
}

// Collector gathers moments from the captures of one block.
type Collector struct {
	Moments  map[string]*Moments // by capture point, see model.CaptureOf
	skip     int                 // every so manieth token is left out; 0 for none
	idle     bool
	progress func(tokens int64)
	tokens   int64
}

// NewCollector returns an empty collector. With skipFirst it leaves out the first token of every sequence, all of which
// must be of the given length.
func NewCollector(length int, skipFirst bool) *Collector {
	c := &Collector{Moments: map[string]*Moments{}}
	if skipFirst {
		c.skip = length
	}
	return c
}

// reset empties the moments, which keep their memory.
func (c *Collector) reset() {
	c.tokens = 0
	for _, m := range c.Moments {
		m.Tokens = 0
		clear(m.Gram.RawSymmetric().Data)
		clear(m.Sum)
		clear(m.Abs)
	}
}

// Capture adds inputs to the moments of a capture point; it is what model.RunBlock calls, with one or more whole sequences.
func (c *Collector) Capture(name string, x []float32, tokens, width int) error {
	if name == lastCapture && c.progress != nil {
		c.tokens += int64(tokens)
		defer func() { c.progress(c.tokens) }()
	}
	if c.idle {
		return nil
	}
	m := c.Moments[name]
	if m == nil {
		m = NewMoments(width)
		c.Moments[name] = m
	}
	if c.skip == 0 {
		m.Add(x, tokens)
		return nil
	}
	for first := 0; first < tokens; first += c.skip {
		m.Add(x[(first+1)*width:(first+c.skip)*width], c.skip-1)
	}
	return nil
}

// lastCapture is the capture point that a block comes to last.
var lastCapture = model.CaptureOf("mlp.down_proj")

// Embed returns the embeddings of sequences, in memory if they take at most limit bytes (0: 1 GiB) and in a temporary file
// otherwise. release frees them.
func Embed(ctx context.Context, m *model.Llama, sequences [][]int, limit int64) (h *model.Hidden, release func(), err error) {
	if limit == 0 {
		limit = DefaultMemory
	}
	rows := 0
	for _, s := range sequences {
		rows += len(s)
	}
	width := m.Config().Hidden
	release = func() {}
	var store model.Rows
	if int64(rows)*int64(width)*4 > limit {
		f, err := newSpill(width)
		if err != nil {
			return nil, nil, err
		}
		store, release = f, f.close
	}
	if h, err = m.Embed(ctx, sequences, store); err != nil {
		release()
		return nil, nil, err
	}
	return h, release, nil
}

// fingerprint identifies what the moments depend on: the model's weights, the tokens, the options.
func fingerprint(source *checkpoint.Model, sequences [][]int, opts Options) (string, error) {
	h := sha256.New()
	fmt.Fprintf(h, "eckart moments 2\nskip first %v\n%+v\n", opts.SkipFirst, source.Config())
	if err := HashTensors(h, source.Source()); err != nil {
		return "", err
	}
	for _, s := range sequences {
		for _, id := range s {
			h.Write(binary.LittleEndian.AppendUint32(nil, uint32(id)))
		}
		h.Write([]byte{0xff, 0xff, 0xff, 0xff})
	}
	return hex.EncodeToString(h.Sum(nil))[:32], nil
}

// HashTensors writes the name, type, shape and bytes of every tensor of c to h.
func HashTensors(h hash.Hash, c *checkpoint.Checkpoint) error {
	for _, t := range c.Tensors() {
		fmt.Fprintf(h, "%q %v %v\n", t.Name, t.Type, t.Shape)
		raw, err := c.Raw(t.Name)
		if err != nil {
			return fmt.Errorf("calib: %w", err)
		}
		h.Write(raw)
	}
	return nil
}

// have reports whether block i is complete on disk.
func (s *Statistics) have(i int) bool {
	_, err := os.Stat(s.file(i))
	return !errors.Is(err, fs.ErrNotExist)
}

func (s *Statistics) file(i int) string {
	return filepath.Join(s.dir, fmt.Sprintf("block-%04d.safetensors", i))
}
