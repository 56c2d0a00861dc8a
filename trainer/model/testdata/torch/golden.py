"""Makes golden.json: losses and gradients of small models as PyTorch and transformers compute them in float32 on one thread.

Weights, tokens and the directions that gradients are projected on follow from names by the functions of trainer/random, so
that both sides make them. Made with torch 2.x and transformers on a CPU: python golden.py > golden.json
"""
import json
import sys

import numpy as np
import torch
from transformers import BertConfig, BertForMaskedLM, GPT2Config, GPT2LMHeadModel
from transformers import LlamaConfig, LlamaForCausalLM, T5Config, T5ForConditionalGeneration

torch.set_num_threads(1)
U = np.uint64
GOLDEN = U(0x9E3779B97F4A7C15)
SEED, B, T, SOURCE, STEPS = 7, 2, 12, 9, 10
LENGTHS = {"bert": [12, 7], "t5": [9, 5]}


def finish(z):
    z = (z ^ (z >> U(30))) * U(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> U(27))) * U(0x94D049BB133111EB)
    return z ^ (z >> U(31))


def mix(a, b):
    with np.errstate(over="ignore"):
        return finish(finish(np.asarray(a, U) + GOLDEN) ^ (np.asarray(b, U) + GOLDEN))


def key(use):
    k = mix(SEED, len(use.encode()))
    for c in use.encode():
        k = mix(k, c)
    return k


def uniform(use, n):
    return (mix(key(use), np.arange(n, dtype=U)) >> U(11)).astype(np.float64) / 2**53


def tokens(use, n, vocab):
    return torch.tensor([(int(h) * vocab) >> 64 for h in mix(key(use), np.arange(n, dtype=U))])


def fill(name, shape, spread):
    """Gains are around 1, all else around 0."""
    v = uniform(name, int(np.prod(shape))) - 0.5
    v = v * spread if len(shape) > 1 else v * 0.2
    if "norm.weight" in name.lower() or "ln_" in name and name.endswith("weight"):
        v = v + 1
    return torch.tensor(v.reshape(shape).astype(np.float32))


def batch(kind, vocab):
    ids = tokens("ids", B * T, vocab).reshape(B, T)
    targets = tokens("targets", B * T, vocab).reshape(B, T)
    seen = lambda t: torch.tensor([[1 if i < n else 0 for i in range(t)] for n in LENGTHS[kind]])
    if kind == "bert":
        targets = torch.where((torch.arange(B * T).reshape(B, T) % 5 == 1) & (seen(T) == 1), targets, -100)
        return dict(input_ids=ids, attention_mask=seen(T)), targets
    if kind == "t5":
        source = tokens("source", B * SOURCE, vocab).reshape(B, SOURCE)
        return dict(input_ids=source, attention_mask=seen(SOURCE), decoder_input_ids=ids), targets
    return dict(input_ids=ids), targets


def train(kind, model, config, spread=0.2):
    model.eval()
    named = dict(model.named_parameters())
    with torch.no_grad():
        for name, p in named.items():
            p.copy_(fill(name, tuple(p.shape), spread))
    inputs, targets = batch(kind, config.vocab_size)
    groups = [
        {"params": [p for p in named.values() if p.dim() > 1], "weight_decay": 0.1},
        {"params": [p for p in named.values() if p.dim() < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.95), eps=1e-8)
    losses, gradients = [], {}
    for step in range(STEPS):
        optimizer.zero_grad()
        logits = model(**inputs).logits
        loss = torch.nn.functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), targets.reshape(-1), ignore_index=-100)
        loss.backward()
        losses.append(loss.item())
        if step == 0:
            for name, p in named.items():
                g = p.grad.reshape(-1).double().numpy()
                direction = np.where(uniform(name + ".direction", g.size) < 0.5, -1.0, 1.0)
                gradients[name] = [float(np.sqrt((g * g).sum())), float((g * direction).sum())] + [float(v) for v in g[:: max(1, g.size // 3)][:4]]
        optimizer.step()
    return {"config": config.to_dict(), "losses": losses, "gradients": gradients}


def small():
    c = {}
    c["gpt2"] = GPT2Config(vocab_size=61, n_positions=24, n_embd=32, n_layer=3, n_head=4, attn_pdrop=0.0, embd_pdrop=0.0, resid_pdrop=0.0)
    c["llama"] = LlamaConfig(vocab_size=61, hidden_size=32, intermediate_size=88, num_hidden_layers=2, num_attention_heads=4,
                             num_key_value_heads=2, max_position_embeddings=24, rms_norm_eps=1e-5)
    c["bert"] = BertConfig(vocab_size=61, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
                           max_position_embeddings=24, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    c["t5"] = T5Config(vocab_size=61, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4, dropout_rate=0.0, n_positions=24)
    m = {"gpt2": GPT2LMHeadModel, "llama": LlamaForCausalLM, "bert": BertForMaskedLM, "t5": T5ForConditionalGeneration}
    out = {}
    for kind, config in c.items():
        config._attn_implementation = "eager"
        out[kind] = train(kind, m[kind](config), config)
        config_keys = {k: v for k, v in out[kind]["config"].items() if v is not None and not isinstance(v, (list, dict)) or k == "architectures"}
        config_keys["architectures"] = [m[kind].__name__]
        out[kind]["config"] = config_keys
    return out


def large():
    """GPT-2 124M itself, for a comparison by hand: python golden.py 124m > large.json, 4 sequences of 64."""
    global B, T
    B, T = 4, 64
    config = GPT2Config(attn_pdrop=0.0, embd_pdrop=0.0, resid_pdrop=0.0)
    config._attn_implementation = "eager"
    out = train("gpt2", GPT2LMHeadModel(config), config, 0.02 * 12**0.5)
    out["config"] = {}
    return {"124m": out}


json.dump(large() if sys.argv[1:] == ["124m"] else small(), sys.stdout, indent=1)
print()
