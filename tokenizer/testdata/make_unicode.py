"""Writes ../unicode.bin: the character classes and the lower-case mapping that Hugging Face tokenizers uses, read off the
library itself by probing every code point, so that the Go scanners agree with it whatever Unicode version either was built
with.

Run: ECKART_PEERS/bin/python make_unicode.py   (about 30 s)

Format, all numbers unsigned LEB128: number of runs, then per run its length and its class bits, covering U+0000..U+10FFFF
(surrogates have no bits); number of lower-case mappings, then per mapping the distance from the previous code point and
its lower-case code point (U+0130, which maps to two, is left to the Go code).
"""
import pathlib

import tokenizers
from tokenizers import Regex, normalizers, pre_tokenizers

POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
TEXT = "".join(map(chr, POINTS))


def matched(pattern):  # Oniguruma's classes, used by Split and ByteLevel
    pieces = pre_tokenizers.Split(Regex(pattern), "removed", invert=True).pre_tokenize_str(TEXT)
    return {ord(c) for piece, _ in pieces for c in piece}


def pieces(pre, text):
    return [p for p, _ in pre.pre_tokenize_str(text)]


bert, digits, words = pre_tokenizers.BertPreTokenizer(), pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.Whitespace()
clean = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=False, strip_accents=False, lowercase=False)
accents = normalizers.BertNormalizer(clean_text=False, handle_chinese_chars=False, strip_accents=True, lowercase=False)
marks = normalizers.StripAccents()
CLASSES = [  # in the order of the bits in ../classes.go
    matched(r"\p{L}"),
    matched(r"\p{N}"),
    matched(r"\s"),
    {c for c in POINTS if pieces(digits, "a" + chr(c)) == ["a", chr(c)]},
    {c for c in POINTS if pieces(bert, "a" + chr(c) + "b") == ["a", chr(c), "b"]},
    {c for c in POINTS if clean.normalize_str(chr(c)) == ""},
    {c for c in POINTS if accents.normalize_str(chr(c)) == ""},
    {c for c in POINTS if marks.normalize_str(chr(c)) == ""},
    {c for c in POINTS if pieces(words, "a" + chr(c)) == ["a" + chr(c)]},
]


def leb(n):
    out = bytearray()
    while True:
        out.append(n & 0x7F | (0x80 if n > 0x7F else 0))
        n >>= 7
        if n == 0:
            return bytes(out)


bits = [0] * 0x110000
for i, cls in enumerate(CLASSES):
    for c in cls:
        bits[c] |= 1 << i
runs = []
for b in bits:
    if runs and runs[-1][1] == b:
        runs[-1][0] += 1
    else:
        runs.append([1, b])
out = bytearray(leb(len(runs)))
for n, b in runs:
    out += leb(n) + leb(b)
lowercase = normalizers.Lowercase()
lower = [(c, low) for c in POINTS if (low := lowercase.normalize_str(chr(c))) != chr(c) and c != 0x130]
assert all(len(low) == 1 for _, low in lower)
out += leb(len(lower))
last = 0
for c, low in lower:
    out += leb(c - last) + leb(ord(low))
    last = c
path = pathlib.Path(__file__).resolve().parent.parent / "unicode.bin"
path.write_bytes(out)
print(f"tokenizers {tokenizers.__version__}: {len(runs)} runs, {len(lower)} lower-case mappings, {len(out)} bytes")
