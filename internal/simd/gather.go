package simd

import "fmt"

//go:generate go -C _asm run . gather -out ../gather_amd64.s -stubs ../gather_stubs_amd64.go -pkg simd

// gatherFunc adds the rows of X that index names, each times a value, to dst:
//
//	dst[c] += sum_k values[k] x[index[k]*ldx+c]    k ascending
//
// x holds rows rows of len(dst) elements, ldx apart, index and values are of equal length. It reports false, with dst
// unspecified, if an index is not below rows.
type gatherFunc[T float] func(dst, x []T, ldx, rows int, index []int32, values []T) bool

// SgatherRows adds a weighted sum of rows of x (rows x len(dst), row stride ldx) to dst: row index[k] times values[k] for every
// k, in this order. It is the step of a sparse matrix times a dense block. It panics if x is too short or an index is not
// below rows.
func SgatherRows(dst, x []float32, ldx, rows int, index []int32, values []float32) {
	gatherRows(sgather, dst, x, ldx, rows, index, values)
}

// DgatherRows is SgatherRows in float64.
func DgatherRows(dst, x []float64, ldx, rows int, index []int32, values []float64) {
	gatherRows(dgather, dst, x, ldx, rows, index, values)
}

// sgather and dgather are the best of what runs here.
var (
	sgather = pick(append(sgatherAsm(), kernelSet[gatherFunc[float32]]{isaGeneric, gatherRowsGeneric[float32]}))
	dgather = pick(append(dgatherAsm(), kernelSet[gatherFunc[float64]]{isaGeneric, gatherRowsGeneric[float64]}))
)

func gatherRows[T float](kernel gatherFunc[T], dst, x []T, ldx, rows int, index []int32, values []T) {
	if len(dst) == 0 || len(index) == 0 {
		return
	}
	if ldx < len(dst) || rows < 1 || len(x) < (rows-1)*ldx+len(dst) || len(values) < len(index) {
		panic(fmt.Sprintf("simd: GatherRows of %d rows of %d elements, %d apart, from %d; %d indices and %d values", rows, len(dst), ldx, len(x), len(index), len(values)))
	}
	if !kernel(dst, x, ldx, rows, index, values[:len(index)]) {
		panic(fmt.Sprintf("simd: GatherRows: an index is not below %d", rows))
	}
}

func gatherRowsGeneric[T float](dst, x []T, ldx, rows int, index []int32, values []T) bool {
	for k, row := range index {
		if uint(row) >= uint(rows) {
			return false
		}
		axpyGeneric(values[k], x[int(row)*ldx:][:len(dst)], dst)
	}
	return true
}
