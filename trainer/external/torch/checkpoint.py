"""Checkpoints in the platform's form (docs/formats/checkpoint.md): a folder step-N that appears in one rename, whole."""

import json
import os
import shutil
from pathlib import Path

import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file
from torch.distributed.tensor import DTensor, distribute_tensor

from model import hugging_face

FORMAT = 1


def whole(t):
    """A tensor that may lie on several processes, on the first of them in one piece. Every process must call it."""
    return (t.full_tensor() if isinstance(t, DTensor) else t).detach().cpu().contiguous()


def save(folder, step, config, net, optimizer, train_tokens, val_loss):
    first = dist.get_rank() == 0
    weights, moments = {}, {}
    for name, p in net.named_parameters():  # one after the other: one whole tensor at a time on every process
        state = optimizer.state.get(p, {})
        if step > 0 and not state:
            raise RuntimeError(f"{name}: the optimizer does not know it; a checkpoint without its moments would not go on as it was")
        tensors = [whole(p), *(whole(state[k]) if k in state else torch.zeros(p.shape) for k in ("exp_avg", "exp_avg_sq"))]
        if first:
            weights[name] = tensors[0]
            moments["exp_avg." + name], moments["exp_avg_sq." + name] = tensors[1:]
    if first:
        per_step = config["batch_size"] * config["grad_accum"]
        state = {
            "format": FORMAT, "step": step, "tokens": step * per_step * config["model"]["context"], "samples": step * per_step,
            "train_tokens": train_tokens, "val_loss": val_loss, "config": config,
        }
        new, done = Path(folder) / f".step-{step}", Path(folder) / f"step-{step}"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        (new / "config.json").write_text(json.dumps(hugging_face(config["model"]), indent=2) + "\n")
        save_file(weights, new / "model.safetensors", {"format": "pt"})
        save_file(moments, new / "optimizer.safetensors", {"format": "pt"})
        (new / "trainer.json").write_text(json.dumps(state, indent=2) + "\n")
        for f in new.iterdir():
            with open(f, "rb") as opened:
                os.fsync(opened.fileno())
        shutil.rmtree(done, ignore_errors=True)
        os.rename(new, done)
    dist.barrier()


def load_weights(folder, net):
    """Puts the weights into a model that is not sharded yet."""
    net.load_state_dict(load_file(Path(folder) / "model.safetensors"), strict=True)


def load_state(folder, config, train_tokens, net, optimizer):
    """Puts back the optimizer's moments and returns trainer.json. What would make another training is refused."""
    state = json.loads((Path(folder) / "trainer.json").read_text())
    if state["format"] != FORMAT:
        raise SystemExit(f"trainer.json has format {state['format']}; this script reads {FORMAT}")
    for k in ("model", "data", "batch_size", "grad_accum", "seed"):
        if state["config"][k] != config[k]:
            raise SystemExit(f"cannot resume: {k} differs from the checkpoint's")
    if state["train_tokens"] != train_tokens:
        raise SystemExit(f"cannot resume: the text has {train_tokens} tokens, the checkpoint's had {state['train_tokens']}")
    moments = load_file(Path(folder) / "optimizer.safetensors")
    for name, p in net.named_parameters():
        def place(t):
            return distribute_tensor(t, p.device_mesh, p.placements) if isinstance(p, DTensor) else t.to(p.device)
        optimizer.state[p] = {"step": torch.tensor(float(state["step"])), "exp_avg": place(moments["exp_avg." + name]), "exp_avg_sq": place(moments["exp_avg_sq." + name])}
    return state
