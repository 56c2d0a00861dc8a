package evaluation

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"millrace/curator/fetch"
	"millrace/evaluator"
	"millrace/event"
	"millrace/trainer/engine/cpu"
	"millrace/trainer/model"
	"millrace/trainer/token"
)

// completions is /v1/completions over a model of ours: a prompt is taken as it is, and what it begins with has no log-probability.
func completions(t *testing.T, m evaluator.Model, tok token.Tokenizer, begins bool) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q struct {
			Prompt    string
			Echo      bool
			LogProbs  *int
			MaxTokens int `json:"max_tokens"`
		}
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil || r.URL.Path != "/v1/completions" || !q.Echo || q.LogProbs == nil || q.MaxTokens != 1 {
			http.Error(w, fmt.Sprintf("%s %+v %v", r.URL.Path, q, err), http.StatusBadRequest)
			return
		}
		const eot = "<|endoftext|>"
		var ids []int32
		text, special := strings.CutPrefix(q.Prompt, eot)
		if special || begins {
			ids = append(ids, tok.EndOfText())
		}
		ids, err := tok.Append(ids, text)
		if err != nil || len(ids) > m.Context() {
			http.Error(w, "too long", http.StatusBadRequest)
			return
		}
		next, err := m.Generate(r.Context(), ids, 1, evaluator.Sampling{})
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		all := append(ids, next...)
		scores, err := m.Score(r.Context(), all, 1)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		names, probs, tops := []string{}, []*float64{}, []map[string]float64{}
		for i, id := range all {
			name := string(tok.Bytes(id))
			if !utf8.ValidString(name) {
				name = "\uFFFD"
			}
			if id == tok.EndOfText() {
				name = eot
			}
			names = append(names, name)
			if i == 0 {
				probs, tops = append(probs, nil), append(tops, nil)
				continue
			}
			p := scores[i-1].LogProb
			top := map[string]float64{name: p}
			if !scores[i-1].Greedy {
				top = map[string]float64{"another": p / 2}
			}
			probs, tops = append(probs, &p), append(tops, top)
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{
			"choices": []any{map[string]any{"text": q.Prompt, "finish_reason": "length", "logprobs": map[string]any{"tokens": names, "token_logprobs": probs, "top_logprobs": tops}}},
			"usage":   map[string]any{"prompt_tokens": len(ids), "completion_tokens": len(next)},
		})
	}))
	t.Cleanup(s.Close)
	return s
}

