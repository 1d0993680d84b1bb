package simd

import (
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"
)

func TestGatherRows(t *testing.T) {
	t.Run("float32", func(t *testing.T) {
		testGatherRows(t, append(sgatherAsm(), kernelSet[gatherFunc[float32]]{isaGeneric, gatherRowsGeneric[float32]}))
	})
	t.Run("float64", func(t *testing.T) {
		testGatherRows(t, append(dgatherAsm(), kernelSet[gatherFunc[float64]]{isaGeneric, gatherRowsGeneric[float64]}))
	})
}

// Every width up to more than one tile of the widest kernel, with NaN between the rows and guards behind dst.
func testGatherRows[T float](t *testing.T, kernels []kernelSet[gatherFunc[T]]) {
	eps := 0x1p-24
	if unsafe.Sizeof(T(0)) == 8 {
		eps = 0x1p-53
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for _, k := range kernels {
		t.Run(k.isa.String(), func(t *testing.T) {
			if k.isa > bestISA() {
				t.Skip("not on this CPU")
			}
			for w := 1; w < 300; w++ {
				rows, ldx, entries := 1+rng.IntN(9), w+rng.IntN(5), rng.IntN(30)
				x := make([]T, (rows-1)*ldx+w)
				for i := range x {
					x[i] = T(math.NaN())
					if i%ldx < w {
						x[i] = T(rng.NormFloat64())
					}
				}
				index, values := make([]int32, entries), make([]T, entries)
				for e := range index {
					index[e], values[e] = int32(rng.IntN(rows)), T(rng.NormFloat64())
				}
				dst, want, size := make([]T, w+16), make([]float64, w), make([]float64, w)
				for c := range dst {
					dst[c] = T(rng.NormFloat64())
				}
				guard := append([]T(nil), dst[w:]...)
				for c := range want {
					want[c], size[c] = float64(dst[c]), math.Abs(float64(dst[c]))
					for e, row := range index {
						v := float64(values[e]) * float64(x[int(row)*ldx+c])
						want[c], size[c] = want[c]+v, size[c]+math.Abs(v)
					}
				}
				if !k.kernels(dst[:w], x, ldx, rows, index, values) {
					t.Fatalf("width %d: an index outside", w)
				}
				for c := range want { // both sides, in any order: Higham 2002, (3.5)
					if tol := 2.02 * float64(entries+1) * eps * size[c]; !(math.Abs(float64(dst[c])-want[c]) <= tol) {
						t.Fatalf("width %d, %d entries: element %d is %v, want %v within %.2g", w, entries, c, dst[c], want[c], tol)
					}
				}
				for c, v := range guard {
					if dst[w+c] != v {
						t.Fatalf("width %d: element %d beyond dst was written", w, c)
					}
				}
				for _, bad := range []int32{int32(rows), -1, math.MinInt32} {
					if k.kernels(dst[:w], x, ldx, rows, append([]int32{0}, bad), []T{1, 1}) {
						t.Fatalf("width %d: index %d of %d rows was taken", w, bad, rows)
					}
				}
			}
		})
	}
}

func TestGatherRowsChecksShapes(t *testing.T) {
	for name, f := range map[string]func(){
		"short x":    func() { DgatherRows(make([]float64, 4), make([]float64, 11), 4, 3, []int32{0}, []float64{1}) },
		"stride":     func() { DgatherRows(make([]float64, 4), make([]float64, 40), 3, 3, []int32{0}, []float64{1}) },
		"few values": func() { DgatherRows(make([]float64, 4), make([]float64, 12), 4, 3, []int32{0, 1}, []float64{1}) },
		"index":      func() { SgatherRows(make([]float32, 4), make([]float32, 12), 4, 3, []int32{3}, []float32{1}) },
		"no rows":    func() { SgatherRows(make([]float32, 4), nil, 4, 0, []int32{0}, []float32{1}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}
