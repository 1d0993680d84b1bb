package eval

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/eckart-go/eckart/internal/testdata"
	"github.com/eckart-go/eckart/model"
	"github.com/eckart-go/eckart/tokenizer"
)

// theirs is a protocol's result by PyTorch, from model/testdata/make_smollm2.py.
type theirs struct {
	Tokens     int
	MeanNLL    float64 `json:"mean_nll"`
	StdErr     float64 `json:"std_err"`
	Perplexity float64
}

func TestSmolLM2PerplexityIsPyTorchs(t *testing.T) {
	path := testdata.Model(t, "ECKART_SMOLLM2")
	text, err := os.ReadFile(testdata.Path(t, "wikitext-2/wiki.test.raw"))
	if err != nil {
		t.Fatal(err)
	}
	var want struct {
		FirstTokens   []int  `json:"wikitext_first_tokens"`
		Blocks        theirs `json:"blocks"`
		SecondHalf    theirs `json:"second_half"`
		SecondHalfBOS theirs `json:"second_half_bos"`
	}
	data, err := os.ReadFile("../model/testdata/smollm2.json")
	if err == nil {
		err = json.Unmarshal(data, &want)
	}
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.Open(path, model.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	tok, err := tokenizer.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	tokens := tok.Encode(nil, string(text[:40000]), tokenizer.EncodeOptions{})
	if !slices.Equal(tokens[:len(want.FirstTokens)], want.FirstTokens) {
		t.Fatalf("the text begins with tokens %v, want %v", tokens[:len(want.FirstTokens)], want.FirstTokens)
	}
	for _, tc := range []struct {
		protocol Protocol
		want     theirs
	}{
		{Blocks{N: 512}, want.Blocks}, {SecondHalf{N: 512}, want.SecondHalf}, {SecondHalf{N: 512, BOS: []int{1}}, want.SecondHalfBOS},
	} {
		got, err := Perplexity(context.Background(), m, tokens, tc.protocol, Options{Limit: 3})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%v: perplexity %.5f, PyTorch %.5f", tc.protocol, got.Perplexity, tc.want.Perplexity)
		if got.Tokens != tc.want.Tokens || !(math.Abs(got.Perplexity-tc.want.Perplexity) <= 5e-4) || !(math.Abs(got.StdErr-tc.want.StdErr) <= 5e-4) {
			t.Errorf("%v: got %+v, want %+v", tc.protocol, got, tc.want)
		}
	}
}
