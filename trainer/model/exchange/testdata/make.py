"""Makes small models with transformers, as it saves them, and what it computes with them: gpt2/, llama/ (bfloat16, in two files) and logits.json.

Run with torch 2.15, transformers 5.23, tokenizers 0.23: python make.py DIR
"""
import json
import os
import sys

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

torch.set_num_threads(1)
out = sys.argv[1]
text = ["the miller turns the old wheel", "rain follows the river", "a heron waits for the miller 1234 years"] * 4
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def tokenizer(special, llama):
    t = Tokenizer(models.BPE(ignore_merges=llama))
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=not llama)
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(LLAMA3), "isolated"), level]) if llama else level
    t.decoder = decoders.ByteLevel()
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    t.train_from_iterator(text, trainers.BpeTrainer(
        vocab_size=288, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    return t


def save(name, model, tok, **options):
    # Values that a mistake in any tensor would change: gains and biases are not 1 and 0.
    g = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for n, p in model.named_parameters():
            p.copy_(torch.randn(p.shape, generator=g) * (0.2 if p.dim() > 1 else 0.1) + (1 if n.endswith("weight") and p.dim() == 1 else 0))
    model = model.to(options.pop("dtype", torch.float32)).eval()
    model.save_pretrained(os.path.join(out, name), **options)
    tok.save_pretrained(os.path.join(out, name))
    ids = [[5, 17, 200, 287, 0, 44, 44, 260, 9], [3, 2, 1]]
    # Loaded anew: a model that was bfloat16 once keeps rounded rotations.
    model = type(model).from_pretrained(os.path.join(out, name), dtype=torch.float32).eval()
    with torch.no_grad():
        return {"ids": ids, "logits": [model(torch.tensor([i])).logits[0].tolist() for i in ids]}


eot = "<|endoftext|>"
golden = {}
torch.manual_seed(1)
golden["gpt2"] = save(
    "gpt2", GPT2LMHeadModel(GPT2Config(vocab_size=288, n_positions=32, n_embd=32, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0)),
    PreTrainedTokenizerFast(tokenizer_object=tokenizer([eot], False), bos_token=eot, eos_token=eot, clean_up_tokenization_spaces=False))
begin, end = "<|begin_of_text|>", "<|end_of_text|>"
golden["llama"] = save(
    "llama", LlamaForCausalLM(LlamaConfig(
        vocab_size=288, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        max_position_embeddings=64, bos_token_id=0, eos_token_id=1, tie_word_embeddings=False,
        rope_parameters={"rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                         "original_max_position_embeddings": 16})),
    PreTrainedTokenizerFast(tokenizer_object=tokenizer([begin, end], True), bos_token=begin, eos_token=end, clean_up_tokenization_spaces=False),
    dtype=torch.bfloat16, max_shard_size="50KB")
for g in golden.values():
    g["logits"] = [[[round(x, 6) for x in row] for row in rows] for rows in g["logits"]]
with open(os.path.join(out, "logits.json"), "w") as f:
    json.dump(golden, f)
