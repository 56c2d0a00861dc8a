package evaluator_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"

	"millrace/evaluator"
	"millrace/event"
	"millrace/trainer/token"

	"github.com/stretchr/testify/require"
)

// held is data by its digest.
type held map[event.Digest]string

func (h held) put(s string) event.Digest {
	d := event.DigestOf([]byte(s))
	h[d] = s
	return d
}

func (h held) open(_ context.Context, d event.Digest) (io.ReadCloser, error) {
	s, ok := h[d]
	if !ok {
		return nil, errors.New("storage does not have it")
	}
	return io.NopCloser(strings.NewReader(s)), nil
}

// asked is everything an evaluation of some tasks finds out, by "task metric", and the answers.
func asked(t *testing.T, h held, m evaluator.Model, tasks ...evaluator.Task) (evaluator.Result, map[string]event.Score, []evaluator.Answer) {
	t.Helper()
	var answers []evaluator.Answer
	e := evaluator.Evaluator{Open: h.open, Answer: func(a evaluator.Answer) error {
		answers = append(answers, a)
		return nil
	}}
	r, err := e.Score(context.Background(), m, token.NewByte(), nil, suite(tasks...))
	require.NoError(t, err)
	scores := map[string]event.Score{}
	for _, s := range r.Scores {
		scores[s.Task+" "+s.Metric] = s
	}
	return r, scores, answers
}

func multiple(name string, source evaluator.Source, template evaluator.Template, metrics ...string) evaluator.Task {
	return evaluator.Task{Name: name, Version: 1, Kind: evaluator.MultipleChoice, Source: &source, Template: &template, Metrics: metrics}
}

// letters is a model that knows how likely a letter is, whatever was before, but for "!" behind which all have 1/2.
func letters(p map[byte]float64) *toy {
	return &toy{context: 64, p: func(before []int32, id int32) float64 {
		if v, ok := p[byte(id)]; ok && before[len(before)-1] != '!' {
			return v
		}
		return 0.5
	}}
}

// By hand. The choices of the first question are a (1/8), bb (1/4 each), é (two bytes of 1/2 each); the space before each has 1/2:
//
//	ll = -(1+3) ln 2, -(1+4) ln 2, -(1+2) ln 2: é is the likeliest
//	by characters (1, 2, 1): -4, -2.5, -3: bb. By bytes (1, 2, 2): -4, -2.5, -1.5: é
func TestChoicesByHand(t *testing.T) {
	h := held{}
	m := letters(map[byte]float64{'a': 1. / 8, 'b': 1. / 4})
	task := multiple("t", evaluator.Source{Form: "jsonl", Digest: h.put(
		`{"question": "q?", "choices": ["a", "bb", "é"], "answer": "bb"}` + "\n" +
			`{"id": "two", "question": "r", "choices": ["a", "bb"], "answer": "B"}` + "\n" +
			`{"question": "r", "choices": ["a", "bb"], "answer": [0, 1]}`)},
		evaluator.Template{Prompt: "{{question}}"}, "acc", "acc_norm", "acc_bytes", "exact_match", "perplexity", "mc2", "acc_mutual_info")
	r, scores, answers := asked(t, h, m, task)
	require.Empty(t, r.Failed)
	for metric, want := range map[string][3]float64{
		// The second: -4 and -5: a; by length -4 and -2.5: bb. The third is right whatever is said.
		"acc": {0, 0, 1}, "acc_norm": {1, 1, 1}, "acc_bytes": {0, 1, 1}, "exact_match": {0, 0, 0},
		"mc2":             {1. / 32 / (1./16 + 1./32 + 1./8), 1. / 3, 1},
		"acc_mutual_info": {0, 0, 1}, // nothing is likelier behind a question: all differences are 0, and the first is taken
	} {
		mean := (want[0] + want[1] + want[2]) / 3
		squares := 0.0
		for i, v := range want {
			squares += (v - mean) * (v - mean)
			require.InDelta(t, v, float64(answers[i].Scores[metric]), 1e-12, "%s of %d", metric, i)
		}
		s := scores["t "+metric]
		require.InDelta(t, mean, float64(s.Value), 1e-12, metric)
		require.InDelta(t, math.Sqrt(squares/2/3), float64(*s.Stderr), 1e-12, metric)
		require.EqualValues(t, 3, s.N)
		require.True(t, s.Higher)
	}
	// -ll of the right choice: 5, 5 and 4 ln 2. exp of the mean is 2^(14/3).
	p := scores["t perplexity"]
	require.False(t, p.Higher)
	require.InDelta(t, math.Exp2(14./3), float64(p.Value), 1e-9)
	require.InDelta(t, math.Exp2(14./3)*math.Ln2/3, float64(*p.Stderr), 1e-9, "deviations 1/3, 1/3, -2/3: s/√n = 1/3 ln 2")
	a := answers[0]
	require.Equal(t, evaluator.Answer{Task: "t", ID: "0", Prompt: "q?", Choices: []string{"a", "bb", "é"}, Want: "bb", Got: []string{"é"}, LogProbs: a.LogProbs, Scores: a.Scores}, a)
	require.InDelta(t, -5*math.Ln2, float64(a.LogProbs[1]), 1e-12)
	require.Equal(t, "two", answers[1].ID)
}

