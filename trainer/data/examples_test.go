package data_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"millrace/trainer/data"
	"millrace/trainer/token"
)

func chatTokenizer(t testing.TB) token.Tokenizer {
	t.Helper()
	b, err := token.Trainer{VocabSize: 280, Special: token.ChatML.Special()}.Train(context.Background(), slices.Values([]string{"is it so? yes. is it not? no."}))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestReadLabelled(t *testing.T) {
	file := `{"text":"good","label":"pos"}

{"text":"bad day","label":"neg","more":1}
{"text":"","label":"neg"}
`
	l, err := data.ReadLabelled([]byte(file), token.NewByte(), nil, 5)
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(l.Names, l.Labels) != "[neg pos] [1 0 0]" || l.Longest() != 5 {
		t.Errorf("%v %v, longest %d", l.Names, l.Labels, l.Longest())
	}
	if got, _ := token.Decode(token.NewByte(), l.Texts[1]); string(got) != "bad d" || len(l.Texts[2]) != 1 || l.Texts[2][0] != token.NewByte().EndOfText() {
		t.Errorf("%q and %v", got, l.Texts[2])
	}
	l, err = data.ReadLabelled([]byte(`{"text":"a","label":1}`+"\n"+`{"text":"b","label":true}`), token.NewByte(), []string{"true", "1", "more"}, 5)
	if err != nil || fmt.Sprint(l.Labels) != "[1 0]" {
		t.Errorf("%v, %v", l.Labels, err)
	}
	for in, want := range map[string]string{
		"":                                       "0 different labels",
		`{"text":"a","label":"x"}`:               "1 different labels",
		`{"label":"x"}`:                          `line 1: no "text"`,
		`{"text":"a"}`:                           `line 1: no "label"`,
		`{"text":"a","label":["x"]}`:             `no "label"`,
		`{"text":1,"label":"x"}`:                 `"text": a number does not fit here`,
		"\n[]":                                   "line 2: not a JSON object",
		"{\"text\":\"a\xff\",\"label\":\"x\"}":   "not UTF-8",
		`{"text":"a","label":""}`:                "0 bytes",
		strings.Repeat("x", 16<<20+1):            "line 1 has",
		`{"text":"a","label":"x"} {"text":"b"}`:  "not a JSON object",
		`{"text":"a","label":"x"}` + "\n" + `{}`: "line 2",
	} {
		if _, err := data.ReadLabelled([]byte(in), token.NewByte(), nil, 5); !errors.Is(err, data.ErrExamples) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want %q", in, err, want)
		}
	}
	if _, err := data.ReadLabelled([]byte(`{"text":"a","label":"x"}`), token.NewByte(), []string{"y", "z"}, 5); err == nil || !strings.Contains(err.Error(), `label "x"`) {
		t.Errorf("a label that nobody named: %v", err)
	}
}

// shown is what a model is shown of an answer, and what it is judged by.
func shown(tok token.Tokenizer, a data.Answered) (before, judged string) {
	names := map[int32]string{}
	for _, s := range tok.Special() {
		names[s.ID] = s.Name
	}
	write := func(ids []int32) string {
		var b strings.Builder
		for _, id := range ids {
			b.WriteString(names[id])
			b.Write(tok.Bytes(id))
		}
		return b.String()
	}
	ids, targets := make([]int32, len(a.IDs)+2), make([]int32, len(a.IDs)+2)
	a.Targets(ids, targets)
	var want []int32
	for _, id := range targets {
		if id >= 0 {
			want = append(want, id)
		}
	}
	return write(a.IDs[:a.Answer]), write(want)
}

