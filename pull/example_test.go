package pull_test

import (
	"fmt"

	"github.com/eckart-go/eckart/pull"
)

func ExampleModels() {
	for _, m := range pull.Models() {
		fmt.Printf("%s: %s (%s)\n", m.Name, m.About, m.Licence)
	}
	// Output:
	// smollm2: SmolLM2-135M-Instruct, GGUF Q4_1, 98 MB (Apache-2.0)
	// all-minilm-l6-v2: sentence-transformers/all-MiniLM-L6-v2, float32 safetensors, 91 MB (Apache-2.0)
}
