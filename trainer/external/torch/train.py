"""Trains the platform's gpt2 and llama shapes with PyTorch on several processes: sharded (FSDP2) or replicated, on GPUs or on CPUs.

    torchrun --nproc-per-node 2 train.py            # below a worker: everything is in the environment (docs/external.md)
    torchrun --nproc-per-node 2 train.py --config c.json --dataset DIR --out DIR [--resume DIR]

The configuration has the keys of the Go trainer's (model, data, batch_size, grad_accum, steps, optimizer, schedule, clip, seed, checkpoint_every,
eval_every, eval_batches) and means the same: the same windows in the same order, the same initial weights, loss, clipping, schedule and AdamW.
batch_size is that of all processes together. One key is its own: "parallel", "shard" or "replicate"; and "device", "cpu" or "cuda".
"""

import argparse
import json
import math
import os
import signal
import time
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor

import checkpoint
import data
import model
from tracker import Tracker

DEFAULTS = {
    "model": {}, "data": {}, "batch_size": 8, "grad_accum": 1, "steps": 1000, "optimizer": {}, "schedule": {}, "clip": 1, "seed": 0,
    "checkpoint_every": 0, "eval_every": 0, "eval_batches": 20, "parallel": "shard", "device": "",
}


def resolve(c: dict, vocab_size: int) -> dict:
    """The configuration with every default written out, as the Go trainer's Resolve does."""
    if unknown := set(c) - set(DEFAULTS):
        raise SystemExit(f"config: unknown key {sorted(unknown)[0]!r}")
    c = {**DEFAULTS, **{k: v for k, v in c.items() if v is not None}}
    c["model"] = model.resolve(c["model"], vocab_size)
    c["data"] = {"order": c["data"].get("order") or "epoch"}
    c["optimizer"] = {"name": "adamw", "lr": 1e-3, "beta1": 0.9, "beta2": 0.95, "eps": 1e-8, "weight_decay": 0.1, **c["optimizer"]}
    c["schedule"] = {"name": "cosine", "warmup": -1, "final_fraction": 0.1, **c["schedule"]}
    if c["schedule"]["warmup"] == -1:
        c["schedule"]["warmup"] = min(100, c["steps"] // 10)
    c["checkpoint_every"] = c["checkpoint_every"] or max(1, (c["steps"] + 4) // 5)
    c["eval_every"] = c["eval_every"] or max(1, (c["steps"] + 9) // 10)
    c["device"] = c["device"] or ("cuda" if torch.cuda.is_available() else "cpu")
    for key, value, known in (("optimizer.name", c["optimizer"]["name"], ["adamw"]), ("schedule.name", c["schedule"]["name"], ["cosine", "constant"]),
                              ("data.order", c["data"]["order"], ["epoch", "random"]), ("parallel", c["parallel"], ["shard", "replicate"])):
        if value not in known:
            raise SystemExit(f"{key}: {value!r} is not known here; use {' or '.join(known)}")
    return c


def rate(s: dict, step: int, steps: int) -> float:
    """The factor on the learning rate at a step counted from 1."""
    done, warmup = step - 1, s["warmup"]
    if done < warmup:
        return step / (warmup + 1)
    if s["name"] == "constant":
        return 1.0
    if done >= steps:
        return s["final_fraction"]
    x = (done - warmup) / (steps - warmup)
    return s["final_fraction"] + (1 - s["final_fraction"]) * 0.5 * (1 + math.cos(math.pi * x))


def summed(x: float, device) -> float:
    """A number of every process, added up in float64."""
    t = torch.tensor(x, dtype=torch.float64, device=device)
    dist.all_reduce(t)
    return t.item()


class Training:
    def __init__(self, config, folder, device):
        manifest, splits = data.dataset(folder)
        self.c = c = resolve(config, manifest["tokenizer"]["vocab_size"])
        self.device, self.rank, self.world = device, dist.get_rank(), dist.get_world_size()
        if c["batch_size"] % self.world:
            raise SystemExit(f"batch_size: {c['batch_size']} rows cannot be dealt to {self.world} processes; choose a multiple")
        self.train_tokens = len(splits["train"])
        t = c["model"]["context"]
        self.train = data.Sampler(splits["train"], t, c["data"]["order"], c["seed"])
        held_out = splits.get("held_out")
        self.held_out = data.Sampler(held_out, t, "sequential", 0) if held_out else None
        self.step, self.val_loss = 0, None

    def build(self, resume):
        """The model on its device, sharded; its optimizer; and both as they were, if there is a checkpoint."""
        c, o = self.c, self.c["optimizer"]
        self.net = model.build(c["model"], c["seed"])
        if resume:
            checkpoint.load_weights(resume, self.net)
        self.net.to(self.device)
        self.sharded = c["parallel"] == "shard" and self.world > 1
        if self.sharded:
            mesh = init_device_mesh(self.device.type, (self.world,))
            for block in self.net.blocks():
                fully_shard(block, mesh=mesh)
            fully_shard(self.net, mesh=mesh)
        params = list(self.net.parameters())
        groups = [{"params": [p for p in params if p.dim() >= 2], "weight_decay": o["weight_decay"]}, {"params": [p for p in params if p.dim() < 2], "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=o["lr"], betas=(o["beta1"], o["beta2"]), eps=o["eps"])
        if resume:
            state = checkpoint.load_state(resume, c, self.train_tokens, self.net, self.optimizer)
            self.step, self.val_loss = state["step"], state["val_loss"]

    def losses(self, sampler, numbers):
        """The sum of the losses of windows, and how many targets count."""
        rows = [sampler(i) for i in numbers]
        ids, targets = (torch.from_numpy(np.stack(x)).to(self.device) for x in zip(*rows))
        logits = self.net(ids)
        return F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), ignore_index=-1, reduction="sum"), int((targets >= 0).sum())

    def mine(self, first, n):
        """This process's part of n samples: consecutive ones."""
        each = n // self.world
        return range(first + self.rank * each, first + (self.rank + 1) * each)

    def learn(self):
        """One step: its loss, the gradient's norm before clipping and the learning rate."""
        c, step = self.c, self.step + 1
        b, first = c["batch_size"], self.step * c["batch_size"] * c["grad_accum"]
        targets = b * c["grad_accum"] * c["model"]["context"]
        if self.train.split.masks is not None:
            targets = max(1, int(summed(sum(int((self.train(i)[1] >= 0).sum()) for a in range(c["grad_accum"]) for i in self.mine(first + a * b, b)), self.device)))
        self.optimizer.zero_grad(set_to_none=True)
        total = 0.0
        for a in range(c["grad_accum"]):
            if self.sharded:
                self.net.set_requires_gradient_sync(a == c["grad_accum"] - 1)
            loss, _ = self.losses(self.train, self.mine(first + a * b, b))
            # FSDP2 averages over processes, so each counts as many times as there are.
            (loss * ((self.world if self.sharded else 1) / targets)).backward()
            total += loss.item()
        if not self.sharded and self.world > 1:
            for p in self.net.parameters():
                dist.all_reduce(p.grad)
        loss = summed(total, self.device) / targets
        grads = [p.grad for p in self.net.parameters()]
        squares = sum((g.to_local() if isinstance(g, DTensor) else g).double().square().sum().item() for g in grads)
        norm = math.sqrt(summed(squares, self.device) if self.sharded else squares)
        if not math.isfinite(loss) or not math.isfinite(norm):
            raise SystemExit(f"training diverged at step {step}: loss {loss}, gradient norm {norm}; lower optimizer.lr or clip")
        if 0 < c["clip"] < norm:
            for g in grads:
                g.mul_(c["clip"] / norm)
        lr = c["optimizer"]["lr"] * rate(c["schedule"], step, c["steps"])
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.optimizer.step()
        self.step = step
        return loss, norm, lr

    @torch.no_grad()
    def evaluate(self):
        """The mean loss over the same windows of the held-out text every time."""
        c, h = self.c, self.held_out
        count = min(h.windows, c["eval_batches"] * c["batch_size"])
        numbers = [i * h.windows // count for i in range(count)]
        total = counted = 0.0
        for at in range(0, count, c["batch_size"]):
            part = numbers[at : at + c["batch_size"]]
            own = part[self.rank :: self.world] or part[:1]  # every process computes in every round: they hold the weights together
            loss, n = self.losses(h, own)
            if self.rank < len(part):
                total, counted = total + loss.item(), counted + n
        for m in self.net.modules():  # without a backward pass the outermost weights stay whole, and are others than the optimizer knows
            if isinstance(m, FSDPModule):
                m.reshard()
        self.val_loss = summed(total, self.device) / max(1, summed(counted, self.device))
        return self.val_loss

    def save(self, out):
        checkpoint.save(out, self.step, self.c, self.net, self.optimizer, self.train_tokens, self.val_loss)


def run(training, out, tracker, stop_asked):
    c = training.c
    per_step = c["batch_size"] * c["grad_accum"] * c["model"]["context"]
    saved = training.step
    while training.step < c["steps"]:
        # All processes leave after the same step.
        if summed(float(stop_asked() or bool(tracker and tracker.stop_wished)), training.device) > 0:
            break
        began = time.perf_counter()
        loss, norm, lr = training.learn()
        seconds, step = time.perf_counter() - began, training.step
        more = {}
        if training.held_out and (step % c["eval_every"] == 0 or step == c["steps"]):
            more["val__loss"] = training.evaluate()
        if tracker:
            tracker.log(step, train__loss=loss, grad_norm=norm, lr=lr, tokens=step * per_step, epoch=step * per_step / training.train_tokens,
                        step_seconds=seconds, tokens_per_second=per_step / seconds, **more)
            print(f"step {step} loss {loss:.6f} norm {norm:.4f} {per_step / seconds:.0f} tokens/s", flush=True)
        if step % c["checkpoint_every"] == 0:
            training.save(out)
            saved = step
    if saved != training.step:
        training.save(out)


def main():
    env = os.environ.get
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--config", default=env("MILLRACE_CONFIG"))
    p.add_argument("--dataset", default=os.path.join(env("MILLRACE_INPUTS", ""), "dataset"))
    p.add_argument("--out", default=env("MILLRACE_CHECKPOINTS"), help="where folders step-N appear")
    p.add_argument("--resume", default=env("MILLRACE_RESUME"))
    a = p.parse_args()
    if not a.config or not a.out:
        p.error("give --config and --out, or run it below a worker of the platform")
    config = json.loads(Path(a.config).read_text())
    asked = []
    signal.signal(signal.SIGTERM, lambda *_: asked.append(True))  # the step at hand is finished, and a checkpoint saved
    cuda = (config.get("device") or ("cuda" if torch.cuda.is_available() else "cpu")) == "cuda"
    device = torch.device("cuda", int(env("LOCAL_RANK", "0"))) if cuda else torch.device("cpu")
    if cuda:
        torch.cuda.set_device(device)
    else:
        torch.set_num_threads(int(env("OMP_NUM_THREADS", "1")))
    dist.init_process_group("nccl" if cuda else "gloo")
    try:
        training = Training(config, a.dataset, device)
        training.build(a.resume)
        tracker = Tracker() if training.rank == 0 else None
        try:
            run(training, a.out, tracker, lambda: bool(asked))
        finally:
            if tracker:
                tracker.close()
    finally:
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
