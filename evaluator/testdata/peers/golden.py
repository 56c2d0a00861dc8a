"""Makes the data of this folder and golden.json: what lm-eval, and a plain loop over PyTorch and transformers, say of a tiny GPT-2.

    python -m venv v && v/bin/pip install torch transformers tokenizers lm_eval==0.4.9.1 && v/bin/python golden.py

Rows are invented, in the forms in which the benchmarks are published. The model's weights are numbers that both sides make: see noise.
tokenizer.json is made by the Go test (go test ./evaluator -run Peers -update) from the data; run this before and after it.

    v/bin/python golden.py OUT FOLDER

changes nothing here: what the peers say goes to OUT, and the model to FOLDER (make bench GROUP=evaluator).
"""
import json, math, os, random, re, sys, time
import numpy as np

here = os.path.dirname(os.path.abspath(__file__))
at = lambda name: os.path.join(here, name)
rnd = random.Random(7)
people = ["Ada", "Ben", "Chloé", "Dara", "Eli", "Fumi", "Gita", "Hugo"]
things = ["a red kettle", "the old mill", "two wet stones", "a paper boat", "the long rope", "an iron key", "the miller's hat", "some flour"]
deeds = ["carries {} over the bridge", "paints {} in the morning", "forgets {} by the river", "sells {} to a neighbour", "looks for {} all day", "hides {} under the stairs"]
pick = rnd.choice
def deed(): return pick(deeds).format(pick(things))
def sentence(): return f"{pick(people)} {deed()}."

def lines(name, rows):
    with open(at(name), "w", encoding="utf-8") as f:
        f.writelines(json.dumps(r, ensure_ascii=False) + "\n" for r in rows)
    return rows

def make():
    def hella(i):
        return {"ind": i, "activity_label": pick(["Milling", "Sailing boats", "Painting"]), "ctx_a": f"{sentence()} [header] How it went [title] Then", "ctx_b": f"the Wheel, which {deed()},  turns and",
                "ctx": "", "split": "val", "split_type": "indomain", "source_id": f"x~{i}", "label": rnd.randrange(4), "endings": [f" [step] {deed()}  [substeps] slowly." if j == 2 else f"{deed()}{pick(['.', ', and then rests.'])}" for j in range(4)]}
    lines("hellaswag.jsonl", [hella(i) for i in range(12)])
    lines("hellaswag_train.jsonl", [hella(100 + i) for i in range(30)])
    def arc(i):
        labels = pick([["A", "B", "C", "D"], ["1", "2", "3", "4"], ["A", "B", "C"]])
        return {"id": f"arc_{i}", "question": {"stem": f"{sentence()} What does {pick(people)} need?", "choices": [{"text": pick(things) + pick(["", " of wood"]), "label": l} for l in labels]}, "answerKey": pick(labels)}
    lines("arc.jsonl", [arc(i) for i in range(12)])
    lines("arc_train.jsonl", [arc(100 + i) for i in range(40)])
    import csv
    os.makedirs(at("mmlu/test"), exist_ok=True); os.makedirs(at("mmlu/dev"), exist_ok=True)
    for subject in ["anatomy", "high_school_geography", "virology"]:
        for split, n in [("dev", 3), ("test", 7)]:
            with open(at(f"mmlu/{split}/{subject}_{split}.csv"), "w", encoding="utf-8", newline="") as f:
                w = csv.writer(f, lineterminator="\n")
                for _ in range(n):
                    w.writerow([f"{sentence()} Which, \"of these\", is it?" + pick(["", " ", "\nSay which."]), *[pick(things) for _ in range(4)], pick("ABCD")])
    def truth(i):
        answers = rnd.sample([f"{p} {d.format(t)}" for p in people for d in deeds for t in things], 5)
        return {"question": f"What does {pick(people)} do?", "mc1_targets": {a: int(j == 0) for j, a in enumerate(answers[:4])}, "mc2_targets": {a: int(j < 2) for j, a in enumerate(answers)}}
    with open(at("truthfulqa.json"), "w", encoding="utf-8") as f:
        json.dump([truth(i) for i in range(10)], f, ensure_ascii=False, indent=1)
    lines("lambada.jsonl", [{"text": f"{sentence()} \"Is it {pick(things)}?\" {sentence()[:-1]}"} for i in range(14)])
    lines("piqa.jsonl", [{"goal": f"To {deed().replace('s ', ' ', 1)}", "sol1": sentence(), "sol2": sentence()} for i in range(12)])
    with open(at("piqa-labels.lst"), "w") as f:
        f.writelines(f"{rnd.randrange(2)}\n" for _ in range(12))
    def wino(i):
        a, b = rnd.sample(people, 2)
        return {"qID": f"w{i}", "sentence": f"{a} met {b} when _ {deed()} .  ", "option1": a, "option2": b, "answer": pick("12")}
    lines("winogrande.jsonl", [wino(i) for i in range(12)])
    lines("winogrande_train.jsonl", [wino(100 + i) for i in range(20)])
    with open(at("wiki.raw"), "w", encoding="utf-8") as f:
        for title in ["The Mill", "Chloé 's Boat", "Rope"]:
            f.write(f" \n = {title} = \n \n")
            for s in range(2):
                f.write(f" = = Part {s} = = \n \n " + " ".join(f"{pick(people)} 's \" {pick(things)} \" cost 1 @,@ {rnd.randrange(100, 999)} @.@ 5 ( about {rnd.randrange(9)} @-@ fold ) , and {deed()} ; the others ' hats : {rnd.randrange(30)} \u00b0 ." for _ in range(4)) + " \n \n")

