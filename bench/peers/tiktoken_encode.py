"""tiktoken_encode.py RANKS TEXT IDS: encodes TEXT by GPT-2's ranks in one thread, best of three, and writes the ids as little-endian uint32."""
import array
import base64
import sys

import peer
import tiktoken

ranks_path, text_path, ids_path = sys.argv[1:]
with open(ranks_path, "rb") as lines:
    ranks = {base64.b64decode(token): int(rank) for token, rank in (line.split() for line in lines if line.strip())}
PATTERN = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"""
encoding = tiktoken.Encoding("gpt2", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens={"<|endoftext|>": len(ranks)})
with open(text_path, encoding="utf-8", newline="") as file:
    text = file.read()
best = None
for _ in range(3):
    with peer.CPU() as took:
        ids = encoding.encode_ordinary(text)
    best = min(best or took.seconds, took.seconds)
out = array.array("I", ids)
if sys.byteorder == "big":
    out.byteswap()
with open(ids_path, "wb") as file:
    out.tofile(file)
peer.say(seconds=best, megabytes=len(text.encode()) / 1e6, ids=len(ids))