func TestReadPairs(t *testing.T) {
	tok := chatTokenizer(t)
	file := `{"prompt":"is it so? ","chosen":"yes.","rejected":"no."}
{"prompt":[{"role":"system","content":"be kind"},{"role":"user","content":"is it?"}],"chosen":[{"role":"assistant","content":"yes."}],"rejected":"no."}
{"prompt":"same","chosen":"a","rejected":"a"}
`
	pairs, dropped, err := data.ReadPairs([]byte(file), tok, token.ChatML, 1000)
	if err != nil || len(pairs) != 2 || dropped != 1 {
		t.Fatalf("%d pairs, %d dropped, %v", len(pairs), dropped, err)
	}
	for i, want := range [][3]string{
		{"<|im_start|>user\nis it so? <|im_end|>\n<|im_start|>assistant\n", "yes.<|im_end|>", "no.<|im_end|>"},
		{"<|im_start|>system\nbe kind<|im_end|>\n<|im_start|>user\nis it?<|im_end|>\n<|im_start|>assistant\n", "yes.<|im_end|>", "no.<|im_end|>"},
	} {
		before, yes := shown(tok, pairs[i].Chosen)
		_, no := shown(tok, pairs[i].Rejected)
		if before != want[0] || yes != want[1] || no != want[2] {
			t.Errorf("pair %d: %q, %q, %q", i, before, yes, no)
		}
	}
	pairs, _, err = data.ReadPairs([]byte(file[:strings.Index(file, "\n")]), tok, "", 12)
	if err != nil || len(pairs) != 1 {
		t.Fatal(pairs, err)
	}
	if before, yes := shown(tok, pairs[0].Chosen); !strings.HasSuffix("is it so? ", before) || yes != "yes."+token.EndOfText {
		t.Errorf("%q, %q", before, yes)
	}
	if n := len(pairs[0].Chosen.IDs); n > 12 {
		t.Errorf("%d ids", n)
	}
	if pairs, dropped, err = data.ReadPairs([]byte(file), tok, "", 3); err != nil || len(pairs) != 0 || dropped != 3 {
		t.Errorf("answers that do not fit: %d pairs, %d dropped, %v", len(pairs), dropped, err)
	}
	for in, want := range map[string]string{
		`{"chosen":"a","rejected":"b"}`:                                                          `"prompt": want`,
		`{"prompt":"a","chosen":"a"}`:                                                            `"rejected": want`,
		`{"prompt":[],"chosen":"a","rejected":"b"}`:                                              `"prompt": want`,
		`{"prompt":[{"content":"x"}],"chosen":"a","rejected":"b"}`:                               "message 1 has no role",
		`{"prompt":"a","chosen":[{"role":"user","content":"x"}],"rejected":"b"}`:                 "one message of the assistant",
		`{"prompt":"a","chosen":{"role":"assistant","content":"x"},"rejected":"b"}`:              `"chosen": want`,
		`{"prompt":"a","chosen":"b","rejected":[{"role":"assistant"},{"role":"user"}]}` + "\n\n": "rejected: want one message",
	} {
		if _, _, err := data.ReadPairs([]byte(in), tok, token.ChatML, 100); !errors.Is(err, data.ErrExamples) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", in, err, want)
		}
	}
}

func TestReadTranslations(t *testing.T) {
	tok := token.NewByte()
	file := `{"source":"ab","target":"cd"}

{"source":"","target":"","more":1}
{"source":"a text that is too long","target":"x"}
{"source":"x","target":"12345678"}`
	pairs, dropped, err := data.ReadTranslations([]byte(file), tok, 8)
	want := []data.Translation{{[]int32{'a', 'b'}, []int32{'c', 'd', 256}}, {[]int32{256}, []int32{256}}}
	if err != nil || dropped != 2 || !reflect.DeepEqual(pairs, want) {
		t.Errorf("%v, %d left out, %v", pairs, dropped, err)
	}
	for in, want := range map[string]string{
		`{"target":"x"}`: `line 1: no "source"`, `{"source":"x"}`: `no "target"`, "\n[]": "line 2", `{"source":3,"target":"x"}`: `"source": a number`,
	} {
		if _, _, err := data.ReadTranslations([]byte(in), tok, 8); !errors.Is(err, data.ErrExamples) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", in, err)
		}
	}
	train, heldOut := data.Split(pairs, 0.5, 1)
	if len(train) != 1 || len(heldOut) != 1 {
		t.Errorf("%v %v", train, heldOut)
	}
}

