"""Makes classes.bin: the class of every character as tiktoken's regular expressions (Rust, Unicode 16) have it, after
checking that Hugging Face's (Oniguruma) agree. See class.go for the format.

    python -m venv venv && venv/bin/pip install tiktoken==0.14.0 tokenizers==0.23.3
    venv/bin/python testdata/peers/classes.py classes.bin
"""
import sys

import tiktoken
from tokenizers import Regex, pre_tokenizers

CLASSES = {r"\s": 2, r"\p{N}": 8, r"\p{Lu}": 16, r"\p{Lt}": 16, r"\p{Ll}": 32, r"\p{Lm}": 64, r"\p{Lo}": 64, r"\p{M}": 128}
points = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
table = bytearray([1]) * 0x110000
for pattern, number in CLASSES.items():
    rust = tiktoken.Encoding("x", pat_str=pattern, mergeable_ranks={bytes([i]): i for i in range(256)}, special_tokens={})
    oniguruma = pre_tokenizers.Split(Regex(pattern), behavior="removed")
    for c in points:
        matches = bool(rust.encode_ordinary(chr(c)))
        assert matches == (not oniguruma.pre_tokenize_str(chr(c))), (pattern, hex(c))
        if matches:
            assert table[c] == 1, hex(c)
            table[c] = number
table[10] = table[13] = 4
pages, index = {}, []
for c in range(0, 0x110000, 256):
    index.append(pages.setdefault(bytes(table[c:c + 256]), len(pages)))
open(sys.argv[1], "wb").write(bytes(index) + b"".join(pages))
