// Package checkpoint reads and writes the files that hold a model's weights: safetensors (one file, or a Hugging Face
// folder of shards), GGUF, and the legacy export of llama2.c.
//
// [Open] maps a file into memory and lists its tensors as they are stored; [OpenModel] presents a Llama-family model with
// the names and the row order of Hugging Face whatever the format; [Convert] turns one format into another, a tensor at a
// time. Writers put everything under a temporary name beside the destination and rename it when it is complete, so that
// an interrupted or failed run leaves the old file as it was.
//
// No file can make this package panic or allocate more than a small multiple of the file's size: every length is checked
// against what the file holds before it is used. Errors name the file, the tensor, what was expected and what was found.
//
// The files must not shrink while they are open: the operating system ends a process that touches mapped memory that is
// no longer there.
package checkpoint
