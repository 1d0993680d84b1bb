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
	f, err := lowrank.SVD(mat.NewDense(2, 2, []float64{4, 0, 3, -5}), 2, lowrank.Options{})
	if err != nil {
		log.Fatal(err)
	}
	u, v := f.Triplets()
	fmt.Printf("S = %.3f\nU = %.3f\nV = %.3f\n", f.S, mat.Formatted(u, mat.Prefix("    ")), mat.Formatted(v, mat.Prefix("    ")))
	// Output:
	// S = [6.325 3.162]
	// U = ⎡ 0.447   0.894⎤
	//     ⎣ 0.894  -0.447⎦
	// V = ⎡ 0.707   0.707⎤
	//     ⎣-0.707   0.707⎦
}

// U and V are orthonormal and give back the product, whichever factor the singular values went to, also where the matrix has
// a lower rank than was asked for.
func TestTripletsAreOrthonormal(t *testing.T) {
	const m, n, k = 23, 17, 9
	full, short := mat.NewDense(m, n, nil), mat.NewDense(m, n, nil)
	for i := range m {
		for j := range n {
			full.Set(i, j, math.Sin(float64(1+i*i*n+j*j))*math.Exp(-float64(j)/2))
			short.Set(i, j, math.Sin(float64(i+j))) // rank 2: the sine of a sum
		}
	}
	splits := []lowrank.Split{lowrank.Even, lowrank.IntoA, lowrank.IntoB, lowrank.Even}
	for i, a := range []*mat.Dense{full, full, full, short} {
		split := splits[i]
		f, err := lowrank.SVD(a, k, lowrank.Options{Method: lowrank.Exact, Split: split})
		if err != nil {
			t.Fatal(err)
		}
		u, v := f.Triplets()
		// Householder: Q orthonormal to c m eps, c = 8 fixed beforehand, and Q R within c m eps of each column; what R has
		// beside its diagonal is the vectors' distance from orthogonality before, of the same order.
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
		if e := mat.Norm(&product, 2); !(e <= 2*tol*f.S[0]*math.Sqrt(k)) {
			t.Errorf("split %d: U S Vᵀ is %.2g from B A", split, e)
		}
	}
}
