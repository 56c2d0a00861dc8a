"""tokenizers_train.py DOCS VOCABULARY OUT: trains a byte-level BPE on DOCS with all cores, and writes its tokenizer.json. The time is that of the clock."""
import sys
import time

import peer
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

docs, vocabulary, out = sys.argv[1:]
texts = peer.texts(docs)
tokenizer = Tokenizer(models.BPE())
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
trainer = trainers.BpeTrainer(vocab_size=int(vocabulary), min_frequency=2, show_progress=False, special_tokens=["<|endoftext|>"],
                              initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
began = time.perf_counter()
tokenizer.train_from_iterator(texts, trainer)
took = time.perf_counter() - began
tokenizer.save(out)
peer.say(seconds=took, megabytes=peer.megabytes(texts))
