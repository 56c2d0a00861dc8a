"""The gpt2 and llama shapes of the Go trainer (trainer/model), with the names of Hugging Face's files and the same initial weights."""

import math

import torch
import torch.nn.functional as F
from torch import nn

import order


def resolve(c: dict, vocab_size: int) -> dict:
    """The model's configuration with its defaults written out. What these shapes do not have is refused by its key."""
    known = {"arch", "n_layer", "n_head", "d_model", "context", "vocab_size", "bias", "n_kv_head", "head_dim", "d_ff", "rope_theta", "norm_eps", "tie"}
    if unknown := set(c) - known:
        raise SystemExit(f"model.{sorted(unknown)[0]}: this script does not have it; it has {', '.join(sorted(known))}")
    c = {"arch": "gpt2", "n_layer": 4, "n_head": 4, "d_model": 128, "context": 128, **{k: v for k, v in c.items() if v is False or v not in (0, "", None)}, "vocab_size": vocab_size}
    llama = c["arch"] == "llama"
    if c["arch"] not in ("gpt2", "llama"):
        raise SystemExit(f'model.arch: {c["arch"]!r} is not known; use "gpt2" or "llama"')
    d = c["d_model"]
    c.setdefault("bias", not llama)
    c.setdefault("head_dim", d // c["n_head"])
    c.setdefault("n_kv_head", c["n_head"])
    c.setdefault("norm_eps", 1e-5)
    c.setdefault("tie", not llama)
    step = 256 if d >= 512 else 16
    c.setdefault("d_ff", -((8 * d + 2) // 3 // -step) * step if llama else 4 * d)
    if llama:
        c.setdefault("rope_theta", 10_000)
    if c["bias"] and llama:
        raise SystemExit("model.bias: true is not for llama here")
    if not llama and (c["n_kv_head"] != c["n_head"] or not c["tie"] or c["head_dim"] * c["n_head"] != d):
        raise SystemExit("model: of gpt2, n_kv_head, head_dim and tie cannot be chosen here")
    if c["n_head"] % c["n_kv_head"] or d % c["n_head"]:
        raise SystemExit("model.n_head: it must divide d_model, and n_kv_head must divide it")
    return c


class Conv1D(nn.Module):
    """A linear layer whose weight is [in, out], as GPT-2's files have it."""

    def __init__(self, inputs, outputs, bias):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None

    def forward(self, x):
        y = x @ self.weight
        return y if self.bias is None else y + self.bias


class GPT2Block(nn.Module):
    def __init__(self, c):
        super().__init__()
        d, b = c["d_model"], c["bias"]
        self.heads = c["n_head"]
        self.ln_1 = nn.LayerNorm(d, c["norm_eps"], bias=b)
        self.attn = nn.ModuleDict({"c_attn": Conv1D(d, 3 * d, b), "c_proj": Conv1D(d, d, b)})
        self.ln_2 = nn.LayerNorm(d, c["norm_eps"], bias=b)
        self.mlp = nn.ModuleDict({"c_fc": Conv1D(d, c["d_ff"], b), "c_proj": Conv1D(c["d_ff"], d, b)})

    def forward(self, x):
        B, T, D = x.shape
        q, k, v = (h.view(B, T, self.heads, -1).transpose(1, 2) for h in self.attn["c_attn"](self.ln_1(x)).split(D, dim=2))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.attn["c_proj"](y.transpose(1, 2).reshape(B, T, D))
        return x + self.mlp["c_proj"](F.gelu(self.mlp["c_fc"](self.ln_2(x)), approximate="tanh"))


class GPT2(nn.Module):
    def __init__(self, c):
        super().__init__()
        d = c["d_model"]
        self.transformer = nn.ModuleDict({
            "wte": nn.Embedding(c["vocab_size"], d), "wpe": nn.Embedding(c["context"], d),
            "h": nn.ModuleList(GPT2Block(c) for _ in range(c["n_layer"])), "ln_f": nn.LayerNorm(d, c["norm_eps"], bias=c["bias"]),
        })

    def blocks(self):
        return self.transformer["h"]

    def forward(self, ids):
        t = self.transformer
        x = t["wte"](ids) + t["wpe"](torch.arange(ids.shape[1], device=ids.device))
        for block in t["h"]:
            x = block(x)
        return F.linear(t["ln_f"](x), t["wte"].weight)


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        d, hd = c["d_model"], c["head_dim"]
        self.hd, self.grouped = hd, c["n_kv_head"] != c["n_head"]
        self.q_proj = nn.Linear(d, c["n_head"] * hd, bias=False)
        self.k_proj = nn.Linear(d, c["n_kv_head"] * hd, bias=False)
        self.v_proj = nn.Linear(d, c["n_kv_head"] * hd, bias=False)
        self.o_proj = nn.Linear(c["n_head"] * hd, d, bias=False)

    def forward(self, x, cos, sin):
        B, T, _ = x.shape
        q, k, v = (p(x).view(B, T, -1, self.hd).transpose(1, 2) for p in (self.q_proj, self.k_proj, self.v_proj))
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=self.grouped)
        return self.o_proj(y.transpose(1, 2).reshape(B, T, -1))


def rotate(x, cos, sin):
    """RoPE, pairing element i with i + half, as Hugging Face's Llama."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)


class LlamaBlock(nn.Module):
    def __init__(self, c):
        super().__init__()
        d = c["d_model"]
        self.input_layernorm = nn.RMSNorm(d, c["norm_eps"])
        self.self_attn = Attention(c)
        self.post_attention_layernorm = nn.RMSNorm(d, c["norm_eps"])
        self.mlp = nn.ModuleDict({n: nn.Linear(i, o, bias=False) for n, i, o in (
            ("gate_proj", d, c["d_ff"]), ("up_proj", d, c["d_ff"]), ("down_proj", c["d_ff"], d))})

    def forward(self, x, cos, sin):
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        h = self.post_attention_layernorm(x)
        return x + self.mlp["down_proj"](F.silu(self.mlp["gate_proj"](h)) * self.mlp["up_proj"](h))


class Llama(nn.Module):
    def __init__(self, c):
        super().__init__()
        d, half = c["d_model"], c["head_dim"] // 2
        self.model = nn.ModuleDict({
            "embed_tokens": nn.Embedding(c["vocab_size"], d), "layers": nn.ModuleList(LlamaBlock(c) for _ in range(c["n_layer"])),
            "norm": nn.RMSNorm(d, c["norm_eps"]),
        })
        self.lm_head = nn.Linear(d, c["vocab_size"], bias=False) if not c["tie"] else None
        turns = torch.arange(c["context"], dtype=torch.float64)[:, None] * c["rope_theta"] ** (-torch.arange(half, dtype=torch.float64) / half)
        self.register_buffer("cos", turns.cos().float(), persistent=False)
        self.register_buffer("sin", turns.sin().float(), persistent=False)

    def blocks(self):
        return self.model["layers"]

    def forward(self, ids):
        m, T = self.model, ids.shape[1]
        x = m["embed_tokens"](ids)
        for block in m["layers"]:
            x = block(x, self.cos[:T], self.sin[:T])
        x = m["norm"](x)
        return self.lm_head(x) if self.lm_head is not None else F.linear(x, m["embed_tokens"].weight)


def build(c: dict, seed: int) -> nn.Module:
    """A model with the initial weights of the Go trainer for that seed: a stream of normal numbers for each tensor, named after it."""
    net = Llama(c) if c["arch"] == "llama" else GPT2(c)
    residual = 0.02 / math.sqrt(2 * c["n_layer"])
    with torch.no_grad():
        for name, p in net.named_parameters():
            if p.dim() >= 2:
                std = residual if name.endswith("c_proj.weight") else 0.02
                p.copy_(torch.from_numpy((order.normal(order.key(seed, name), p.numel()) * std).astype("float32")).view_as(p))
            else:
                p.fill_(0.0 if name.endswith(".bias") else 1.0)
    return net


def hugging_face(c: dict) -> dict:
    """The config.json that goes with the weights: transformers and the platform's evaluator read it."""
    if c["arch"] == "gpt2":
        out = {
            "architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "vocab_size": c["vocab_size"], "n_positions": c["context"], "n_embd": c["d_model"],
            "n_layer": c["n_layer"], "n_head": c["n_head"], "n_inner": None if c["d_ff"] == 4 * c["d_model"] else c["d_ff"], "activation_function": "gelu_new",
            "layer_norm_epsilon": c["norm_eps"], "tie_word_embeddings": True, "torch_dtype": "float32",
        }
        return out if c["bias"] else {**out, "bias": False}
    return {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": c["vocab_size"], "hidden_size": c["d_model"], "intermediate_size": c["d_ff"],
        "num_hidden_layers": c["n_layer"], "num_attention_heads": c["n_head"], "num_key_value_heads": c["n_kv_head"], "head_dim": c["head_dim"],
        "hidden_act": "silu", "max_position_embeddings": c["context"], "rms_norm_eps": c["norm_eps"], "rope_theta": c["rope_theta"], "rope_scaling": None,
        "attention_bias": False, "mlp_bias": False, "tie_word_embeddings": c["tie"], "torch_dtype": "float32",
    }