// A model of ours behind an address has the scores that it has here.
func TestAModelBehindCompletionsHasItsOwnScores(t *testing.T) {
	k, err := cpu.Open(1)
	if err != nil {
		t.Fatal(err)
	}
	tok, err := token.Trainer{VocabSize: 300}.Train(t.Context(), slices.Values([]string{strings.Repeat("the miller turns the wheel near the old mill, and rain follows the river — a trout wäits. ", 30)}))
	if err != nil {
		t.Fatal(err)
	}
	net, err := model.New(model.Config{Arch: model.GPT2, NLayer: 2, NHead: 2, DModel: 16, Context: 64, VocabSize: tok.VocabSize()}, k, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range net.Parameters() {
		k.Scale(p.Value, 4)
	}
	files := map[event.Digest]string{}
	keep := func(text string) event.Digest {
		d := event.DigestOf([]byte(text))
		files[d] = text
		return d
	}
	open := func(_ context.Context, d event.Digest) (io.ReadCloser, error) {
		text, ok := files[d]
		if !ok {
			return nil, fmt.Errorf("there is no %s", d)
		}
		return io.NopCloser(bytes.NewReader([]byte(text))), nil
	}
	rows := `{"question": "what turns the wheel", "choices": ["the miller", "a trout — no", "rain"], "answer": 0}
{"question": "who wäits near the river", "choices": ["the old mill", "a trout"], "answer": 1}
{"question": "x", "choices": ["the", "wheel", "é"], "answer": 2}`
	texts := `{"text": "the miller follows the river"}
{"text": "rain — and the trout wäits near the wheel"}`
	suite, err := evaluator.ParseSuite([]byte(fmt.Sprintf(`{"format": "millrace.suite/2", "name": "both", "version": 1, "tasks": [
		{"name": "choice", "version": 1, "kind": "multiple_choice", "source": {"form": "jsonl", "digest": %q}, "template": {"prompt": "Q: {{question}} \nA: "}, "metrics": ["acc", "acc_norm", "acc_bytes", "acc_mutual_info", "exact_match", "perplexity"]},
		{"name": "texts", "version": 1, "kind": "perplexity", "source": {"form": "jsonl", "digest": %q}, "metrics": ["loss", "bits_per_byte", "word_perplexity"]}]}`, keep(rows), keep(texts))))
	if err != nil {
		t.Fatal(err)
	}
	judge := func(score func(evaluator.Evaluator) (evaluator.Result, error)) (evaluator.Result, []evaluator.Answer) {
		var answers []evaluator.Answer
		r, err := score(evaluator.Evaluator{Open: open, Answer: func(a evaluator.Answer) error { answers = append(answers, a); return nil }})
		if err != nil {
			t.Fatal(err)
		}
		return r, answers
	}
	here, heard := judge(func(e evaluator.Evaluator) (evaluator.Result, error) {
		return e.Score(t.Context(), judged{net}, tok, nil, suite)
	})
	server := completions(t, judged{net}, tok, false)
	var spent fetch.Tokens
	elsewhere := func(a API) *remote {
		a.Endpoint, a.Model, a.AllowPrivate = server.URL+"/v1", "ours", true
		a.defaults()
		if err := a.Check(); err != nil {
			t.Fatal(err)
		}
		m := &remote{api: a, now: time.Now, pause: time.Millisecond, spend: func(n fetch.Tokens) { spent.Prompt += n.Prompt; spent.Completion += n.Completion }}
		t.Cleanup(m.close)
		return m
	}
	there, told := judge(func(e evaluator.Evaluator) (evaluator.Result, error) {
		return e.ScoreText(t.Context(), elsewhere(API{LogProbs: true, Prefix: "<|endoftext|>"}), suite)
	})
	if len(there.Failed)+len(there.Skipped) > 0 || len(there.Scores) != len(here.Scores) || len(there.Scores) != 9 {
		t.Fatalf("%+v\n%+v", there, here)
	}
	near := func(a, b event.Number) bool { return math.Abs(float64(a-b)) <= 1e-6*math.Max(1, math.Abs(float64(a))) }
	for i, s := range there.Scores {
		if was := here.Scores[i]; s.Metric != was.Metric || s.N != was.N || !near(s.Value, was.Value) {
			t.Errorf("%s of %s is %v, and was %v", s.Metric, s.Task, s.Value, was.Value)
		}
	}
	for i, a := range told {
		for j, p := range a.LogProbs {
			if !near(p, heard[i].LogProbs[j]) {
				t.Errorf("%s: choice %q has %v, and had %v", a.ID, a.Choices[j], p, heard[i].LogProbs[j])
			}
		}
	}
	if spent.Prompt == 0 || spent.Completion == 0 {
		t.Errorf("%+v", spent)
	}
	// Without the option, without the prefix, and where the server does not do it.
	for name, c := range map[string]struct {
		api    API
		says   string
		failed int
	}{
		"by chat":        {API{}, "--api-logprobs", 2},
		"without prefix": {API{LogProbs: true}, "--api-prefix", 2}, // choices behind nothing are asked for acc_mutual_info
	} {
		r, err := evaluator.Evaluator{Open: open}.ScoreText(t.Context(), elsewhere(c.api), suite)
		if len(r.Failed) != c.failed || r.Failed[0].Code != evaluator.CodeUnable || !strings.Contains(r.Failed[len(r.Failed)-1].Message, c.says) || err == nil {
			t.Errorf("%s: %+v %v", name, r.Failed, err)
		}
	}
	begun := completions(t, judged{net}, tok, true) // as vLLM does with a Llama, and this program
	server = begun
	if r, err := (evaluator.Evaluator{Open: open}).ScoreText(t.Context(), elsewhere(API{LogProbs: true}), suite); err != nil || len(r.Failed)+len(r.Skipped) > 0 {
		t.Errorf("%+v %v", r, err)
	} else if s, was := r.Scores[6], here.Scores[6]; s.Metric != "loss" || !near(s.Value, was.Value) {
		t.Errorf("%+v %+v", s, was)
	}
}

// The tokens of a continuation are found whatever stands before and behind them, or it is said why not.
func TestTheTokensOfAContinuation(t *testing.T) {
	p := -1.0
	for name, c := range map[string]struct {
		tokens    string // parts by |
		generated int64
		prompt    string
		says      string
		from, to  int
		err       string
	}{
		"plain":                {"a| b| c|x", 1, "a b", " c", 2, 3, ""},
		"several":              {"a| b| c|d|x", 1, "a b", " cd", 2, 4, ""},
		"nothing generated":    {"a| b| c", 0, "a b", " c", 2, 3, ""},
		"nobody counts":        {"a| b| c|x", -1, "a b", " c", 2, 3, ""},
		"and nothing said":     {"a| b| c", -1, "a b", " c", 2, 3, ""},
		"generated untold":     {"a| b| c", 1, "a b", " c", 2, 3, ""},
		"the same again":       {"a| c| c| c", 1, "a c", " c", 2, 3, ""},
		"begun":                {"<s>|a| b| c|x", 1, "a b", " c", 3, 4, ""},
		"begun by nothing":     {"|a| b|x", 1, "", "a b", 1, 3, ""},
		"reaching over":        {"a| b c|d|x", 1, "a b", " cd", 1, 3, ""},
		"cut before":           {"a|\uFFFD|\uFFFD| c|x", 1, "aé", " c", 3, 4, ""},
		"cut behind":           {"a| b|\uFFFD|\uFFFD|x", 1, "a b", "é", 2, 4, ""},
		"cut and begun":        {"<s>|\uFFFD|\uFFFD| c|x", 1, "", "é c", 1, 4, ""},
		"cut at first":         {"\uFFFD|\uFFFD| c|x", 1, "", "é c", 0, 3, ""},
		"cut in another":       {"<s>|\uFFFD|\uFFFD| d|x", 1, "", "é c", 0, 0, "do not read"},
		"cut on both sides":    {"\uFFFD|\uFFFD|\uFFFD|\uFFFD|x", 1, "é", "ü", 0, 0, "do not read"},
		"only what it made":    {"x", 1, "a b", " c", 0, 0, "though it was asked"},
		"nothing":              {"", 0, "a b", " c", 0, 0, "though it was asked"},
		"another text":         {"q|r|s|x", 1, "a b", " c", 0, 0, "do not read"},
		"more than there were": {"a| b| c", 9, "a b", " c", 2, 3, ""},
	} {
		e := fetch.Echoed{Generated: c.generated}
		if c.tokens != "" {
			e.Tokens = strings.Split(c.tokens, "|")
		}
		for i := range e.Tokens {
			e.LogProbs = append(e.LogProbs, &p)
			if i == 0 {
				e.LogProbs[0] = nil
			}
		}
		from, to, err := place(e, c.prompt, c.says)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v", name, err)
			}
		} else if err != nil || from != c.from || to != c.to {
			t.Errorf("%s: tokens %d to %d: %v", name, from, to, err)
		}
	}
}
