"""Writes golden.json: what Hugging Face's transformers leaves of logits under each of its filters.

    python golden.py > golden.json        # transformers, torch

The logits are a rule that Go repeats: logit i is 6·sin(i·i·0.37 + i) rounded to 1/64. Each case has the settings, the tokens
seen before, and the probabilities of the tokens that are left."""
import json
import math

import torch
import transformers
from transformers import generation as g

torch.set_num_threads(1)
n = 40
logits = torch.tensor([[round(6 * math.sin(i * i * 0.37 + i) * 64) / 64 for i in range(n)]], dtype=torch.float32)
seen = [3, 4, 4, 17, 39]
cases = []
for s in [
    {"temperature": 1.0},
    {"temperature": 0.7},
    {"temperature": 1.3, "top_k": 5},
    {"temperature": 1.0, "top_p": 0.9},
    {"temperature": 2.0, "top_p": 0.5},
    {"temperature": 1.0, "min_p": 0.1},
    {"temperature": 1.5, "top_k": 12, "top_p": 0.8, "min_p": 0.2},
    {"temperature": 1.0, "repetition_penalty": 1.4},
    {"temperature": 0.9, "repetition_penalty": 0.8, "top_k": 20, "top_p": 0.95, "min_p": 0.05},
    {"temperature": 1.0, "top_p": 0.01},
    {"temperature": 1.0, "top_k": 1},
]:
    chain = []
    if "repetition_penalty" in s:
        chain.append(g.RepetitionPenaltyLogitsProcessor(s["repetition_penalty"]))
    chain.append(g.TemperatureLogitsWarper(s["temperature"]))
    if "top_k" in s:
        chain.append(g.TopKLogitsWarper(s["top_k"]))
    if "top_p" in s:
        chain.append(g.TopPLogitsWarper(s["top_p"]))
    if "min_p" in s:
        chain.append(g.MinPLogitsWarper(s["min_p"]))
    left = logits.clone()
    for warper in chain:
        left = warper(torch.tensor([seen]), left)
    p = torch.softmax(left.double(), -1)[0]
    cases.append({**s, "left": {str(i): p[i].item() for i in range(n) if p[i] > 0}})
print(json.dumps({"transformers": transformers.__version__, "seen": seen, "cases": cases}, indent=1))
