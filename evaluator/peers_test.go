package evaluator_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"millrace/evaluator"
	"millrace/event"
	"millrace/trainer/engine"
	"millrace/trainer/engine/cpu"
	"millrace/trainer/model"
	"millrace/trainer/token"

	"github.com/stretchr/testify/require"
)

// network is a real model as evaluations ask it.
type network struct{ *model.Model }

func (n network) Context() int { return n.Config().Context }

func (n network) Score(ctx context.Context, tokens []int32, from int) ([]evaluator.TokenScore, error) {
	scores, err := n.Model.Score(ctx, tokens, from)
	var out []evaluator.TokenScore
	for _, s := range scores {
		out = append(out, evaluator.TokenScore(s))
	}
	return out, err
}

func (n network) Generate(ctx context.Context, prompt []int32, most int, s evaluator.Sampling) ([]int32, error) {
	return n.Model.Generate(ctx, prompt, most, model.Sampling{Temperature: s.Temperature, TopK: s.TopK, TopP: s.TopP, MinP: s.MinP, Seed: s.Seed, Stop: s.Stop})
}

// noisy is the tiny GPT-2 of testdata/peers/golden.py.
func noisy(t *testing.T, vocab int) network {
	t.Helper()
	kernels, err := cpu.Open(1)
	require.NoError(t, err)
	m, err := model.New(model.Config{Arch: model.GPT2, NLayer: 2, NHead: 2, DModel: 32, Context: 160, VocabSize: vocab, Bias: true}, kernels, 1)
	require.NoError(t, err)
	count := uint64(0)
	noise := func() float32 {
		count++
		z := count * 0x9E3779B97F4A7C15
		z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
		z = (z ^ z>>27) * 0x94D049BB133111EB
		z ^= z >> 31
		return float32(float64(z>>40)/(1<<24) - 0.5)
	}
	parameters := m.Parameters()
	slices.SortFunc(parameters, func(a, b *engine.Parameter) int { return strings.Compare(a.Name, b.Name) })
	for _, p := range parameters {
		for i := range p.Value {
			p.Value[i] = noise()
			if strings.Contains(p.Name, ".ln_") && strings.HasSuffix(p.Name, "weight") {
				p.Value[i]++
			}
		}
	}
	return network{m}
}

const peers = "testdata/peers/"

func stored(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(peers + name)
	require.NoError(t, err)
	return string(raw)
}

// archive is MMLU as it is published: a tar of tables.
func archive(t *testing.T) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	names, err := filepath.Glob(peers + "mmlu/*/*.csv")
	require.NoError(t, err)
	for _, name := range names {
		raw := stored(t, strings.TrimPrefix(filepath.ToSlash(name), peers))
		require.NoError(t, w.WriteHeader(&tar.Header{Name: strings.Replace(filepath.ToSlash(name), peers+"mmlu", "data", 1), Mode: 0o644, Size: int64(len(raw)), Format: tar.FormatUSTAR}))
		_, err := w.Write([]byte(raw))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return b.String()
}

// sameAsPeers are the tasks of golden.py, on the same data.
func sameAsPeers(t *testing.T, h held) []evaluator.Task {
	t.Helper()
	task := func(name string, shots int, files ...string) evaluator.Task {
		task, err := evaluator.BuiltIn(name, 1)
		require.NoError(t, err)
		source := *task.Source
		source.Digest = h.put(stored(t, files[0]))
		if shots > 0 {
			source.FewShotDigest = h.put(stored(t, files[1]))
		} else if len(files) > 1 {
			source.LabelsDigest = h.put(stored(t, files[1]))
		}
		if task.Source, task.FewShot = &source, shots; shots == 0 {
			task.FewShotSeed = nil
		}
		return task
	}
	mmlu, err := evaluator.BuiltIn("mmlu", 1)
	require.NoError(t, err)
	both := h.put(archive(t))
	mmlu.Source, mmlu.FewShot = &evaluator.Source{Form: "mmlu", Digest: both, FewShotDigest: both}, 2
	return []evaluator.Task{
		task("hellaswag", 2, "hellaswag.jsonl", "hellaswag_train.jsonl"), task("arc_challenge", 3, "arc.jsonl", "arc_train.jsonl"), mmlu,
		task("truthfulqa_mc1", 0, "truthfulqa.json"), task("truthfulqa_mc2", 0, "truthfulqa.json"), task("lambada_openai", 0, "lambada.jsonl"),
		task("piqa", 0, "piqa.jsonl", "piqa-labels.lst"), task("winogrande", 2, "winogrande.jsonl", "winogrande_train.jsonl"), task("wikitext", 0, "wiki.raw"),
	}
}

