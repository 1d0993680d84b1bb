package checkpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
)

// Writer writes a checkpoint tensor by tensor, in any order, under a temporary name. Nothing exists under the final name
// until Close, and an existing file stays as it is until then. Always call Close or Abort. A Writer is not for several
// goroutines at once.
type Writer struct {
	path    string
	files   []*partial
	places  map[string]*place
	index   []byte // what to write to indexName at the end; nil for none
	scratch []byte
	err     error // the first failure; nothing is written after it
	closed  bool
}

// place is where a tensor goes.
type place struct {
	info    Info
	file    *partial
	offset  int64
	written bool
}

// layout is a file's header and where each tensor begins.
type layout struct {
	tensors []Info
	header  []byte
	offsets []int64 // in the file
	size    int64
}

// CreateSafetensors starts a safetensors file that will hold exactly the given tensors. Its header holds metadata and
// {"format": "pt"}, without which transformers opens no file. The disk's free space is checked.
func CreateSafetensors(path string, tensors []Info, metadata map[string]string) (*Writer, error) {
	l, err := layoutSafetensors(tensors, metadata)
	if err != nil {
		return nil, failf(path, "%w", err)
	}
	w := newWriter(path)
	if err := w.start(path, l); err != nil {
		return nil, err
	}
	return w, nil
}

// CreateGGUF starts a GGUF version 3 file that will hold exactly the given tensors, in their order. The metadata's values
// have the Go types that Checkpoint.Metadata returns. general.alignment is honoured; general.quantization_version and
// general.file_type are added when absent. The disk's free space is checked.
func CreateGGUF(path string, tensors []Info, metadata map[string]any) (*Writer, error) {
	l, err := layoutGGUF(tensors, metadata)
	if err != nil {
		return nil, failf(path, "%w", err)
	}
	w := newWriter(path)
	if err := w.start(path, l); err != nil {
		return nil, err
	}
	return w, nil
}

// DefaultShardSize is the size of the files that CreateSharded writes unless told otherwise: 5 GB.
const DefaultShardSize = 5_000_000_000

// CreateSharded starts the weights of a Hugging Face folder, which must exist: model.safetensors if everything fits
// shardSize bytes (0: DefaultShardSize), else model-00001-of-0000N.safetensors and model.safetensors.index.json. A tensor
// larger than that has a file to itself. The folder must not hold other weights, which readers could take for these.
func CreateSharded(dir string, tensors []Info, metadata map[string]string, shardSize int64) (*Writer, error) {
	if shardSize <= 0 {
		shardSize = DefaultShardSize
	}
	shards := splitShards(tensors, shardSize)
	names := shardNames(len(shards))
	if err := checkNoOtherWeights(dir, names); err != nil {
		return nil, err
	}
	w := newWriter(dir)
	var total int64
	weightMap := map[string]string{}
	layouts := make([]layout, len(shards))
	for i, shard := range shards {
		l, err := layoutSafetensors(shard, metadata)
		if err != nil {
			return nil, failf(dir, "%w", err)
		}
		for _, t := range shard {
			if _, twice := weightMap[t.Name]; twice {
				return nil, failf(dir, "tensor %q appears twice", t.Name)
			}
			weightMap[t.Name] = names[i]
			total += t.Bytes
		}
		layouts[i] = l
	}
	if err := checkSpace(filepath.Join(dir, names[0]), total); err != nil {
		return nil, err
	}
	for i, l := range layouts {
		if err := w.start(filepath.Join(dir, names[i]), l); err != nil {
			return nil, err
		}
	}
	if len(shards) > 1 {
		var err error
		w.index, err = json.MarshalIndent(map[string]any{
			"metadata": map[string]any{"total_size": total}, "weight_map": weightMap,
		}, "", "  ")
		if err != nil {
			w.Abort()
			return nil, failf(dir, "%w", err)
		}
	}
	return w, nil
}

func newWriter(path string) *Writer { return &Writer{path: path, places: map[string]*place{}} }

// start adds a file. On failure everything begun so far is removed.
func (w *Writer) start(path string, l layout) error {
	p, err := createPartial(path, l.size)
	if err != nil {
		w.Abort()
		return err
	}
	w.files = append(w.files, p)
	if _, err := p.f.WriteAt(l.header, 0); err != nil {
		w.Abort()
		return p.fail(err)
	}
	for i, t := range l.tensors {
		w.places[t.Name] = &place{info: t, file: p, offset: l.offsets[i]}
	}
	return nil
}

// Write writes a tensor's stored bytes. It is an error when the tensor was not announced, was written already, or has
// another size.
func (w *Writer) Write(name string, data []byte) error {
	p, err := w.claim(name)
	if err != nil {
		return err
	}
	if int64(len(data)) != p.info.Bytes {
		return w.reject(name, "%d bytes given, %s of shape %v takes %d", len(data), typeName(p.info.Type), p.info.Shape, p.info.Bytes)
	}
	return w.writeAt(p, data, 0)
}

