package checkpoint

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A sharded checkpoint is several safetensors files in one folder and an index, {"metadata": {"total_size": bytes},
// "weight_map": {tensor: file}}.

const (
	indexSuffix = ".safetensors.index.json"
	indexName   = "model" + indexSuffix
	maxIndex    = 256 << 20 // no index of a real model is near it
)

// openIndex opens the shards that an index names.
func openIndex(path string) (_ *Checkpoint, err error) {
	text, err := readLimited(path, maxIndex)
	if err != nil {
		return nil, err
	}
	where, err := parseIndex(path, text)
	if err != nil {
		return nil, err
	}
	c := &Checkpoint{path: path, dir: filepath.Dir(path), format: Safetensors, index: map[string]int{}, metadata: map[string]any{}}
	defer func() {
		if err != nil {
			c.Close()
		}
	}()
	for _, shard := range slices.Sorted(maps.Keys(shardsOf(where))) {
		if err := c.addShard(filepath.Join(filepath.Dir(path), shard), shard, where); err != nil {
			return nil, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(where)) {
		if _, ok := c.index[name]; !ok {
			return nil, failf(path, "tensor %q: not in %s, which should hold it: mixed versions of a model?", name, where[name])
		}
	}
	return c, nil
}

// addShard maps one shard and takes its tensors over.
func (c *Checkpoint) addShard(path, shard string, where map[string]string) error {
	m, err := mapFile(path)
	if err != nil {
		return err
	}
	c.maps = append(c.maps, m)
	f, err := parseSafetensors(path, m.bytes)
	if err != nil {
		return err
	}
	for i, t := range f.tensors {
		if _, twice := c.index[t.Name]; twice {
			return failf(path, "tensor %q: also in another shard", t.Name)
		}
		if where[t.Name] != shard {
			return failf(path, "tensor %q: the index does not place it in this shard", t.Name)
		}
		c.index[t.Name] = len(c.tensors)
		c.tensors, c.data = append(c.tensors, t), append(c.data, f.data[i])
	}
	maps.Copy(c.metadata, f.metadata)
	return nil
}

func shardsOf(where map[string]string) map[string]bool {
	shards := map[string]bool{}
	for _, s := range where {
		shards[s] = true
	}
	return shards
}

// parseIndex returns the file that holds each tensor. A shard must be a plain safetensors file name: an index must not
// reach outside its folder, nor name another index.
func parseIndex(path string, text []byte) (map[string]string, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	var where map[string]string
	err := eachKey(dec, func(key string) error {
		if key != "weight_map" {
			return skipValue(dec)
		}
		if where != nil {
			return fmt.Errorf("%q appears twice", key)
		}
		where = map[string]string{}
		return eachKey(dec, func(name string) error {
			var shard string
			if err := dec.Decode(&shard); err != nil {
				return fmt.Errorf("tensor %q: expected a file name: %w", name, err)
			}
			if _, twice := where[name]; twice {
				return fmt.Errorf("tensor %q appears twice", name)
			}
			if err := checkShardName(shard); err != nil {
				return fmt.Errorf("tensor %q: %w", name, err)
			}
			where[name] = shard
			return nil
		})
	})
	if err != nil {
		return nil, failf(path, "%w", err)
	}
	if dec.More() {
		return nil, failf(path, "data after the JSON object, at byte %d", dec.InputOffset())
	}
	if len(where) == 0 {
		return nil, failf(path, `no "weight_map", or an empty one`)
	}
	return where, nil
}

func checkShardName(shard string) error {
	if strings.ContainsAny(shard, `/\:`) || !filepath.IsLocal(shard) || strings.ContainsRune(shard, 0) {
		return fmt.Errorf("shard %q is not a plain file name; it must lie in the index's own folder", shard)
	}
	if !strings.HasSuffix(shard, ".safetensors") {
		return fmt.Errorf("shard %q is not a .safetensors file", shard)
	}
	return nil
}

// readLimited reads a small file, refusing one larger than limit bytes.
func readLimited(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, failf(path, "%w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	switch {
	case err != nil:
		return nil, failf(path, "%w", err)
	case !st.Mode().IsRegular():
		return nil, failf(path, "expected a regular file")
	case st.Size() > limit:
		return nil, failf(path, "%d bytes, at most %d expected", st.Size(), limit)
	}
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, failf(path, "%w", err)
	}
	return text, nil
}
