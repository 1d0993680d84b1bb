package checkpoint

import (
	"math"
	"os"

	"github.com/edsrzf/mmap-go"
)

// mapping is a file mapped into memory for reading.
type mapping struct {
	bytes []byte
	m     mmap.MMap
}

// mapFile maps the whole of a regular file. An empty file gives an empty mapping.
func mapFile(path string) (*mapping, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, failf(path, "%w", err)
	}
	defer f.Close() // the mapping keeps the file
	st, err := f.Stat()
	if err != nil {
		return nil, failf(path, "%w", err)
	}
	switch {
	case !st.Mode().IsRegular():
		return nil, failf(path, "expected a regular file")
	case st.Size() == 0:
		return &mapping{}, nil
	case st.Size() > math.MaxInt:
		return nil, failf(path, "%d bytes cannot be mapped on this 32-bit machine", st.Size())
	}
	m, err := mmap.Map(f, mmap.RDONLY, 0)
	if err != nil {
		return nil, failf(path, "mapping into memory: %w", err)
	}
	return &mapping{bytes: m, m: m}, nil
}

func (m *mapping) close() error {
	m.bytes = nil
	if m.m == nil {
		return nil
	}
	return m.m.Unmap()
}
