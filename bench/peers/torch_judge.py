"""torch_judge.py FOLDER QUESTIONS OUT SECONDS: asks a GPT-2 in transformers' form for the losses of windows and for the likelihoods of choices,
for about so many seconds each, in several ways, of which the fastest counts: in batches of several sizes, and choices both as whole texts (as
lm-eval does) and behind keys and values of their context that are computed once. Threads: OMP_NUM_THREADS."""
import json
import os
import sys
import time

import peer
import torch
from torch.nn import functional as F
from transformers import AutoModelForCausalLM

folder, questions, out, seconds = sys.argv[1:4] + [float(sys.argv[4])]
torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa").eval()
asked = json.load(open(questions))


def told(logits, targets):
    """ln p of targets, [batch, length], from logits [batch, length, vocabulary]."""
    return -F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").view(targets.shape)


def windows(batch):
    losses = []
    for at in range(0, len(asked["windows"]), batch):
        ids = torch.tensor(asked["windows"][at:at + batch])
        losses += (-told(model(ids[:, :-1], use_cache=False).logits, ids[:, 1:]).double().sum(1)).tolist()
    return losses


def padded(rows):
    size = max(map(len, rows))
    return torch.tensor([r + [0] * (size - len(r)) for r in rows])


def sums(logits, targets, choices):
    scores, likeliest = told(logits, targets), logits.argmax(-1) == targets
    return [(float(s[:len(c)].double().sum()), bool(l[:len(c)].all())) for s, l, c in zip(scores, likeliest, choices)]


def whole(batch):
    pairs = [(len(q["context"]) + len(c), i, j) for i, q in enumerate(asked["questions"]) for j, c in enumerate(q["choices"])]
    pairs.sort(reverse=True)  # those of one length together, as lm-eval has them
    got = [[None] * len(q["choices"]) for q in asked["questions"]]
    for at in range(0, len(pairs), batch):
        some = [(asked["questions"][i]["context"], asked["questions"][i]["choices"][j], i, j) for _, i, j in pairs[at:at + batch]]
        hidden = model.transformer(padded([a + b[:-1] for a, b, _, _ in some]), use_cache=False).last_hidden_state
        most = max(len(b) for _, b, _, _ in some)
        # Logits only where a choice is told.
        places = padded([list(range(len(a) - 1, len(a) - 1 + len(b))) for a, b, _, _ in some])
        logits = model.lm_head(hidden.gather(1, places[:, :, None].expand(-1, -1, hidden.shape[2])))
        assert logits.shape[1] == most
        for (_, _, i, j), answer in zip(some, sums(logits, padded([b for _, b, _, _ in some]), [b for _, b, _, _ in some])):
            got[i][j] = answer
    return got


def shared(_):
    got = []
    for q in asked["questions"]:
        past = model.transformer(torch.tensor([q["context"][:-1]]), use_cache=True).past_key_values
        past.batch_repeat_interleave(len(q["choices"]))
        ids = padded([q["context"][-1:] + c[:-1] for c in q["choices"]])
        got.append(sums(model(ids, past_key_values=past, use_cache=True).logits, padded(q["choices"]), q["choices"]))
    return got


def timed(ways):
    best, answers = None, None
    with torch.inference_mode():
        for name, way, batch in ways:
            wall = cpu = float("inf")
            passes, until = 0, time.perf_counter() + seconds / len(ways)
            while passes < 2 or time.perf_counter() < until:
                began, used = time.perf_counter(), time.process_time()
                answers = way(batch)
                wall, cpu = min(wall, time.perf_counter() - began), min(cpu, time.process_time() - used)
                passes += 1
            if best is None or wall < best["wall"]:
                best = {"wall": wall, "cpu": cpu, "way": name}
    return best, answers


w, losses = timed([(f"batches of {n}", windows, n) for n in (1, 4, 8)])
c, choices = timed([("whole texts in batches of 8", whole, 8), ("whole texts in batches of 16", whole, 16), ("contexts read once", shared, 0)])
with open(out, "w") as f:
    json.dump({"windows": w, "questions": c, "way": [w["way"], c["way"]], "losses": losses, "choices": [[v for v, _ in q] for q in choices]}, f)
peer.say(seconds=w["wall"] + c["wall"])
