package eval

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/eckart-go/eckart/model"
	"github.com/eckart-go/eckart/structure"
)

func openStories(t *testing.T) *model.Llama {
	t.Helper()
	m, err := model.Open("../quickstart/data/stories260K.bin", model.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func TestCompareFindsTheBlockThatDiffers(t *testing.T) {
	ctx := context.Background()
	a, b := openStories(t), openStories(t)
	tokens := []int{1, 403, 407, 261, 378, 298, 315, 400}
	same, err := Compare(ctx, a, b, tokens)
	if err != nil {
		t.Fatal(err)
	}
	if !same.Equal || same.MaxDiff != 0 || same.KL != 0 || same.SameTop != 1 || same.FirstBlock != -1 {
		t.Errorf("a model compared with itself: %+v", same)
	}
	const name = "self_attn.o_proj"
	weight, err := b.Source().Float32("model.layers.2."+name+".weight", nil)
	if err != nil {
		t.Fatal(err)
	}
	weight = slices.Clone(weight)
	weight[5] += 0.5
	if err := b.SetLinear(2, name, structure.NewDense(64, 64, weight, nil)); err != nil {
		t.Fatal(err)
	}
	c, err := Compare(ctx, a, b, tokens)
	if err != nil {
		t.Fatal(err)
	}
	if c.Equal || c.FirstBlock != 2 || c.Blocks[1] != 0 || c.Blocks[2] == 0 {
		t.Errorf("a weight of block 2 was changed: %+v", c)
	}
	la, err := a.Logits(ctx, tokens)
	if err != nil {
		t.Fatal(err)
	}
	lb, err := b.Logits(ctx, tokens)
	if err != nil {
		t.Fatal(err)
	}
	var kl, most float64
	for i := range tokens {
		p, q := softmax64(la[i*512:(i+1)*512]), softmax64(lb[i*512:(i+1)*512])
		for j := range p {
			kl += p[j] * math.Log(p[j]/q[j]) / float64(len(tokens))
			most = max(most, math.Abs(float64(la[i*512+j])-float64(lb[i*512+j])))
		}
	}
	// 512 terms of relative error some eps each, against terms that sum to at most about 1.
	if math.Abs(c.KL-kl) > 8*512*0x1p-53 || c.MaxDiff != most {
		t.Errorf("KL %v and largest difference %v, by definition %v and %v", c.KL, c.MaxDiff, kl, most)
	}
}

func softmax64(x []float32) []float64 {
	p, sum := make([]float64, len(x)), 0.0
	for i, v := range x {
		p[i] = math.Exp(float64(v))
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}

func TestCompareRefusesNothing(t *testing.T) {
	a := openStories(t)
	if _, err := Compare(context.Background(), a, a, nil); err == nil {
		t.Error("an empty text was accepted")
	}
}
