"""Scores texts with sacreBLEU and rouge-score.

Without arguments it makes the pairs of golden.jsonl from a seed, and prints them with their scores:

    pip install sacrebleu==2.6.0 rouge-score==0.1.2 nltk==3.10.4
    python golden.py > golden.jsonl

With a file of {"hyp", "refs"} lines and a file to write, it scores those: acceptance/bench does so with 10,000.
The last line holds the scores of the whole corpus. NAMES says what the numbers are; metric_test.go has the same list.
"""
import json
import random
import sys
import time

from nltk.stem.porter import PorterStemmer
from rouge_score import rouge_scorer
from sacrebleu.metrics import BLEU, CHRF

BLEUS = [
    dict(),
    dict(tokenize="intl", smooth_method="floor"),
    dict(tokenize="char", smooth_method="add-k", lowercase=True),
    dict(tokenize="zh", smooth_method="none"),
    dict(tokenize="none", smooth_method="floor", smooth_value=0.5, max_ngram_order=2),
    dict(smooth_method="add-k", smooth_value=2, max_ngram_order=6),
]
CHRFS = [dict(), dict(word_order=2), dict(lowercase=True, whitespace=True, beta=3, char_order=4), dict(eps_smoothing=True, word_order=1)]
ROUGES = ["rouge1", "rouge2", "rouge4", "rougeL", "rougeLsum"]
NAMES = ["bleu sample, then bleu with all orders: 6 each", "chrf: 4", "rouge p, r, f without stemmer: 5 × 3", "with: 5 × 3"]

WORDS = """the a cat sat on mat dogs running happily national relational conditional 1,000.5 3.14 2026-11-22 well-known it's "quoted" (hi) e.g. U.S.A. x.y, ,start end. -dash 5-6
&quot;entity&quot; &amp;lt; <skipped> &lt;b&gt; ÉCOLE École naïve straße İstanbul ΣΊΣΥΦΟΣ ΟΔΟΣ K Ünïcödé 中文 测试 句子。 你好，世界！ 日本語のテキスト 한국어 😀 👩‍👩‍👧 🇩🇪 é ﷽ ½ Ⅷ ² € £5 $4.50 100% a=b x+y
generalizations oscillators flies dies spied died agreed feed hopping falling fizzed filing happy sky skies enjoy tying proceed radically hopefully archaeology geology yyyy
… — – « » „ “ ” ' ` ~ ^ _ __init__ C++ #tag @user http://a.b/c?d=e&f=g .. ... ,, .,. 1. 1.a a.1 1,a 5- -5 --- \\ | {} [x]""".split()
SPACES = [" "] * 12 + ["  ", "\t", "\n", "-\n", "\u00a0", "\u3000", "\u2028", "\x1c", "\x85", "\r\n", "", "\u200b"]
ADVERSARIAL = [
    ("", [""]), ("", ["a"]), ("a", [""]), (" ", ["\n"]), (".", ["."]), ("...", ["!!!"]), ("a", ["a"]), ("A", ["a"]), ("a b c d", ["a b c d"]), ("a b c", ["a b c"]),
    ("the the the the the the the", ["the cat is on the mat", "there is a cat on the mat"]), ("1,000.5", ["1,000.5", "1000.5"]), ("-\n-\n", ["-"]),
    ("😀😀😀", ["😀😀"]), ("中文测试", ["中文 测试", "测试中文"]), ("(hi)", ["hi"]), ("&amp;quot;", ['"']), ("<skipped><skipped>", ["x"]),
    ("line one\nline two\n\nline three", ["line two\nline one", "line three\nline four"]), ("a\n\nb", ["\n"]), ("x" * 3000, ["x" * 2999 + "y"]),
    ("a b " * 400, ["b a " * 410]), ("\ufeffa", ["a"]), ("a\x00b", ["a b"]), ("e\u0301", ["\u00e9"]), ("ß SS", ["ss ß"]),
]


