package matfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/eckart-go/eckart/internal/pool"
)

// NumPy's format, versions 1 to 3: the magic, two bytes of version, the header's length, the header (a Python dictionary),
// and the elements (numpy.lib.format, NEP 1).
const npyMagic = "\x93NUMPY"

// array is an .npy file taken apart.
type array struct {
	kind    byte // 'f', 'i', 'u', 'b', 'S' or 'U'
	size    int  // bytes of an element
	order   binary.ByteOrder
	fortran bool
	shape   []int
	data    []byte // as many bytes as the shape says
}

// parseNPY reads a matrix; a vector is a column.
func parseNPY(data []byte) (*Matrix, error) {
	a, err := parseArray(data)
	if err != nil {
		return nil, err
	}
	return a.matrix("npy")
}

// parseArray reads the header and checks it against the data.
func parseArray(data []byte) (*array, error) {
	start, end, err := npyHeader(data, int64(len(data)))
	if err != nil {
		return nil, err
	}
	a, err := describe(string(data[start:end]), int64(len(data))-end)
	if err != nil {
		return nil, err
	}
	a.data = data[end:]
	return a, nil
}

// describe reads the dictionary of a file that has so many bytes of elements.
func describe(header string, have int64) (*array, error) {
	d, err := parseDictionary(header)
	if err != nil {
		return nil, fmt.Errorf("npy header: %w", err)
	}
	a := &array{fortran: d.fortran, shape: d.shape}
	if err := a.setType(d.descr); err != nil {
		return nil, err
	}
	need := int64(a.size)
	for _, n := range a.shape {
		var ok bool
		if need, ok = cells(int(need), n); !ok {
			return nil, fmt.Errorf("npy header: shape %v has more elements than any file", a.shape)
		}
	}
	if need != have {
		return nil, fmt.Errorf("npy: shape %v of %s takes %d bytes, %d follow the header: truncated, or damaged?", a.shape, d.descr, need, have)
	}
	return a, nil
}

// beforeHeader is how many bytes npyHeader looks at.
const beforeHeader = 12

// npyHeader returns where the dictionary's text begins and ends in a file of size bytes that begins with head. The elements
// follow it.
func npyHeader(head []byte, size int64) (start, end int64, err error) {
	if len(head) < 10 || string(head[:6]) != npyMagic {
		return 0, 0, errors.New("npy: the file ends within its header")
	}
	var length int64
	switch major := head[6]; major {
	case 1:
		length, start = int64(binary.LittleEndian.Uint16(head[8:])), 10
	case 2, 3:
		if len(head) < beforeHeader {
			return 0, 0, errors.New("npy: the file ends within its header")
		}
		length, start = int64(binary.LittleEndian.Uint32(head[8:])), beforeHeader
	default:
		return 0, 0, fmt.Errorf("npy: format version %d.%d; expected 1, 2 or 3", major, head[7])
	}
	if length > size-start {
		return 0, 0, fmt.Errorf("npy: a header of %d bytes is announced, %d are in the file", length, size-start)
	}
	return start, start + length, nil
}

// setType reads a type such as "<f8".
func (a *array) setType(descr string) error {
	unknown := fmt.Errorf("npy: elements of type %q; expected real numbers: f2, f4, f8, i1 to i8, u1 to u8 or b1", descr)
	if len(descr) < 3 {
		return unknown
	}
	switch descr[0] {
	case '<', '|', '=':
		a.order = binary.LittleEndian
	case '>':
		a.order = binary.BigEndian
	default:
		return unknown
	}
	a.kind = descr[1]
	known := map[byte]string{'f': "f2 f4 f8", 'i': "i1 i2 i4 i8", 'u': "u1 u2 u4 u8", 'b': "b1"}
	if slices.Contains(strings.Fields(known[a.kind]), descr[1:]) {
		a.size = int(descr[2] - '0')
		return nil
	}
	if a.kind == 'S' || a.kind == 'U' { // the format's name in SciPy's files
		n, err := parseCount(descr[2:])
		if err != nil || n > 64 {
			return unknown
		}
		if a.size = n; a.kind == 'U' {
			a.size = 4 * n
		}
		return nil
	}
	return unknown
}

