package checkpoint

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// toHF returns tokenizer.json, tokenizer_config.json and special_tokens_map.json.
func (v *vocabulary) toHF(positions int) (map[string][]byte, error) {
	tokenizer := map[string]any{"version": "1.0", "truncation": nil, "padding": nil, "added_tokens": v.addedTokens()}
	merges := v.merges
	model := map[string]any{
		"type": "BPE", "dropout": nil, "unk_token": nil, "continuing_subword_prefix": nil, "end_of_word_suffix": nil,
		"fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
	}
	if v.kind == ggufSentencePiece {
		merges = mergesFromScores(v)
		v.sentencePieceSteps(tokenizer)
		model["fuse_unk"], model["byte_fallback"] = true, true
		if v.unk >= 0 {
			model["unk_token"] = v.token(v.unk)
		}
	} else {
		s, err := findSplitter(v.pre)
		if err != nil {
			return nil, err
		}
		v.byteLevelSteps(tokenizer, s)
		model["ignore_merges"] = s.whole
	}
	if merges == nil {
		merges = []string{}
	}
	tokens, err := v.orderedVocab()
	if err != nil {
		return nil, err
	}
	model["vocab"], model["merges"] = tokens, merges
	tokenizer["model"] = model
	files := map[string]any{
		"tokenizer.json": tokenizer, "tokenizer_config.json": v.tokenizerConfig(positions), "special_tokens_map.json": v.specialTokens(),
	}
	out := map[string][]byte{}
	for name, value := range files {
		var b bytes.Buffer
		if err := appendJSON(&b, value); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out[name] = append(b.Bytes(), '\n')
	}
	return out, nil
}

// addedTokens are those that are found in text before anything else.
func (v *vocabulary) addedTokens() []any {
	added := []any{}
	for id, t := range v.types {
		if t == tokenControl || t == tokenUserDefined || t == tokenUnknown {
			added = append(added, map[string]any{
				"id": id, "content": v.tokens[id], "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
				"special": t != tokenUserDefined,
			})
		}
	}
	return added
}

// jsonObject is a JSON object whose keys keep their order.
type jsonObject []byte

func (o jsonObject) MarshalJSON() ([]byte, error) { return o, nil }

// orderedVocab is {"token": id, ...} by id, without the ids that only pad the embedding.
func (v *vocabulary) orderedVocab() (jsonObject, error) {
	var b bytes.Buffer
	seen := make(map[string]int, len(v.tokens))
	b.WriteByte('{')
	for id, t := range v.tokens {
		if v.types[id] == tokenUnused {
			continue
		}
		if !utf8.ValidString(t) {
			return nil, fmt.Errorf("token %d, %q, is not valid UTF-8", id, t)
		}
		if first, twice := seen[t]; twice {
			return nil, fmt.Errorf("tokens %d and %d are both %q", first, id, t)
		}
		seen[t] = id
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		if err := appendJSON(&b, t); err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, ":%d", id)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func (v *vocabulary) byteLevelSteps(tokenizer map[string]any, s splitter) {
	byteLevel := map[string]any{"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true}
	tokenizer["normalizer"] = nil
	if s.nfc {
		tokenizer["normalizer"] = map[string]any{"type": "NFC"}
	}
	tokenizer["pre_tokenizer"] = s.preTokenizer(v.spacePrefix)
	tokenizer["decoder"] = byteLevel
	tokenizer["post_processor"] = byteLevel
	if template := v.template(); template != nil {
		tokenizer["post_processor"] = map[string]any{"type": "Sequence", "processors": []any{byteLevel, template}}
	}
}

func (v *vocabulary) sentencePieceSteps(tokenizer map[string]any) {
	replace := func(from, to string) map[string]any {
		return map[string]any{"type": "Replace", "pattern": map[string]any{"String": from}, "content": to}
	}
	normalizers := []any{replace(" ", spaceMark)}
	decoders := []any{replace(spaceMark, " "), map[string]any{"type": "ByteFallback"}, map[string]any{"type": "Fuse"}}
	if v.spacePrefix {
		normalizers = append([]any{map[string]any{"type": "Prepend", "prepend": spaceMark}}, normalizers...)
		decoders = append(decoders, map[string]any{"type": "Strip", "content": " ", "start": 1, "stop": 0})
	}
	tokenizer["normalizer"] = map[string]any{"type": "Sequence", "normalizers": normalizers}
	tokenizer["pre_tokenizer"] = nil
	tokenizer["post_processor"] = v.template()
	tokenizer["decoder"] = map[string]any{"type": "Sequence", "decoders": decoders}
}

// template is the post-processor that adds BOS and EOS, nil when neither is.
func (v *vocabulary) template() any {
	special := map[string]any{}
	with := func(sequences ...string) []any {
		var out []any
		for i, s := range sequences {
			add := func(id int) {
				text := v.token(id)
				special[text] = map[string]any{"id": text, "ids": []int{id}, "tokens": []string{text}}
				out = append(out, map[string]any{"SpecialToken": map[string]any{"id": text, "type_id": i}})
			}
			if v.addBOS && v.bos >= 0 {
				add(v.bos)
			}
			out = append(out, map[string]any{"Sequence": map[string]any{"id": s, "type_id": i}})
			if v.addEOS && v.eos >= 0 {
				add(v.eos)
			}
		}
		return out
	}
	single, pair := with("A"), with("A", "B")
	if len(special) == 0 {
		return nil
	}
	return map[string]any{"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": special}
}

func (v *vocabulary) specialTokens() map[string]any {
	out := map[string]any{}
	for key, id := range map[string]int{"bos_token": v.bos, "eos_token": v.eos, "unk_token": v.unk, "pad_token": v.pad} {
		if id >= 0 {
			out[key] = v.token(id)
		}
	}
	return out
}

func (v *vocabulary) tokenizerConfig(positions int) map[string]any {
	out := v.specialTokens()
	out["tokenizer_class"] = "PreTrainedTokenizerFast" // everything is in tokenizer.json
	out["model_max_length"] = positions
	out["clean_up_tokenization_spaces"] = false
	if v.chatTemplate != "" {
		out["chat_template"] = v.chatTemplate
	}
	return out
}

// mergesFromScores lists the merges that SentencePiece would do: every way to cut a token in two tokens, best score
// first. Cuts of one token follow each other, shorter left part first.
func mergesFromScores(v *vocabulary) []string {
	id := make(map[string]bool, len(v.tokens))
	order := []int{}
	for i, t := range v.tokens {
		if v.types[i] == tokenNormal || v.types[i] == tokenUserDefined {
			id[t] = true
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(v.scores[b], v.scores[a]) })
	var merges []string
	for _, i := range order {
		t := v.tokens[i]
		if v.types[i] != tokenNormal || v.scores[i] <= unmergedScore {
			continue
		}
		for cut := range t {
			if cut > 0 && id[t[:cut]] && id[t[cut:]] && !strings.Contains(t, " ") {
				merges = append(merges, t[:cut]+" "+t[cut:])
			}
		}
	}
	return merges
}