def pairs(seed, count):
    r = random.Random(seed)
    yield from ADVERSARIAL
    for _ in range(count):
        pool = r.sample(WORDS, r.randint(2, 40))

        def text(words):
            return "".join(w + r.choice(SPACES) for w in words)

        ref = [r.choice(pool) for _ in range(r.randint(0, 40))]
        refs = [text(ref)]
        for _ in range(r.choice([0, 0, 0, 1, 2])):
            other = [r.choice(pool) if r.random() < 0.3 else w for w in ref if r.random() < 0.9]
            refs.append(text(other))
        hyp = [r.choice(pool) if r.random() < 0.25 else w for w in ref if r.random() < 0.85]
        if r.random() < 0.2:
            r.shuffle(hyp)
        yield text(hyp), refs


def score(all_pairs):
    bleus = [(BLEU(**{**o, "effective_order": True}), BLEU(**o)) for o in BLEUS]
    chrfs = [CHRF(**o) for o in CHRFS]
    rouges = [rouge_scorer.RougeScorer(ROUGES, use_stemmer=s) for s in (False, True)]
    out, total = [], [0.0] * (len(ROUGES) * 6)
    for hyp, refs in all_pairs:
        row = []
        for effective, plain in bleus:
            row += [effective.sentence_score(hyp, refs).score, plain.corpus_score([hyp], [[x] for x in refs]).score]
        row += [c.sentence_score(hyp, refs).score for c in chrfs]
        values = []
        for scorer in rouges:
            best = scorer.score_multi(refs, hyp)
            for name in ROUGES:
                values += [float(x) for x in best[name]]
        total = [a + b for a, b in zip(total, values)]
        out.append(row + values)
    hyps, most = [h for h, _ in all_pairs], max(len(r) for _, r in all_pairs)
    streams = [[(r[i] if i < len(r) else None) for _, r in all_pairs] for i in range(most)]
    corpus = []
    for effective, plain in bleus:
        corpus += [effective.corpus_score(hyps, streams).score, plain.corpus_score(hyps, streams).score]
    corpus += [c.corpus_score(hyps, streams).score for c in chrfs]
    signatures = [str(plain.get_signature()) for _, plain in bleus] + [str(c.get_signature()) for c in chrfs]
    return out, corpus + [t / len(all_pairs) for t in total], signatures


def stems():
    """Words that no dictionary has, but every rule of the stemmer meets."""
    starts = "tr y by geo rel sky hop fall fizz conn yoy syzyg fil agr oat troubl vietn dec op pr x9".split()
    ends = """s ies sses ed ied eed ing at bl iz y ational tional enci anci izer bli alli entli eli ousli ization ation ator alism iveness fulness ousness aliti
    iviti biliti fulli logi icate ative alize iciti ical ful ness al ance ence er ic able ible ant ement ment ent sion tion ion ou ism ate iti ous ive ize e ll eing yed""".split()
    stemmer = PorterStemmer()
    words = [a + b for a in starts for b in ends] + "skies dying news innings outing cannings howe proceed exceed succeed generalizations oscillators yyyyyy".split()
    return {w: stemmer.stem(w) for w in words if len(w) > 3}


def main():
    began = time.process_time()
    if len(sys.argv) == 3:
        with open(sys.argv[1], encoding="utf-8", newline="\n") as f:
            todo = [(d["hyp"], d["refs"]) for d in map(json.loads, f)]
        out = open(sys.argv[2], "w", encoding="utf-8")
    else:
        todo, out = list(pairs(1, 110)), sys.stdout
    rows, corpus, signatures = score(todo)
    for (hyp, refs), row in zip(todo, rows):
        line = {"scores": row} if len(sys.argv) == 3 else {"hyp": hyp, "refs": refs, "scores": row}
        print(json.dumps(line, ensure_ascii=True), file=out)
    last = {"corpus": corpus, "signatures": signatures}
    print(json.dumps(last if len(sys.argv) == 3 else {**last, "stems": stems()}), file=out)
    out.flush()
    if len(sys.argv) == 3:
        size = sum(len(h.encode()) + sum(len(x.encode()) for x in r) for h, r in todo)
        print(json.dumps({"seconds": time.process_time() - began, "megabytes": size / 1e6, "documents": len(todo)}))


main()
