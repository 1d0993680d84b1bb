package matfile_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"gonum.org/v1/gonum/mat"

	"github.com/eckart-go/eckart/matfile"
)

// A sparse matrix in MatrixMarket's format, as text: entries are counted from 1.
func Example() {
	m, err := matfile.Parse([]byte(`%%MatrixMarket matrix coordinate real symmetric
3 3 2
1 1 4
3 2 -1
`), matfile.Options{})
	if err != nil {
		log.Fatal(err)
	}
	d, err := m.Dense()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d entries\n%v\n", m.CSR.NNZ(), mat.Formatted(d))
	// Output:
	// 3 entries
	// ⎡ 4   0   0⎤
	// ⎢ 0   0  -1⎥
	// ⎣ 0  -1   0⎦
}

func ExampleSave() {
	dir, err := os.MkdirTemp("", "matfile")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "factors.npz")
	u := mat.NewDense(2, 1, []float64{0.6, 0.8})
	if err := matfile.Save(path, matfile.NewArray("U", u), matfile.Array{Name: "S", Shape: []int{1}, Data: []float64{5}}); err != nil {
		log.Fatal(err)
	}
	m, err := matfile.Read(path, matfile.Options{Array: "S"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(m.Elements)
	// Output: [5]
}

// A matrix that stays on disk: its products are passes over the file.
func ExampleOpen() {
	dir, err := os.MkdirTemp("", "matfile")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := matfile.Save(dir, matfile.NewArray("a", mat.NewDense(3, 2, []float64{1, 2, 3, 4, 5, 6}))); err != nil {
		log.Fatal(err)
	}
	file, err := matfile.Open(filepath.Join(dir, "a.npy"), matfile.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()
	a, stream := file.Operator()
	sums := mat.NewDense(2, 1, nil)
	if err := a.MulTransTo(sums.RawMatrix(), mat.NewDense(3, 1, []float64{1, 1, 1}).RawMatrix()); err != nil {
		log.Fatal(err)
	}
	fmt.Println(sums.RawMatrix().Data, stream.Passes(), "pass")
	// Output: [9 12] 1 pass
}
