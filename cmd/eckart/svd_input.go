package main

import (
	"context"
	"errors"
	"fmt"

	"gonum.org/v1/gonum/blas/blas64"

	"github.com/eckart-go/eckart/linop"
	"github.com/eckart-go/eckart/lowrank"
	"github.com/eckart-go/eckart/matfile"
)

// svdInput is the matrix that svd works on: in memory, or in a file that is read as often as products ask for.
type svdInput struct {
	path       string
	format     string
	operator   linop.Operator
	entries    int           // of a sparse matrix
	omitted    []string      // columns that are not numbers
	file       *matfile.File // nil in memory
	stream     *linop.Stream // of the file, or of a matrix in memory that is to be treated like one
	transposed bool          // the stream's rows are columns
	swapped    bool          // what was decomposed is the transpose
	why        string        // the reason for the method, if it was the input
}

// copiesInMemory is how many times a dense matrix is in memory, at most, while it is decomposed.
const copiesInMemory = 3

// openMatrix opens the matrix at path. It stays on disk if the flags ask for that or it is too large.
func openMatrix(ctx context.Context, e *env, path string, f svdFlags, method lowrank.Method) (*svdInput, error) {
	opts := matfile.Options{Array: f.array, Limit: f.memory << 20}
	if path != "-" {
		file, err := matfile.Open(path, opts)
		switch {
		case errors.Is(err, matfile.ErrNotRows): // to be read at once
		case err != nil:
			return nil, err
		default:
			m, n := file.Dims()
			need := 8 * copiesInMemory * float64(m) * float64(n)
			all := method == lowrank.Exact || method == lowrank.Gram // these take all elements
			if method == lowrank.TwoPass || need > float64(f.memory<<20) && !all {
				return inputOfFile(ctx, e, path, file), nil
			}
			if err := file.Close(); err != nil {
				return nil, err
			}
			if need > float64(f.memory<<20) {
				return nil, fmt.Errorf("%s: method %s on %d x %d elements takes about %.0f MiB: allow it by --memory, or take --method stream", path, f.method, m, n, need/(1<<20))
			}
		}
	}
	m, err := matfile.Read(path, opts)
	if err := errors.Join(err, ctx.Err()); err != nil {
		return nil, err
	}
	in := &svdInput{path: path, format: m.Format, operator: m.Operator(), omitted: m.Omitted}
	if m.Sparse() {
		in.entries = m.CSR.NNZ()
	}
	if rows, ok := in.operator.(linop.Rows); ok && method == lowrank.TwoPass {
		in.stream = linop.NewStream(rows)
		in.operator = in.stream
	}
	return in, nil
}

// inputOfFile returns the matrix of an open file, with a bar for every pass.
func inputOfFile(ctx context.Context, e *env, path string, file *matfile.File) *svdInput {
	in := &svdInput{path: path, format: file.Format(), file: file, transposed: file.Transposed()}
	in.stream = linop.NewStream(&watched{ctx: ctx, rows: file, env: e})
	in.operator = in.stream
	if in.transposed {
		in.operator = linop.Transposed(in.stream)
	}
	return in
}

func (in *svdInput) close() {
	if in.file != nil {
		in.file.Close() // it was only read
	}
}

// workFactor is how many blocks of k+10 vectors of both sides the methods hold at once, with room for the factors themselves.
const workFactor = 5

// fits returns an error if k singular vectors of both sides, and the work on them, take more than limit bytes: a sparse matrix
// may have so many rows or columns.
func (in *svdInput) fits(k int, limit int64) error {
	m, n := in.operator.Dims()
	if need := 8 * workFactor * (float64(m) + float64(n)) * float64(k+10); need > float64(limit) {
		return fmt.Errorf("%s: %d singular vectors of a matrix of %d x %d take about %.0f MiB: ask for fewer by -k or allow more by --memory", in.path, max(1, k), m, n, need/(1<<20))
	}
	return nil
}

// watched shows the progress of every pass over rows, and ends one when its context does.
type watched struct {
	ctx    context.Context // of the verb: linop.Rows takes none
	rows   linop.Rows
	env    *env
	passes int
}

func (w *watched) Dims() (m, n int) { return w.rows.Dims() }

func (w *watched) EachBlock(f func(first int, block blas64.General) error) error {
	w.passes++
	m, _ := w.rows.Dims()
	report := w.env.progress(fmt.Sprintf("pass %d", w.passes), "rows")
	return w.rows.EachBlock(func(first int, block blas64.General) error {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		if err := f(first, block); err != nil {
			return err
		}
		report(int64(first+block.Rows), int64(m))
		return nil
	})
}
