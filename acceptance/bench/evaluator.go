package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"millrace/evaluator/metric"
	"millrace/evaluator/rating"
)

// part is one of the parts of a group, which ONLY picks.
type part struct {
	name    string
	measure func(context.Context, *bench) ([]Row, error)
}

// evaluatorParts are the parts of group evaluator; each file evaluator_<part>.go has one.
var evaluatorParts = []part{
	{"scores", scoresBesidePeers}, {"ratings", ratingsBesidePeers}, {"reaction", evaluationReactions}, {"models", judgedBesidePeers}, {"judging", judgingBesidePeers},
}

// evaluators measures what judges models; ONLY picks parts.
func evaluators(ctx context.Context, b *bench) ([]Row, error) {
	var rows []Row
	for _, p := range evaluatorParts {
		if only := os.Getenv("ONLY"); only != "" && !strings.Contains(","+only+",", ","+p.name+",") {
			continue
		}
		got, err := p.measure(ctx, b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
		rows = append(rows, got...)
	}
	return rows, nil
}

const (
	scorePairs    = 10_000
	ratedBattles  = 100_000
	ratedModels   = 100
	evaluatorPeer = "../../evaluator" // from bench/peers: the scripts that made the tests' expected values
)

// pair is a text and its references.
type pair struct {
	Hyp  string   `json:"hyp"`
	Refs []string `json:"refs"`
}

// adversarialPairs makes pairs of words, marks, scripts and white space of many kinds.
func adversarialPairs(n int) []pair {
	random := rand.New(rand.NewPCG(9, 9))
	pieces := strings.Fields(`the a cat sat on mat dogs running happily national relational generalizations archaeology flies dies spied 1,000.5 3.14 2026-11-22
well-known it's "quoted" (hi) e.g. U.S.A. x.y, ,start end. -dash 5-6 &quot;entity&quot; &amp;lt; <skipped> ÉCOLE naïve straße İstanbul ΣΊΣΥΦΟΣ K 中文 测试 句子。 你好，世界！
日本語のテキスト 한국어 😀 👩‍👩‍👧 🇩🇪 é ½ Ⅷ € £5 $4.50 100% a=b … — « » “ ” ' ~ __init__ C++ #tag @user http://a.b/c?d=e&f=g .. ,, .,. 1. 1.a a.1 5- -5 --- \ | {} [x]`)
	for range 200 {
		word := make([]rune, 1+random.IntN(8))
		for i := range word {
			word[i] = 'a' + rune(random.IntN(26))
			if random.IntN(20) == 0 {
				word[i] = rune(0x20 + random.IntN(0x3000)) // any of the scripts before the surrogates
			}
		}
		pieces = append(pieces, string(word))
	}
	spaces := []string{" ", " ", " ", " ", " ", " ", "  ", "\t", "\n", "-\n", "\u00a0", "\u3000", "\u2028", "\x1c", "\u0085", "", "\u200b"}
	text := func(words []string) string {
		var b strings.Builder
		for _, w := range words {
			b.WriteString(w)
			b.WriteString(spaces[random.IntN(len(spaces))])
		}
		return b.String()
	}
	change := func(words []string, share float64) (out []string) {
		for _, w := range words {
			switch r := random.Float64(); {
			case r < share/2:
			case r < share:
				out = append(out, pieces[random.IntN(len(pieces))])
			default:
				out = append(out, w)
			}
		}
		return out
	}
	out := make([]pair, n)
	for i := range out {
		ref := make([]string, random.IntN(40))
		pool := 2 + random.IntN(len(pieces)-2)
		for j := range ref {
			ref[j] = pieces[random.IntN(pool)]
		}
		out[i].Refs = []string{text(ref)}
		for random.IntN(4) == 0 {
			out[i].Refs = append(out[i].Refs, text(change(ref, 0.4)))
		}
		out[i].Hyp = text(change(ref, random.Float64()))
	}
	return out
}

// peerScore is a number of golden.py beside ours.
type peerScore struct {
	metric metric.Metric
	all    bool // with all orders, though of one sample
}

// peerScores is the order in which golden.py prints its numbers.
func peerScores() (out []peerScore) {
	half, two := 0.5, 2.0
	for _, m := range []metric.BLEU{
		{}, {Tokenize: metric.TokenizeIntl, Smooth: metric.SmoothFloor}, {Tokenize: metric.TokenizeChar, Smooth: metric.SmoothAddK, Lowercase: true},
		{Tokenize: metric.TokenizeZh, Smooth: metric.SmoothNone}, {Tokenize: metric.TokenizeNone, Smooth: metric.SmoothFloor, SmoothValue: &half, Order: 2},
		{Smooth: metric.SmoothAddK, SmoothValue: &two, Order: 6},
	} {
		effective := m
		effective.EffectiveOrder = true
		out = append(out, peerScore{effective, false}, peerScore{m, true})
	}
	for _, m := range []metric.CHRF{{}, {WordOrder: 2}, {Lowercase: true, Whitespace: true, Beta: 3, CharOrder: 4}, {EpsSmooth: true, WordOrder: 1}} {
		out = append(out, peerScore{m, false})
	}
	for _, stem := range []bool{false, true} {
		for _, v := range []metric.Variant{metric.Rouge1, metric.Rouge2, "rouge4", metric.RougeL, metric.RougeLsum} {
			for _, p := range []metric.Part{metric.Precision, metric.Recall, metric.FMeasure} {
				out = append(out, peerScore{metric.ROUGE{Variant: v, Stem: stem, Part: p}, false})
			}
		}
	}
	return out
}

// scoresBesidePeers compares every score of 10,000 pairs with sacreBLEU's and rouge-score's, of samples and of all.
func scoresBesidePeers(ctx context.Context, b *bench) ([]Row, error) {
	pairs := adversarialPairs(scorePairs)
	in, out := filepath.Join(b.tmp, "pairs.jsonl"), filepath.Join(b.tmp, "scores.jsonl")
	if err := writeJSONL(in, pairs); err != nil {
		return nil, err
	}
	kinds := peerScores()
	ours, sums := make([][]float64, len(pairs)), make([][]float64, len(kinds))
	size := 0
	for i, p := range pairs {
		ours[i] = make([]float64, len(kinds))
		size += len(p.Hyp) + len(strings.Join(p.Refs, ""))
	}
	took := oneCore(1, nil, func() {
		for k, kind := range kinds {
			for i, p := range pairs {
				stats, err := kind.metric.Stats(p.Hyp, p.Refs)
				if err != nil {
					panic(err) // no pair is too long
				}
				if sums[k] == nil {
					sums[k] = make([]float64, len(stats))
				}
				for j, v := range stats {
					sums[k][j] += v
				}
				if ours[i][k] = kind.metric.Sample(stats); kind.all {
					ours[i][k] = kind.metric.Score(stats)
				}
			}
		}
	})
	speed := Row{Name: "scores_speed", Value: float64(size) / 1e6 / took, Unit: "MB/s", Better: "higher", Note: fmt.Sprintf("%d scores of each of %d pairs, one core; each ROUGE is computed anew for its three numbers", len(kinds), len(pairs))}
	p := newPeers(ctx, "scores")
	theirs, err := p.run(ctx, 1, evaluatorPeer+"/metric/testdata/peers/golden.py", in, out)
	if err != nil || theirs == nil {
		speed.Note += "; " + p.missing
		return []Row{speed}, err
	}
	speed.Peer, speed.PeerValue = "sacreBLEU and rouge-score", ptr(theirs.rate())
	worst := map[string]float64{}
	compared := 0
	if err := readJSONL(out, func(i int, line struct{ Scores, Corpus []float64 }) error {
		their, our := line.Scores, []float64(nil)
		if i < len(ours) {
			our = ours[i]
		} else {
			their = line.Corpus
			for k, kind := range kinds {
				our = append(our, kind.metric.Score(sums[k]))
			}
		}
		if len(their) != len(our) {
			return fmt.Errorf("%d scores of pair %d, %d are ours", len(their), i, len(our))
		}
		for k := range our {
			family := strings.TrimRight(strings.SplitN(kinds[k].metric.Name(), "_", 2)[0], "+123456789Lsum")
			d := math.Abs(our[k] - their[k])
			if math.IsNaN(d) {
				d = math.Inf(1)
			}
			worst[family] = max(worst[family], d)
			compared++
		}
		return nil
	}); err != nil {
		return nil, err
	}
	if compared != len(kinds)*(len(pairs)+1) {
		return nil, fmt.Errorf("%d scores were compared, want %d", compared, len(kinds)*(len(pairs)+1))
	}
	rows := []Row{speed}
	for _, family := range []string{"bleu", "chrf", "rouge"} {
		rows = append(rows, Row{Name: family + "_difference", Value: worst[family], Unit: "", Better: "lower", Bar: ptr(1e-9), Peer: map[bool]string{true: "rouge-score 0.1.2", false: "sacreBLEU 2.6.0"}[family == "rouge"],
			Note: fmt.Sprintf("the largest of all scores of %d random and adversarial pairs, and of all of them as a corpus; several options each", len(pairs))})
	}
	return rows, nil
}

// ratingsBesidePeers fits 100,000 battles of 100 models.
func ratingsBesidePeers(ctx context.Context, b *bench) ([]Row, error) {
	random := rand.New(rand.NewPCG(1, 0))
	strength := make([]float64, ratedModels)
	for i := range strength {
		strength[i] = 150 * random.NormFloat64()
	}
	battles := make([]rating.Battle, ratedBattles)
	var lines strings.Builder
	for i := range battles {
		one, two := random.IntN(ratedModels), random.IntN(ratedModels-1)
		if two >= one {
			two++
		}
		outcome := rating.B
		switch u := random.Float64(); {
		case u < 0.1:
			outcome = rating.Tie
		case u < 0.15:
			outcome = rating.BothBad
		case random.Float64() < rating.Probability(strength[one], strength[two]):
			outcome = rating.A
		}
		battles[i] = rating.Battle{A: fmt.Sprintf("model-%d", one), B: fmt.Sprintf("model-%d", two), Outcome: outcome}
		fmt.Fprintln(&lines, battles[i].A, battles[i].B, outcome)
	}
	var got rating.Result
	var failed error
	fit := func(draws int) float64 {
		best := math.Inf(1)
		for range 3 {
			began := time.Now()
			if got, failed = rating.BradleyTerry(battles, rating.Options{Bootstrap: draws}); failed != nil {
				return 0
			}
			best = min(best, time.Since(began).Seconds())
		}
		return best
	}
	with := fit(100)
	alone := fit(0)
	if failed != nil {
		return nil, failed
	}
	r := Row{Name: "rating_fit", Value: alone, Unit: "s", Better: "lower", Bar: ptr(1), Peer: "SciPy", Note: fmt.Sprintf("%d battles, %d models, best of 3; with intervals from 100 draws %.2g s", ratedBattles, ratedModels, with)}
	in, out := filepath.Join(b.tmp, "battles"), filepath.Join(b.tmp, "ratings.json")
	if err := os.WriteFile(in, []byte(lines.String()), 0o644); err != nil {
		return nil, err
	}
	p := newPeers(ctx, "scores")
	theirs, err := p.run(ctx, 1, evaluatorPeer+"/rating/testdata/peers/golden.py", in, out)
	if err != nil || theirs == nil {
		r.Note += "; " + p.missing
		return []Row{r}, err
	}
	r.PeerValue = ptr(theirs.Seconds)
	raw, err := os.ReadFile(out)
	if err != nil {
		return nil, err
	}
	var ratings map[string]float64
	if err := json.Unmarshal(raw, &ratings); err != nil {
		return nil, err
	}
	worst := 0.0
	for _, m := range got.Ratings {
		v, ok := ratings[m.Model]
		if !ok {
			return nil, fmt.Errorf("the peer has no rating of %s", m.Model)
		}
		worst = max(worst, math.Abs(m.Rating-v))
	}
	return []Row{r, {Name: "rating_difference", Value: worst, Unit: "points", Better: "lower", Bar: ptr(1e-6), Peer: "SciPy", Note: "the largest; 400 points are odds of ten to one"}}, nil
}

func writeJSONL[T any](path string, values []T) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := bufio.NewWriter(f)
	enc := json.NewEncoder(w)
	for _, v := range values {
		if err := enc.Encode(v); err != nil {
			return err
		}
	}
	return w.Flush()
}

func readJSONL[T any](path string, fn func(i int, v T) error) (err error) {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	dec := json.NewDecoder(f)
	for i := 0; ; i++ {
		var v T
		if err := dec.Decode(&v); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := fn(i, v); err != nil {
			return err
		}
	}
}
