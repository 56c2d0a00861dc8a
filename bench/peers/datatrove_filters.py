"""datatrove_filters.py DOCS WORDS LIMIT OUT: Gopher's repetition, Gopher's quality, C4's and FineWeb's filters over DOCS in one process, a document leaving
at the first that drops it. WORDS is default (datatrove's own splitters) or whitespace (words between white space, sentences as this
program defines them). At most LIMIT megabytes of text are judged. OUT gets a line a document: the filter's reason, or - and the sha256 of the text that is kept."""
import hashlib
import sys

import datatrove.pipeline.filters.c4_filters as c4
import datatrove.pipeline.filters.fineweb_quality_filter as fineweb
import datatrove.pipeline.filters.gopher_quality_filter as quality
import datatrove.pipeline.filters.gopher_repetition_filter as repetition
import peer
from datatrove.data import Document
from datatrove.utils.text import TERMINAL_PUNCTUATION

docs, words, limit, out = sys.argv[1:]
if words == "whitespace":
    for module in (c4, fineweb, quality, repetition):
        if hasattr(module, "split_into_words"):
            module.split_into_words = lambda text, language=None: text.split()
        if hasattr(module, "split_into_sentences"):
            module.split_into_sentences = peer.sentences(TERMINAL_PUNCTUATION)
filters = [repetition.GopherRepetitionFilter(), quality.GopherQualityFilter(), c4.C4QualityFilter(filter_no_terminal_punct=False), fineweb.FineWebQualityFilter()]
for f in filters:
    f.filter(Document(text="The first text loads what is needed and is not counted. " * 20, id="first"))
documents, size = [], 0.0
for i, text in enumerate(peer.texts(docs)):
    documents.append(Document(text=text, id=str(i)))
    size += len(text.encode()) / 1e6
    if size >= float(limit):
        break
verdicts = []
with peer.CPU() as took:
    for document in documents:
        for f in filters:
            verdict = f.filter(document)
            if verdict is not True:
                verdicts.append(verdict[1] if isinstance(verdict, tuple) else "dropped")
                break
        else:
            verdicts.append("-")
with open(out, "w") as file:
    for document, verdict in zip(documents, verdicts):
        if verdict == "-":
            verdict += " " + hashlib.sha256(document.text.encode("utf-8", "surrogatepass")).hexdigest()
        file.write(verdict + "\n")
peer.say(seconds=took.seconds, megabytes=size, documents=len(documents))