// dims returns the rows and columns of an array with one or two dimensions; a vector is a column.
func (a *array) dims() (rows, cols int, err error) {
	switch len(a.shape) {
	case 1:
		return a.shape[0], 1, nil
	case 2:
		return a.shape[0], a.shape[1], nil
	}
	return 0, 0, fmt.Errorf("npy: %d dimensions, shape %v; expected a matrix", len(a.shape), a.shape)
}

// matrix returns the elements of an array with one or two dimensions.
func (a *array) matrix(format string) (*Matrix, error) {
	m := &Matrix{Format: format}
	var err error
	if m.Rows, m.Cols, err = a.dims(); err != nil {
		return nil, err
	}
	if m.Elements, err = a.floats(); err != nil {
		return nil, err
	}
	if a.fortran {
		m.Elements = fromColumns(m.Elements, m.Rows, m.Cols)
	}
	return m, nil
}

// exact is the largest integer up to which float64 holds them all.
const exact = 1 << 53

// checkNumbers fails for arrays of text.
func (a *array) checkNumbers() error {
	if a.kind == 'S' || a.kind == 'U' {
		return fmt.Errorf("npy: the elements are text; expected numbers")
	}
	return nil
}

// floats returns the elements in stored order. It fails for integers that float64 cannot hold.
func (a *array) floats() ([]float64, error) {
	if err := a.checkNumbers(); err != nil {
		return nil, err
	}
	out := make([]float64, len(a.data)/a.size)
	return out, a.floatsTo(out, 0)
}

// floatsTo converts the first len(out) elements of data, which are number first and on of the array, in parallel.
func (a *array) floatsTo(out []float64, first int) error {
	const grain = 1 << 16
	errs := make([]error, (len(out)+grain-1)/grain)
	pool.Ranges(len(out), grain, func(lo, hi int) {
		switch {
		case a.kind == 'f' && a.size == 8 && a.order == binary.LittleEndian:
			for i := lo; i < hi; i++ {
				out[i] = math.Float64frombits(binary.LittleEndian.Uint64(a.data[8*i:]))
			}
		case a.kind == 'f' && a.size == 4 && a.order == binary.LittleEndian:
			for i := lo; i < hi; i++ {
				out[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(a.data[4*i:])))
			}
		case a.kind == 'f':
			for i := lo; i < hi; i++ {
				out[i] = a.float(i)
			}
		default:
			errs[lo/grain] = a.integersTo(out, lo, hi, first)
		}
	})
	for _, err := range errs {
		if err != nil {
			return err // the first in the file's order
		}
	}
	return nil
}

func (a *array) integersTo(out []float64, lo, hi, first int) error {
	for i := lo; i < hi; i++ {
		v, ok := a.integer(i)
		if !ok || v > exact || v < -exact {
			return fmt.Errorf("npy: element %d is beyond ±2^53: it has no exact float64; convert the array first", first+i)
		}
		out[i] = float64(v)
	}
	return nil
}

// float returns element i of a float array.
func (a *array) float(i int) float64 {
	switch b := a.data[i*a.size:]; a.size {
	case 2:
		return half(a.order.Uint16(b))
	case 4:
		return float64(math.Float32frombits(a.order.Uint32(b)))
	default:
		return math.Float64frombits(a.order.Uint64(b))
	}
}

// half returns the value of an IEEE 754 half-precision number.
func half(h uint16) float64 {
	exponent, fraction := int(h>>10&31), float64(h&1023)
	v := math.Ldexp(1+fraction/1024, exponent-15)
	switch {
	case exponent == 0:
		v = math.Ldexp(fraction, -24)
	case exponent == 31 && fraction == 0:
		v = math.Inf(1)
	case exponent == 31:
		v = math.NaN()
	}
	if h>>15 == 1 {
		return -v
	}
	return v
}

// integer returns element i of an array of integers or truth values, and whether an int64 holds it.
func (a *array) integer(i int) (int64, bool) {
	b := a.data[i*a.size:]
	var u uint64
	switch a.size {
	case 1:
		u = uint64(b[0])
	case 2:
		u = uint64(a.order.Uint16(b))
	case 4:
		u = uint64(a.order.Uint32(b))
	default:
		u = a.order.Uint64(b)
	}
	if a.kind != 'i' {
		return int64(u), u <= math.MaxInt64
	}
	shift := 64 - 8*a.size
	return int64(u<<shift) >> shift, true
}
