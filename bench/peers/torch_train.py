"""torch_train.py LAYERS WIDTH HEADS CONTEXT BATCH VOCABULARY MODE SECONDS: trains a GPT-2 of that shape on random tokens in PyTorch, AdamW and clipping
included, for about so many seconds after three steps that do not count. MODE is eager, compile or bf16 (autocast, compiled). Threads: OMP_NUM_THREADS."""
import os
import resource
import statistics
import sys
import time

import peer
import torch
from torch import nn
from torch.nn import functional as F

layers, width, heads, context, batch, vocabulary = map(int, sys.argv[1:7])
mode, limit = sys.argv[7], float(sys.argv[8])
torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
torch.manual_seed(1)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        b, t, _ = x.shape
        q, k, v = (part.view(b, t, heads, width // heads).transpose(1, 2) for part in self.qkv(self.ln_1(x)).split(width, 2))
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(seen.transpose(1, 2).reshape(b, t, width))
        return x + self.down(F.gelu(self.up(self.ln_2(x)), approximate="tanh"))


class GPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(vocabulary, width), nn.Embedding(context, width)
        self.blocks, self.norm = nn.ModuleList(Block() for _ in range(layers)), nn.LayerNorm(width)
        for p in self.parameters():
            if p.dim() == 2:
                nn.init.normal_(p, std=0.02)

    def forward(self, ids, targets):
        x = self.tokens(ids) + self.positions(torch.arange(context))
        for block in self.blocks:
            x = block(x)
        logits = F.linear(self.norm(x), self.tokens.weight)
        return F.cross_entropy(logits.view(-1, vocabulary).float(), targets.view(-1))


model = GPT()
loss_of = model if mode == "eager" else torch.compile(model)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
ids = torch.randint(vocabulary, (batch, context))
targets = torch.randint(vocabulary, (batch, context))


def step():
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=mode == "bf16"):
        loss = loss_of(ids, targets)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


for _ in range(3):
    step()
times, began = [], time.perf_counter()
while len(times) < 5 or time.perf_counter() - began < limit:
    at = time.perf_counter()
    step()
    times.append(time.perf_counter() - at)
peer.say(seconds=statistics.median(times), best=min(times), peak=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
