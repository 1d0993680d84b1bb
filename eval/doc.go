// Package eval measures language models: perplexity under a named protocol, and accuracy on multiple-choice questions.
//
// Two perplexities of the same model and text differ by several per cent when the text was cut differently, so a protocol
// is part of the number. Blocks is what the GPTQ and SVD-LLM papers report, SecondHalf what llama.cpp's perplexity tool prints.
package eval
