package lowrank_test

import (
	"fmt"
	"log"
	"math"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/lowrank"
)

func ExampleFactors_Triplets() {
	f, err := lowrank.SVD(mat.NewDense(2, 2, []float64{0, 3, 2, 0}), 2, lowrank.Options{})
	if err != nil {
		log.Fatal(err)
	}
	u, v := f.Triplets()
	fmt.Printf("S = %.0f\nU = %.0f\nV = %.0f\n", f.S, mat.Formatted(u, mat.Prefix("    ")), mat.Formatted(v, mat.Prefix("    ")))
	// Output:
	// S = [3 2]
	// U = ⎡1  0⎤
	//     ⎣0  1⎦
	// V = ⎡0  1⎤
	//     ⎣1  0⎦
}

// U and V are orthonormal and give back the product, whichever factor the singular values went to.
func TestTripletsAreOrthonormal(t *testing.T) {
	const m, n, k = 23, 17, 9
	a := mat.NewDense(m, n, nil)
	for i := range m {
		for j := range n {
			a.Set(i, j, math.Sin(float64(1+i*n+j))*math.Exp(-float64(j)/4))
		}
	}
	for _, split := range []lowrank.Split{lowrank.Even, lowrank.IntoA, lowrank.IntoB} {
		f, err := lowrank.SVD(a, k, lowrank.Options{Method: lowrank.Exact, Split: split})
		if err != nil {
			t.Fatal(err)
		}
		u, v := f.Triplets()
		// Householder SVD: vectors orthonormal to c n eps, c = 8 fixed beforehand; scaling by 1/norm adds some eps.
		tol := 8 * m * 0x1p-52
		for name, q := range map[string]*mat.Dense{"U": u, "V": v} {
			var gram mat.Dense
			gram.Mul(q.T(), q)
			for i := range k {
				gram.Set(i, i, gram.At(i, i)-1)
			}
			if e := mat.Norm(&gram, 2); !(e <= tol) {
				t.Errorf("split %d: %sᵀ%s is %.2g from the identity, tolerance %.2g", split, name, name, e, tol)
			}
		}
		var us, product, ba mat.Dense
		us.Mul(u, mat.NewDiagDense(k, f.S))
		product.Mul(&us, v.T())
		ba.Mul(f.B, f.A)
		product.Sub(&product, &ba)
		if e := mat.Norm(&product, 2); !(e <= tol*f.S[0]*math.Sqrt(k)) {
			t.Errorf("split %d: U S Vᵀ is %.2g from B A", split, e)
		}
	}
}