// The split of context and continuation, and what is cut off a context that is too long.
func TestWhatIsAskedOfChoices(t *testing.T) {
	h := held{}
	m := &toy{context: 8, p: func([]int32, int32) float64 { return 0.5 }}
	delimiter := "_"
	source := evaluator.Source{Form: "jsonl", Digest: h.put(`{"q": "ab \n", "choices": ["x", "yz"], "answer": 1}`)}
	asked(t, h, m, multiple("spaces", source, evaluator.Template{Prompt: "{{q}}", Delimiter: &delimiter}))
	require.Equal(t, [][]int32{ids("ab \n_x"), ids("ab \n_yz")}, m.asked)
	m.asked = nil
	asked(t, h, m, multiple("nothing", source, evaluator.Template{Prompt: "", Description: ""}))
	require.Equal(t, [][]int32{append([]int32{eot}, ids(" x")...), append([]int32{eot}, ids(" yz")...)}, m.asked, "the end of text stands for an empty context")
	m.asked = nil
	asked(t, h, m, multiple("long", source, evaluator.Template{Prompt: "0123456789{{q}}|"}))
	require.Equal(t, [][]int32{ids("89ab \n| x")[0:], ids("9ab \n| yz")[0:]}, m.asked)
}

func ids(s string) []int32 {
	out, err := token.Encode(token.NewByte(), s)
	if err != nil {
		panic(err)
	}
	return out
}

// One task's failure is its own, and has a name; the others are scored.
func TestATaskFailsAlone(t *testing.T) {
	h := held{}
	rows := evaluator.Source{Form: "jsonl", Digest: h.put(`{"question": "q", "choices": ["a", "b"], "answer": 0}`)}
	good := evaluator.Template{Prompt: "{{question}}"}
	tasks := []evaluator.Task{
		multiple("unpinned", evaluator.Source{Form: "arc"}, good),
		multiple("nowhere", evaluator.Source{Form: "arc", Digest: event.DigestOf([]byte("lost"))}, good),
		multiple("range", evaluator.Source{Form: "jsonl", Digest: h.put(`{"question": "q", "choices": ["a", "b"], "answer": 2}`)}, good),
		multiple("nonsense", evaluator.Source{Form: "mmlu", Digest: h.put("what,is,this,?\n")}, good),
		multiple("open", rows, evaluator.Template{Prompt: "Q: {{question"}),
		multiple("field", rows, evaluator.Template{Prompt: "Q: {{qestion}}"}),
		multiple("no letters", evaluator.Source{Form: "jsonl", Digest: h.put(`{"question": "q", "choices": ["", "b"], "answer": 0}`)}, evaluator.Template{Prompt: "{{question}}", Delimiter: new(string)}),
		{Name: "held out", Kind: evaluator.Perplexity},
		{Name: "few", Kind: evaluator.MultipleChoice, Source: &rows, Template: &good, FewShot: 1},
		multiple("good", rows, good),
	}
	r, scores, answers := asked(t, h, letters(nil), tasks...)
	for i, want := range []string{
		"unpinned no_data its data is not pinned", "nowhere no_data storage does not have it", "range bad_data line 1: data: answer 2 of 2 choices is out of range",
		"nonsense bad_data not the letter", "open bad_template line 1, column 4", "field bad_template {{qestion}}", "no letters unable has no token of its own",
		"held out no_held_out curate", "few bad_data 1 solved examples",
	} {
		f := r.Failed[i]
		got := f.Task + " " + f.Code + " " + f.Message
		name, says, _ := strings.Cut(want, r.Failed[i].Code+" ")
		require.True(t, strings.HasPrefix(got, name+f.Code) && strings.Contains(f.Message, says), got)
	}
	require.Len(t, r.Failed, 9)
	require.Len(t, r.Scores, 2)
	require.Len(t, answers, 1)
	require.EqualValues(t, 1, scores["good acc"].N)
	require.Nil(t, scores["good acc"].Stderr, "one sample has no deviation")
	// When nothing could be asked it is an error as well.
	_, err := evaluator.Evaluator{}.Score(context.Background(), letters(nil), token.NewByte(), nil, suite(tasks[0]))
	require.ErrorContains(t, err, "not pinned")
	// An error of the model, and of who takes the answers, is no task's.
	broken := errors.New("device lost")
	_, err = evaluator.Evaluator{Open: h.open}.Score(context.Background(), &toy{context: 9, fail: broken}, token.NewByte(), nil, suite(tasks[9], tasks[0]))
	require.ErrorIs(t, err, broken)
	_, err = evaluator.Evaluator{Open: h.open, Answer: func(evaluator.Answer) error { return broken }}.Score(context.Background(), letters(nil), token.NewByte(), nil, suite(tasks[9], tasks[0]))
	require.ErrorIs(t, err, broken)
}

