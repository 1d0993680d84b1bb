package model

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/gomlx/compute/gobackend"
)

// golden is a tiny model's expected logits, made by testdata/make_tiny.py in float64.
type golden struct {
	Tokens []int       `json:"tokens"`
	Logits [][]float64 `json:"logits"`
}

var tinyModels = []string{"tiny-llama3", "tiny-qwen2", "tiny-mistral"}

func openTiny(t testing.TB, name string, opts Options) (*Llama, golden) {
	t.Helper()
	l, err := Open("testdata/"+name, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	data, err := os.ReadFile("testdata/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(data, &g); err != nil {
		t.Fatal(err)
	}
	return l, g
}

func TestTinyLogits(t *testing.T) {
	for _, name := range tinyModels {
		l, g := openTiny(t, name, Options{Backend: gobackend.GetBackend()})
		got, err := l.Logits(context.Background(), g.Tokens)
		if err != nil {
			t.Fatal(err)
		}
		worst := 0.0
		for i, row := range g.Logits {
			for j, want := range row {
				worst = max(worst, math.Abs(float64(got[i*len(row)+j])-want))
			}
		}
		t.Log(name, worst)
	}
}
