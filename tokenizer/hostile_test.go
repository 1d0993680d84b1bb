package tokenizer

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestErrorsNameTheComponent(t *testing.T) {
	model := `"model":{"type":"BPE","vocab":{"a":0},"merges":[]}`
	for _, c := range []struct{ json, want string }{
		{``, "unexpected end"},
		{`{}`, `no "model"`},
		{`[]`, "cannot unmarshal"},
		{`{"model":{"type":"Unigram","vocab":[["a",0]]}}`, "Unigram"},
		{`{"model":{"type":"WordLevel"}}`, `"WordLevel"`},
		{`{"model":{"vocab":{"a":0}}}`, `"type" is missing`},
		{`{"model":{"type":"BPE","vocab":{"a":0},"merges":[],"sampling":1}}`, `"sampling"`},
		{`{"model":{"type":"BPE","vocab":{"a":0},"merges":["a b"]}}`, `merge 0 ("a" "b")`},
		{`{"model":{"type":"BPE","vocab":{"a":0},"merges":["a"]}}`, "not a pair"},
		{`{"model":{"type":"BPE","vocab":{"a":0},"merges":[],"dropout":0.1}}`, "dropout"},
		{`{"model":{"type":"BPE","vocab":{"a":0},"merges":[],"unk_token":"b"}}`, `"b"`},
		{`{"model":{"type":"BPE","vocab":{"a":2000000000},"merges":[]}}`, "id 2000000000"},
		{`{"model":{"type":"BPE","vocab":{"a":-1},"merges":[]}}`, "id -1"},
		{`{"model":{"type":"WordPiece","vocab":{"a":0}}}`, `"[UNK]"`},
		{`{"model":{"type":"WordPiece","vocab":{"[UNK]":0},"max_input_chars_per_word":1000000}}`, "max_input_chars_per_word"},
		{`{"normalizer":{"type":"Precompiled","precompiled_charsmap":""},` + model + `}`, "Precompiled"},
		{`{"normalizer":{"type":"Nmt"},` + model + `}`, `"Nmt"`},
		{`{"normalizer":{"type":"Replace","pattern":{"Regex":" {2,}"},"content":"x"},` + model + `}`, `" {2,}"`},
		{`{"pre_tokenizer":{"type":"UnicodeScripts"},` + model + `}`, `"UnicodeScripts"`},
		{`{"pre_tokenizer":{"type":"Split","pattern":{"Regex":"\\p{Lu}"},"behavior":"Isolated","invert":false},` + model + `}`, `"\\p{Lu}"`},
		{`{"pre_tokenizer":{"type":"Split","pattern":{"String":"a"},"behavior":"Odd","invert":false},` + model + `}`, `"Odd"`},
		{`{"pre_tokenizer":{"type":"ByteLevel","fast":true},` + model + `}`, `"fast"`},
		{`{"pre_tokenizer":{"type":"Metaspace","replacement":"","prepend_scheme":"first"},` + model + `}`, "Metaspace"},
		{`{"pre_tokenizer":` + strings.Repeat(`{"type":"Sequence","pretokenizers":[`, 100) + strings.Repeat(`]}`, 100) + `,` + model + `}`, "nested"},
		{`{"post_processor":{"type":"TemplateProcessing","single":[],"pair":[],"special_tokens":{}},` + model + `}`, "Sequence A"},
		{`{"post_processor":{"type":"BertProcessing","sep":["a",7],"cls":["a",0]},` + model + `}`, "id 7"},
		{`{"decoder":{"type":"CTC"},` + model + `}`, "CTC"},
		{`{"added_tokens":[{"id":99999999,"content":"<x>"}],` + model + `}`, "99999999"},
		{`{"added_tokens":[{"id":1,"content":"` + strings.Repeat("x", 2000) + `"}],` + model + `}`, "2000 bytes"},
	} {
		_, err := FromJSON(strings.NewReader(c.json))
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "tokenizer: tokenizer.json: ") {
			t.Errorf("%.90s: error %v, want one with %s", c.json, err, c.want)
		}
	}
}

