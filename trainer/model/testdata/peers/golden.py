"""Logits of small models of every family, as transformers computes them, for trainer/model/peers_test.go, and the texts that its generate()
writes when it takes the likeliest token each time.

    go test ./trainer/model -run TestLogitsAgainstTransformers -update    # writes models.json
    python golden.py                                                      # reads it, writes logits.json and texts.json

Made with transformers 5.23.0 and torch 2.15.0 on a CPU. Weights are not stored: both sides compute them from the tensor's name.
"""
import json
import os
import tempfile

import numpy as np
import torch
import transformers

torch.set_num_threads(1)
HERE = os.path.dirname(os.path.abspath(__file__))


def values(name, shape):
    """The tensor's values: a hash of name and index, between -0.4 and 0.4; gains around 1."""
    h = np.uint32(2166136261)
    with np.errstate(over="ignore"):
        for b in name.encode():
            h = (h ^ np.uint32(b)) * np.uint32(16777619)
        x = h + np.arange(int(np.prod(shape)), dtype=np.uint32) * np.uint32(2654435761)
        x = (x ^ (x >> np.uint32(15))) * np.uint32(0x2C1B3C6D)
        x = (x ^ (x >> np.uint32(12))) * np.uint32(0x297A2D39)
        x = x ^ (x >> np.uint32(15))
    u = (x.astype(np.float64) / 2**32 - 0.5) * 0.8
    if len(shape) == 1 and name.endswith(".weight"):
        u = 1 + u / 2
    return torch.tensor(u.astype(np.float32).reshape(shape))


CLASSES = {"gpt2": "GPT2LMHeadModel", "llama": "LlamaForCausalLM", "mistral": "MistralForCausalLM", "qwen2": "Qwen2ForCausalLM",
           "qwen3": "Qwen3ForCausalLM", "bert": "BertForMaskedLM", "t5": "T5ForConditionalGeneration"}


def built(case):
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "config.json"), "w") as f:
            json.dump(case["config"], f)
        config = transformers.AutoConfig.from_pretrained(folder)
    config._attn_implementation = "eager"
    model = getattr(transformers, CLASSES[config.model_type])(config).eval().float()
    if config.model_type == "t5" and case["config"]["tie_word_embeddings"] is False:
        # transformers 5 ties them whatever the config says until a file has both
        model.lm_head.weight = torch.nn.Parameter(torch.empty_like(model.lm_head.weight))
    named = dict(model.named_parameters())
    assert sorted(named) == sorted(case["tensors"]), set(named) ^ set(case["tensors"])
    with torch.no_grad():
        for name, p in named.items():
            assert list(p.shape) == case["tensors"][name], name
            p.copy_(values(name, p.shape))
        model.tie_weights() if config.model_type != "t5" else None
    return model, config


def texts(case):
    model, config = built(case)
    if config.model_type == "bert" or (case["config"].get("rope_scaling") or {}).get("rope_type") == "dynamic":
        return []  # it writes nothing; its length changes the place of every token
    out = []
    for row in case["source" if config.model_type == "t5" else "ids"]:
        start = {"decoder_start_token_id": 0} if config.model_type == "t5" else {}
        ids = torch.tensor([row])
        with torch.no_grad():
            said = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=12, eos_token_id=None, pad_token_id=0, use_cache=False, **start)[0].tolist()
        out.append(said[1:] if start else said[len(row):])
        assert len(out[-1]) == 12
    return out


def logits(case):
    model, config = built(case)
    with torch.no_grad():
        ids = torch.tensor(case["ids"])
        if config.model_type == "t5":
            source = torch.tensor(case["source"])
            out = model(input_ids=source, attention_mask=mask(source, case["lengths"]), decoder_input_ids=ids)
        elif config.model_type == "bert":
            out = model(input_ids=ids, attention_mask=mask(ids, case["lengths"]), token_type_ids=torch.tensor(case["segments"]))
        else:
            out = model(input_ids=ids)
    return out.logits.double().numpy()


def mask(ids, lengths):
    return (torch.arange(ids.shape[1])[None, :] < torch.tensor(lengths)[:, None]).long()


with open(os.path.join(HERE, "models.json")) as f:
    cases = json.load(f)
result = {name: [[[float("%.7g" % x) for x in row] for row in sequence] for sequence in logits(case)] for name, case in cases.items()}
with open(os.path.join(HERE, "logits.json"), "w") as f:
    f.write("{\n")
    f.write(",\n".join('"%s": %s' % (name, json.dumps(rows, separators=(",", ":"))) for name, rows in result.items()))
    f.write("\n}\n")
result = {name: texts(case) for name, case in cases.items()}
with open(os.path.join(HERE, "texts.json"), "w") as f:
    f.write("{\n")
    f.write(",\n".join('"%s": %s' % (name, json.dumps(rows, separators=(",", ":"))) for name, rows in result.items() if rows))
    f.write("\n}\n")
