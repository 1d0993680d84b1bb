package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/eckart-go/eckart/internal/testdata"
)

func TestCompareProcesses(t *testing.T) {
	var order []string
	times := map[string][]compressTime{
		"ours": {{2, 1, 100, ""}, {5.5, 5, 300, ""}, {4, 2, 200, ""}},
		"peer": {{12, 9, 1000, "torch 2"}, {10, 8, 1200, "torch 2"}, {18, 8, 900, "torch 2"}},
	}
	next := func(who string) func() (compressTime, error) {
		return func() (compressTime, error) {
			order = append(order, who)
			t := times[who][0]
			times[who] = times[who][1:]
			return t, nil
		}
	}
	process, loaded, err := compareProcesses(3, next("ours"), next("peer"))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"ours", "peer", "ours", "peer", "ours", "peer"}; !slices.Equal(order, want) {
		t.Errorf("order %v, want %v", order, want)
	}
	want := record{Peer: "torch", PeerVersion: "torch 2", Ours: 2, PeerTime: 8, Ratio: 4, OursPeak: 300, PeerPeak: 1200}
	if loaded != want {
		t.Errorf("record of the loaded model %+v, want %+v", loaded, want)
	}
	want.Ours, want.PeerTime, want.Ratio = 4, 12, 3
	if process != want {
		t.Errorf("record of the process %+v, want %+v", process, want)
	}
	failing := func() (compressTime, error) { return compressTime{}, errors.New("killed") }
	if _, _, err := compareProcesses(1, failing, nil); err == nil {
		t.Error("a failed process was not an error")
	}
}

// TestCalibrationIDs checks the form in which the PyTorch script gets its data.
func TestCalibrationIDs(t *testing.T) {
	path := testdata.Model(t, "ECKART_SMOLLM2")
	out := filepath.Join(t.TempDir(), "ids.json")
	if err := writeCalibration(path, testdata.Path(t, "sotu/sotu.txt.gz"), out); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	var ids [][]int
	if err := json.Unmarshal(data, &ids); err != nil {
		t.Fatal(err)
	}
	if len(ids) != calibSequences || len(ids[0]) != calibLength {
		t.Errorf("%d sequences of %d ids, want %d of %d", len(ids), len(ids[0]), calibSequences, calibLength)
	}
}