func TestOpenErrorsNameTheFile(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, path := range []string{
		filepath.Join(dir, "missing"), dir, write("a.gguf", "GGUF"), write("b.bin", ""), write("tok9.bin", "\x05\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff"),
		write("tokenizer.json", `{"model":{"type":"Unigram"}}`),
	} {
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v", path, err)
		}
	}
}

// A hostile text must not take time that grows with the square of its length: a megabyte of anything that makes one word.
func TestMegabyteWordsAreFast(t *testing.T) {
	const size = 1 << 20
	texts := map[string]string{"one letter": strings.Repeat("a", size), "the": strings.Repeat("the", size/3), "spaces": strings.Repeat(" ", size) + "x",
		"newlines": strings.Repeat("\n ", size/2), "marks": "a" + strings.Repeat("\u0301", size/2), "ideographs": strings.Repeat("漢", size/3),
		"specials": strings.Repeat("<|im_start|", size/11), "bytes": strings.Repeat("\xff", size), "quotes": strings.Repeat("'", size)}
	for _, base := range []string{"gpt2", "sentencepiece", "wordpiece"} {
		tok := loadBase(t, base)
		for name, text := range texts {
			start := time.Now()
			ids := tok.Encode(nil, text, EncodeOptions{})
			// The time is a safeguard, far from the tens of milliseconds seen: a quadratic method needs minutes.
			if took := time.Since(start); len(ids) == 0 || took > 5*time.Second {
				t.Errorf("%s, %s: %d ids in %v", base, name, len(ids), took)
			}
		}
	}
}

// The scanners see white space they do not take more than once; that must stay linear too.
func TestScannersAreLinear(t *testing.T) {
	for name, s := range map[string]splitter{"gpt2": gpt2Scanner{chars()}, "llama3": llama3Scanner{chars(), 3}, "qwen2": llama3Scanner{chars(), 1}} {
		for _, unit := range []string{" ", "\n ", " \t\n.", "\u2003", "'", " '", "1", "é", "\u0301"} {
			text := strings.Repeat(unit, 1<<20/len(unit))
			start := time.Now()
			for rest := text; len(rest) > 0; {
				n, keep := s.next(rest)
				if n <= 0 || !keep {
					t.Fatalf("%s, %q: next gives %d, %v", name, unit, n, keep)
				}
				rest = rest[n:]
			}
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("%s: a megabyte of %q takes %v", name, unit, took)
			}
		}
	}
}

// Merging short words by scanning, long words with the heap, and by the definition give the same.
func TestMergesFollowTheDefinition(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		const letters = 4
		table := newPairs(64)
		byPair := map[[2]int32][2]int32{}
		next := int32(letters)
		for rank := range int32(30) {
			p := [2]int32{rng.Int32N(next), rng.Int32N(next)}
			if _, ok := byPair[p]; ok {
				continue
			}
			byPair[p] = [2]int32{rank, next}
			table.set(p[0], p[1], uint32(rank), next)
			next++
		}
		word := make([]int32, rng.IntN(80))
		for i := range word {
			word[i] = rng.Int32N(letters)
		}
		want := slices.Clone(word)
		for {
			best, at := int32(1<<30), -1
			for i := range len(want) - 1 {
				if m, ok := byPair[[2]int32{want[i], want[i+1]}]; ok && m[0] < best {
					best, at = m[0], i
				}
			}
			if at < 0 {
				break
			}
			want = slices.Replace(want, at, at+2, byPair[[2]int32{want[at], want[at+1]}][1])
		}
		if got := table.mergeAll(&scratch{}, slices.Clone(word)); !slices.Equal(got, want) {
			t.Fatalf("mergeAll(%v) = %v, want %v", word, got, want)
		}
		if got := table.mergeLong(&scratch{}, slices.Clone(word)); !slices.Equal(got, want) {
			t.Fatalf("mergeLong(%v) = %v, want %v", word, got, want)
		}
	}
}

