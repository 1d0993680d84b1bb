// Package matfile reads matrices from the files that numeric programs exchange: NumPy's .npy and .npz (SciPy's sparse matrices
// among them), MatrixMarket, text with separators, LIBSVM's text and Parquet. The format is found by content, gzip included, so
// a stream works as well as a file. It writes .npy and .npz, sparse matrices too.
//
// Read brings a whole matrix into memory, as elements or as a sparse.CSR: what is stored as entries is never made dense unless
// Dense is called. Open leaves an .npy file, or an array in an .npz file that is not compressed, on disk and delivers its rows
// a block at a time (linop.Rows), for matrices larger than memory.
//
// No input can make it panic or allocate more than a small multiple of its size: shapes are checked against the data that is
// there before anything is allocated, and what a compressed file expands to is bounded by Options.Limit. Errors name the file,
// the line or element, what was expected and what was found.
package matfile

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math/bits"
	"os"
	"slices"

	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/linop"
	"github.com/eckart-go/eckart/sparse"
)

// DefaultLimit is the Limit of Options that name none.
const DefaultLimit = 4 << 30

// Options tunes Read; its zero value is the recommended setting.
type Options struct {
	Array string // name of the array in an .npz file that holds several
	// Limit is the most bytes that a compressed file may expand to, or that a sparse matrix may have as a dense one; 0:
	// DefaultLimit.
	Limit int64
	Block int // bytes that Open's EachBlock has in memory at once, as float64; 0: 32 MiB
}

func (o Options) limit() int64 {
	if o.Limit <= 0 {
		return DefaultLimit
	}
	return o.Limit
}

// Matrix is a matrix as it was stored: all elements in row order, or those that are not zero.
type Matrix struct {
	Format     string // "npy", "npz", "mtx", "text", "libsvm" or "parquet"
	Rows, Cols int
	Elements   []float64            // rows*cols of a dense matrix; nil for a sparse one
	CSR        *sparse.CSR[float64] // a sparse matrix; nil for a dense one
	Names      []string             // of the columns, if the file has them: a header, Parquet's columns
	Omitted    []string             // Parquet's columns that are not numbers
	Labels     []float64            // of LIBSVM's rows
	limit      int64
}

// Sparse reports whether the matrix was stored as a list of entries.
func (m *Matrix) Sparse() bool { return m.CSR != nil }

// Dense returns all elements. Those of a dense matrix are shared with m. It fails for a sparse matrix that would take more
// than the Limit it was read with.
func (m *Matrix) Dense() (*mat.Dense, error) {
	if !m.Sparse() {
		return mat.NewDense(m.Rows, m.Cols, m.Elements), nil
	}
	n, ok := cells(m.Rows, m.Cols)
	if !ok || n > (Options{Limit: m.limit}).limit()/8 {
		return nil, fmt.Errorf("matfile: %d x %d elements of a sparse matrix take more than %d bytes: raise the limit or give a smaller matrix",
			m.Rows, m.Cols, (Options{Limit: m.limit}).limit())
	}
	return m.CSR.Dense(), nil
}

// Operator returns the matrix as it was stored, by its products; it shares the elements.
func (m *Matrix) Operator() linop.Operator {
	if m.Sparse() {
		return m.CSR
	}
	return linop.Dense{Rows: m.Rows, Cols: m.Cols, Stride: m.Cols, Data: m.Elements}
}

// setEntries makes m the sparse matrix of the given entries, from a file of the given size: rows cost memory even where they
// are empty, so there may not be many more of them than the file has bytes.
func (m *Matrix) setEntries(entries []sparse.Triplet[float64], size int) error {
	if m.Rows > max(1<<20, size) {
		return fmt.Errorf("%d x %d with %d entries: more rows than the file has bytes; expected a matrix with few empty rows", m.Rows, m.Cols, len(entries))
	}
	var err error
	m.CSR, err = sparse.FromTriplets(m.Rows, m.Cols, entries)
	return err
}

// cells returns rows*cols for sizes that are not negative, and whether that is an int64 from which bytes can be counted.
func cells(rows, cols int) (int64, bool) {
	hi, lo := bits.Mul64(uint64(rows), uint64(cols))
	return int64(lo), hi == 0 && lo < 1<<59
}

// Read reads the matrix at path; "-" is standard input.
func Read(path string, opts Options) (*Matrix, error) {
	var data []byte
	var err error
	if path == "-" {
		data, err = io.ReadAll(os.Stdin)
		path = "standard input"
	} else {
		data, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, fmt.Errorf("matfile: %w", err)
	}
	m, err := Parse(data, opts)
	if err != nil {
		return nil, fmt.Errorf("matfile: %s: %w", path, err)
	}
	return m, nil
}

// Parse reads a matrix from the bytes of a file.
func Parse(data []byte, opts Options) (*Matrix, error) {
	if len(data) == 0 {
		return nil, fmt.Errorf("the file is empty; expected .npy, .npz, MatrixMarket, Parquet, LIBSVM or text")
	}
	if bytes.HasPrefix(data, []byte(gzipMagic)) {
		expanded, err := gunzip(data, opts.limit())
		if err != nil {
			return nil, err
		}
		data = expanded
	}
	var m *Matrix
	var err error
	switch {
	case bytes.HasPrefix(data, []byte(npyMagic)):
		m, err = parseNPY(data)
	case bytes.HasPrefix(data, []byte(zipMagic)):
		m, err = parseNPZ(data, opts)
	case bytes.HasPrefix(data, []byte(parquetMagic)):
		m, err = parseParquet(data, opts.limit())
	case bytes.HasPrefix(bytes.ToLower(data[:min(len(data), len(mtxMagic))]), []byte(mtxMagic)):
		m, err = parseMTX(data)
	case bytes.IndexByte(data, 0) >= 0:
		return nil, fmt.Errorf("binary data of an unknown format; expected .npy, .npz, MatrixMarket, Parquet, LIBSVM or text")
	case isLIBSVM(data):
		m, err = parseLIBSVM(data)
	default:
		m, err = parseText(data)
	}
	if err != nil {
		return nil, err
	}
	if m.Rows < 1 || m.Cols < 1 {
		return nil, fmt.Errorf("the matrix is %d x %d; expected at least one element", m.Rows, m.Cols)
	}
	m.limit = opts.limit()
	return m, nil
}

// The first bytes of formats that are not ours.
const (
	gzipMagic = "\x1f\x8b"
	zipMagic  = "PK"
)

// gunzip expands data to at most limit bytes.
func gunzip(data []byte, limit int64) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("gzip: %w", err)
	}
	return expand(z, limit, "gzip")
}

// expand reads all of a decompressor.
func expand(r io.Reader, limit int64, what string) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s: expands to more than %d bytes: raise the limit if it is what it claims to be", what, limit)
	}
	return data, nil
}

// fromColumns returns the elements of a matrix in row order, given in column order.
func fromColumns(values []float64, rows, cols int) []float64 {
	if rows == 1 || cols == 1 {
		return values
	}
	out := make([]float64, len(values))
	const block = 32 // so that a cache line that was fetched is used
	for i0 := 0; i0 < rows; i0 += block {
		for j0 := 0; j0 < cols; j0 += block {
			for i := i0; i < min(i0+block, rows); i++ {
				for j := j0; j < min(j0+block, cols); j++ {
					out[i*cols+j] = values[j*rows+i]
				}
			}
		}
	}
	return slices.Clip(out)
}
