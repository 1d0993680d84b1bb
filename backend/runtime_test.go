package backend

import (
	"math/rand/v2"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"

	"github.com/eckart-go/eckart/quant"
)

func TestResultsDoNotDependOnThreads(t *testing.T) {
	be := New()
	block := smolLM2
	block.tokens = 150
	exe := block.compile(t, be)
	in := block.buffers(t, be, 3)
	var first []float32
	for _, procs := range []int{1, 2, 3, 8} {
		old := runtime.GOMAXPROCS(procs)
		out, err := exe.Execute(in, nil, 0)
		runtime.GOMAXPROCS(old)
		if err != nil {
			t.Fatal(err)
		}
		got := make([]float32, block.tokens*block.d)
		if err := out[0].ToFlatData(got); err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = got
		}
		for i := range got {
			if got[i] != first[i] { // also fails on NaN
				t.Fatalf("GOMAXPROCS=%d: element %d is %v, with one thread %v", procs, i, got[i], first[i])
			}
		}
	}
}

func TestConcurrentExecutions(t *testing.T) {
	be := New()
	block := smolLM2
	block.tokens = 33
	exe := block.compile(t, be)
	want := map[uint64][]float32{}
	inputs := map[uint64][]compute.Buffer{}
	run := func(seed uint64) []float32 {
		out, err := exe.Execute(inputs[seed], nil, 0)
		if err != nil {
			t.Error(err)
			return nil
		}
		got := make([]float32, block.tokens*block.d)
		if err := out[0].ToFlatData(got); err != nil {
			t.Error(err)
		}
		out[0].Finalize()
		return got
	}
	for seed := range uint64(3) {
		inputs[seed] = block.buffers(t, be, seed)
		want[seed] = run(seed)
	}
	var wg sync.WaitGroup
	for i := range uint64(6) {
		wg.Go(func() {
			for range 5 {
				if got := run(i % 3); !reflect.DeepEqual(got, want[i%3]) {
					t.Errorf("execution with inputs %d differs when others run", i%3)
				}
			}
		})
	}
	wg.Wait()
}

