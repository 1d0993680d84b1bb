package checkpoint

import (
	"fmt"
	"strings"
)

// Byte-level BPE first splits text into words. tokenizer.json spells the rule out; GGUF has a name for it
// (tokenizer.ggml.pre). Both are facts of the models' own files.

const (
	llama3Pattern = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	qwen2Pattern  = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
)

// splitter is one rule: its name in GGUF and its steps in tokenizer.json.
type splitter struct {
	name    string
	aliases []string // other names in GGUF for the same rule
	pattern string   // of a Split step; "": ByteLevel's own
	digits  bool     // every digit is a word
	nfc     bool     // text is normalised first (tokenizer.json only; llama.cpp leaves it out)
	whole   bool     // a word that is a token is not split further
}

var splitters = []splitter{
	{name: "gpt-2", aliases: []string{"", "default"}},
	{name: "smollm", digits: true},
	{name: "llama-bpe", aliases: []string{"llama3", "llama-v3"}, pattern: llama3Pattern, whole: true},
	{name: "qwen2", pattern: qwen2Pattern, nfc: true},
}

// splitterOf recognises a pre-tokenizer and says whether it puts a space before the text.
func splitterOf(p *hfComponent) (name string, spacePrefix bool, err error) {
	var s splitter
	bytes := false
	for _, step := range p.flat() {
		switch {
		case bytes:
			return "", false, fmt.Errorf("pre-tokenizer %q after ByteLevel is not supported", step.Type)
		case step.Type == "Digits" && step.IndividualDigits:
			s.digits = true
		case step.Type == "Split" && step.Pattern.Regex != "" && s.pattern == "" && (step.Behavior == "Isolated" || step.Behavior == "Removed" && step.Invert):
			s.pattern = step.Pattern.Regex
		case step.Type == "ByteLevel" && (or(step.UseRegex, true) == (s.pattern == "")):
			bytes, spacePrefix = true, or(step.AddPrefixSpace, true)
		default:
			return "", false, fmt.Errorf("pre-tokenizer %q in this form is not supported", step.Type)
		}
	}
	if !bytes {
		return "", false, fmt.Errorf("no ByteLevel pre-tokenizer: neither byte-level nor SentencePiece BPE")
	}
	for _, known := range splitters {
		if known.pattern == s.pattern && known.digits == s.digits {
			return known.name, spacePrefix, nil
		}
	}
	return "", false, fmt.Errorf("splitting by %q is not supported; expected the rule of GPT-2, SmolLM, Llama 3 or Qwen2", s.pattern)
}

// findSplitter returns the rule of a name in GGUF.
func findSplitter(name string) (splitter, error) {
	var names []string
	for _, s := range splitters {
		if s.name == name {
			return s, nil
		}
		for _, a := range s.aliases {
			if a == name {
				return s, nil
			}
		}
		names = append(names, s.name)
	}
	return splitter{}, fmt.Errorf("tokenizer.ggml.pre %q is not supported; expected %s", name, strings.Join(names, ", "))
}

// preTokenizer returns the steps for tokenizer.json.
func (s splitter) preTokenizer(spacePrefix bool) map[string]any {
	bytes := map[string]any{"type": "ByteLevel", "add_prefix_space": spacePrefix, "trim_offsets": true, "use_regex": s.pattern == ""}
	steps := []any{}
	if s.digits {
		steps = append(steps, map[string]any{"type": "Digits", "individual_digits": true})
	}
	if s.pattern != "" {
		steps = append(steps, map[string]any{
			"type": "Split", "pattern": map[string]any{"Regex": s.pattern}, "behavior": "Isolated", "invert": false,
		})
	}
	if len(steps) == 0 {
		return bytes
	}
	return map[string]any{"type": "Sequence", "pretokenizers": append(steps, bytes)}
}
