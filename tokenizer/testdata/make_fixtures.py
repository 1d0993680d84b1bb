"""Writes the tokenizer fixtures of this folder: small vocabularies and the ids that Hugging Face tokenizers and llama.cpp
give for a fixed list of texts.

Run: ECKART_PEERS/bin/python make_fixtures.py DATA [SMOLLM2_GGUF MINILM_FOLDER]
DATA holds tinyshakespeare/input.txt, sentencepiece/botchan.txt, wikitext-2/wiki.test.raw, stories260k/tok512.bin.

  texts.json.gz         the texts, base64 (some are not UTF-8)
  base-NAME.json.gz     tokenizer.json files with trained vocabularies (public-domain text: Shakespeare, Botchan)
  cases.json.gz         per case: a base, the top-level keys of tokenizer.json it replaces, ids and decoded text per text
  llamacpp.json.gz      per case: ids by llama.cpp for a GGUF file made from a base
  llama2c.json.gz       ids by the algorithm of llama2.c's run.c for tok512.bin
  real.json.gz          ids for the vocabularies of SmolLM2 and all-MiniLM-L6-v2, and digests of ids of whole books

Texts that are not UTF-8 are decoded with errors="replace", as the Go package documents it.
"""
import base64
import gzip
import hashlib
import json
import pathlib
import random
import struct
import sys
import tempfile

import gguf
import llama_cpp
import tokenizers
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

OUT = pathlib.Path(__file__).resolve().parent
DATA = pathlib.Path(sys.argv[1])
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = LLAMA3.replace("{1,3}", "")

TEXTS = [
    "", " ", "  ", "\n", "\n\n", " \n ", "\t", "a", " a", "a ", "Hello, world!", "hello   world", "  leading", "trailing   ",
    "I'm sure they've said we'll, he'd, it's, isn't, you're.", "I'M SURE THEY'VE SAID WE'LL, HE'D, IT'S, ISN'T, YOU'RE.",
    "'s 'S '\u017f 'll 'LL 'Ll 'lL 're 'Re x'y '' ''' 'sure 'though '1 ' s", "don\u2019t \u2018quote\u2019",
    "0 1 12 123 1234 12345 123456 3.14159 1,000,000 0x1F 1e-5 ½ ² Ⅷ ٣٤٥ १२३ 𝟙𝟚 10°C x2y 2x", "2026-11-24T14:22:14Z +49 (0)30 123456",
    "日本語のテキストと漢字、そしてカタカナ。", "中文分词测试，没有空格。", "한국어 문장입니다. 띄어쓰기가 있습니다.", "混ぜたmixed文字123と漢字abc",
    "Привет, мир! Ёлка и ёж.", "Ελληνικά: ΣΊΣΥΦΟΣ σίσυφος", "مرحبا بالعالم ١٢٣", "שלום עולם", "नमस्ते दुनिया", "ภาษาไทยไม่มีช่องว่าง", "İstanbul'da IŞIK ıslak ﬁne ǅ",
    "cafe\u0301 caf\u00e9 e\u0301\u0302\u0323 n\u0303 A\u030a \u212b \u1e69 s\u0323\u0307 s\u0307\u0323", "a" + "\u0301" * 40 + "b", "o" + "\u0323\u0301" * 25 + " " + "\u0301" * 5,
    "\u1100\u1161\u11a8 \uac01 \ufb01 \uff21\uff22\uff23 \u2460 \u33a1 x\u00b2", "😀 😃😄 👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽 🇩🇪🇫🇷 ❤️ 🫠", "emoji😀inside😀words 1️⃣2️⃣",
    "a\u00a0b\u2003c\u3000d\u2028e\u2029f\u0085g\u000bh\u000ci\u200bj\ufeffk\u1680l\u180em", "    four\n\tTab\r\nCRLF\r\rCR\n\n\n  two\n   \n\t \tend  ", " \t \r\n x\n \n  y",
    "word" + " " * 50 + "far", " " * 200, "\n" * 100, "\t\t\t\tx", "a\n b\n  c\n   d", "a" * 300, "ab" * 200, "=" * 120 + "\n" + "-" * 77,
    "def f(x):\n    if x > 0:\n        return x ** 2  # square\n\n    return {'a': [1, 2, 3], \"b\": None}\n",
    "func (t *T) Encode(dst []int, s string) []int {\n\tfor i := range s {\n\t\tdst = append(dst, int(s[i]))\n\t}\n\treturn dst // ok\n}\n",
    "<div class=\"a\">&nbsp;&amp;</div> https://example.org/a/b?c=d&e=f#g user@example.com C:\\path\\file.txt $100 50% #tag @you a_b_c __init__ --flag",
    "\"Quoted,\" she said; (parenthesis) [bracket] {brace} <angle> ... — – - ‐ ‑ … ¿qué? ¡sí! «oui» „ja“ ±×÷ €£¥ ©®™ §¶ ~`^|",
    "<|endoftext|>Hello<|endoftext|> there <|endoftext|>", "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n", "<|im_start|<|im_start|><|im_start|>|im_end|>",
    "<s>Hello</s> <s> x</s>", "a <mask> b  <mask>  c<mask>", "[CLS] the [MASK] sat [SEP] [UNK] [PAD][MASK]", "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>",
    "<0x41><0x0A> <unk> ▁under▁score ▁ ▁▁", "Ġthe Ċ ##ing ## [unused1]", "solo solos xsolo solo, (solo) NAÏVE naïve naïve token  ends  x", "\x00\x01\x1b[31mred\x7f\u0080\u009f\u00ad",
    "\ufffd \ufffe \uffff \U0010ffff \ue000 \u0378 \U000e0001", "Thequickbrownfoxjumpsoverthelazydogwithoutanyspacesatallbutverylong" * 3, "x" * 99 + " " + "y" * 100 + " " + "z" * 101 + " é" * 3 + "w" * 150,
    "To be, or not to be, that is the question: Whether 'tis nobler in the mind to suffer", "ROMEO:\nBut, soft! what light through yonder window breaks?\n", "Mr. O'Brien's co-worker's e-mail",
]
BROKEN = [
    b"\xff", b"abc\xc3", b"\xe2\x82", b"\xe2\x82\xac \xe2\x82 \xe2x", b"\xf0\x9f\x98", b"\xf0\x9f\x98\x80\xf0\x9f", b"\xc0\xaf\xe0\x80\xaf \xed\xa0\x80 \xf4\x90\x80\x80 \xf8\x88",
    b"a\x80b\xbf\xbfc", b"\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41", b"caf\xe9 na\xefve", bytes(range(256)), b"'\xff's \xc2 1\xe3\x80\x802",
]