// The same seed parts the same, nothing is lost, and what is held out does not depend on what is in it.
func TestSplitOfExamples(t *testing.T) {
	l := data.Labelled{Names: []string{"a", "b"}}
	for i := range 100 {
		l.Texts, l.Labels = append(l.Texts, []int32{int32(i)}), append(l.Labels, int32(i%2))
	}
	train, out := l.Split(0.25, 7)
	again, _ := l.Split(0.25, 7)
	if len(train.Texts) != 75 || len(out.Texts) != 25 || fmt.Sprint(train) != fmt.Sprint(again) {
		t.Errorf("%d and %d", len(train.Texts), len(out.Texts))
	}
	all := map[int32]bool{}
	for _, ids := range slices.Concat(train.Texts, out.Texts) {
		all[ids[0]] = true
	}
	if len(all) != 100 {
		t.Errorf("%d of 100 are left", len(all))
	}
	if _, other := l.Split(0.25, 8); fmt.Sprint(other.Texts) == fmt.Sprint(out.Texts) {
		t.Error("another seed holds the same out")
	}
	if in, none := data.Split(make([]data.Pair, 5), 0, 1); len(in) != 5 || len(none) != 0 {
		t.Errorf("%d and %d", len(in), len(none))
	}
	if in, one := data.Split(make([]data.Pair, 2), 0.01, 1); len(in) != 1 || len(one) != 1 {
		t.Errorf("%d and %d", len(in), len(one))
	}
}

func FuzzReadExamples(f *testing.F) {
	f.Add([]byte(`{"text":"a","label":"x"}` + "\n" + `{"text":"b","label":2}`))
	f.Add([]byte(`{"source":"a","target":"bc"}`))
	f.Add([]byte(`{"prompt":"a","chosen":"b","rejected":[{"role":"assistant","content":"c"}]}`))
	f.Add([]byte("{\"prompt\":[{\"role\":\"user\",\"content\":\"\\u0000\"}],\"chosen\":\"\",\"rejected\":\"x\"}\n"))
	tok := chatTokenizer(f)
	f.Fuzz(func(t *testing.T, file []byte) {
		if l, err := data.ReadLabelled(file, tok, nil, 8); err == nil {
			for i, ids := range l.Texts {
				if len(ids) < 1 || len(ids) > 8 || int(l.Labels[i]) >= len(l.Names) {
					t.Fatalf("text %d: %v, label %d of %d", i, ids, l.Labels[i], len(l.Names))
				}
			}
		} else if !errors.Is(err, data.ErrExamples) {
			t.Fatal(err)
		}
		if pairs, _, err := data.ReadTranslations(file, tok, 8); err == nil {
			for _, p := range pairs {
				if len(p.Source) < 1 || len(p.Source) > 8 || len(p.Target) < 1 || len(p.Target) > 8 {
					t.Fatalf("%v", p)
				}
			}
		} else if !errors.Is(err, data.ErrExamples) {
			t.Fatal(err)
		}
		for _, template := range []token.ChatTemplate{"", token.ChatML} {
			pairs, _, err := data.ReadPairs(file, tok, template, 24)
			if err != nil && !errors.Is(err, data.ErrExamples) {
				t.Fatal(err)
			}
			for _, p := range pairs {
				for _, a := range []data.Answered{p.Chosen, p.Rejected} {
					if len(a.IDs) > 24 || a.Answer < 1 || a.Answer >= len(a.IDs) {
						t.Fatalf("%d ids, the answer begins at %d", len(a.IDs), a.Answer)
					}
				}
			}
		}
	})
}
