package serving_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"millrace/services/serving"
	"millrace/trainer/model"
	"millrace/trainer/token"
)

// An encoder-decoder reads the prompt, with gaps by their names, and what it writes is what its own Generate does.
func TestAModelThatReadsAndWritesIsServed(t *testing.T) {
	c := model.Config{Arch: "t5", NLayer: 2, NHead: 2, DModel: 32, Context: 48, VocabSize: 357, RelativeBuckets: 8, RelativeDistance: 16}
	dir, net := folder(t, "rewriter", c, 3)
	url := server(t, serving.Limits{}, dir).URL + "/v1/completions"
	tok := token.WithSentinels(token.NewByte(), c.VocabSize)
	long := strings.Repeat("x", c.Context)
	for _, text := range []string{"the <extra_id_0> sat on<extra_id_1>", "no gaps", long} {
		source, err := token.AppendWithSpecial(tok, nil, text)
		if err != nil {
			t.Fatal(err)
		}
		stop := []int32{tok.EndOfText()}
		if end, ok := tok.End(source); ok {
			stop = append(stop, end)
		}
		ids, err := net.Generate(context.Background(), source, 20, model.Sampling{Stop: stop})
		if err != nil {
			t.Fatal(err)
		}
		raw, err := token.Decode(tok, ids)
		if err != nil {
			t.Fatal(err)
		}
		want := ""
		for _, r := range string(raw) {
			want += string(r)
		}
		for _, stream := range []bool{false, true} {
			body := fmt.Sprintf(`{"model":"rewriter","prompt":%q,"max_tokens":20,"temperature":0,"n":2,"logprobs":1,"stream":%t}`, text, stream)
			if stream {
				texts, _, _ := streamed(t, url, body)
				for i, got := range texts {
					if len(texts) != 2 || got != want {
						t.Errorf("%q, streamed %d of %d: %q, want %q", text, i, len(texts), got, want)
					}
				}
				continue
			}
			got := complete(t, url, body)
			if got.Usage.Prompt != len(source) || len(got.Choices) != 2 {
				t.Fatalf("%q: %+v", text, got)
			}
			for i, choice := range got.Choices {
				if choice.Text != want || len(choice.LogProbs.Tokens) == 0 {
					t.Errorf("%q, choice %d: %q, want %q", text, i, choice.Text, want)
				}
			}
		}
	}
	for name, body := range map[string]string{
		"too long": fmt.Sprintf(`{"model":"rewriter","prompt":%q}`, long+"x"),
		"scored":   `{"model":"rewriter","prompt":"a","echo":true,"logprobs":1}`,
	} {
		if status, raw := post(t, url, body); status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", name, status, raw)
		}
	}
	chat := complete(t, strings.Replace(url, "completions", "chat/completions", 1), `{"model":"rewriter","messages":[{"role":"user","content":"hi"}],"max_tokens":500,"temperature":0}`)
	if len(chat.Choices) != 1 || chat.Usage.Completion < 1 || chat.Usage.Completion > c.Context {
		t.Errorf("%+v", chat)
	}
}