def random_texts():
    rng = random.Random(20261124)
    pool = list("aabbcstrvemldeSTRVELDMz019") + list("    \n\n\t\r''''.,!?-_()<>|#") + list(
        "\u00a0\u2003\u3000\u0085éßñÀİıſ漢字かな한ж٣½Ⅷ²\u0301\u0308\u200d😀👍\ufffd\u00ad▁Ġ\u1680\u2028\U0001d7d9\u0e01\u0e31\u093f\u0903\u20e3")
    for i in range(150):
        yield "".join(rng.choice(pool) for _ in range(rng.randrange(2, 60)))
    points = [c for c in range(1, 0x3100) if not 0xD800 <= c < 0xE000]
    for i in range(40):
        yield "".join(chr(rng.choice(points)) + rng.choice(["", " ", "a", "'"]) for _ in range(40))
    for i in range(20):
        yield bytes(rng.choice([rng.randrange(256), rng.choice(b"ab '\n1"), rng.choice(b"\xe2\x82\xac\xf0\x9f\x98")]) for _ in range(40))


RAW = [t.encode() for t in TEXTS] + BROKEN + [t if isinstance(t, bytes) else t.encode() for t in random_texts()]
READ = [b.decode("utf-8", errors="replace") for b in RAW]


def write(name, value):
    data = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    (OUT / name).write_bytes(gzip.compress(data, 9, mtime=0))
    print(f"{name}: {(OUT / name).stat().st_size} bytes")


CORPUS = [(DATA / "tinyshakespeare/input.txt").read_text()[:400000], (DATA / "sentencepiece/botchan.txt").read_text(errors="replace")[:150000]] + \
    [t for t in TEXTS if not t.startswith("<")] * 3


def byte_level(pre, specials, size=1500, **kw):
    t = Tokenizer(models.BPE(**kw))
    t.pre_tokenizer = pre
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=size, special_tokens=specials, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    return t