func TestCacheAndConcurrencyChangeNothing(t *testing.T) {
	texts := fixtureTexts(t)
	tok := loadBase(t, "llama3")
	var want [][]int
	for _, s := range texts {
		want = append(want, loadBase(t, "llama3").Encode(nil, s, EncodeOptions{})) // a fresh cache every time
		if len(want) == 20 {
			break
		}
	}
	done := make(chan error)
	for range 4 {
		go func() {
			for range 5 {
				for i := range want {
					if got := tok.Encode(nil, texts[i], EncodeOptions{}); !slices.Equal(got, want[i]) {
						done <- fmt.Errorf("text %d: %v, want %v", i, got, want[i])
						return
					}
				}
			}
			done <- nil
		}()
	}
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestTokensAndIDs(t *testing.T) {
	tok := loadBase(t, "llama3")
	for id := range tok.VocabSize() {
		text, ok := tok.Token(id)
		if back, found := tok.ID(text); !ok || !found || back != id {
			t.Fatalf("Token(%d) = %q, %v; ID = %d, %v", id, text, ok, back, found)
		}
	}
	for _, id := range []int{-1, tok.VocabSize(), 1 << 40} {
		if text, ok := tok.Token(id); ok || tok.IsSpecial(id) || tok.Decode([]int{id}) != "" {
			t.Errorf("id %d: %q", id, text)
		}
	}
	if id, _ := tok.ID("<|eot_id|>"); !tok.IsSpecial(id) {
		t.Error("<|eot_id|> is not special")
	}
	literal := tok.Encode(nil, "<|eot_id|>", EncodeOptions{Bare: true, Literal: true})
	if len(literal) < 2 || tok.Decode(literal) != "<|eot_id|>" {
		t.Errorf("literal: %q", names(tok, literal))
	}
	prefix := []int{7, 8}
	if got := tok.Encode(prefix, "a", EncodeOptions{Bare: true}); len(got) != 3 || got[0] != 7 || got[1] != 8 {
		t.Errorf("Encode appended to %v: %v", prefix, got)
	}
}

func FuzzFromJSON(f *testing.F) {
	for _, seed := range []string{ // small, as the fuzzer mutates small inputs best, and with every component between them
		`{"normalizer":{"type":"Sequence","normalizers":[{"type":"NFKC"},{"type":"Strip","strip_left":true},{"type":"Prepend","prepend":"_"},` +
			`{"type":"Replace","pattern":{"String":" "},"content":"_"},{"type":"StripAccents"},{"type":"Lowercase"}]},` +
			`"pre_tokenizer":{"type":"Metaspace","replacement":"_","prepend_scheme":"first","split":false},` +
			`"decoder":{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"_"},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"},` +
			`{"type":"Strip","content":" ","start":1,"stop":9}]},` +
			`"added_tokens":[{"id":9,"content":"b","lstrip":true,"rstrip":true,"single_word":true,"normalized":true},{"id":1,"content":"<a>","special":true}],` +
			`"model":{"type":"BPE","vocab":{"a":0,"aa":2,"_":3,"<0x62>":4},"merges":["a a"],"unk_token":"a","fuse_unk":true,"byte_fallback":true}}`,
		`{"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Digits","individual_digits":true},{"type":"Split","pattern":{"String":"-"},"behavior":"MergedWithNext","invert":false},` +
			`{"type":"ByteLevel","add_prefix_space":true,"use_regex":true}]},"post_processor":{"type":"RobertaProcessing","sep":["b",1],"cls":["a",0]},"decoder":{"type":"ByteLevel"},` +
			`"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2,"\u0120":3},"merges":[["a","b"]],"ignore_merges":true}}`,
		`{"normalizer":{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true},"pre_tokenizer":{"type":"BertPreTokenizer"},` +
			`"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"C","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],"pair":[],"special_tokens":{"C":{"id":"C","ids":[1],"tokens":["C"]}}},` +
			`"decoder":{"type":"WordPiece","prefix":"##","cleanup":true},"model":{"type":"WordPiece","unk_token":"U","vocab":{"U":0,"C":1,"a":2,"##b":3}}}`,
		`{"pre_tokenizer":{"type":"Split","pattern":{"Regex":"` + strings.ReplaceAll(patternLlama3, `\`, `\\`) + `"},"behavior":"Isolated","invert":false},` +
			`"model":{"type":"BPE","vocab":{"a":0,"##b":1,"ab":2},"merges":["a ##b"],"continuing_subword_prefix":"##"}}`,
	} {
		if _, err := FromJSON(strings.NewReader(seed)); err != nil {
			f.Fatal(err)
		}
		f.Add([]byte(seed), " ab <a>a-1 b\xff")
	}
	f.Fuzz(func(t *testing.T, data []byte, text string) {
		tok, err := FromJSON(bytes.NewReader(data))
		if err != nil {
			return
		}
		if limit := 2*len(data) + 2000; tok.VocabSize() > limit {
			t.Fatalf("%d tokens from %d bytes", tok.VocabSize(), len(data))
		}
		ids := tok.Encode(nil, text, EncodeOptions{})
		for _, id := range ids {
			if id < 0 || id >= tok.VocabSize() {
				t.Fatalf("id %d of %d", id, tok.VocabSize())
			}
		}
		tok.Decode(ids)
	})
}

func FuzzEncode(f *testing.F) {
	var toks []*Tokenizer
	for _, base := range []string{"gpt2", "llama3", "qwen2", "sentencepiece", "wordpiece"} {
		toks = append(toks, loadBase(f, base))
	}
	for _, s := range fixtureTexts(f) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		valid := string(bytes.ToValidUTF8([]byte(text), nil)) == text
		if utf8.ValidString(lossy(text)) != true || valid && lossy(text) != text {
			t.Fatalf("lossy(%q) = %q", text, lossy(text))
		}
		for i, tok := range toks {
			ids := tok.Encode(nil, text, EncodeOptions{})
			if again := tok.Encode(nil, lossy(text), EncodeOptions{}); !slices.Equal(ids, again) {
				t.Fatalf("tokenizer %d: %q gives %v, read as UTF-8 %v", i, text, ids, again)
			}
			if back := tok.DecodeWith(tok.Encode(nil, text, EncodeOptions{Bare: true}), DecodeOptions{Special: true}); i < 2 && back != lossy(text) {
				t.Fatalf("tokenizer %d: %q comes back as %q", i, text, back)
			}
			var joined strings.Builder
			s := tok.NewStream(DecodeOptions{})
			for _, id := range ids {
				joined.WriteString(s.Next(id))
			}
			joined.WriteString(s.Flush())
			if want := tok.Decode(ids); joined.String() != want {
				t.Fatalf("tokenizer %d: streamed %q, decoded %q", i, joined.String(), want)
			}
		}
	})
}

func FuzzFromLlama2c(f *testing.F) {
	data := binary.LittleEndian.AppendUint32(nil, 8)
	for id := range 300 {
		tok := fmt.Sprintf("<0x%02X>", id)
		if id >= llama2cFirst {
			tok = string(rune(' ' + id - llama2cFirst))
		}
		data = binary.LittleEndian.AppendUint32(data, 0)
		data = binary.LittleEndian.AppendUint32(data, uint32(len(tok)))
		data = append(data, tok...)
	}
	f.Add(data, "ab é")
	f.Add(data[:100], "")
	f.Fuzz(func(t *testing.T, data []byte, text string) {
		tok, err := FromLlama2c(bytes.NewReader(data))
		if err != nil {
			return
		}
		for _, id := range tok.Encode(nil, text, EncodeOptions{}) {
			if id < 0 || id >= tok.VocabSize() {
				t.Fatalf("id %d of %d", id, tok.VocabSize())
			}
		}
	})
}
