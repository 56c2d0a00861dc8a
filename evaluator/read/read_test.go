package read_test

import (
	"bytes"
	"compress/gzip"
	"strings"
	"testing"

	"millrace/evaluator/read"

	"github.com/stretchr/testify/require"
)

func all(t *testing.T, form, data string) []read.Example {
	t.Helper()
	out, err := read.Read(form, read.Files{Data: strings.NewReader(data)})
	require.NoError(t, err)
	return out
}

// samples are one file of each form, as published and as rows, which are the same.
var samples = map[string][]string{
	"hellaswag": {`{"ind": 4, "activity_label": "Roof", "ctx_a": "A man [x] sits.", "ctx_b": "he IS [title] up", "endings": [" a [y]b", "c  d"], "label": 1}`},
	"arc": {
		`{"id": "M1", "question": {"stem": "Why?", "choices": [{"text": "x", "label": "A"}, {"text": "y", "label": "B"}]}, "answerKey": "B"}`,
		`{"id": "M1", "question": "Why?", "choices": {"text": ["x", "y"], "label": ["A", "B"]}, "answerKey": "B"}`,
	},
	"mmlu": {
		`{"question": " What? ", "subject": "", "choices": ["a", "b,", "c", "d"], "answer": 2}`,
		`" What? ",a,"b,",c,d,C` + "\n",
	},
	"truthfulqa_mc1": {
		`[{"question": "Q", "mc1_targets": {"z": 1, "a": 0}, "mc2_targets": {"z": 1, "a": 0, "b": 1}}]`,
		`{"question": "Q", "mc1_targets": {"choices": ["z", "a"], "labels": [1, 0]}}`,
	},
	"truthfulqa_mc2": {
		`[{"question": "Q", "mc1_targets": {"z": 1, "a": 0}, "mc2_targets": {"z": 1, "a": 0, "b": 1}}]`,
		`{"question": "Q", "mc2_targets": {"choices": ["z", "a", "b"], "labels": [1, 0, 1]}}`,
	},
	"lambada":    {`{"text": "said to Ada"}`, "said to Ada\n"},
	"piqa":       {`{"goal": "g", "sol1": "s", "sol2": "t", "label": 1}`},
	"winogrande": {`{"qID": "1", "sentence": "Ada saw _ run . ", "option1": "Ben", "option2": "Eli", "answer": "2"}`},
	"humaneval":  {`{"task_id": "HumanEval/0", "prompt": "def f():", "canonical_solution": " pass", "test": "def check(f): pass", "entry_point": "f"}`},
	"jsonl":      {`{"id": "i", "question": "q", "n": 3, "choices": ["x", "y"], "answer": "y"}`},
	"text":       {"all of it"},
	"wikitext":   {" \n = A = \n \n x @-@ y ( z ) , w 's\n", `{"page": " = A = \n \n x @-@ y ( z ) , w 's\n"}`},
}

func TestForms(t *testing.T) {
	for name := range read.Forms() {
		require.NotEmpty(t, samples[name], name)
		first := all(t, name, samples[name][0])
		require.Len(t, first, 1)
		for _, other := range samples[name] {
			require.Equal(t, first, all(t, name, other), name)
			var packed bytes.Buffer
			z := gzip.NewWriter(&packed)
			_, err := z.Write([]byte(other))
			require.NoError(t, err)
			require.NoError(t, z.Close())
			require.Equal(t, first, all(t, name, packed.String()), name)
		}
	}
	h := all(t, "hellaswag", samples["hellaswag"][0])[0]
	require.Equal(t, read.Example{ID: "4", Fields: map[string]string{"query": "Roof: A man sits. He is. up", "activity_label": "Roof"}, Choices: []string{"a b", "c d"}, Right: []int{1}}, h)
	require.Equal(t, []int{0, 2}, all(t, "truthfulqa_mc2", samples["truthfulqa_mc2"][0])[0].Right)
	w := all(t, "winogrande", samples["winogrande"][0])[0]
	require.Equal(t, "Ada saw |run .", w.Fields["before"]+"|"+w.Fields["after"])
	m := all(t, "mmlu", samples["mmlu"][0])[0]
	require.Equal(t, []string{"What?", "b,"}, []string{m.Fields["question"], m.Fields["B"]})
	require.Equal(t, " = A =\n\nx-y (z), w's\n", all(t, "wikitext", samples["wikitext"][0])[0].Text)
	out, err := read.Read("piqa", read.Files{Data: strings.NewReader(`{"goal": "g", "sol1": "s", "sol2": "t"}`), Labels: strings.NewReader("1\n")})
	require.NoError(t, err)
	require.Equal(t, []int{1}, out[0].Right)
	out, err = read.Read("lambada", read.Files{Data: strings.NewReader("a b\nc d\ne f\n"), Limit: 2})
	require.NoError(t, err)
	require.Len(t, out, 2)
	require.EqualValues(t, 4, read.Words(" a\u00a0b\n"))
}

func TestWhatIsWrongIsNamed(t *testing.T) {
	for _, c := range [][3]string{
		{"arc", "", "no example"},
		{"nonsense", "", "there is no form"},
		{"arc", "{}\n{", "line 1"},
		{"arc", `{"question": "q", "choices": {"text": ["x"], "label": ["A"]}, "answerKey": "E"}`, `answerKey "E" is none`},
		{"hellaswag", `{"ctx_a": "x", "endings": ["a"], "label": ""}`, "this split has no answers"},
		{"hellaswag", `{"ctx_a": "x", "endings": ["a"], "label": "4"}`, "answer 4 of 1 choices is out of range"},
		{"mmlu", "q,a,b,c,d,E\n", "line 1: answer \"E\""},
		{"mmlu", "q,a\n", "2 columns"},
		{"piqa", `{"goal": "g", "sol1": "s", "sol2": "t"}`, "labels_digest"},
		{"winogrande", `{"sentence": "none", "answer": "1"}`, "has no _"},
		{"winogrande", `{"sentence": "a _", "option1": "x", "option2": "y", "answer": "0"}`, "out of range"},
		{"truthfulqa_mc1", `{"mc1_targets": {"a": 0}}`, "no answer is right"},
		{"jsonl", `{"choices": ["a"], "answer": "z"}`, "none of the choices"},
		{"jsonl", `{"choices": ["a"]}`, "choices without an answer"},
		{"jsonl", "{\"text\": \"a\xff\"}", "not UTF-8"},
		{"humaneval", `{"prompt": "x"}`, "no test"},
		{"text", "\x1f\x8bnonsense", "gzip"},
	} {
		_, err := read.Read(c[0], read.Files{Data: strings.NewReader(c[1])})
		require.ErrorIs(t, err, read.ErrData, c[1])
		require.ErrorContains(t, err, c[2], c[1])
	}
	_, err := read.Read("arc", read.Files{})
	require.ErrorIs(t, err, read.ErrData)
}

func FuzzRead(f *testing.F) {
	names := read.Names()
	for i, name := range names {
		for _, s := range samples[name] {
			f.Add(i, []byte(s))
		}
	}
	f.Fuzz(func(t *testing.T, form int, data []byte) {
		name := names[uint(form)%uint(len(names))]
		out, err := read.Read(name, read.Files{Data: bytes.NewReader(data), Labels: bytes.NewReader([]byte("0\n1\n"))})
		if err != nil {
			require.ErrorIs(t, err, read.ErrData)
			return
		}
		seen := map[string]bool{}
		for _, e := range out {
			require.False(t, seen[e.ID], e.ID)
			seen[e.ID] = true
			for _, r := range e.Right {
				require.Less(t, r, len(e.Choices))
			}
		}
	})
}
