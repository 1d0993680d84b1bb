package calib

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"

	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/checkpoint"
	"github.com/eckart-go/eckart/quant"
)

// A block's moments are one safetensors file: for every capture point NAME the float64 tensors NAME.gram (the upper
// triangle, row by row), NAME.sum and NAME.abs, and the number of tokens as metadata.

// save writes the moments of block i. They appear under their name only when they are complete.
func (s *Statistics) save(i int, moments map[string]*Moments) error {
	var infos []checkpoint.Info
	tokens := map[string]string{}
	names := sortedNames(moments)
	for _, name := range names {
		m := moments[name]
		if err := m.Check(); err != nil {
			return fmt.Errorf("%w (block %d, input of %s)", err, i, name)
		}
		n := m.Width()
		for _, part := range []struct {
			suffix string
			length int
		}{{".gram", n * (n + 1) / 2}, {".sum", n}, {".abs", n}} {
			info, err := checkpoint.NewInfo(name+part.suffix, quant.F64, part.length)
			if err != nil {
				return err
			}
			infos = append(infos, info)
		}
		tokens[name] = strconv.FormatInt(m.Tokens, 10)
	}
	w, err := checkpoint.CreateSafetensors(s.file(i), infos, tokens)
	if err != nil {
		return err
	}
	for _, name := range names {
		m := moments[name]
		for _, part := range []struct {
			suffix string
			data   []byte
		}{{".gram", packed(m.Gram)}, {".sum", littleEndian(m.Sum)}, {".abs", littleEndian(m.Abs)}} {
			if err := w.Write(name+part.suffix, part.data); err != nil {
				w.Abort()
				return err
			}
		}
	}
	return w.Close()
}

// Block returns the moments of the inputs of block i by capture point (see model.CaptureOf).
func (s *Statistics) Block(i int) (map[string]*Moments, error) {
	c, err := checkpoint.Open(s.file(i))
	if err != nil {
		return nil, err
	}
	defer c.Close()
	moments := map[string]*Moments{}
	for name, value := range c.Metadata() {
		info, ok := c.Info(name + ".sum")
		if !ok {
			continue
		}
		text, _ := value.(string)
		tokens, err := strconv.ParseInt(text, 10, 64)
		if err != nil || len(info.Shape) != 1 {
			return nil, fmt.Errorf("calib: %s: the moments of %s are damaged: remove the file", s.file(i), name)
		}
		m := &Moments{Tokens: tokens}
		n := info.Shape[0]
		if m.Gram, err = unpacked(c, name+".gram", n); err != nil {
			return nil, err
		}
		if m.Sum, err = floats(c, name+".sum", n); err != nil {
			return nil, err
		}
		if m.Abs, err = floats(c, name+".abs", n); err != nil {
			return nil, err
		}
		moments[name] = m
	}
	return moments, nil
}

// float64s returns the bytes of a float64 tensor of n values.
func float64s(c *checkpoint.Checkpoint, name string, n int) ([]byte, error) {
	raw, err := c.Raw(name)
	if err != nil {
		return nil, err
	}
	if len(raw) != 8*n {
		return nil, fmt.Errorf("calib: %s: tensor %q has %d bytes, expected %d: remove the file", c.Path(), name, len(raw), 8*n)
	}
	return raw, nil
}

// floats reads a float64 tensor of n values.
func floats(c *checkpoint.Checkpoint, name string, n int) ([]float64, error) {
	raw, err := float64s(c, name, n)
	if err != nil {
		return nil, err
	}
	values := make([]float64, n)
	decode(values, raw)
	return values, nil
}

// unpacked reads the upper triangle of an n x n matrix, row by row.
func unpacked(c *checkpoint.Checkpoint, name string, n int) (*mat.SymDense, error) {
	raw, err := float64s(c, name, n*(n+1)/2)
	if err != nil {
		return nil, err
	}
	g := mat.NewSymDense(n, nil)
	sym := g.RawSymmetric()
	for i := range n {
		raw = raw[decode(sym.Data[i*sym.Stride+i:i*sym.Stride+n], raw):]
	}
	return g, nil
}

// packed returns the upper triangle of g, row by row, as bytes.
func packed(g *mat.SymDense) []byte {
	sym := g.RawSymmetric()
	raw := make([]byte, 8*sym.N*(sym.N+1)/2)
	rest := raw
	for i := range sym.N {
		rest = rest[encode(rest, sym.Data[i*sym.Stride+i:i*sym.Stride+sym.N]):]
	}
	return raw
}

func littleEndian(values []float64) []byte {
	raw := make([]byte, 8*len(values))
	encode(raw, values)
	return raw
}

// encode writes values to raw and returns how many bytes they took; decode reads them.
func encode(raw []byte, values []float64) int {
	for i, v := range values {
		binary.LittleEndian.PutUint64(raw[8*i:], math.Float64bits(v))
	}
	return 8 * len(values)
}

func decode(values []float64, raw []byte) int {
	for i := range values {
		values[i] = math.Float64frombits(binary.LittleEndian.Uint64(raw[8*i:]))
	}
	return 8 * len(values)
}

func sortedNames(moments map[string]*Moments) []string {
	names := make([]string, 0, len(moments))
	for name := range moments {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
