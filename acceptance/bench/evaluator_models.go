package main

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"millrace/evaluator"
	"millrace/event"
	"millrace/services/evaluation"
	"millrace/trainer/engine/cpu"
	"millrace/trainer/model"
	"millrace/trainer/token"
)

const judgedByPeers = "evaluator/testdata/peers/" // data in the published forms, and the script that judges a tiny GPT-2 on it

// pinned are files by their digests.
type pinned map[event.Digest][]byte

func (p pinned) open(_ context.Context, d event.Digest) (io.ReadCloser, error) {
	raw, ok := p[d]
	if !ok {
		return nil, fmt.Errorf("nothing has digest %s", d)
	}
	return io.NopCloser(bytes.NewReader(raw)), nil
}

// put takes a file of the peers' folder.
func (p pinned) put(name string) (event.Digest, error) {
	raw, err := os.ReadFile(judgedByPeers + name)
	d := event.DigestOf(raw)
	p[d] = raw
	return d, err
}

// tables packs MMLU's tables as they are published.
func (p pinned) tables() (event.Digest, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	names, err := filepath.Glob(judgedByPeers + "mmlu/*/*.csv")
	if err != nil {
		return "", err
	}
	for _, name := range names {
		raw, err := os.ReadFile(name)
		if err != nil {
			return "", err
		}
		inner := "data" + strings.TrimPrefix(filepath.ToSlash(name), judgedByPeers+"mmlu")
		if err := w.WriteHeader(&tar.Header{Name: inner, Mode: 0o644, Size: int64(len(raw)), Format: tar.FormatUSTAR}); err != nil {
			return "", err
		}
		if _, err := w.Write(raw); err != nil {
			return "", err
		}
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	d := event.DigestOf(b.Bytes())
	p[d] = b.Bytes()
	return d, nil
}

// judgedTasks are the tasks of the peers' script, on the same files and with as many examples shown.
func judgedTasks(p pinned) (tasks []evaluator.Task, err error) {
	for _, t := range []struct {
		name                string
		shots               int
		data, shown, labels string
	}{
		{"hellaswag", 2, "hellaswag.jsonl", "hellaswag_train.jsonl", ""}, {"arc_challenge", 3, "arc.jsonl", "arc_train.jsonl", ""}, {"mmlu", 2, "", "", ""},
		{"truthfulqa_mc1", 0, "truthfulqa.json", "", ""}, {"truthfulqa_mc2", 0, "truthfulqa.json", "", ""}, {"lambada_openai", 0, "lambada.jsonl", "", ""},
		{"piqa", 0, "piqa.jsonl", "", "piqa-labels.lst"}, {"winogrande", 2, "winogrande.jsonl", "winogrande_train.jsonl", ""}, {"wikitext", 0, "wiki.raw", "", ""},
	} {
		task, err := evaluator.BuiltIn(t.name, 1)
		if err != nil {
			return nil, err
		}
		source := *task.Source
		if t.data == "" {
			if source.Digest, err = p.tables(); err != nil {
				return nil, err
			}
			source.FewShotDigest = source.Digest
		}
		for _, f := range []struct {
			name string
			to   *event.Digest
		}{{t.data, &source.Digest}, {t.shown, &source.FewShotDigest}, {t.labels, &source.LabelsDigest}} {
			if f.name == "" {
				continue
			}
			if *f.to, err = p.put(f.name); err != nil {
				return nil, err
			}
		}
		if task.Source, task.FewShot = &source, t.shots; t.shots == 0 {
			task.FewShotSeed = nil
		}
		tasks = append(tasks, task)
	}
	return tasks, nil
}

// readFolder reads a model as transformers wrote it.
func readFolder(folder string, threads int) (*model.Model, error) {
	raw, err := os.ReadFile(filepath.Join(folder, "config.json"))
	if err != nil {
		return nil, err
	}
	config, err := model.ParseHuggingFace(raw)
	if err != nil {
		return nil, err
	}
	k, err := cpu.Open(threads)
	if err != nil {
		return nil, err
	}
	weights, err := os.ReadFile(filepath.Join(folder, "model.safetensors"))
	if err != nil {
		return nil, err
	}
	return model.Read(config, k, bytes.NewReader(weights))
}

// judgedBesidePeers lets lm-eval and a plain loop over transformers judge a tiny GPT-2, and then judges the weights that they wrote.
func judgedBesidePeers(ctx context.Context, b *bench) ([]Row, error) {
	p := newPeers(ctx, "models")
	out, folder := filepath.Join(b.tmp, "judged.json"), filepath.Join(b.tmp, "tiny")
	f, err := p.run(ctx, 1, "../../"+judgedByPeers+"golden.py", out, folder)
	if err != nil {
		return nil, err
	}
	if f == nil {
		fmt.Fprintln(os.Stderr, "evaluator/model_* are left out:", p.missing)
		return nil, nil
	}
	var theirs struct {
		Tasks map[string]struct {
			Metrics map[string]float64
			Samples []struct{ LL []float64 }
		}
	}
	if err := readJSON(out, &theirs); err != nil {
		return nil, err
	}
	net, err := readFolder(folder, 1)
	if err != nil {
		return nil, err
	}
	words, err := os.ReadFile(judgedByPeers + "tokenizer.json")
	if err != nil {
		return nil, err
	}
	tok, err := token.Parse(words)
	if err != nil {
		return nil, err
	}
	files := pinned{}
	tasks, err := judgedTasks(files)
	if err != nil {
		return nil, err
	}
	// MMLU's subjects are tasks of their own there.
	answers, scores := map[string][]evaluator.Answer{}, map[string]float64{}
	e := evaluator.Evaluator{Open: files.open, Answer: func(a evaluator.Answer) error {
		name := a.Task
		if subject, _, ok := strings.Cut(a.ID, "/"); ok && name == "mmlu" {
			name += "_" + subject
		}
		answers[name] = append(answers[name], a)
		return nil
	}}
	r, err := e.Score(ctx, evaluation.Model(net), tok, nil, evaluator.Suite{Format: evaluator.SuiteFormat, Name: "peers", Version: 1, Tasks: tasks})
	if err != nil {
		return nil, err
	}
	if len(r.Failed)+len(r.Skipped) > 0 {
		return nil, fmt.Errorf("not judged: %v %v", r.Failed, r.Skipped)
	}
	for _, s := range r.Scores {
		scores[strings.Replace(s.Task, "mmlu/", "mmlu_", 1)+" "+s.Metric] = float64(s.Value)
	}
	apart := func(ours, theirs float64) float64 {
		d := math.Abs(ours-theirs) / max(math.Abs(theirs), 1e-12)
		if ours == theirs {
			return 0
		}
		if math.IsNaN(d) {
			return math.Inf(1)
		}
		return d
	}
	var metric, likelihood float64
	var metrics, likelihoods, questions, other int
	names := map[string]bool{}
	for name, want := range theirs.Tasks {
		for m, value := range want.Metrics {
			mine := m
			if mc, ok := strings.CutPrefix(name, "truthfulqa_"); ok {
				mine = mc
			}
			got, ok := scores[name+" "+mine]
			if !ok {
				return nil, fmt.Errorf("there is no %s of %s", mine, name)
			}
			metric, names[mine] = max(metric, apart(got, value)), true
			metrics++
		}
		if len(answers[name]) != len(want.Samples) {
			return nil, fmt.Errorf("%d answers of %s, the peers have %d", len(answers[name]), name, len(want.Samples))
		}
		for i, s := range want.Samples {
			a := answers[name][i]
			if len(a.LogProbs) == 0 { // a document
				likelihood = max(likelihood, apart(float64(a.Scores["loglikelihood"]), s.LL[0]))
				likelihoods++
				continue
			}
			if len(a.LogProbs) != len(s.LL) {
				return nil, fmt.Errorf("%s, %s: %d choices, the peers have %d", name, a.ID, len(a.LogProbs), len(s.LL))
			}
			ours := make([]float64, len(s.LL))
			for j := range ours {
				ours[j] = float64(a.LogProbs[j])
				likelihood = max(likelihood, apart(ours[j], s.LL[j]))
				likelihoods++
			}
			questions++
			if chosen(ours, nil) != chosen(s.LL, nil) || chosen(ours, a.Choices) != chosen(s.LL, a.Choices) {
				other++
			}
		}
	}
	if questions == 0 || metrics < 15 {
		return nil, fmt.Errorf("only %d metrics and %d questions were compared", metrics, questions)
	}
	const peer = "lm-eval 0.4.9.1, transformers"
	return []Row{
		{Name: "model_scores_difference", Value: metric, Better: "lower", Bar: ptr(1e-4), Peer: peer, Note: fmt.Sprintf("the largest of %d scores, relative: %s; a tiny GPT-2 of random weights in fp32 on small files in the published forms",
			metrics, strings.Join(sortedKeys(names), ", "))},
		{Name: "model_likelihoods_difference", Value: likelihood, Better: "lower", Bar: ptr(1e-4), Peer: peer, Note: fmt.Sprintf("the largest of %d sums of ln p, relative; the peer is a plain loop, one text at a time", likelihoods)},
		{Name: "model_other_choices", Value: float64(other), Better: "lower", Bar: ptr(0), Peer: peer, Note: fmt.Sprintf("of %d questions, by likelihood or by likelihood by character", questions)},
	}, nil
}

// chosen is the choice of the highest likelihood, by character if choices are given; the first of equals.
func chosen(lls []float64, choices []string) int {
	best, most := 0, math.Inf(-1)
	for i, ll := range lls {
		if choices != nil {
			ll /= float64(max(1, len([]rune(choices[i]))))
		}
		if ll > most {
			best, most = i, ll
		}
	}
	return best
}

func sortedKeys(m map[string]bool) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func readJSON(path string, v any) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, v)
}