// writeChunk is how many values WriteFloat32 converts at a time: it bounds the memory, not the result.
const writeChunk = 1 << 22

// WriteFloat32 writes a tensor's values, rounded to the type it was announced with: F64, F32, F16, BF16, Q8_0, Q4_0 or
// Q4_1.
func (w *Writer) WriteFloat32(name string, src []float32) error {
	p, err := w.claim(name)
	if err != nil {
		return err
	}
	if n := p.info.Elements(); len(src) != n {
		return w.reject(name, "%d values given, shape %v has %d", len(src), p.info.Shape, n)
	}
	t := p.info.Type
	for lo := 0; lo < len(src); lo += writeChunk {
		part := src[lo:min(lo+writeChunk, len(src))]
		w.scratch = grow(w.scratch, len(part)/t.BlockSize()*t.BlockBytes())
		if err := encode(t, w.scratch, part); err != nil {
			return w.reject(name, "%w", err)
		}
		if err := w.writeAt(p, w.scratch, int64(lo/t.BlockSize()*t.BlockBytes())); err != nil {
			return err
		}
	}
	return nil
}

// claim marks a tensor as written.
func (w *Writer) claim(name string) (*place, error) {
	if w.err != nil {
		return nil, w.err
	}
	p, ok := w.places[name]
	switch {
	case w.closed:
		return nil, failf(w.path, "tensor %q: the writer is closed", name)
	case !ok:
		return nil, w.reject(name, "was not announced when the file was created")
	case p.written:
		return nil, w.reject(name, "was written already")
	}
	p.written = true
	return p, nil
}

func (w *Writer) reject(name, format string, args ...any) error {
	w.err = failf(w.path, "tensor %q: "+format, append([]any{name}, args...)...)
	return w.err
}

func (w *Writer) writeAt(p *place, data []byte, at int64) error {
	if _, err := p.file.f.WriteAt(data, p.offset+at); err != nil {
		w.err = p.file.fail(fmt.Errorf("tensor %q: %w", p.info.Name, err))
	}
	return w.err
}

// Close completes the checkpoint: every announced tensor must have been written. The bytes are made durable before the
// files get their final names, an index last. On any failure, the present one or an earlier one, it aborts.
func (w *Writer) Close() error {
	if w.closed {
		return nil
	}
	if w.err == nil {
		for _, name := range slices.Sorted(maps.Keys(w.places)) {
			if !w.places[name].written {
				w.reject(name, "was announced and never written")
				break
			}
		}
	}
	if w.err != nil {
		w.Abort()
		return w.err
	}
	w.closed = true
	for i, p := range w.files {
		if err := p.commit(); err != nil {
			for _, rest := range w.files[i+1:] {
				rest.abort()
			}
			return err
		}
	}
	if w.index != nil {
		return writeFile(filepath.Join(w.path, indexName), append(w.index, '\n'))
	}
	return nil
}

// Abort removes what was written. After Close it does nothing.
func (w *Writer) Abort() {
	if w.closed {
		return
	}
	w.closed = true
	for _, p := range w.files {
		p.abort()
	}
}

// splitShards cuts a list of tensors into runs of at most size bytes.
func splitShards(tensors []Info, size int64) [][]Info {
	shards := [][]Info{nil}
	var used int64
	for _, t := range tensors {
		last := len(shards) - 1
		if len(shards[last]) > 0 && used+t.Bytes > size {
			shards, used = append(shards, nil), 0
			last++
		}
		shards[last] = append(shards[last], t)
		used += t.Bytes
	}
	return shards
}

func shardNames(n int) []string {
	if n == 1 {
		return []string{"model.safetensors"}
	}
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("model-%05d-of-%05d.safetensors", i+1, n)
	}
	return names
}

func checkNoOtherWeights(dir string, names []string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return failf(dir, "%w", err)
	}
	for _, e := range entries {
		other := strings.HasSuffix(e.Name(), ".safetensors") && !slices.Contains(names, e.Name())
		if other || strings.HasSuffix(e.Name(), indexSuffix) && len(names) == 1 {
			return failf(dir, "it holds other weights, %s; choose an empty folder", e.Name())
		}
	}
	return nil
}

// checkTensors checks what a file is to hold: distinct valid names, sizes that fit the shapes.
func checkTensors(tensors []Info) error {
	seen := make(map[string]bool, len(tensors))
	for _, t := range tensors {
		size, err := sizeOf(t.Type, t.Shape)
		switch {
		case t.Name == "" || !utf8.ValidString(t.Name):
			err = errors.New("the name is empty or not valid UTF-8")
		case seen[t.Name]:
			err = errors.New("appears twice")
		case err == nil && size != t.Bytes:
			err = fmt.Errorf("%d bytes announced, %s of shape %v takes %d", t.Bytes, typeName(t.Type), t.Shape, size)
		}
		if err != nil {
			return fmt.Errorf("tensor %q: %w", t.Name, err)
		}
		seen[t.Name] = true
	}
	return nil
}
