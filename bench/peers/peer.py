"""What the peers' scripts have in common: they read JSON Lines with a "text", take CPU time of this process alone, and print one JSON object."""
import json
import time


def texts(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line)["text"] for line in lines]


def megabytes(texts):
    return sum(len(text.encode()) for text in texts) / 1e6


class CPU:
    """with CPU() as took: …; took.seconds"""

    def __enter__(self):
        self.began = time.process_time()
        return self

    def __exit__(self, *_):
        self.seconds = time.process_time() - self.began


def say(**figures):
    print(json.dumps(figures))


TERMINAL_TOO = "…"
CLOSING = set("\"')]’”»」』）")


def sentences(terminal):
    """The program's definition of a sentence (curator/words, SentenceEnd), in the shape of datatrove's split_into_sentences."""
    marks = set(terminal) | {TERMINAL_TOO}

    def split(line, language=None):
        count, start, i, size = 0, 0, 0, len(line)
        while i < size:
            if line[i] not in marks:
                i += 1
                continue
            ends = ord(line[i]) >= 0x3000
            i += 1
            while i < size and (line[i] in marks or line[i] in CLOSING):
                ends = ends or ord(line[i]) >= 0x3000
                i += 1
            if ends or i == size or line[i].isspace():
                count, start = count + 1, i
        return [""] * (count + (1 if line[start:].strip() else 0))

    return split