// TestNothingLeaks: every block returns to the pool.
func TestNothingLeaks(t *testing.T) {
	be := New()
	if got := be.Memory(); got != (Memory{}) {
		t.Fatalf("a new backend counts %+v", got)
	}
	block := smolLM2
	block.tokens, block.cache = 1, 64
	exe := block.compile(t, be)
	in := block.buffers(t, be, 1)
	before := be.Memory()
	donate := make([]bool, len(in))
	donate[12], donate[13] = true, true
	for range 3 {
		out, err := exe.Execute(in, donate, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := out[0].Finalize(); err != nil {
			t.Fatal(err)
		}
		in[12], in[13] = out[1], out[2]
		if got := be.Memory(); got.InUse != before.InUse || got.Blocks != before.Blocks {
			t.Errorf("after an execution %+v, before it %+v", got, before)
		}
	}
	for _, b := range in {
		b.Finalize()
		b.Finalize() // again: nothing
	}
	exe.Finalize()
	exe.Finalize()
	if got := be.Memory(); got.InUse != 0 || got.Blocks != 0 {
		t.Errorf("after finalizing everything %+v", got)
	}
	be.Finalize()
	if got := be.Memory(); got.Retained != 0 {
		t.Errorf("after finalizing the backend %+v", got)
	}
}

// TestPeakIsArenaAndResults: an execution takes what TemporaryBytes announces, and its results, rounded to size classes.
func TestPeakIsArenaAndResults(t *testing.T) {
	be := New()
	block := smolLM2
	block.tokens = 64
	exe := block.compile(t, be).(*Executable)
	in := block.buffers(t, be, 1)
	before := be.Memory().InUse
	be.ResetPeak()
	if _, err := exe.Execute(in, nil, 0); err != nil {
		t.Fatal(err)
	}
	_, arena := sizeClass(exe.TemporaryBytes())
	_, result := sizeClass(int64(4 * block.tokens * block.d))
	if got := be.Memory().Peak - before; got != arena+result {
		t.Errorf("an execution took %d bytes, want %d + %d", got, arena, result)
	}
	// The widest moment of a block is the MLP's: the stream and two tensors of width f (the product is in place).
	if limit := int64(4*block.tokens*(2*block.d+2*block.f)) + 1024; exe.TemporaryBytes() > limit {
		t.Errorf("temporaries of %d bytes, at most %d are alive at once", exe.TemporaryBytes(), limit)
	}
}

func TestSizeClasses(t *testing.T) {
	last := -1
	for bytes := int64(0); bytes < 1<<16; bytes++ {
		class, size := sizeClass(bytes)
		if size < bytes || class < last || bytes > 1024 && float64(size) > 1.25*float64(bytes) {
			t.Fatalf("%d bytes: class %d of %d bytes", bytes, class, size)
		}
		if c, s := sizeClass(size); c != class || s != size {
			t.Fatalf("%d bytes: class %d, but its size %d is of class %d, %d bytes", bytes, class, size, c, s)
		}
		last = class
	}
}

// TestDonatedCacheIsUpdatedInPlace: decoding moves no cache.
func TestDonatedCacheIsUpdatedInPlace(t *testing.T) {
	be := New()
	block := smolLM2
	block.tokens, block.cache = 1, 64
	exe := block.compile(t, be)
	in := block.buffers(t, be, 1)
	address := func(b compute.Buffer) uintptr {
		flat, err := b.Data()
		if err != nil {
			t.Fatal(err)
		}
		return reflect.ValueOf(flat).Pointer()
	}
	keys := address(in[12])
	kept, err := exe.Execute(in, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	if address(kept[1]) == keys {
		t.Error("a cache that was not donated was overwritten")
	}
	donate := make([]bool, len(in))
	donate[12] = true
	out, err := exe.Execute(in, donate, 0)
	if err != nil {
		t.Fatal(err)
	}
	if address(out[1]) != keys {
		t.Error("the donated cache was copied")
	}
	a, _ := kept[1].Data()
	b, _ := out[1].Data()
	if !reflect.DeepEqual(a, b) {
		t.Error("the cache differs when it is donated")
	}
	if _, err := in[12].Data(); err == nil {
		t.Error("a donated buffer can still be read")
	}
	if _, err := exe.Execute(in, nil, 0); err == nil {
		t.Error("a donated buffer is accepted as input")
	}
}

func TestWrapUsesTheCallersMemory(t *testing.T) {
	be := New()
	x := []float32{1, 2, 3}
	buf, err := be.Wrap(x, shapes.Make(dtypes.Float32, 3))
	if err != nil {
		t.Fatal(err)
	}
	if got := be.Memory(); got.InUse != 0 {
		t.Errorf("wrapped memory is counted: %+v", got)
	}
	exe, _ := compileFor(t, be, []tensor{{x, shapes.Make(dtypes.Float32, 3)}}, one(func(f compute.Function, in []compute.Value) (compute.Value, error) {
		return f.Neg(in[0])
	}))
	check := func(want ...float32) {
		t.Helper()
		out, err := exe.Execute([]compute.Buffer{buf}, []bool{false}, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := out[0].Data(); !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	check(-1, -2, -3)
	x[0] = 7
	check(-7, -2, -3)
	if err := buf.Rewrap([]float32{4, 5, 6}); err != nil {
		t.Fatal(err)
	}
	check(-4, -5, -6)
	if err := buf.Rewrap([]float32{4}); err == nil {
		t.Error("Rewrap took a slice of another length")
	}
	if _, err := exe.Execute([]compute.Buffer{buf}, []bool{true}, 0); err != nil {
		t.Fatal(err)
	}
	if x[0] != 7 {
		t.Errorf("donated wrapped memory was written: %v", x)
	}
}

func TestErrorsName(t *testing.T) {
	be := New()
	exe, in := compileFor(t, be, []tensor{{[]float32{1}, shapes.Make(dtypes.Float32, 1)}}, one(func(f compute.Function, in []compute.Value) (compute.Value, error) {
		return f.Neg(in[0])
	}))
	other, err := New().BufferFromFlatData(0, []float32{1}, shapes.Make(dtypes.Float32, 1))
	if err != nil {
		t.Fatal(err)
	}
	for want, run := range map[string]func() error{
		"0 inputs given, 1 expected": func() error { _, err := exe.Execute(nil, nil, 0); return err },
		"not a buffer of this backend": func() error {
			_, err := exe.Execute([]compute.Buffer{other}, nil, 0)
			return err
		},
		"donate has 2 elements": func() error { _, err := exe.Execute(in, []bool{true, false}, 0); return err },
		"got 2 elements, want 3": func() error {
			_, err := be.BufferFromFlatData(0, []float32{1, 2}, shapes.Make(dtypes.Float32, 3))
			return err
		},
		"want a slice of Float32": func() error {
			_, err := be.BufferFromFlatData(0, []int32{1}, shapes.Make(dtypes.Float32, 1))
			return err
		},
		"unknown option": func() error { _, err := ParseOptions("speed=9"); return err },
	} {
		if err := run(); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "backend: ") {
			t.Errorf("got error %v, want one of package backend with %q", err, want)
		}
	}
}

func TestRegistered(t *testing.T) {
	be, err := compute.NewWithConfig("eckart:retain=0")
	if err != nil {
		t.Fatal(err)
	}
	buf, _ := be.BufferFromFlatData(0, []float32{1}, shapes.Make(dtypes.Float32, 1))
	buf.Finalize()
	if got := be.(*Backend).Memory(); got.Retained != 0 || got.InUse != 0 {
		t.Errorf("with retain=0, after a buffer's end: %+v", got)
	}
}

// TestQuantisedDense: the operation is quant.MulTo, bias and activation; rows of the table expand to quant.Dequantise.
func TestQuantisedDense(t *testing.T) {
	const rows, cols = 20, 256
	rng := rand.New(rand.NewPCG(40, 1))
	for _, typ := range []quant.Type{quant.F16, quant.Q4_0, quant.Q4_1, quant.Q8_0, quant.Q5_1, quant.Q6_K} {
		rowBytes, err := typ.RowBytes(cols)
		if err != nil {
			t.Fatal(err)
		}
		blocks := make([]byte, rows*rowBytes)
		if err := quant.Quantise(typ, blocks, normal(rng, rows*cols, 1)); err != nil { // not written: any small bytes are blocks
			for i := range blocks {
				blocks[i] = byte(rng.IntN(48))
			}
		}
		w := tensor{blocks, shapes.Make(dtypes.Uint8, rows, rowBytes)}
		q := &compute.Quantization{Scheme: compute.QuantGGML, GGMLType: GGML(typ)}
		for _, tokens := range []int{1, 3, 40} {
			x := tensor{normal(rng, tokens*cols, 1), shapes.Make(dtypes.Float32, 1, tokens, cols)}
			bias := tensor{normal(rng, rows, 1), shapes.Make(dtypes.Float32, rows)}
			got, err := execute(ours, []tensor{x, w, bias}, nil, one(func(f compute.Function, in []compute.Value) (compute.Value, error) {
				return f.FusedQuantizedDense(in[0], in[1], in[2], q, compute.ActivationRelu)
			}))
			if err != nil {
				t.Fatalf("%s: %v", typ, err)
			}
			want := make([]float32, tokens*rows)
			if err := quant.MulTo(typ, want, rows, blocks, rows, cols, x.flat.([]float32), cols, tokens, nil); err != nil {
				t.Fatal(err)
			}
			for i := range want {
				want[i] = max(0, want[i]+bias.flat.([]float32)[i%rows])
			}
			compare(t, typ.String(), got[0], tensor{want, shapes.Make(dtypes.Float32, 1, tokens, rows)}, exact)
		}
		index := tensor{[]int32{3, 19, 0, 25, -1}, shapes.Make(dtypes.Int32, 5, 1)}
		got, err := execute(ours, []tensor{w, index}, nil, one(func(f compute.Function, in []compute.Value) (compute.Value, error) {
			return f.QuantizedEmbeddingLookup(in[0], in[1], q)
		}))
		if err != nil {
			t.Fatalf("%s: %v", typ, err)
		}
		var want []float32
		for _, row := range []int{3, 19, 0, 19, 0} {
			values := make([]float32, cols)
			if err := quant.Dequantise(typ, values, blocks[row*rowBytes:(row+1)*rowBytes]); err != nil {
				t.Fatal(err)
			}
			want = append(want, values...)
		}
		compare(t, typ.String(), got[0], tensor{want, shapes.Make(dtypes.Float32, 5, cols)}, exact)
	}
}

func TestGGMLRoundTrip(t *testing.T) {
	for typ := range quant.Type(40) {
		got, err := blockType(GGML(typ))
		if typ.Known() && (err != nil || got != typ) {
			t.Errorf("%s: got %s, %v", typ, got, err)
		}
		if !typ.Known() && err == nil {
			t.Errorf("unknown type %d is taken for %s", typ, got)
		}
	}
	if _, err := blockType(compute.GGMLIQ4NL); !compute.IsNotImplemented(err) {
		t.Errorf("IQ4_NL: %v, want not implemented", err)
	}
}
