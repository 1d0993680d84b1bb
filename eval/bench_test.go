package eval

import (
	"context"
	"os"
	"testing"

	"github.com/eckart-go/eckart/internal/resident"
	"github.com/eckart-go/eckart/internal/testdata"
	"github.com/eckart-go/eckart/model"
	"github.com/eckart-go/eckart/tokenizer"
)

// BenchmarkPerplexity streams SmolLM2's blocks over 8 windows of 512 tokens of WikiText-2 and reports the process's peak memory
// beside what it is meant to need: the embedding and two blocks in float32. Run it alone, or the peak is another's.
func BenchmarkPerplexity(b *testing.B) {
	path := testdata.Model(b, "ECKART_SMOLLM2")
	text, err := os.ReadFile(testdata.Path(b, "wikitext-2/wiki.test.raw"))
	if err != nil {
		b.Fatal(err)
	}
	m, err := model.Open(path, model.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	tok, err := tokenizer.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	tokens := tok.Encode(nil, string(text[:60000]), tokenizer.EncodeOptions{})
	start := resident.Peak()
	for b.Loop() {
		if _, err := Perplexity(context.Background(), m, tokens, Blocks{N: 512}, Options{Limit: 8}); err != nil {
			b.Fatal(err)
		}
	}
	c := m.Config()
	block := c.Hidden*(2*c.Heads+2*c.KVHeads)*c.HeadDim + 3*c.Hidden*c.Intermediate
	b.ReportMetric(float64(8*512*b.N)/b.Elapsed().Seconds(), "tokens/s")
	b.ReportMetric(float64(resident.Peak())/1e6, "peak-MB")
	b.ReportMetric(float64(start)/1e6, "before-MB")
	b.ReportMetric(float64(4*(c.Vocab*c.Hidden+2*block))/1e6, "float32-MB")
}
