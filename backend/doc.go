// Package backend is Eckart's implementation of GoMLX's compute.Backend: it runs GoMLX graphs on the CPU with the kernels of
// internal/simd and quant, in parallel through internal/pool. Results are the same for any GOMAXPROCS.
//
// Import it for its registration under the name "eckart" (GOMLX_BACKEND=eckart), or make one with New. Compile plans
// everything that can be known beforehand: views such as transpositions and broadcasts are read in place, chains of
// element-wise operations run in one pass over memory, RMS norm, SwiGLU and rotary embeddings are recognised from their
// parts, and all temporaries of an execution share one arena whose layout is fixed by their lifetimes. A step costs well
// under a microsecond beyond its arithmetic and allocates nothing.
//
// Memory: inputs made by Backend.Wrap are used in place, so that weights can be streamed or memory-mapped. A donated input
// is overwritten where a result may take its place, as a key-value cache under DynamicUpdateSlice. Backend.Memory counts.
//
// # Operations
//
// Implemented: Parameter, Constant, Identity, barriers, Reshape, Bitcast, Transpose, BroadcastInDim, Slice, Reverse, Iota,
// Concatenate, Pad, DynamicSlice, DynamicUpdateSlice, Gather, all element-wise arithmetic, comparison, logic and bit
// operations on real types, ConvertDType, Where, Clamp, all reductions, ArgMinMax, DotGeneral, FusedSoftmax, FusedGelu,
// FusedLayerNorm (not Float64), FusedDense, FusedAttentionQKVProjection, FusedScaledDotProductAttention (not Float64),
// FusedQuantizedDense and QuantizedEmbeddingLookup (GGML blocks). Types: booleans, integers of 8 to 64 bits, Float16,
// BFloat16 (arithmetic in float32), Float32, Float64.
//
// Not implemented, returning compute.ErrNotImplemented: named functions and closures (Call, While, If, Sort), dynamic axes,
// complex, sub-byte and 8-bit float types, Scatter*, SelectAndScatter*, ReduceWindow, ConvGeneral, BatchNorm*,
// RNGBitGenerator, FFT, the gradient of fused attention (graphs differentiate its decomposition), quantisation schemes
// other than GGML, and collectives.
package backend
