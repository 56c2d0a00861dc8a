"""Makes adapters of gpt2/ and llama/ with PEFT, as it saves them, and what the model computes with them: adapter-<name>/ and adapters.json.

Run with peft 0.21, transformers 5.23, torch 2.15: python adapters.py
"""
import json
import os
import shutil

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

torch.set_num_threads(1)
here = os.path.dirname(os.path.abspath(__file__))
ids = [[5, 17, 200, 287, 0], [3, 2]]
out = {}
for name, base, options in [
    ("gpt2", "gpt2", dict(r=2, lora_alpha=5, target_modules=["attn.c_attn", "mlp.c_fc", "mlp.c_proj"], fan_in_fan_out=True)),
    ("llama", "llama", dict(r=3, lora_alpha=4, target_modules=["q_proj", "v_proj", "o_proj", "gate_proj", "down_proj"], modules_to_save=["lm_head"])),
    ("llama-rslora", "llama", dict(r=4, lora_alpha=2, target_modules=["k_proj", "up_proj"], use_rslora=True, rank_pattern={"up_proj": 1})),
]:
    model = AutoModelForCausalLM.from_pretrained(os.path.join(here, base), dtype=torch.float32)
    model = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **options)).eval()
    g = torch.Generator().manual_seed(11)
    with torch.no_grad():
        for n, p in model.named_parameters():
            if p.requires_grad:
                p.copy_(p + torch.randn(p.shape, generator=g) * 0.1)
        out[name] = {"ids": ids, "logits": [[[float("%.7g" % x) for x in row] for row in model(torch.tensor([i])).logits[0].tolist()] for i in ids]}
    folder = os.path.join(here, "adapter-" + name)
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    os.remove(os.path.join(folder, "README.md"))
    path = os.path.join(folder, "adapter_config.json")
    config = json.load(open(path))
    config["base_model_name_or_path"] = base
    config["target_modules"].sort()  # a set: its order is another one each time
    json.dump(config, open(path, "w"), indent=2, sort_keys=True)
json.dump(out, open(os.path.join(here, "adapters.json"), "w"))