// The model whose judging is timed, and what it is asked.
const (
	askedVocabulary = 16384
	askedContext    = 256
	askedWindows    = 8
	askedQuestions  = 8
	askedFor        = 2 * time.Second // each kind of question, in each process
	askedRounds     = 6               // processes of either side in turn
)

// asked is what both sides are asked.
type asked struct {
	Windows   [][]int32       `json:"windows"` // context + 1 tokens each
	Questions []askedQuestion `json:"questions"`
}

type askedQuestion struct {
	Context []int32   `json:"context"`
	Choices [][]int32 `json:"choices"`
}

// newAsked draws windows, and questions with a few solved ones before them, of 4 choices.
func newAsked() asked {
	random := rand.New(rand.NewPCG(4, 2))
	text := func(n int) []int32 {
		out := make([]int32, n)
		for i := range out {
			out[i] = random.Int32N(askedVocabulary)
		}
		return out
	}
	var a asked
	for range askedWindows {
		a.Windows = append(a.Windows, text(askedContext+1))
	}
	for range askedQuestions {
		q := askedQuestion{Context: text(120 + random.IntN(100))}
		for range 4 {
			q.Choices = append(q.Choices, text(6+random.IntN(18)))
		}
		a.Questions = append(a.Questions, q)
	}
	return a
}

