package structure

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/eckart-go/eckart/checkpoint"
	"github.com/eckart-go/eckart/quant"
)

// MetadataKey is the key of a checkpoint's metadata under which its Index stands.
const MetadataKey = "eckart.structure"

// Description says how a layer is stored, with what its tensors do not say by themselves.
type Description struct {
	Kind string `json:"kind"` // Matrix.Kind
	Rows int    `json:"rows"` // outputs
	Cols int    `json:"cols"` // inputs
	Rank int    `json:"rank,omitempty"`
	Bias bool   `json:"bias,omitempty"`
}

// Describe returns the description of m.
func Describe(m Matrix) Description {
	rows, cols := m.Dims()
	d := Description{Kind: m.Kind(), Rows: rows, Cols: cols, Bias: m.Bias() != nil}
	if l, ok := m.(interface{ Rank() int }); ok {
		d.Rank = l.Rank()
	}
	return d
}

// Index describes the layers of a checkpoint by name, such as "model.layers.0.mlp.down_proj". A layer's tensors are named
// after it and its parts: name + "." + Part.Name.
type Index map[string]Description

// Metadata returns the index as the value of MetadataKey: JSON with sorted keys.
func (x Index) Metadata() string {
	text, err := json.Marshal(x)
	if err != nil {
		panic(err) // strings, integers and booleans always marshal
	}
	return string(text)
}

// ReadIndex returns the index of c, empty if it has none.
func ReadIndex(c *checkpoint.Checkpoint) (Index, error) {
	index := Index{}
	value, ok := c.Metadata()[MetadataKey]
	if !ok {
		return index, nil
	}
	text, ok := value.(string)
	if !ok {
		return nil, fmt.Errorf("structure: metadata %q: expected a string of JSON, found %T", MetadataKey, value)
	}
	if err := json.Unmarshal([]byte(text), &index); err != nil {
		return nil, fmt.Errorf("structure: metadata %q: %w", MetadataKey, err)
	}
	return index, nil
}

// Infos returns the tensors that Save will write for m under name, to be announced to the checkpoint's writer.
func Infos(name string, m Matrix) ([]checkpoint.Info, error) {
	var infos []checkpoint.Info
	for _, p := range m.Parts() {
		info, err := checkpoint.NewInfo(name+"."+p.Name, p.Type, p.Shape...)
		if err != nil {
			return nil, fmt.Errorf("structure: %w", err)
		}
		infos = append(infos, info)
	}
	return infos, nil
}

// Save writes the parts of m under name, each rounded to its type.
func Save(w *checkpoint.Writer, name string, m Matrix) error {
	for _, p := range m.Parts() {
		tensor, err := name+"."+p.Name, error(nil)
		if p.Blocks != nil {
			err = w.Write(tensor, p.Blocks)
		} else {
			err = w.WriteFloat32(tensor, p.Float32)
		}
		if err != nil {
			return fmt.Errorf("structure: %w", err)
		}
	}
	return nil
}

// Load reads the layer name, described by d, from c. Blocks of a quantised layer stay in c's memory map: they must not be
// used after c is closed.
func Load(c *checkpoint.Checkpoint, name string, d Description) (Layer, error) {
	r := &partReader{c: c, name: name, d: d}
	for _, kind := range kinds {
		if kind.name == d.Kind {
			layer, err := kind.load(r)
			if err != nil {
				return nil, fmt.Errorf("structure: layer %q: %w", name, err)
			}
			return layer, nil
		}
	}
	return nil, fmt.Errorf("structure: layer %q: unknown kind %q: made by a newer version?", name, d.Kind)
}

// kinds lists the structures that a file may hold.
var kinds = []struct {
	name string
	load func(r *partReader) (Layer, error)
}{
	{"dense", loadDense},
	{"lowrank", loadLowRank},
	{"quantised", loadQuantised},
}

func loadDense(r *partReader) (Layer, error) {
	weight, t, err := r.values("weight", r.d.Rows, r.d.Cols)
	if err != nil {
		return nil, err
	}
	bias, err := r.bias()
	if err != nil {
		return nil, err
	}
	return NewDense(r.d.Rows, r.d.Cols, weight, bias).StoredAs(t), nil
}

func loadLowRank(r *partReader) (Layer, error) {
	b, t, err := r.values("B", r.d.Rows, r.d.Rank)
	if err != nil {
		return nil, err
	}
	a, ta, err := r.values("A", r.d.Rank, r.d.Cols)
	if err != nil {
		return nil, err
	}
	if t != ta {
		return nil, fmt.Errorf("factors of different types: B is %v, A is %v", t, ta)
	}
	bias, err := r.bias()
	if err != nil {
		return nil, err
	}
	return LowRankOf(r.d.Rows, r.d.Cols, r.d.Rank, b, a, bias).StoredAs(t), nil
}

func loadQuantised(r *partReader) (Layer, error) {
	info, err := r.info("weight", r.d.Rows, r.d.Cols)
	if err != nil {
		return nil, err
	}
	data, err := r.c.Raw(info.Name)
	if err != nil {
		return nil, err
	}
	bias, err := r.bias()
	if err != nil {
		return nil, err
	}
	return NewQuantised(info.Type, r.d.Rows, r.d.Cols, data, bias)
}

// partReader reads the parts of one layer and checks them against its description.
type partReader struct {
	c    *checkpoint.Checkpoint
	name string
	d    Description
}

// info returns the tensor of a part, which must have the given shape.
func (r *partReader) info(part string, shape ...int) (checkpoint.Info, error) {
	info, ok := r.c.Info(r.name + "." + part)
	if !ok {
		return info, fmt.Errorf("tensor %q is missing", r.name+"."+part)
	}
	if slices.Min(shape) < 1 || !slices.Equal(info.Shape, shape) {
		return info, fmt.Errorf("tensor %q: shape %v, described as %v", info.Name, info.Shape, shape)
	}
	return info, nil
}

// values reads a part as float32 and returns its type in the file.
func (r *partReader) values(part string, shape ...int) ([]float32, quant.Type, error) {
	info, err := r.info(part, shape...)
	if err != nil {
		return nil, 0, err
	}
	if _, err := info.Type.RowBytes(shape[len(shape)-1]); err != nil {
		return nil, 0, fmt.Errorf("tensor %q: %w", info.Name, err)
	}
	values, err := r.c.Float32(info.Name, nil)
	return values, info.Type, err
}

// bias reads the bias, if there is one.
func (r *partReader) bias() ([]float32, error) {
	if !r.d.Bias {
		return nil, nil
	}
	bias, _, err := r.values("bias", r.d.Rows)
	return bias, err
}
