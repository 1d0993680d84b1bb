package calib

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSpillKeepsRowsAndRemovesItsFile(t *testing.T) {
	s, err := newSpill(3)
	if err != nil {
		t.Fatal(err)
	}
	for _, first := range []int{4, 0, 2} { // out of order, as batches of mixed lengths write
		rows := []float32{float32(first), 1, 2, float32(first + 1), 4, 5}
		if err := s.Write(rows, first); err != nil {
			t.Fatal(err)
		}
	}
	got := make([]float32, 9)
	if err := s.Read(got, 1); err != nil {
		t.Fatal(err)
	}
	if want := []float32{1, 4, 5, 2, 1, 2, 3, 4, 5}; !cmp.Equal(got, want) {
		t.Errorf("rows 1 to 3 = %v, want %v", got, want)
	}
	if err := s.Read(got, 5); err == nil {
		t.Error("reading past the end succeeded")
	}
	s.close()
	if _, err := os.Stat(s.f.Name()); !os.IsNotExist(err) {
		t.Errorf("the temporary file is still there: %v", err)
	}
}
