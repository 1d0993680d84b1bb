// Package model runs causal language models of the Llama family (Llama 2 and 3, SmolLM2, TinyLlama, Mistral, Qwen2 and
// 2.5) on the CPU.
//
// There is one definition of a block, a GoMLX graph in block.go whose weights are inputs. It runs in two ways:
//
//   - Streaming, for evaluation and calibration: Embed, then RunBlock for each block in turn on the hidden states of many
//     sequences, then NLL or Logits. Only one block's float32 weights are in memory, whatever the model's size; the rest
//     stays in the memory-mapped checkpoint.
//   - Resident, for generation: a Session holds all weights, as float32 or in the file's quantised blocks, and a cache of
//     keys and values.
//
// SetLinear puts any structure.Layer in the place of a linear layer, in both.
package model
