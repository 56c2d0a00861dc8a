"""datatrove_minhash.py DOCS WORDS LIMIT OUT: signatures of DOCS as stage 1 computes them, in one process, WORDS being default (spaCy) or whitespace, for at
most LIMIT megabytes of text; OUT gets them, 112 decimal numbers a line, or an empty line."""
import sys
import tempfile

import peer
from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupSignature

docs, words, limit, out = sys.argv[1:]


class Whitespace:
    def word_tokenize(self, text):
        return text.split()


texts = peer.texts(docs)
with tempfile.TemporaryDirectory() as folder:
    stage = MinhashDedupSignature(folder, MinhashConfig())
    if words == "whitespace":
        stage.word_tokenizer = Whitespace()
    stage.get_signature(stage.get_shingles("the first text loads the words and is not counted " * 9))
    done, signatures = 0.0, []
    with peer.CPU() as took:
        for text in texts:
            shingles = stage.get_shingles(text)
            signatures.append(stage.get_signature(shingles) if shingles.size else [])
            done += len(text.encode()) / 1e6
            if done >= float(limit):
                break
with open(out, "w") as file:
    for signature in signatures:
        file.write(" ".join(str(x) for bucket in signature for x in bucket) + "\n")
peer.say(seconds=took.seconds, megabytes=done, documents=len(signatures))
