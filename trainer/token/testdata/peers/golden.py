"""Makes golden.json: what tiktoken says are the ids of some texts, by a small vocabulary (small.tiktoken) and each pattern.
Hugging Face's tokenizers must say the same of the tokenizer.json this program writes for it.

    venv/bin/pip install tiktoken==0.14.0 tokenizers==0.23.3
    for p in gpt2 cl100k o200k llama3; do
        millrace tokenizer inspect --tokenizer testdata/peers/small.tiktoken --pattern $p --write build/$p.json; done
    venv/bin/python testdata/peers/golden.py testdata/peers build
"""
import base64
import json
import random
import sys

import tiktoken
from tokenizers import Tokenizer

folder, build = sys.argv[1:]
PATTERNS = {
    "gpt2": r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s""",
    "cl100k": r"""'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s""",
    "o200k": "|".join([
        r"""[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?""",
        r"""[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?""",
        r"""\p{N}{1,3}""", r""" ?[^\s\p{L}\p{N}]+[\r\n/]*""", r"""\s*[\r\n]+""", r"""\s+(?!\S)""", r"""\s+"""]),
    "llama3": r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+""",
}
PARTS = [" ", "  ", "\n", "\n\n", "\t", "\r\n", "\u00a0", "\u3000", "'s", "'LL", "'ſ", "'", "the", " The", "THE", "times", "é", "日本", "ʰ", "\u0301",
         "12", "1859", "½", ".", "…", "//", "/", "\u200b", "👍🏽", "aaaa", "    ", "----", "<|endoftext|>", "\U00010d50", "привет", "हिन्दी"]
ranks = {base64.b64decode(t): int(r) for t, r in (line.split() for line in open(folder + "/small.tiktoken"))}
random.seed(3)
texts = ["".join(random.choices(PARTS, k=random.randint(1, 14))) for _ in range(80)]
out = {"texts": texts, "ids": {}}
for name, pattern in PATTERNS.items():
    peer = tiktoken.Encoding(name, pat_str=pattern, mergeable_ranks=ranks, special_tokens={"<|endoftext|>": len(ranks)})
    out["ids"][name] = [peer.encode_ordinary(t) for t in texts]
    hugging_face = Tokenizer.from_file(f"{build}/{name}.json")
    hugging_face.encode_special_tokens = True
    assert [hugging_face.encode(t, add_special_tokens=False).ids for t in texts] == out["ids"][name], name
json.dump(out, open(folder + "/golden.json", "w"), separators=(",", ":"))