class Noise:
    """Uniform numbers in [-0.5, 0.5) that Go makes too: splitmix64 of a counter that goes on."""
    def __init__(self): self.n = 0
    def __call__(self, size):
        with np.errstate(over="ignore"):
            z = (np.arange(self.n + 1, self.n + 1 + size, dtype=np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            z = z ^ (z >> np.uint64(31))
        self.n += size
        return ((z >> np.uint64(40)).astype(np.float64) / (1 << 24) - 0.5).astype(np.float32)

def model(vocab):
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel
    torch.set_num_threads(1)
    c = GPT2Config(vocab_size=vocab, n_positions=160, n_embd=32, n_layer=2, n_head=2, bos_token_id=vocab - 1, eos_token_id=vocab - 1, attn_implementation="eager")
    m = GPT2LMHeadModel(c).eval()
    noise = Noise()
    with torch.no_grad():
        for name, p in sorted(m.named_parameters()):  # lm_head is tied
            x = torch.from_numpy(noise(p.numel())).reshape(p.shape)
            p.copy_(1 + x if ".ln_" in name and name.endswith("weight") else x)
    return m

def peers(out_file, folder=None):
    import torch, logging
    from transformers import PreTrainedTokenizerFast
    tok = PreTrainedTokenizerFast(tokenizer_file=at("tokenizer.json"), bos_token="<|endoftext|>", eos_token="<|endoftext|>", unk_token="<|endoftext|>")
    m = model(len(tok))
    if folder: m.save_pretrained(folder)
    # A plain loop: one text at a time.
    def likelihood(context, continuation):
        ids = ([tok.eos_token_id] if context == "" else tok(context)["input_ids"])
        n = len(ids) if context else 0
        cont = tok(context + continuation)["input_ids"][n:]
        ids = (ids + cont)[-161:]
        with torch.no_grad():
            logits = m(torch.tensor([ids[:-1]])).logits[0, -len(cont):].log_softmax(-1)
        t = torch.tensor(cont)
        return float(logits.gather(1, t[:, None]).double().sum()), bool((logits.argmax(-1) == t).all())
    def rolling(text):
        ids, total, done = tok(text)["input_ids"], 0.0, 0
        while done < len(ids):  # all windows as long as the context, each token once
            n = min(160, len(ids) - done)
            window = ([tok.eos_token_id] + ids)[max(0, done + n - 160):done + n]
            with torch.no_grad():
                logits = m(torch.tensor([window])).logits[0, -n:].log_softmax(-1)
            total += float(logits.gather(1, torch.tensor(ids[done:done + n])[:, None]).double().sum())
            done += n
        return total
    import lm_eval, datasets, transformers
    transformers.AutoModelForVision2Seq = None  # gone from transformers 5; lm-eval names it for models with eyes
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager
    from lm_eval.evaluator import evaluate
    datasets.disable_progress_bars()
    logging.getLogger("lm-eval").setLevel(logging.ERROR)
    lm = HFLM(pretrained=m, tokenizer=tok, batch_size=4, device="cpu", max_length=160)
    tm = TaskManager()
    read = lambda name: [json.loads(l) for l in open(at(name), encoding="utf-8")]
    arc_form = lambda rows: [{"id": r["id"], "question": r["question"]["stem"], "choices": {"text": [c["text"] for c in r["question"]["choices"]], "label": [c["label"] for c in r["question"]["choices"]]}, "answerKey": r["answerKey"]} for r in rows]
    tmp = os.environ.get("TMPDIR", "/tmp")
    def put(name, rows):
        p = os.path.join(tmp, "golden_" + name + ".jsonl")
        with open(p, "w", encoding="utf-8") as f:
            f.writelines(json.dumps(r, ensure_ascii=False) + "\n" for r in rows)
        return p
    import csv
    def mmlu(subject, split):
        with open(at(f"mmlu/{split}/{subject}_{split}.csv"), encoding="utf-8", newline="") as f:
            return [{"question": r[0], "subject": subject, "choices": r[1:5], "answer": "ABCD".index(r[5])} for r in csv.reader(f)]
    truth = json.load(open(at("truthfulqa.json"), encoding="utf-8"))
    truth = [{"question": r["question"], **{k: {"choices": list(r[k]), "labels": list(r[k].values())} for k in ("mc1_targets", "mc2_targets")}} for r in truth]
    labels = [int(l) for l in open(at("piqa-labels.lst"))]
    # The pages of WikiText, as EleutherAI/wikitext_document_level cuts them.
    pages, page = [], []
    for line in open(at("wiki.raw"), encoding="utf-8").read().split("\n"):
        s = line.replace("= = =", "===").replace("= =", "==").strip()
        if s.startswith("= ") and s.endswith(" ="):
            if "\n".join(page).strip(): pages.append("\n".join(page))
            page = []
        page.append(line)
    pages.append("\n".join(page))
    string = lambda rows: [{**r, "label": str(r["label"])} for r in rows]
    files = {
        "hellaswag": ({"validation": put("h", string(read("hellaswag.jsonl"))), "train": put("ht", string(read("hellaswag_train.jsonl")))}, 2),
        "arc_challenge": ({"test": put("a", arc_form(read("arc.jsonl"))), "train": put("at", arc_form(read("arc_train.jsonl")))}, 3),
        "truthfulqa_mc1": ({"validation": put("t", truth)}, 0), "truthfulqa_mc2": ({"validation": put("t2", truth)}, 0),
        "lambada_openai": ({"test": at("lambada.jsonl")}, 0),
        "piqa": ({"validation": put("p", [{**r, "label": l} for r, l in zip(read("piqa.jsonl"), labels)])}, 0),
        "winogrande": ({"validation": at("winogrande.jsonl"), "train": at("winogrande_train.jsonl")}, 2),
        "wikitext": ({"test": put("w", [{"page": p} for p in pages])}, 0),
    }
    for s in ["anatomy", "high_school_geography", "virology"]:
        files["mmlu_" + s] = ({"test": put(s, mmlu(s, "test")), "dev": put(s + "d", mmlu(s, "dev"))}, 2)
    tasks = {}
    for name, (splits, shots) in files.items():
        over = {"task": name, "dataset_path": "json", "dataset_name": None, "dataset_kwargs": {"data_files": splits}, "num_fewshot": shots}
        if "train" not in splits and name not in ("wikitext",) and not name.startswith("mmlu"): over["training_split"] = None
        if name in ("lambada_openai", "wikitext"): over["validation_split"] = None
        if name == "wikitext": over["training_split"] = None
        if name == "arc_challenge": over["validation_split"] = None
        tasks.update(tm.load_task_or_group([over]))
    for t in tasks.values(): t.set_fewshot_seed(1234)
    out = evaluate(lm, tasks, log_samples=True, bootstrap_iters=0)
    golden = {"lm_eval": lm_eval.__version__ if hasattr(lm_eval, "__version__") else "0.4.9.1", "tasks": {}}
    for name in files:
        result = {k.split(",")[0]: v for k, v in out["results"][name].items() if isinstance(v, float) and "stderr" not in k}
        samples, worst = [], 0.0
        for s in sorted(out["samples"][name], key=lambda s: s["doc_id"]):
            if name == "wikitext":
                text = s["arguments"][0][0] if isinstance(s["arguments"], list) else s["arguments"]["gen_args_0"]["arg_0"]
                mine, theirs = rolling(text), float(s["filtered_resps"][0] if not isinstance(s["filtered_resps"][0], (list, tuple)) else s["filtered_resps"][0][0])
                samples.append({"ll": [mine]}); worst = max(worst, abs(mine - theirs) / abs(theirs)); continue
            args = s["arguments"]
            pairs = [(a["arg_0"], a["arg_1"]) for a in args.values()] if isinstance(args, dict) else [(a[0], a[1]) for a in args]
            def moved(c, x):
                n = len(c) - len(c.rstrip())
                return (c[:-n], c[-n:] + x) if n else (c, x)
            mine = [likelihood(*moved(*p)) for p in pairs]
            theirs = [float(r[0]) for r in s["filtered_resps"]]
            worst = max([worst] + [abs(a[0] - b) / abs(b) for a, b in zip(mine, theirs)])
            samples.append({"ll": [a for a, _ in mine]})
        golden["tasks"][name] = {"metrics": result, "samples": samples}
        print(name, result, "plain loop against lm-eval, largest relative difference:", worst)
    # What greedy generation says.
    ids = tok("Ada carries")["input_ids"]
    with torch.no_grad():
        for _ in range(20):
            ids.append(int(m(torch.tensor([ids])).logits[0, -1].argmax()))
    golden["greedy"] = tok.decode(ids[len(tok("Ada carries")["input_ids"]):])
    json.dump(golden, open(out_file, "w"), separators=(",", ":"))

if len(sys.argv) > 1:
    began = time.time()
    peers(sys.argv[1], sys.argv[2])
    print(json.dumps({"seconds": time.time() - began}))
else:
    make()
    if os.path.exists(at("tokenizer.json")): peers(at("golden.json"))
