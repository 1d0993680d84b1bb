// Package tokenizer turns text into the token ids a language model was trained on, and back. It reads Hugging Face's
// tokenizer.json, the tokenizer.ggml.* metadata of a GGUF file and llama2.c's tokenizer files, and gives the same ids as
// Hugging Face tokenizers 0.23 does for them.
//
// Text passes through five stages, as in Hugging Face's library:
//
//  1. added and special tokens written in the text are cut out,
//  2. what is left is normalised (Unicode forms, lower case, prepended or replaced characters),
//  3. and split into words by the pre-tokenizer (hand-written scanners take the place of the published regular expressions);
//  4. the model turns each word into ids: byte-level BPE, SentencePiece-style BPE with byte fallback, or WordPiece;
//  5. the post-processor puts BOS, EOS, [CLS] and [SEP] around them.
//
// A component, an option or a pattern the package does not know is an error that names it: a tokenizer that loads is exact.
// Unigram (SentencePiece's other algorithm) is refused. Truncation and padding blocks are ignored: they shape batches, not
// tokens.
//
// # Invalid UTF-8
//
// Encode takes any bytes. What is not UTF-8 is read as Python's bytes.decode(errors="replace") and Rust's from_utf8_lossy
// read it: each maximal ill-formed part becomes one U+FFFD. Decode applies the same rule to the bytes it joins.
//
// # Unicode versions
//
// Character classes and the lower-case mapping come from the library itself (unicode.bin, made by testdata/make_unicode.py).
// NFC, NFD, NFKC and NFKD come from golang.org/x/text, whose tables are newer than the library's: NFD differs for U+11938,
// NFKC and NFKD differ for U+32FF and for compatibility characters added since Unicode 12.
package tokenizer
