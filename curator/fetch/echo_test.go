package fetch

import "testing"

func FuzzEcho(f *testing.F) {
	for _, s := range []string{
		`{"choices":[{"text":"a b","logprobs":{"tokens":["a"," b"],"token_logprobs":[null,-1.5],"top_logprobs":[null,{" c":-0.5}],"text_offset":[0,1]}}],"usage":{"prompt_tokens":1,"completion_tokens":1}}`,
		`{"choices":[{"logprobs":{"content":[{"token":"a","logprob":-1}]}}]}`, `{"choices":[{"logprobs":null}]}`, `{"choices":[]}`, `{`, `{"choices":[{"logprobs":{"tokens":["a"],"token_logprobs":[2]}}]}`,
		`{"choices":[{"logprobs":{"tokens":["a"],"token_logprobs":[]}}]}`, `{"choices":[{"logprobs":[1]}],"usage":{"completion_tokens":-5}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := parseEcho(data)
		if err != nil {
			return
		}
		e := r.echo
		if len(e.LogProbs) != len(e.Tokens) || len(e.Best) != len(e.Tokens) || e.Generated < -1 {
			t.Errorf("%+v", e)
		}
		for i, p := range e.LogProbs {
			if p != nil && *p > 0 {
				t.Errorf("token %d: %v", i, *p)
			}
		}
	})
}
