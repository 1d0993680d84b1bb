package checkpoint

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Format is the kind of file a checkpoint is stored in.
type Format uint8

// The formats that Open recognises by their content.
const (
	Safetensors Format = iota + 1 // one file, or a folder with shards and an index
	GGUF                          // version 2 or 3, little-endian
	Llama2c                       // llama2.c's legacy export (".bin"), version 0
)

// String returns "safetensors", "GGUF" or "llama2.c".
func (f Format) String() string {
	switch f {
	case Safetensors:
		return "safetensors"
	case GGUF:
		return "GGUF"
	case Llama2c:
		return "llama2.c"
	}
	return fmt.Sprintf("Format(%d)", uint8(f))
}

// Checkpoint is an open file, or folder of shards, of named tensors. Its methods may be called from several goroutines,
// except Close.
type Checkpoint struct {
	path     string
	dir      string // the folder of the files
	format   Format
	tensors  []Info
	data     [][]byte       // stored bytes of tensors[i], in the memory map
	index    map[string]int // name to position in tensors
	metadata map[string]any
	maps     []*mapping
}

// Open opens a .safetensors file, a model.safetensors.index.json, a folder with either, a .gguf file or a llama2.c export.
// What the file is follows from its content, not from its name. Close releases it.
func Open(path string) (*Checkpoint, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	switch {
	case st.IsDir():
		return openFolder(path)
	case !st.Mode().IsRegular():
		return nil, failf(path, "expected a file or a folder, found a %s", fileKind(st.Mode()))
	case strings.HasSuffix(path, indexSuffix):
		return openIndex(path)
	}
	m, err := mapFile(path)
	if err != nil {
		return nil, err
	}
	c := &Checkpoint{path: path, dir: filepath.Dir(path), maps: []*mapping{m}}
	if err := c.parse(m.bytes); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// parse reads the header of a single file, whatever its format.
func (c *Checkpoint) parse(data []byte) error {
	format, err := sniff(c.path, data)
	if err != nil {
		return err
	}
	var f *parsed
	switch format {
	case GGUF:
		f, err = parseGGUF(c.path, data)
	case Llama2c:
		f, err = parseLlama2c(c.path, data)
	default:
		f, err = parseSafetensors(c.path, data)
	}
	if err != nil {
		return err
	}
	c.format, c.metadata = format, f.metadata
	c.tensors, c.data = f.tensors, f.data
	c.index = make(map[string]int, len(f.tensors))
	for i, t := range f.tensors {
		c.index[t.Name] = i
	}
	return nil
}

// parsed is what a parser finds in one file. Names in tensors are unique; data[i] holds tensors[i].Bytes bytes.
type parsed struct {
	tensors  []Info
	data     [][]byte
	metadata map[string]any
}

// Path returns the path that was given to Open.
func (c *Checkpoint) Path() string { return c.path }

// Format returns the format of the file.
func (c *Checkpoint) Format() Format { return c.format }

// Tensors returns what the checkpoint holds, in the order of the file (of the shards' names, then of each file).
func (c *Checkpoint) Tensors() []Info { return slices.Clone(c.tensors) }

// Info returns the description of the tensor called name, and whether there is one.
func (c *Checkpoint) Info(name string) (Info, bool) {
	i, ok := c.index[name]
	if !ok {
		return Info{}, false
	}
	return c.tensors[i], true
}

// Raw returns the stored bytes of a tensor, little-endian, in rows. They lie in the memory map: they must not be written
// to, need not be aligned, and are invalid after Close.
func (c *Checkpoint) Raw(name string) ([]byte, error) {
	i, ok := c.index[name]
	if !ok {
		return nil, failf(c.path, "no tensor %q among its %d; %s", name, len(c.tensors), c.nearest(name))
	}
	return c.data[i], nil
}

// Float32 returns a tensor's values as float32, dequantised if need be, in dst when its capacity suffices and otherwise in
// a new slice. Float64 and integers are rounded to the nearest float32.
func (c *Checkpoint) Float32(name string, dst []float32) ([]float32, error) {
	raw, err := c.Raw(name)
	if err != nil {
		return nil, err
	}
	info := c.tensors[c.index[name]]
	dst = grow(dst, info.Elements())
	if err := decode(info.Type, dst, raw); err != nil {
		return nil, failf(c.path, "tensor %q: %w", name, err)
	}
	return dst, nil
}

// Metadata returns a copy of the file's own key-value pairs: strings for safetensors; for GGUF the Go types string, bool,
// uint8 to uint64, int8 to int64, float32, float64, slices of those, and []any for arrays of arrays; for llama2.c the
// numbers of its header as int32. Slices are shared and must not be modified.
func (c *Checkpoint) Metadata() map[string]any { return maps.Clone(c.metadata) }

// Close unmaps the file. Slices returned by Raw are invalid afterwards; other methods then report no tensors.
func (c *Checkpoint) Close() error {
	var first error
	for _, m := range c.maps {
		if err := m.close(); err != nil && first == nil {
			first = failf(c.path, "closing: %w", err)
		}
	}
	c.maps, c.data, c.tensors, c.index = nil, nil, nil, nil
	return first
}

// nearest hints at a name that is there, for an error about one that is not.
func (c *Checkpoint) nearest(name string) string {
	best, shared := "", -1
	for _, t := range c.tensors {
		n := 0
		for n < min(len(t.Name), len(name)) && t.Name[n] == name[n] {
			n++
		}
		if n > shared {
			best, shared = t.Name, n
		}
	}
	if best == "" {
		return "it is empty or closed"
	}
	return fmt.Sprintf("the nearest is %q", best)
}

// sniff tells the format of a file by its content. When the content fits none, the error is about the format that the
// file's name claims.
func sniff(path string, data []byte) (Format, error) {
	ext := strings.ToLower(filepath.Ext(path))
	switch {
	case len(data) == 0:
		return 0, failf(path, "the file is empty: interrupted download?")
	case string(data[:min(4, len(data))]) == ggufMagic:
		return GGUF, nil
	case string(data[:min(4, len(data))]) == "FUGG":
		return 0, failf(path, "a big-endian GGUF file; convert it to little-endian first")
	case looksLikeLlama2c(data): // never a safetensors file: there the second number is 0
		return Llama2c, nil
	case len(data) > 8 && data[8] == '{', ext == ".safetensors":
		return Safetensors, nil
	case ext == ".gguf":
		return 0, failf(path, "expected the magic %q of a GGUF file, found %q", ggufMagic, data[:min(4, len(data))])
	case ext == ".bin":
		return Llama2c, nil
	}
	return 0, failf(path, "expected safetensors, GGUF or a llama2.c export, found a file starting with %q", data[:min(8, len(data))])
}

// openFolder opens the checkpoint inside a folder: the index, model.safetensors, or the only file of a known kind.
func openFolder(dir string) (*Checkpoint, error) {
	for _, name := range []string{indexName, "model.safetensors"} {
		path := filepath.Join(dir, name)
		if st, err := os.Stat(path); err == nil && st.Mode().IsRegular() {
			return Open(path)
		}
	}
	var found []string
	for _, pattern := range []string{"*" + indexSuffix, "*.safetensors", "*.gguf"} {
		names, err := filepath.Glob(filepath.Join(escapeGlob(dir), pattern))
		if err != nil {
			return nil, failf(dir, "%w", err)
		}
		if len(names) == 1 {
			return Open(names[0])
		}
		found = append(found, names...)
	}
	if len(found) > 0 {
		return nil, failf(dir, "expected one checkpoint, found %d files such as %s; name the one to open", len(found), filepath.Base(found[0]))
	}
	return nil, failf(dir, "a folder without %s, model.safetensors or a .gguf file", indexName)
}

// escapeGlob quotes what filepath.Glob would take for a pattern. Windows paths cannot hold these characters except '['.
func escapeGlob(dir string) string {
	if os.PathSeparator == '\\' {
		return strings.ReplaceAll(dir, "[", "[[]")
	}
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(dir)
}

func fileKind(m fs.FileMode) string {
	switch {
	case m&fs.ModeNamedPipe != 0:
		return "pipe"
	case m&fs.ModeSocket != 0:
		return "socket"
	}
	return "device"
}

// failf is an error of this package about one file.
func failf(path, format string, args ...any) error {
	return fmt.Errorf("checkpoint: %s: "+format, append([]any{path}, args...)...)
}
