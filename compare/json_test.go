package compare

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
)

// A perplexity that JSON has no number for becomes null, and all other fields stay.
func TestInfinitePerplexityIsNull(t *testing.T) {
	data, err := json.Marshal(Table{Model: "m", Runs: []Row{{Method: "svd", Perplexity: math.Inf(1), StdErr: math.NaN()}, {Method: "lord", Perplexity: 7, StdErr: 0.5}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"method":"svd"`, `"ppl":null,"ppl_stderr":null`, `"method":"lord"`, `"ppl":7,"ppl_stderr":0.5`, `"peak_bytes":0`} {
		if !strings.Contains(string(data), want) {
			t.Errorf("%s does not hold %s", data, want)
		}
	}
	var back Table
	if err := json.Unmarshal(data, &back); err != nil || back.Runs[1].Perplexity != 7 {
		t.Errorf("read back: %v, %v", back.Runs, err)
	}
}