def split(pattern):
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def sentencepiece_style():
    """Llama 2's layout: unknown, BOS, EOS, bytes, then tokens in the order they were learned and single characters; merges are
    all the ways to put a token together from two others, in order of the token's rank, as transformers' converter writes them."""
    t = Tokenizer(models.BPE())
    t.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    t.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    t.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=1300, limit_alphabet=90, show_progress=False))
    learned = json.loads(t.to_str())["model"]
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
    known = set(tokens)
    for m in learned["merges"]:
        if "".join(m) not in known:
            tokens.append("".join(m))
            known.add(tokens[-1])
    tokens += [c for c in sorted(learned["vocab"], key=learned["vocab"].get) if len(c) == 1]
    vocab = {tok: i for i, tok in enumerate(tokens)}
    merges = []
    for tok in tokens[259:]:
        merges += sorted(((tok[:i], tok[i:]) for i in range(1, len(tok)) if tok[:i] in vocab and tok[i:] in vocab), key=lambda p: (vocab[p[0]], vocab[p[1]]))
    t = Tokenizer(models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    t.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    t.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)])
    t.add_special_tokens(["<unk>", "<s>", "</s>"])
    return t


def wordpiece():
    t = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    t.normalizer = normalizers.BertNormalizer()
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.decoder = decoders.WordPiece()
    t.train_from_iterator(CORPUS, trainers.WordPieceTrainer(vocab_size=1500, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], show_progress=False))
    ids = {k: t.token_to_id(k) for k in ("[CLS]", "[SEP]")}
    t.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=list(ids.items()))
    return t


