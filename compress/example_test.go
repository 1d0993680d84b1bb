package compress_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/eckart-go/eckart/compress"
	"github.com/eckart-go/eckart/compress/budget"
)

func ExampleRun() {
	dir, err := os.MkdirTemp("", "example-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	report, err := compress.Run(context.Background(), "../quickstart/data/stories260K.bin", filepath.Join(dir, "smaller"), compress.Options{
		Budget: budget.Budget{Keep: 0.7}, Text: "../quickstart/data/calibration.txt", Length: 128,
	})
	if err != nil {
		panic(err)
	}
	l := report.Layers[0]
	fmt.Printf("%d matrices, %.0f %% of their parameters\n", len(report.Layers), 100*report.Keep)
	fmt.Printf("%s: rank %d, error %.2f times the least possible\n", l.Name, l.Rank, l.Weighted/l.Optimum)
	// Output:
	// 35 matrices, 68 % of their parameters
	// model.layers.0.self_attn.q_proj: rank 22, error 1.00 times the least possible
}
