// Package quant reads and writes the block formats of GGUF files and multiplies by matrices stored in them.
//
// A block of 32 or 256 values shares one or two half-precision scales and stores each value in 2 to 8 bits. Dequantise
// turns blocks of any supported type into float32, Quantise makes blocks (bit for bit those of ggml's reference code),
// and MulTo computes X Wᵀ from the blocks of W without expanding them, which is what makes decoding fast: a token needs
// every weight once, so time is bytes read.
package quant
