package backend

import (
	"github.com/gomlx/compute"
)

// capabilities lists what works; operations that are not in it return compute.ErrNotImplemented.
var capabilities = makeCapabilities()

func makeCapabilities() compute.Capabilities {
	ops := map[compute.OpType]bool{}
	for key := range kernels {
		if key.op < compute.OpTypeLast {
			ops[key.op] = true
		}
	}
	for key := range reducers {
		ops[key.op] = true
	}
	for _, op := range []compute.OpType{
		compute.OpTypeParameter, compute.OpTypeConstant, compute.OpTypeIdentity, compute.OpTypeReshape, compute.OpTypeBitcast,
		compute.OpTypeTranspose, compute.OpTypeBroadcastInDim, compute.OpTypeSlice, compute.OpTypeReverse, compute.OpTypeIota,
		compute.OpTypeConcatenate, compute.OpTypePad, compute.OpTypeDynamicSlice, compute.OpTypeDynamicUpdateSlice,
		compute.OpTypeGather, compute.OpTypeDotGeneral, compute.OpTypeArgMinMax, compute.OpTypeClamp,
		compute.OpTypeOptimizationBarrier, compute.OpTypeSchedulingBarrier, compute.OpTypeFusedSoftmax,
		compute.OpTypeFusedLayerNorm, compute.OpTypeFusedDense, compute.OpTypeFusedScaledDotProductAttention,
		compute.OpTypeFusedAttentionQKVProjection, compute.OpTypeFusedQuantizedDense, compute.OpTypeQuantizedEmbeddingLookup,
	} {
		ops[op] = true
	}
	return compute.Capabilities{Operations: ops, DTypes: supported}
}