def make_bases():
    gpt2 = byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False), ["<|endoftext|>"])
    gpt2.post_processor = processors.ByteLevel(trim_offsets=False)
    llama3 = byte_level(split(LLAMA3), ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"], ignore_merges=True)
    llama3.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), processors.TemplateProcessing(
        single="<|begin_of_text|> $A", pair="<|begin_of_text|> $A <|begin_of_text|> $B", special_tokens=[("<|begin_of_text|>", 0)])])
    qwen2 = byte_level(split(QWEN2), ["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    qwen2.normalizer = normalizers.NFC()
    return {"gpt2": gpt2, "llama3": llama3, "qwen2": qwen2, "sentencepiece": sentencepiece_style(), "wordpiece": wordpiece()}


def byte_level_json(prefix=False, regex=True):
    return {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": True, "use_regex": regex}


def seq(key, *items):
    return {"type": "Sequence", key: list(items)}


def token(content, i, **flags):
    return {"id": i, "content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True} | flags


def string(pattern, behave):
    return {"type": "Split", "pattern": {"String": pattern}, "behavior": behave, "invert": False}


def make_cases(bases):
    """Components to put in place of those of a base."""
    size = {n: b.get_vocab_size() for n, b in bases.items()}
    bert = {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True}
    word = json.loads(bases["wordpiece"].to_str())
    char = json.loads(bases["sentencepiece"].to_str())
    letters = {c: i for i, c in enumerate(["?"] + sorted({c for t in TEXTS[10:20] for c in t} | {"##" + c for c in "abcdefghijklm"}))}
    n = lambda kind: {"type": kind}
    cases = {
        "gpt2": ("gpt2", {}), "llama3": ("llama3", {}), "qwen2": ("qwen2", {}), "sentencepiece": ("sentencepiece", {}), "wordpiece": ("wordpiece", {}),
        "smollm": ("gpt2", {"pre_tokenizer": seq("pretokenizers", {"type": "Digits", "individual_digits": True}, byte_level_json())}),
        "roberta": ("gpt2", {"pre_tokenizer": byte_level_json(prefix=True), "added_tokens": [token("<|endoftext|>", 0), token("<s>", size["gpt2"]), token("</s>", size["gpt2"] + 1),
                    token("<mask>", size["gpt2"] + 2, lstrip=True)],
                    "post_processor": {"type": "RobertaProcessing", "sep": ["</s>", size["gpt2"] + 1], "cls": ["<s>", size["gpt2"]], "trim_offsets": True, "add_prefix_space": True}}),
        "gpt2-inverted-digits": ("gpt2", {"pre_tokenizer": seq("pretokenizers", {"type": "Digits", "individual_digits": False},
                                 {"type": "Split", "pattern": {"Regex": LLAMA3}, "behavior": "Removed", "invert": True}, byte_level_json(regex=False))}),
        "nfkc-lower-words": ("gpt2", {"normalizer": seq("normalizers", n("NFKC"), n("Lowercase")), "pre_tokenizer": seq("pretokenizers", n("Whitespace"), byte_level_json(regex=False)),
                             "added_tokens": [token("Solo", size["gpt2"], single_word=True, normalized=True, special=False), token("ends", size["gpt2"] + 1, rstrip=True, lstrip=True, normalized=True, special=False),
                                              token("NA\u00cfVE", size["gpt2"] + 2, normalized=True)]}),
        "nfd-strip": ("gpt2", {"normalizer": seq("normalizers", n("NFD"), n("StripAccents"), {"type": "Strip", "strip_left": True, "strip_right": True}),
                      "pre_tokenizer": seq("pretokenizers", n("WhitespaceSplit"), {"type": "Punctuation", "behavior": "Contiguous"}, byte_level_json(regex=False))}),
        "nfkd": ("gpt2", {"normalizer": n("NFKD"), "pre_tokenizer": seq("pretokenizers", {"type": "Punctuation", "behavior": "MergedWithPrevious"}, string("e", "MergedWithNext"), byte_level_json())}),
        "nfc-splits": ("gpt2", {"normalizer": n("NFC"), "pre_tokenizer": seq("pretokenizers", string(" ", "Contiguous"), string("-", "Isolated"), string("ab", "MergedWithPrevious"), string("\n", "Removed"),
                       byte_level_json(regex=False))}),
        "metaspace-first": ("sentencepiece", {"normalizer": None, "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False}}),
        "metaspace-always": ("sentencepiece", {"normalizer": None, "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True},
                             "decoder": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}}),
        "metaspace-never": ("sentencepiece", {"normalizer": None, "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never", "split": True},
                            "decoder": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never", "split": True}, "post_processor": None}),
        "normalised-specials": ("sentencepiece", {"added_tokens": [token(t, i, normalized=True) for i, t in enumerate(["<unk>", "<s>", "</s>"])]}),
        "no-bytes": ("sentencepiece", {"model": char["model"] | {"byte_fallback": False, "fuse_unk": False}}),
        "no-bytes-fused": ("sentencepiece", {"model": char["model"] | {"byte_fallback": False}}),
        "bert-cased": ("wordpiece", {"normalizer": bert | {"lowercase": False}, "added_tokens": word["added_tokens"][:4] + [token("[MASK]", 4, lstrip=True)],
                       "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": False}}),
        "bert-lower-only": ("wordpiece", {"normalizer": bert | {"strip_accents": False, "handle_chinese_chars": False},
                            "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]}}),
        "bert-unclean": ("wordpiece", {"normalizer": bert | {"clean_text": False}}),
        "letters": ("wordpiece", {"normalizer": None, "pre_tokenizer": n("WhitespaceSplit"), "post_processor": None, "decoder": None, "added_tokens": [],
                    "model": {"type": "BPE", "dropout": None, "unk_token": "?", "continuing_subword_prefix": "##", "end_of_word_suffix": None, "fuse_unk": True, "byte_fallback": False,
                              "ignore_merges": False, "vocab": letters | {"he": len(letters), "hel": len(letters) + 1}, "merges": [["h", "##e"], ["he", "##l"]]}}),
    }
    out = {}
    for name, (base, patch) in cases.items():
        t = Tokenizer.from_str(json.dumps(json.loads(bases[base].to_str()) | patch))
        encodings = [t.encode(text).ids for text in READ]
        out[name] = {"base": base, "patch": patch, "ids": encodings, "bare": [t.encode(x, add_special_tokens=False).ids for x in READ[:20]],
                     "decoded": [t.decode(ids) for ids in encodings[:len(TEXTS)]], "special": [t.decode(ids, skip_special_tokens=False) for ids in encodings[:30]]}
    return out


def llamacpp(base, model, pre, **extra):
    """Ids by llama.cpp for a GGUF file with the vocabulary of a base; the Go test makes the same metadata."""
    m = json.loads(base.to_str())
    tokens = sorted(m["model"]["vocab"], key=m["model"]["vocab"].get)
    special = {a["content"] for a in m["added_tokens"]}
    with tempfile.TemporaryDirectory() as d:
        w = gguf.GGUFWriter(d + "/v.gguf", "llama")
        for key in ("block_count", "context_length", "embedding_length", "feed_forward_length", "head_count"):
            getattr(w, "add_" + key)(1)
        w.add_tokenizer_model(model)
        w.add_tokenizer_pre(pre)
        kinds = [3 if t in special else 6 if model == "llama" and 3 <= i < 259 else 1 for i, t in enumerate(tokens)]
        if model == "llama":
            kinds[0] = 2
            w.add_token_scores([0.0 if i < 259 else float(259 - i) for i in range(len(tokens))])
        w.add_token_list(tokens)
        w.add_token_types(kinds)
        if model == "gpt2":
            w.add_token_merges([" ".join(p) for p in m["model"]["merges"]])
        for key, value in extra.items():
            getattr(w, "add_" + key)(value)
        w.write_header_to_file()
        w.write_kv_data_to_file()
        w.close()
        lm = llama_cpp.Llama(d + "/v.gguf", vocab_only=True, verbose=False)
        return [lm.tokenize(text.encode(), add_bos=True, special=True) for text in READ]


def llama2c():
    """run.c's encode: characters or bytes, then always the neighbours whose joint text has the highest score."""
    data = (DATA / "stories260k/tok512.bin").read_bytes()
    at, vocab, scores = 4, [], []
    while at < len(data):
        score, n = struct.unpack_from("<fi", data, at)
        vocab.append(data[at + 8:at + 8 + n])
        scores.append(score)
        at += 8 + n
    index = {t: i for i, t in reversed(list(enumerate(vocab)))}

    def encode(text):
        ids = [1] + ([index[b" "]] if text else [])
        for c in text:
            c = c.encode()
            ids += [index[c]] if c in index else [b + 3 for b in c]
        while True:
            best = None
            for i in range(len(ids) - 1):
                joint = index.get(vocab[ids[i]] + vocab[ids[i + 1]])
                if joint is not None and (best is None or scores[joint] > best[0]):
                    best = (scores[joint], joint, i)
            if best is None:
                return ids
            ids[best[2]:best[2] + 2] = [best[1]]

    return [encode(text.split("\x00")[0]) for text in READ]


def digest(ids):
    return [len(ids), hashlib.sha256(struct.pack(f"<{len(ids)}i", *ids)).hexdigest()]


def real(smollm2, minilm):
    def report(t):
        t.no_truncation()
        t.no_padding()
        ids = [t.encode(text).ids for text in READ]
        books = {b: digest(t.encode((DATA / b).read_text(errors="replace")).ids) for b in ("wikitext-2/wiki.test.raw", "tinyshakespeare/input.txt", "sentencepiece/botchan.txt")}
        return {"ids": ids, "decoded": [t.decode(i) for i in ids[:len(TEXTS)]], "books": books}

    return {"smollm2": report(from_gguf(smollm2)), "minilm": report(Tokenizer.from_file(minilm + "/tokenizer.json"))}


def from_gguf(path):
    """SmolLM2's tokenizer.json, put together from the GGUF file's vocabulary and merges."""
    r = gguf.GGUFReader(path)
    get = lambda key: r.fields["tokenizer.ggml." + key].contents()
    tokens = get("tokens")
    t = Tokenizer(models.BPE({tok: i for i, tok in enumerate(tokens)}, [tuple(m.split(" ")) for m in get("merges")]))
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    t.decoder = decoders.ByteLevel()
    t.add_special_tokens([tok for tok, kind in zip(tokens, get("token_type")) if kind == 3])
    return t


def main():
    print(f"tokenizers {tokenizers.__version__}, llama-cpp-python {llama_cpp.__version__}, {len(RAW)} texts, {sum(map(len, RAW))} bytes")
    write("texts.json.gz", [base64.b64encode(b).decode() for b in RAW])
    bases = make_bases()
    for name, t in bases.items():
        write(f"base-{name}.json.gz", json.loads(t.to_str()))
    write("cases.json.gz", make_cases(bases))
    ends = dict(bos_token_id=1, eos_token_id=2)
    write("llamacpp.json.gz", {
        "default": {"base": "gpt2", "model": "gpt2", "ids": llamacpp(bases["gpt2"], "gpt2", "default", add_bos_token=False, bos_token_id=0, eos_token_id=0)},
        "smollm": {"base": "gpt2", "model": "gpt2", "ids": llamacpp(bases["gpt2"], "gpt2", "smollm", add_bos_token=False, bos_token_id=0, eos_token_id=0)},
        "llama-bpe": {"base": "llama3", "model": "gpt2", "ids": llamacpp(bases["llama3"], "gpt2", "llama-bpe", bos_token_id=0, eos_token_id=1)},
        "spm": {"base": "sentencepiece", "model": "llama", "ids": llamacpp(bases["sentencepiece"], "llama", "default", **ends)},
    })
    write("llama2c.json.gz", llama2c())
    if len(sys.argv) > 3:
        write("real.json.gz", real(*sys.argv[2:4]))


if __name__ == "__main__":
    main()