// The scores of a tiny GPT-2 are lm-eval's and those of a plain loop over transformers, example by example: see testdata/peers/golden.py.
func TestScoresAreThoseOfPeers(t *testing.T) {
	if *update {
		var all strings.Builder
		for _, name := range []string{"hellaswag_train.jsonl", "arc_train.jsonl", "truthfulqa.json", "lambada.jsonl", "wiki.raw"} {
			all.WriteString(stored(t, name))
		}
		tok, err := token.Trainer{VocabSize: 420}.Train(context.Background(), func(yield func(string) bool) { yield(all.String()) })
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(peers+"tokenizer.json", tok.JSON(), 0o644))
	}
	tok, err := token.Parse([]byte(stored(t, "tokenizer.json")))
	require.NoError(t, err)
	var golden struct {
		Tasks map[string]struct {
			Metrics map[string]float64
			Samples []struct{ LL []float64 }
		}
		Greedy string
	}
	require.NoError(t, json.Unmarshal([]byte(stored(t, "golden.json")), &golden))
	h, m := held{}, noisy(t, tok.VocabSize())
	answers := map[string][]evaluator.Answer{}
	e := evaluator.Evaluator{Open: h.open, Answer: func(a evaluator.Answer) error {
		name := a.Task
		if subject, _, ok := strings.Cut(a.ID, "/"); ok && name == "mmlu" {
			name += "_" + subject
		}
		answers[name] = append(answers[name], a)
		return nil
	}}
	r, err := e.Score(context.Background(), m, tok, nil, suite(sameAsPeers(t, h)...))
	require.NoError(t, err)
	require.Empty(t, r.Failed)
	require.Empty(t, r.Skipped)

	near := func(want, got float64, what string) {
		require.InDelta(t, want, got, 1e-4*math.Abs(want)+1e-12, what)
	}
	scores := map[string]event.Score{}
	for _, s := range r.Scores {
		scores[strings.Replace(s.Task, "mmlu/", "mmlu_", 1)+" "+s.Metric] = s
	}
	compared := 0
	for _, name := range slices.Sorted(maps.Keys(golden.Tasks)) {
		want := golden.Tasks[name]
		for metric, value := range want.Metrics {
			mine := metric
			if mc, ok := strings.CutPrefix(name, "truthfulqa_"); ok {
				mine = mc
			}
			s, ok := scores[name+" "+mine]
			require.True(t, ok, name+" "+mine)
			near(value, float64(s.Value), name+" "+metric)
			compared++
		}
		require.Len(t, answers[name], len(want.Samples), name)
		for i, sample := range want.Samples {
			a := answers[name][i]
			if name == "wikitext" {
				near(sample.LL[0], float64(a.Scores["loglikelihood"]), fmt.Sprintf("%s %d", name, i))
				continue
			}
			best := 0
			for j, ll := range sample.LL {
				near(ll, float64(a.LogProbs[j]), fmt.Sprintf("%s %d, choice %d", name, i, j))
				if ll > sample.LL[best] {
					best = j
				}
			}
			require.Equal(t, a.Choices[best], a.Got[0], "%s %d", name, i)
		}
	}
	require.Greater(t, compared, 14)
	// Three subjects of one size: the mean of all is the mean of the means.
	mean := 0.0
	for _, s := range []string{"anatomy", "high_school_geography", "virology"} {
		mean += golden.Tasks["mmlu_"+s].Metrics["acc"] / 3
	}
	near(mean, float64(scores["mmlu acc"].Value), "mmlu")

	said := evaluator.Task{Name: "say", Kind: evaluator.Generate, MaxTokens: 20, Template: &evaluator.Template{Prompt: "{{prompt}}"}, Source: &evaluator.Source{Form: "jsonl", Digest: h.put(`{"prompt": "Ada carries"}`)}}
	r, err = e.Score(context.Background(), m, tok, nil, suite(said))
	require.NoError(t, err)
	require.Equal(t, golden.Greedy, r.Samples[0].Text)
}