// tokens are how many each kind has: scored ones of windows; of questions each choice with its context, as if it were read alone.
func (a asked) tokens() (windows, questions int) {
	for _, w := range a.Windows {
		windows += len(w) - 1
	}
	for _, q := range a.Questions {
		for _, c := range q.Choices {
			questions += len(q.Context) + len(c)
		}
	}
	return windows, questions
}

// took is how long one pass over all of a kind takes at best.
type took struct{ Wall, CPU float64 }

func (t *took) least(other took) {
	if t.Wall == 0 {
		*t = other
	}
	t.Wall, t.CPU = min(t.Wall, other.Wall), min(t.CPU, other.CPU)
}

// said is what either side found out.
type said struct {
	Windows, Questions took
	Way                []string    // how the peer was fastest
	Losses             []float64   // -Σ ln p of each window
	Choices            [][]float64 // Σ ln p of each question's choices
}

// judgingBesidePeers times a GPT-2 of random weights here and in PyTorch.
func judgingBesidePeers(ctx context.Context, b *bench) ([]Row, error) {
	folder, questions, out := filepath.Join(b.tmp, "asked"), filepath.Join(b.tmp, "asked.json"), filepath.Join(b.tmp, "said.json")
	parameters, err := writeAsked(folder)
	if err != nil {
		return nil, err
	}
	a := newAsked()
	raw, err := json.Marshal(a)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(questions, raw, 0o644); err != nil {
		return nil, err
	}
	p := newPeers(ctx, "models")
	nw, nq := a.tokens()
	var rows []Row
	for _, threads := range []int{1, 2} {
		var ours, theirs said
		for range askedRounds {
			var got said
			if err := child(ctx, "judge", &got, folder, questions, fmt.Sprint(threads)); err != nil {
				return nil, err
			}
			got.Windows.least(orElse(ours.Windows, got.Windows))
			got.Questions.least(orElse(ours.Questions, got.Questions))
			ours = got
			f, err := p.run(ctx, threads, "torch_judge.py", folder, questions, out, fmt.Sprint(askedFor.Seconds()))
			if err != nil {
				return nil, err
			}
			if f == nil {
				continue
			}
			got = said{}
			if err := readJSON(out, &got); err != nil {
				return nil, err
			}
			got.Windows.least(orElse(theirs.Windows, got.Windows))
			got.Questions.least(orElse(theirs.Questions, got.Questions))
			theirs = got
		}
		note := p.missing
		if len(theirs.Losses) > 0 {
			worst, other, err := ours.apart(theirs)
			if err != nil {
				return nil, err
			}
			note = fmt.Sprintf("both say the same within %.1g, %d other choices", worst, other)
		}
		for i, kind := range []struct {
			name         string
			n            int
			ours, theirs took
			what         string
		}{
			{"windows", nw, ours.Windows, theirs.Windows, fmt.Sprintf("%d windows of %d tokens", askedWindows, askedContext)},
			{"choices", nq, ours.Questions, theirs.Questions, fmt.Sprintf("%d questions of 4 choices behind one context, whose tokens count with every choice", askedQuestions)},
		} {
			r := Row{Name: fmt.Sprintf("scoring_%s_%d_threads", kind.name, threads), Value: float64(kind.n) / kind.ours.Wall, Unit: "tokens/s", Better: "higher",
				Note: fmt.Sprintf("GPT-2 shape of %.0f M parameters, fp32, %s; %s", parameters/1e6, kind.what, note)}
			if kind.theirs.Wall > 0 {
				v := float64(kind.n) / kind.theirs.Wall
				r.Peer, r.PeerValue, r.Bar = "PyTorch", ptr(v), ptr(v)
				r.Note += fmt.Sprintf("; %.2f × the peer, %.2f × by processor time; the peer is fastest with %s", r.Value/v, kind.theirs.CPU/kind.ours.CPU, theirs.Way[i])
			}
			rows = append(rows, r)
		}
	}
	return rows, nil
}

