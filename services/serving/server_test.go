package serving_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"millrace/services/serving"
	"millrace/trainer/engine"
	"millrace/trainer/engine/cpu"
	"millrace/trainer/model"
	"millrace/trainer/token"
)

var tiny = model.Config{Arch: "gpt2", NLayer: 2, NHead: 2, DModel: 32, Context: 48, VocabSize: 257, Bias: true}

func kernels(t testing.TB) engine.Kernels {
	t.Helper()
	k, err := cpu.Open(2)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// folder writes a model that has something to say, with one token for each byte.
func folder(t testing.TB, name string, c model.Config, seed uint64) (string, *model.Model) {
	t.Helper()
	k := kernels(t)
	m, err := model.New(c, k, seed)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range m.Parameters() {
		k.Scale(p.Value, 5)
	}
	var weights bytes.Buffer
	if _, err := m.File().WriteTo(&weights); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, raw := range map[string][]byte{"config.json": c.HuggingFace(), "model.safetensors": weights.Bytes(), "tokenizer.millrace.json": token.NewByte().JSON()} {
		if err := os.WriteFile(filepath.Join(dir, name), raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir, m
}

// server serves models from folders.
func server(t testing.TB, limits serving.Limits, dirs ...string) *httptest.Server {
	t.Helper()
	source, err := serving.OpenFolders(dirs)
	if err != nil {
		t.Fatal(err)
	}
	s := serving.New(serving.Config{Source: source, Kernels: kernels(t), Limits: limits})
	web := httptest.NewServer(s)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		web.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return web
}

func post(t testing.TB, url, body string) (int, []byte) {
	t.Helper()
	resp, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, raw
}

type completion struct {
	Object  string
	Model   string
	Choices []struct {
		Index   int
		Text    string
		Message struct{ Role, Content string }
		Delta   struct {
			Role    *string
			Content string
		}
		LogProbs *struct {
			Tokens  []string
			Probs   []*float64           `json:"token_logprobs"`
			Top     []map[string]float64 `json:"top_logprobs"`
			Offsets []int                `json:"text_offset"`
			Content []struct {
				Token   string
				LogProb float64
				Bytes   []int
				Top     []struct{ LogProb float64 } `json:"top_logprobs"`
			}
		}
		Finish *string `json:"finish_reason"`
	}
	Usage *struct {
		Prompt     int `json:"prompt_tokens"`
		Completion int `json:"completion_tokens"`
		Total      int `json:"total_tokens"`
	}
}

func complete(t testing.TB, url, body string) completion {
	t.Helper()
	status, raw := post(t, url, body)
	var c completion
	if err := json.Unmarshal(raw, &c); err != nil || status != http.StatusOK {
		t.Fatalf("%d %s: %v", status, raw, err)
	}
	return c
}

// streamed puts the events of a stream together, choice by choice.
func streamed(t testing.TB, url, body string) (texts map[int]string, finish map[int]string, last completion) {
	t.Helper()
	status, raw := post(t, url, body)
	if status != http.StatusOK || !bytes.HasSuffix(raw, []byte("data: [DONE]\n\n")) {
		t.Fatalf("%d %s", status, raw)
	}
	texts, finish = map[int]string{}, map[int]string{}
	for lines := bufio.NewScanner(bytes.NewReader(raw)); lines.Scan(); {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok || data == "[DONE]" {
			continue
		}
		var c completion
		if err := json.Unmarshal([]byte(data), &c); err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		for _, choice := range c.Choices {
			texts[choice.Index] += choice.Text + choice.Delta.Content
			if choice.Finish != nil {
				finish[choice.Index] = *choice.Finish
			}
		}
		last = c
	}
	return texts, finish, last
}

// said is what the model itself says behind a prompt.
func said(t testing.TB, m *model.Model, prompt string, n int, s model.Sampling) string {
	t.Helper()
	tok := token.NewByte()
	ids, err := tok.Append([]int32{tok.EndOfText()}, prompt)
	if err != nil {
		t.Fatal(err)
	}
	s.Stop = []int32{tok.EndOfText()}
	out, err := m.Generate(context.Background(), ids, n, s)
	if err != nil {
		t.Fatal(err)
	}
	text, err := token.Decode(tok, out)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, r := range string(text) {
		b.WriteRune(r)
	}
	return b.String()
}

func TestCompletionsSayWhatTheModelSays(t *testing.T) {
	dir, m := folder(t, "mill", tiny, 3)
	web := server(t, serving.Limits{}, dir)
	url := web.URL + "/v1/completions"
	greedy := said(t, m, "the mill", 20, model.Sampling{})
	drawn := said(t, m, "the mill", 20, model.Sampling{Temperature: 1, TopP: 0.9, Seed: 7})
	at := 1 + strings.IndexFunc(greedy[1:], func(r rune) bool { return r > ' ' && r < 0x7f }) // half characters are no stop strings
	for body, want := range map[string]string{
		`"temperature":0`:                 greedy,
		`"temperature":0,"seed":9`:        greedy,
		`"top_k":1`:                       greedy,
		`"top_p":0`:                       greedy,
		`"seed":7,"top_p":0.9`:            drawn,
		`"seed":7,"top_p":0.9,"user":"x"`: drawn,
		`"seed":6,"top_p":0.9,"n":2`:      said(t, m, "the mill", 20, model.Sampling{Temperature: 1, TopP: 0.9, Seed: 6}),
		`"temperature":0,"stop":["none",` + quoted(greedy[at:at+1]) + `]`: greedy[:strings.Index(greedy, greedy[at:at+1])],
		`"temperature":0,"echo":true`:                                     "the mill" + greedy,
		`"temperature":0,"repetition_penalty":1.3,"min_p":0.01`:           said(t, m, "the mill", 20, model.Sampling{RepetitionPenalty: 1.3, MinP: 0.01}),
	} {
		body = `{"model":"mill","prompt":"the mill","max_tokens":20,` + body
		c := complete(t, url, body+`}`)
		if got := c.Choices[0].Text; got != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
		if c.Object != "text_completion" || c.Model != "mill" || c.Usage.Prompt != 9 || c.Usage.Total != 9+c.Usage.Completion || *c.Choices[0].Finish == "" {
			t.Errorf("%s: %+v", body, c)
		}
		texts, finish, last := streamed(t, url, body+`,"stream":true,"stream_options":{"include_usage":true}}`)
		if texts[0] != want || finish[0] != *c.Choices[0].Finish || len(texts) != len(c.Choices) || *last.Usage != *c.Usage {
			t.Errorf("%s as a stream: %v %v %+v, want %q %s", body, texts, finish, last.Usage, want, *c.Choices[0].Finish)
		}
		if len(c.Choices) == 2 && (texts[1] != drawn || c.Choices[1].Text != drawn) {
			t.Errorf("the second answer is %q and %q, want what seed 7 says, %q", c.Choices[1].Text, texts[1], drawn)
		}
	}
}

func quoted(s string) string {
	raw, _ := json.Marshal(s)
	return string(raw)
}

// Many ask at once, more than are written at once; each is told what it would be told alone.
func TestCompanyChangesNothing(t *testing.T) {
	dir, m := folder(t, "mill", tiny, 3)
	web := server(t, serving.Limits{Texts: 3}, dir)
	var wg sync.WaitGroup
	for i := range 12 {
		prompt := strings.Repeat("the river ", i%4) + fmt.Sprint(i)
		want := said(t, m, prompt, 10, model.Sampling{Temperature: 1, Seed: uint64(i)})
		wg.Go(func() {
			c := complete(t, web.URL+"/v1/completions", fmt.Sprintf(`{"model":"mill","prompt":%q,"max_tokens":10,"seed":%d}`, prompt, i))
			if c.Choices[0].Text != want {
				t.Errorf("%d: %q, want %q", i, c.Choices[0].Text, want)
			}
		})
	}
	wg.Wait()
}

// With echo and no new tokens a prompt is scored, as evaluations over this protocol do.
func TestEchoScoresThePrompt(t *testing.T) {
	dir, m := folder(t, "mill", tiny, 3)
	web := server(t, serving.Limits{}, dir)
	const prompt = "the river turns"
	tok := token.NewByte()
	ids, err := tok.Append([]int32{tok.EndOfText()}, prompt)
	if err != nil {
		t.Fatal(err)
	}
	want, err := m.Score(t.Context(), ids, 1)
	if err != nil {
		t.Fatal(err)
	}
	c := complete(t, web.URL+"/v1/completions", `{"model":"mill","prompt":"the river turns","max_tokens":0,"echo":true,"logprobs":2}`)
	l := c.Choices[0].LogProbs
	if c.Choices[0].Text != prompt || *c.Choices[0].Finish != "length" || l == nil || len(l.Tokens) != len(prompt) || c.Usage.Completion != 0 {
		t.Fatalf("%+v", c.Choices[0])
	}
	for i, s := range want {
		if math.Abs(*l.Probs[i]-s.LogProb) > 1e-4 || l.Tokens[i] != prompt[i:i+1] || l.Offsets[i] != i || len(l.Top[i]) < 1 || len(l.Top[i]) > 2 { // half characters read the same
			t.Errorf("token %d: %q %g at %d, want %g", i, l.Tokens[i], *l.Probs[i], l.Offsets[i], s.LogProb)
		}
	}
	// As tokens: the first is the client's own, and nothing is before it.
	c = complete(t, web.URL+"/v1/completions", `{"model":"mill","prompt":[[97,98],[99]],"max_tokens":1,"echo":true,"logprobs":0,"temperature":0}`)
	if len(c.Choices) != 2 || !strings.HasPrefix(c.Choices[0].Text, "ab") || !strings.HasPrefix(c.Choices[1].Text, "c") || c.Choices[0].LogProbs.Probs[0] != nil ||
		c.Choices[0].LogProbs.Probs[1] == nil || c.Usage.Prompt != 3 {
		t.Errorf("%+v", c)
	}
}

func TestChat(t *testing.T) {
	dir, m := folder(t, "mill", tiny, 3)
	web := server(t, serving.Limits{}, dir)
	url := web.URL + "/v1/chat/completions"
	const body = `{"model":"mill","messages":[{"role":"system","content":"Be."},{"role":"user","content":[{"type":"text","text":"Hi"}]}],"temperature":0,"max_completion_tokens":12,"logprobs":true,"top_logprobs":3`
	want := said(t, m, "System: Be.\nUser: Hi\nAssistant:", 12, model.Sampling{})
	for _, stop := range []string{"\nUser:", "\nSystem:", "\nAssistant:"} {
		want, _, _ = strings.Cut(want, stop)
	}
	want = strings.TrimLeft(want, " \t\r\n")
	c := complete(t, url, body+`}`)
	if got := c.Choices[0]; got.Message.Content != want || got.Message.Role != "assistant" || c.Object != "chat.completion" || len(got.LogProbs.Content) == 0 ||
		len(got.LogProbs.Content[0].Top) != 3 || got.LogProbs.Content[0].LogProb != got.LogProbs.Content[0].Top[0].LogProb {
		t.Errorf("%+v, want %q", got, want)
	}
	if texts, finish, last := streamed(t, url, body+`,"stream":true}`); texts[0] != want || finish[0] != *c.Choices[0].Finish || last.Object != "chat.completion.chunk" {
		t.Errorf("%v %v %+v, want %q", texts, finish, last, want)
	}
}

func TestModels(t *testing.T) {
	a, _ := folder(t, "one", tiny, 1)
	b, _ := folder(t, "two", tiny, 2)
	web := server(t, serving.Limits{}, a, b)
	var list struct {
		Object string
		Data   []struct{ ID, Object string }
	}
	resp, err := http.Get(web.URL + "/v1/models")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&list); err != nil || list.Object != "list" || len(list.Data) != 2 || list.Data[1].ID != "two" || list.Data[1].Object != "model" {
		t.Errorf("%+v %v", list, err)
	}
	one, err := http.Get(web.URL + "/v1/models/two")
	if err != nil || one.StatusCode != http.StatusOK {
		t.Error(one, err)
	}
	one.Body.Close()
}

// There is memory for one model: the other leaves when nobody speaks to it.
func TestModelsLeaveForOthers(t *testing.T) {
	a, one := folder(t, "one", tiny, 1)
	b, two := folder(t, "two", tiny, 2)
	size := 4 * tiny.Parameters().Total
	web := server(t, serving.Limits{ModelBytes: size + size/2}, a, b)
	for range 3 {
		for name, m := range map[string]*model.Model{"one": one, "two": two} {
			c := complete(t, web.URL+"/v1/completions", fmt.Sprintf(`{"model":%q,"prompt":"x","temperature":0}`, name))
			if want := said(t, m, "x", 16, model.Sampling{}); c.Choices[0].Text != want {
				t.Errorf("%s says %q, want %q", name, c.Choices[0].Text, want)
			}
		}
	}
	small := server(t, serving.Limits{ModelBytes: size / 2}, a)
	if status, raw := post(t, small.URL+"/v1/completions", `{"model":"one","prompt":"x"}`); status != http.StatusServiceUnavailable || !bytes.Contains(raw, []byte("memory")) {
		t.Errorf("%d %s", status, raw)
	}
}

// A client that leaves makes room for the next one, whatever it had asked for.
func TestAClientThatLeavesIsForgotten(t *testing.T) {
	long := tiny
	long.Context = 4000
	dir, _ := folder(t, "mill", long, 3)
	web := server(t, serving.Limits{Texts: 1, Waiting: 1}, dir)
	ctx, leave := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, web.URL+"/v1/completions", strings.NewReader(`{"model":"mill","prompt":"x","max_tokens":3900,"stream":true,"min_p":0.5}`))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := resp.Body.Read(make([]byte, 1)); err != nil { // it is being answered
		t.Fatal(err)
	}
	leave()
	resp.Body.Close()
	if c := complete(t, web.URL+"/v1/completions", `{"model":"mill","prompt":"y","max_tokens":2}`); c.Usage.Completion < 1 {
		t.Errorf("%+v", c)
	}
}

func TestBadRequests(t *testing.T) {
	dir, _ := folder(t, "mill", tiny, 3)
	web := server(t, serving.Limits{Body: 2000}, dir)
	type wrong struct {
		Error struct {
			Message, Type string
			Param, Code   *string
		}
	}
	const m = `{"model":"mill",`
	for _, c := range []struct {
		path, body string
		status     int
		says       string
	}{
		{"completions", `{`, 400, "body"},
		{"completions", `{"model":"mill","prompt":"x"} {}`, 400, "more in the body"},
		{"completions", `{"prompt":"x"}`, 400, "no model"},
		{"completions", `{"model":"other","prompt":"x"}`, 404, "no such model"},
		{"completions", m + `"prompt":"x","n":9}`, 400, "n is 9"},
		{"completions", m + `"prompt":"x","n":0}`, 400, "n is 0"},
		{"completions", m + `"prompt":"x","max_tokens":-1}`, 400, "max_tokens"},
		{"completions", m + `"prompt":"x","temperature":-1}`, 400, "temperature"},
		{"completions", m + `"prompt":"x","top_p":1.5}`, 400, "top_p"},
		{"completions", m + `"prompt":"x","logprobs":21}`, 400, "logprobs"},
		{"completions", m + `"prompt":"x","suffix":"y"}`, 400, "suffix"},
		{"completions", m + `"prompt":"x","best_of":3}`, 400, "best_of"},
		{"completions", m + `"prompt":"x","logit_bias":{"5":1}}`, 400, "logit_bias"},
		{"completions", m + `"prompt":"x","stop":[""]}`, 400, "stop"},
		{"completions", m + `"prompt":7}`, 400, "want a string"},
		{"completions", m + `"prompt":[]}`, 400, "want a string"},
		{"completions", m + `"prompt":[[]]}`, 400, "empty"},
		{"completions", m + `"prompt":[300]}`, 400, "token 0 is 300"},
		{"completions", m + `"prompt":[-1]}`, 400, "token 0 is -1"},
		{"completions", m + `"prompt":"` + strings.Repeat("x", 48) + `"}`, 400, "context has 48 tokens"},
		{"completions", m + `"prompt":"` + strings.Repeat("x", 3000) + `"}`, 413, "2000 bytes"},
		{"chat/completions", m + `"messages":[]}`, 400, "0 messages"},
		{"chat/completions", m + `"messages":[{"role":"cook","content":"x"}]}`, 400, "cook"},
		{"chat/completions", m + `"messages":[{"role":"user","content":[{"type":"image_url"}]}]}`, 400, "only text"},
		{"chat/completions", m + `"messages":[{"role":"user","content":"x"}],"tools":[{}]}`, 400, "tools"},
		{"chat/completions", m + `"messages":[{"role":"user","content":"x"}],"top_logprobs":2}`, 400, "needs logprobs"},
		{"chat/completions", m + `"messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_object"}}`, 400, "response_format"},
		{"chat/completions", m + `"messages":[{"role":"user","content":"` + strings.Repeat("x", 48) + `"}]}`, 400, "context"},
		{"embeddings", `{}`, 404, "POST /v1/embeddings"},
	} {
		status, raw := post(t, web.URL+"/v1/"+c.path, c.body)
		var w wrong
		if err := json.Unmarshal(raw, &w); err != nil || status != c.status || !strings.Contains(w.Error.Message, c.says) || w.Error.Type == "" {
			t.Errorf("%s %.80s: %d %s (%v), want %d and %q", c.path, c.body, status, raw, err, c.status, c.says)
		}
	}
	if c := complete(t, web.URL+"/v1/completions", m+`"prompt":"x","max_tokens":1}`); c.Usage.Completion != 1 {
		t.Errorf("after all that: %+v", c)
	}
}

func TestFoldersThatAreNoModels(t *testing.T) {
	dir, _ := folder(t, "mill", tiny, 3)
	if err := os.Remove(filepath.Join(dir, "tokenizer.millrace.json")); err != nil {
		t.Fatal(err)
	}
	for path, says := range map[string]string{dir: "tokenizer", t.TempDir(): "config.json", filepath.Join(dir, "none"): "none"} {
		if _, err := serving.OpenFolders([]string{path}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", path, err, says)
		}
	}
}

// FuzzRequests sends any body to both doors: every answer is JSON, or a stream, and none is the server's fault.
func FuzzRequests(f *testing.F) {
	for _, seed := range []string{
		`{"model":"mill","prompt":"x","max_tokens":2}`, `{"model":"mill","prompt":["a","b"],"n":2,"echo":true,"logprobs":1,"max_tokens":1}`,
		`{"model":"mill","messages":[{"role":"user","content":"x"}],"max_tokens":1,"stream":true}`, `{"model":"mill","prompt":[1,2],"stop":["a"],"max_tokens":3,"seed":-1}`,
		`{"model":"mill","messages":[{"role":"user","content":[{"type":"text","text":"é"}]}],"top_k":-1,"min_p":1,"max_tokens":1}`, `null`, `[]`, `{"model":"mill","prompt":[[1],[2]]}`,
	} {
		f.Add(seed)
	}
	dir, _ := folder(f, "mill", model.Config{Arch: "gpt2", NLayer: 1, NHead: 1, DModel: 8, Context: 20, VocabSize: 257, Bias: true}, 3)
	source, err := serving.OpenFolders([]string{dir})
	if err != nil {
		f.Fatal(err)
	}
	s := serving.New(serving.Config{Source: source, Kernels: kernels(f)})
	f.Cleanup(func() { s.Close() })
	f.Fuzz(func(t *testing.T, body string) {
		for _, path := range []string{"/v1/completions", "/v1/chat/completions"} {
			w := httptest.NewRecorder()
			s.ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, strings.NewReader(body)))
			if w.Code >= 500 || !slices.Contains([]string{"application/json", "text/event-stream"}, w.Header().Get("Content-Type")) {
				t.Errorf("%s: %d %s", path, w.Code, w.Body)
			}
			if w.Header().Get("Content-Type") == "application/json" && !json.Valid(w.Body.Bytes()) {
				t.Errorf("%s: %s", path, w.Body)
			}
		}
	})
}
