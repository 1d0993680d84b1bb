package quant_test

import (
	"fmt"

	"github.com/eckart-go/eckart/quant"
)

func ExampleQuantise() {
	x := make([]float32, 32)
	for i := range x {
		x[i] = float32(i) / 4
	}
	size, _ := quant.Q4_1.RowBytes(len(x))
	blocks := make([]byte, size)
	if err := quant.Quantise(quant.Q4_1, blocks, x); err != nil {
		panic(err)
	}
	y := make([]float32, 32)
	if err := quant.Dequantise(quant.Q4_1, y, blocks); err != nil {
		panic(err)
	}
	fmt.Printf("%d bytes instead of %d\n", len(blocks), 4*len(x))
	fmt.Printf("%.2f became %.2f\n", x[5:9], y[5:9])
	// Output:
	// 20 bytes instead of 128
	// [1.25 1.50 1.75 2.00] became [1.03 1.55 1.55 2.07]
}

func ExampleMulTo() {
	const rows, cols = 2, 32
	w := make([]float32, rows*cols) // the first row averages, the second takes the last element
	for j := range cols {
		w[j] = 1.0 / cols
	}
	w[2*cols-1] = 1
	blocks := make([]byte, rows*quant.Q8_0.BlockBytes())
	if err := quant.Quantise(quant.Q8_0, blocks, w); err != nil {
		panic(err)
	}
	x, y := make([]float32, cols), make([]float32, rows)
	for j := range x {
		x[j] = float32(j)
	}
	var ws quant.Workspace // kept between calls
	if err := quant.MulTo(quant.Q8_0, y, rows, blocks, rows, cols, x, cols, 1, &ws); err != nil {
		panic(err)
	}
	fmt.Printf("%.1f\n", y)
	// Output: [15.5 31.0]
}

func ExampleType_RowBytes() {
	bytes, err := quant.Q4_1.RowBytes(576)
	fmt.Println(bytes, err)
	_, err = quant.Q4_K.RowBytes(576)
	fmt.Println(err)
	// Output:
	// 360 <nil>
	// quant: Q4_K: 576 values in a row, expected a multiple of the block size 256
}
