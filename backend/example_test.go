package backend_test

import (
	"fmt"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"

	"github.com/eckart-go/eckart/backend"
)

// A dense layer over weights that stay where they are, as those of a memory-mapped checkpoint.
func Example() {
	be := backend.New()
	defer be.Finalize()

	builder := be.Builder("layer")
	f := builder.Main()
	x, _ := f.Parameter("x", shapes.Make(dtypes.Float32, 1, 3), nil)
	w, _ := f.Parameter("w", shapes.Make(dtypes.Float32, 2, 3), nil) // outputs x inputs
	y, err := f.FusedDense(x, w, nil, compute.DenseConfig{
		Activation:   compute.ActivationRelu,
		WeightLayout: compute.DenseLayoutOutputsInput,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := f.Return([]compute.Value{y}, nil); err != nil {
		fmt.Println(err)
		return
	}
	layer, err := builder.Compile()
	if err != nil {
		fmt.Println(err)
		return
	}

	weights, _ := be.Wrap([]float32{1, 2, 3, -1, -2, -3}, shapes.Make(dtypes.Float32, 2, 3))
	input, _ := be.BufferFromFlatData(0, []float32{1, 0, 2}, shapes.Make(dtypes.Float32, 1, 3))
	out, err := layer.Execute([]compute.Buffer{input, weights}, []bool{true, false}, 0) // the input is given away
	if err != nil {
		fmt.Println(err)
		return
	}
	values, _ := out[0].Data()
	fmt.Println(values, layer.(*backend.Executable).Steps())
	fmt.Println(be.Memory().Blocks, "block in use")
	// Output:
	// [7 0] [DotGeneral ReLU]
	// 1 block in use
}
