package studio_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/eckart-go/eckart/compare"
	"github.com/eckart-go/eckart/studio"
)

// Two methods that were compared elsewhere, as a page; rows that have no Report show totals only.
func Example() {
	dir, err := os.MkdirTemp("", "studio")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	r := studio.Report{Table: &compare.Table{
		Model: "smollm2", Protocol: "blocks of 2048 tokens", Data: "wikitext-2", Baseline: 20.9, Params: 134_515_008, Bytes: 538_000_000,
		Runs: []compare.Row{
			{Method: "svd", Budget: "0.8", Params: 113_000_000, Bytes: 452_000_000, Perplexity: 8100},
			{Method: "svdllm", Budget: "0.8", Params: 113_000_000, Bytes: 452_000_000, Perplexity: 47},
		},
	}}
	path := filepath.Join(dir, "report.html")
	if err := studio.Save(path, r); err != nil {
		log.Fatal(err)
	}
	st, err := os.Stat(path)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("one file, no other needed:", st.Size() > 10_000)
	// Output: one file, no other needed: true
}