// Subjects are scored by themselves, by field, and together: the mean weighted by their sizes.
func TestSubjects(t *testing.T) {
	h := held{}
	row := func(subject, answer string) string {
		return fmt.Sprintf(`{"question": "q", "subject": %q, "choices": ["a", "b", "c", "d"], "answer": %s}`+"\n", subject, answer)
	}
	source := evaluator.Source{
		Form:          "mmlu",
		Digest:        h.put(row("anatomy", "0") + row("virology", "1") + row("astronomy", "0") + row("virology", "0") + row("anatomy", "1") + row("anatomy", "1")),
		FewShotDigest: h.put(row("virology", "2") + row("anatomy", "3") + row("astronomy", "1")),
	}
	task := multiple("mmlu", source, evaluator.Template{Description: "About {{subject}}.\n", Prompt: "{{question}} {{A}}{{D}}:", Choice: "{{letter}}"}, "acc")
	task.FewShot = 1
	m := letters(map[byte]float64{'A': 1. / 2, 'B': 1. / 4, 'C': 1. / 4, 'D': 1. / 4})
	_, scores, answers := asked(t, h, m, task)
	require.Len(t, scores, 6)
	near := func(name string, value, stderr float64, n int64) {
		s := scores[name+" acc"]
		require.InDelta(t, value, float64(s.Value), 1e-12, name)
		require.Equal(t, n, s.N, name)
		if stderr == 0 {
			require.Nil(t, s.Stderr, name)
		} else {
			require.InDelta(t, stderr, float64(*s.Stderr), 1e-12, name)
		}
	}
	near("mmlu/anatomy", 1./3, 1./3, 3)
	near("mmlu/virology", 1./2, 1./2, 2)
	near("mmlu/other", 1./2, 1./2, 2)
	near("mmlu/astronomy", 1, 0, 1)
	require.Equal(t, "anatomy/0", answers[0].ID)
	require.Equal(t, ids("About anatomy.\nq ad: D\n\nq ad: A"), m.asked[0])
	require.InDelta(t, 3./6, float64(scores["mmlu acc"].Value), 1e-12)
}

// What lm-eval shows before the questions of HellaSwag with num_fewshot 2 and seed 1234, of 30 training examples: Python's random.sample.
func TestFewShotIsDrawnAsPythonDoes(t *testing.T) {
	h := held{}
	var train bytes.Buffer
	for i := range 30 {
		fmt.Fprintf(&train, `{"ind": %d, "activity_label": "%d", "ctx_a": "a", "ctx_b": "b", "endings": ["x", "y"], "label": "1"}`+"\n", i, i)
	}
	question := `{"activity_label": "Q", "ctx_a": "a", "ctx_b": "b", "endings": ["x", "y"], "label": "1"}` + "\n"
	source := evaluator.Source{Form: "hellaswag", Digest: h.put(question + question), FewShotDigest: h.put(train.String())}
	task := multiple("h", source, evaluator.Template{Prompt: "{{query}}"}, "acc")
	seed := uint32(1234)
	task.FewShot, task.FewShotSeed = 2, &seed
	m := letters(nil)
	m.context = 1000
	asked(t, h, m, task)
	require.Equal(t, ids("24: a B y\n\n14: a B y\n\nQ: a B x"), m.asked[0])
	require.Equal(t, ids("0: a B y\n\n2: a B y\n\nQ: a B x"), m.asked[2])
}
