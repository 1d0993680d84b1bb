package matfile

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"gonum.org/v1/gonum/blas/blas64"

	"github.com/eckart-go/eckart/linop"
)

// File is a dense matrix that stays on disk: an .npy file, or an array of an .npz file that is not compressed. A pass reads it
// once, a block at a time, the next block while the last is worked on; nothing of it stays in memory.
//
// What a pass delivers are the lines that lie side by side in the file: the rows of the matrix in C order, and its columns in
// Fortran order. Operator makes up for that.
type File struct {
	closer      io.Closer
	data        io.ReaderAt // the elements
	array       *array      // type and order
	lines, size int         // lines of the file and elements in each
	columns     bool        // lines are columns
	block       int         // bytes of a block as float64
	path        string
	format      string
}

// DefaultBlock is the Block of Options that name none.
const DefaultBlock = 32 << 20

// Open opens the file at path, an .npy file or an .npz file that has the array named by opts, or only one. It fails for other
// formats, and for what does not lie in the file as it is: compressed arrays, sparse matrices. The error then wraps ErrNotRows;
// Read reads those.
func Open(path string, opts Options) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("matfile: %w", err)
	}
	file, err := open(f, opts)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("matfile: %s: %w", path, err)
	}
	file.closer, file.path, file.block = f, path, opts.Block
	if opts.Block <= 0 {
		file.block = DefaultBlock
	}
	return file, nil
}

// ErrNotRows says that a file is no dense matrix whose rows can be read where they lie.
var ErrNotRows = errors.New("not a dense .npy file, nor an array of an .npz file that is not compressed")

func open(f *os.File, opts Options) (*File, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, ErrNotRows
	}
	magic := make([]byte, len(npyMagic))
	if _, err := io.ReadFull(io.NewSectionReader(f, 0, info.Size()), magic); err != nil {
		return nil, ErrNotRows
	}
	switch {
	case string(magic) == npyMagic:
		return openNPY("npy", f, info.Size())
	case strings.HasPrefix(string(magic), zipMagic):
		return openMember(f, info.Size(), opts.Array)
	}
	return nil, ErrNotRows
}

// openMember opens an array of an archive.
func openMember(f *os.File, size int64, name string) (*File, error) {
	z, err := zip.NewReader(f, size)
	if err != nil {
		return nil, fmt.Errorf("npz: %w", err)
	}
	var found *zip.File
	for _, member := range z.File {
		if member.Name == name+".npy" || name == "" && strings.HasSuffix(member.Name, ".npy") {
			if found != nil {
				return nil, fmt.Errorf("several arrays: %w", ErrNotRows)
			}
			found = member
		}
	}
	if found == nil || found.Method != zip.Store || found.UncompressedSize64 != found.CompressedSize64 {
		return nil, ErrNotRows
	}
	at, err := found.DataOffset()
	if err != nil || at < 0 || found.UncompressedSize64 > uint64(size-min(size, at)) {
		return nil, fmt.Errorf("npz: %s: it does not lie in the file: damaged?", found.Name)
	}
	n := int64(found.UncompressedSize64)
	return openNPY("npz", io.NewSectionReader(f, at, n), n)
}

// openNPY reads the header of an .npy file of size bytes.
func openNPY(format string, r io.ReaderAt, size int64) (*File, error) {
	head := make([]byte, min(size, beforeHeader))
	if _, err := r.ReadAt(head, 0); err != nil {
		return nil, fmt.Errorf("npy: %w", err)
	}
	start, end, err := npyHeader(head, size)
	if err != nil {
		return nil, err
	}
	header := make([]byte, end-start)
	if _, err := r.ReadAt(header, start); err != nil {
		return nil, fmt.Errorf("npy: %w", err)
	}
	a, err := describe(string(header), size-end)
	if err != nil {
		return nil, err
	}
	rows, cols, err := a.dims()
	if err := errors.Join(err, a.checkNumbers()); err != nil {
		return nil, err
	}
	if rows < 1 || cols < 1 {
		return nil, fmt.Errorf("the matrix is %d x %d; expected at least one element", rows, cols)
	}
	f := &File{format: format, data: io.NewSectionReader(r, end, size-end), array: a, lines: rows, size: cols}
	if a.fortran {
		f.lines, f.size, f.columns = cols, rows, true
	}
	return f, nil
}

// Close closes the file.
func (f *File) Close() error { return f.closer.Close() }

// Dims returns the number of lines and the elements in each: the rows and columns of the matrix, or, in Fortran order, of its
// transpose.
func (f *File) Dims() (m, n int) { return f.lines, f.size }

// Transposed reports whether the lines are columns of the matrix (Fortran order).
func (f *File) Transposed() bool { return f.columns }

// Format is "npy" or "npz".
func (f *File) Format() string { return f.format }

// Operator returns the matrix by its products, each a pass over the file, and the stream that counts the passes and delivers
// the file's lines.
func (f *File) Operator() (linop.Operator, *linop.Stream) {
	s := linop.NewStream(f)
	if f.columns {
		return linop.Transposed(s), s
	}
	return s, s
}

// part is a block on its way from the file.
type part struct {
	first, rows int
	raw         []byte
	err         error
}

// EachBlock calls f for consecutive blocks of lines. One goroutine reads ahead by one block.
func (f *File) EachBlock(use func(first int, block blas64.General) error) error {
	rows := max(1, min(f.lines, f.block/8/f.size))
	elements := make([]float64, rows*f.size)
	stop, full, empty := make(chan struct{}), make(chan part), make(chan []byte, 2)
	for range 2 {
		empty <- make([]byte, rows*f.size*f.array.size)
	}
	go f.readAhead(rows, full, empty, stop)
	defer close(stop)
	for p := range full {
		if p.err != nil {
			return fmt.Errorf("matfile: %s: %w", f.path, p.err)
		}
		a := *f.array
		a.data = p.raw
		block := elements[:p.rows*f.size]
		if err := a.floatsTo(block, p.first*f.size); err != nil {
			return fmt.Errorf("matfile: %s: %w", f.path, err)
		}
		empty <- p.raw
		if err := use(p.first, blas64.General{Rows: p.rows, Cols: f.size, Stride: f.size, Data: block}); err != nil {
			return err
		}
	}
	return nil
}

// readAhead sends the file's blocks to full, in buffers from empty, until the end, an error or stop.
func (f *File) readAhead(rows int, full chan<- part, empty <-chan []byte, stop <-chan struct{}) {
	defer close(full)
	line := f.size * f.array.size
	for first := 0; first < f.lines; first += rows {
		p := part{first: first, rows: min(rows, f.lines-first)}
		select {
		case p.raw = <-empty:
		case <-stop:
			return
		}
		p.raw = p.raw[:p.rows*line]
		if _, err := f.data.ReadAt(p.raw, int64(first)*int64(line)); err != nil && !errors.Is(err, io.EOF) {
			p.err = err
		} else if err != nil && first+p.rows < f.lines {
			p.err = io.ErrUnexpectedEOF
		}
		select {
		case full <- p:
		case <-stop:
			return
		}
	}
}
