package evaluator_test

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"strings"
	"testing"

	"millrace/evaluator"
	"millrace/event"

	"github.com/stretchr/testify/require"
)

func answers() []evaluator.Answer {
	return []evaluator.Answer{
		{Task: "arc", ID: "1", Prompt: "Question: 1+1?\nAnswer:", Choices: []string{"1", "2"}, LogProbs: []event.Number{-2, -1.5}, Want: "2", Got: []string{"2"}, Scores: map[string]event.Number{"acc": 1, "acc_norm": 1}},
		{Task: "say", ID: "a", Got: []string{"<b>\u2028"}, Scores: map[string]event.Number{"loss": event.Number(math.Inf(1))}},
		{Task: "say", ID: "b"},
	}
}

func written(t *testing.T, all ...evaluator.Answer) []byte {
	var b bytes.Buffer
	write, err := evaluator.WriteAnswers(&b, "s", event.DigestOf([]byte("suite")))
	require.NoError(t, err)
	for _, a := range all {
		require.NoError(t, write(a))
	}
	return b.Bytes()
}

func TestAnswersGolden(t *testing.T) {
	const path = "testdata/golden/answers.jsonl"
	got := written(t, answers()...)
	if *update {
		require.NoError(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
	h, all, err := evaluator.ReadAnswers(bytes.NewReader(want))
	require.NoError(t, err)
	require.Equal(t, evaluator.AnswersHeader{Format: evaluator.AnswersFormat, Suite: "s", SuiteDigest: event.DigestOf([]byte("suite"))}, h)
	var back []evaluator.Answer
	for a, err := range all {
		require.NoError(t, err)
		back = append(back, a)
	}
	require.Equal(t, answers(), back)
}

type torn struct{ r io.Reader }

func (t torn) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func TestReadAnswersRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                                "empty",
		"{":                               "line 1",
		`{"format":"millrace.results/9"}`: "this version reads",
		string(written(t)) + "{}\n":       "line 2 has no task",
		string(written(t)) + "[1]\n":      "line 2",
		string(written(t)) + strings.Repeat(" ", 9<<20): "line 2 is longer",
	} {
		_, all, err := evaluator.ReadAnswers(strings.NewReader(text))
		if err == nil {
			for _, e := range all {
				err = e
			}
		}
		require.ErrorIs(t, err, evaluator.ErrAnswers)
		require.ErrorContains(t, err, want)
	}
	_, all, err := evaluator.ReadAnswers(torn{bytes.NewReader(written(t, answers()...))})
	require.NoError(t, err)
	n := 0
	for _, e := range all {
		n, err = n+1, e
	}
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Equal(t, 4, n)
}

func FuzzReadAnswers(f *testing.F) {
	golden, err := os.ReadFile("testdata/golden/answers.jsonl")
	require.NoError(f, err)
	f.Add(golden)
	f.Add(golden[:200])
	f.Fuzz(func(t *testing.T, data []byte) {
		_, all, err := evaluator.ReadAnswers(bytes.NewReader(data))
		if err != nil {
			require.ErrorIs(t, err, evaluator.ErrAnswers)
			return
		}
		var back []evaluator.Answer
		for a, err := range all {
			if err != nil {
				require.ErrorIs(t, err, evaluator.ErrAnswers)
				break
			}
			back = append(back, a)
		}
		written(t, back...)
	})
}