func orElse(t, other took) took {
	if t.Wall == 0 {
		return other
	}
	return t
}

// apart is the largest relative difference, and how many questions are answered otherwise.
func (s said) apart(other said) (worst float64, choices int, err error) {
	if len(s.Losses) != len(other.Losses) || len(s.Choices) != len(other.Choices) {
		return 0, 0, errors.New("the peer answered another number of questions")
	}
	for i, v := range s.Losses {
		worst = max(worst, math.Abs(v-other.Losses[i])/math.Abs(v))
	}
	for i, lls := range s.Choices {
		for j, v := range lls {
			worst = max(worst, math.Abs(v-other.Choices[i][j])/math.Abs(v))
		}
		if chosen(lls, nil) != chosen(other.Choices[i], nil) {
			choices++
		}
	}
	return worst, choices, nil
}

// writeAsked writes the model as transformers reads it, and says how many parameters it has.
func writeAsked(folder string) (parameters float64, err error) {
	config := model.Config{Arch: model.GPT2, NLayer: 6, NHead: 6, DModel: 384, Context: askedContext, VocabSize: askedVocabulary, Bias: true}
	k, err := cpu.Open(1)
	if err != nil {
		return 0, err
	}
	net, err := model.New(config, k, 1)
	if err != nil {
		return 0, err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return 0, err
	}
	weights, err := os.Create(filepath.Join(folder, "model.safetensors"))
	if err != nil {
		return 0, err
	}
	_, err = net.File().WriteTo(weights)
	return float64(net.Config().Parameters().Total), errors.Join(err, weights.Close(), os.WriteFile(filepath.Join(folder, "config.json"), net.Config().HuggingFace(), 0o644))
}

// childJudges asks the model what the file says, as an evaluation does.
func childJudges(args []string) (out said, err error) {
	if len(args) != 3 {
		return out, errors.New("arguments: folder, questions, threads")
	}
	threads, err := strconv.Atoi(args[2])
	if err != nil {
		return out, err
	}
	var a asked
	if err := readJSON(args[1], &a); err != nil {
		return out, err
	}
	net, err := readFolder(args[0], threads)
	if err != nil {
		return out, err
	}
	m, ok := evaluation.Model(net).(evaluator.Batcher)
	if !ok {
		return out, errors.New("a GPT-2 is not asked several things at once")
	}
	ctx := context.Background()
	var windows, choices []evaluator.Request
	for _, w := range a.Windows {
		windows = append(windows, evaluator.Request{Tokens: w, From: 1})
	}
	for _, q := range a.Questions {
		for _, c := range q.Choices {
			choices = append(choices, evaluator.Request{Tokens: slices.Concat(q.Context, c), From: len(q.Context)})
		}
	}
	ask := func(requests []evaluator.Request) (sums []float64, best took, err error) {
		for until := time.Now().Add(askedFor); best.Wall == 0 || time.Now().Before(until); {
			began, used := time.Now(), processorTime()
			answers, err := m.ScoreAll(ctx, requests)
			if err != nil {
				return nil, best, err
			}
			sums = sums[:0]
			for _, scores := range answers {
				sum := 0.0
				for _, s := range scores {
					sum += s.LogProb
				}
				sums = append(sums, sum)
			}
			best.least(took{time.Since(began).Seconds(), processorTime() - used})
		}
		return sums, best, nil
	}
	sums, best, err := ask(windows)
	if err != nil {
		return out, err
	}
	for _, v := range sums {
		out.Losses = append(out.Losses, -v)
	}
	out.Windows = best
	if sums, out.Questions, err = ask(choices); err != nil {
		return out, err
	}
	for _, q := range a.Questions {
		out.Choices, sums = append(out.Choices, sums[:len(q.Choices)]), sums[len(q.Choices):]
	}
	return out, nil
}

// processorTime is how many seconds of processors this process has used.
func processorTime() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}
