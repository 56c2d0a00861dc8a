package fetch_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"millrace/curator/fetch"
)

const secret = "sk-test-5up3r5ecret"

// asked is a request as the server saw it.
type asked struct {
	Model    string `json:"model"`
	Messages []struct {
		Role    string `json:"role"`
		Content string `json:"content"`
	} `json:"messages"`
	MaxTokens   int      `json:"max_tokens"`
	Temperature *float64 `json:"temperature"`
	Seed        *int64   `json:"seed"`
}

func (a asked) prompt() string { return a.Messages[len(a.Messages)-1].Content }

// modelServer speaks the API: it answers a prompt in capitals, unless fault has answered.
type modelServer struct {
	*httptest.Server
	mu    sync.Mutex
	asked []asked
	fault func(w http.ResponseWriter, r *http.Request, a asked) bool
}

func serveModel(t *testing.T) *modelServer {
	t.Helper()
	s := &modelServer{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var a asked
		if r.Method != http.MethodPost || r.URL.Path != "/v1/chat/completions" || json.NewDecoder(r.Body).Decode(&a) != nil {
			http.NotFound(w, r)
			return
		}
		s.mu.Lock()
		s.asked = append(s.asked, a)
		fault := s.fault
		s.mu.Unlock()
		if fault != nil && fault(w, r, a) {
			return
		}
		answer(w, strings.ToUpper(a.prompt()), "stop")
	}))
	t.Cleanup(s.Close)
	return s
}

func answer(w http.ResponseWriter, text, finish string) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"id": "x", "object": "chat.completion", "model": "tiny-1",
		"choices": []any{map[string]any{"index": 0, "message": map[string]any{"role": "assistant", "content": text}, "finish_reason": finish}},
		"usage":   map[string]any{"prompt_tokens": 3, "completion_tokens": 7, "total_tokens": 10},
	})
}

func (s *modelServer) setFault(f func(w http.ResponseWriter, r *http.Request, a asked) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// requests counts them by prompt, and forgets them.
func (s *modelServer) requests() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	counts := map[string]int{}
	for _, a := range s.asked {
		counts[a.prompt()]++
	}
	s.asked = nil
	return counts
}

func synthetic(s *modelServer, prompts ...string) fetch.Synthetic {
	c := fetch.DefaultSynthetic()
	c.Endpoint, c.Model = s.URL+"/v1", "tiny"
	for _, p := range prompts {
		c.Prompts = append(c.Prompts, fetch.Prompt{Instruction: p})
	}
	return c
}

func samples(t *testing.T, f fetch.Fetcher, r fetch.Result) []fetch.Sample {
	t.Helper()
	var list []fetch.Sample
	for _, p := range r.Parts {
		raw, err := os.ReadFile(filepath.Join(f.Dir.String(), p.Name))
		require.NoError(t, err)
		require.Len(t, raw, int(p.Size))
		lines := bufio.NewScanner(bytes.NewReader(raw))
		for lines.Scan() {
			var s fetch.Sample
			d := json.NewDecoder(strings.NewReader(lines.Text()))
			d.DisallowUnknownFields()
			require.NoError(t, d.Decode(&s))
			list = append(list, s)
		}
		require.NoError(t, lines.Err())
	}
	return list
}

func outputs(list []fetch.Sample) []string {
	var out []string
	for _, s := range list {
		out = append(out, s.Output)
	}
	return out
}

func TestGenerate(t *testing.T) {
	t.Setenv("TEST_API_KEY", secret)
	s := serveModel(t)
	s.fault = func(w http.ResponseWriter, r *http.Request, _ asked) bool {
		if r.Header.Get("Authorization") != "Bearer "+secret {
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}
		return false
	}
	c := synthetic(s, "one")
	c.Prompts = append(c.Prompts, fetch.Prompt{Instruction: "two", Input: "of these"})
	c.APIKeyEnv, c.System, c.Samples, c.MaxTokens = "TEST_API_KEY", "be brief", 2, 99
	temperature, seed := 0.5, int64(41)
	c.Temperature, c.Seed = &temperature, &seed
	f := fetcher(t)
	var last fetch.Progress
	f.Progress = func(p fetch.Progress) { last = p }
	r, err := f.Generate(t.Context(), c)
	require.NoError(t, err)
	list := samples(t, f, r)
	require.Equal(t, []string{"ONE", "ONE", "TWO\n\nOF THESE", "TWO\n\nOF THESE"}, outputs(list))
	require.Equal(t, "of these", list[3].Input)
	require.Equal(t, "tiny-1", list[0].Model)
	require.Regexp(t, "^[0-9a-f]{32}$", list[0].ID)
	require.NotEqual(t, list[0].ID, list[1].ID)
	require.Equal(t, fetch.Tokens{Prompt: 12, Completion: 28}, r.Tokens)
	require.Equal(t, int64(4), r.Got)
	require.Equal(t, fetch.Progress{Done: 4, Total: 4, Bytes: r.Received}, last)
	for _, a := range s.asked {
		require.Equal(t, "tiny", a.Model)
		require.Equal(t, 99, a.MaxTokens)
		require.InDelta(t, 0.5, *a.Temperature, 0)
		require.Contains(t, []int64{41, 42}, *a.Seed)
		require.Equal(t, "system", a.Messages[0].Role)
		require.Equal(t, "be brief", a.Messages[0].Content)
	}
	s.requests()
	again, err := f.Generate(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, r, again)
	require.Empty(t, s.requests())
	noSecret(t, f.Dir.String())
}

// noSecret looks into every file.
func noSecret(t *testing.T, dir string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		require.NotContains(t, string(raw), secret, path)
		return err
	}))
}

// TestOrderOfSamples: answers that come in any order are written in the order of the prompts.
func TestOrderOfSamples(t *testing.T) {
	s := serveModel(t)
	s.fault = func(http.ResponseWriter, *http.Request, asked) bool {
		time.Sleep(time.Duration(rand.IntN(2000)) * time.Microsecond)
		return false
	}
	var topics, want []string
	for i := range 60 {
		topics = append(topics, fmt.Sprint(i))
		want = append(want, fmt.Sprintf("WRITE ABOUT %d, AND %d.", i, i))
	}
	c := synthetic(s)
	c.Topics, c.Template = topics, "write about {topic}, and {topic}."
	for _, concurrency := range []int{1, 16} {
		c.Concurrency = concurrency
		f := fetcher(t)
		r, err := f.Generate(t.Context(), c)
		require.NoError(t, err)
		require.Equal(t, want, outputs(samples(t, f, r)))
	}
}

func TestPromptsFile(t *testing.T) {
	s := serveModel(t)
	path := filepath.Join(t.TempDir(), "prompts.jsonl")
	require.NoError(t, os.WriteFile(path, []byte("{\"instruction\":\"a\"}\n\n{\"instruction\":\"b\",\"input\":\"c\"}"), 0o600))
	c := synthetic(s)
	c.PromptsFile = path
	f := fetcher(t)
	r, err := f.Generate(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, []string{"A", "B\n\nC"}, outputs(samples(t, f, r)))

	s.requests()
	require.NoError(t, appendTo(path, "\n{\"instruction\":\"d\"}"))
	r, err = f.Generate(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, []string{"A", "B\n\nC", "D"}, outputs(samples(t, f, r)))
	require.Equal(t, map[string]int{"d": 1}, s.requests(), "only what is new is asked")

	for text, says := range map[string]string{
		"{\"instruction\":\"a\"}\n{\"instruction\":\" \"}": "line 2: instruction", "{\"prompt\":\"a\"}": "line 1", "x": "line 1",
		"{\"instruction\":\"a\"}\n\"" + strings.Repeat("x", 2<<20) + "\"": "2097152 bytes",
	} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		_, err := fetcher(t).Generate(t.Context(), c)
		require.ErrorContains(t, err, says)
		require.ErrorContains(t, err, path)
	}
	require.Empty(t, s.requests(), "nothing is paid for before all prompts are read")
	c.PromptsFile = path + ".gone"
	_, err = fetcher(t).Generate(t.Context(), c)
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestTransientFaults(t *testing.T) {
	s := serveModel(t)
	tries := map[string]int{}
	var mu sync.Mutex
	s.fault = func(w http.ResponseWriter, _ *http.Request, a asked) bool {
		mu.Lock()
		tries[a.prompt()]++
		n := tries[a.prompt()]
		mu.Unlock()
		switch {
		case n > 3:
			return false
		case a.prompt() == "busy":
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusTooManyRequests)
		case a.prompt() == "broken":
			w.WriteHeader(http.StatusInternalServerError)
		case a.prompt() == "cut":
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "{")
		case a.prompt() == "no JSON":
			_, _ = io.WriteString(w, "<html>")
		case a.prompt() == "nothing":
			_, _ = io.WriteString(w, `{"choices":[]}`)
		default:
			panic(http.ErrAbortHandler)
		}
		return true
	}
	f := fetcher(t)
	r, err := f.Generate(t.Context(), synthetic(s, "busy", "broken", "cut", "no JSON", "nothing", "aborted"))
	require.NoError(t, err)
	require.Equal(t, []string{"BUSY", "BROKEN", "CUT", "NO JSON", "NOTHING", "ABORTED"}, outputs(samples(t, f, r)))
	for p, n := range s.requests() {
		require.Equal(t, 4, n, p)
	}
}

func TestFinalFaults(t *testing.T) {
	t.Setenv("TEST_API_KEY", secret)
	for name, c := range map[string]struct {
		fault func(w http.ResponseWriter)
		is    error
		says  string
		asked int
	}{
		"wrong key": {func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"error":{"message":"Incorrect API key: `+secret+`"}}`)
		}, fetch.ErrDenied, "TEST_API_KEY", 1},
		"no model": {func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, "no model tiny for "+secret)
		}, fetch.ErrUnavailable, "check endpoint and model", 1},
		"down": {func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, secret)
		}, fetch.ErrUnavailable, "8 times", 8},
		"tomorrow": {func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "80000")
			w.WriteHeader(http.StatusTooManyRequests)
		}, fetch.ErrUnavailable, "answered 429", 1},
		"elsewhere": {func(w http.ResponseWriter) {
			w.Header().Set("Location", "http://other.invalid/")
			w.WriteHeader(http.StatusTemporaryRedirect)
		}, fetch.ErrUnavailable, "answered 307", 1},
		"endless": {func(w http.ResponseWriter) {
			for range 9 << 10 {
				if _, err := w.Write(make([]byte, 1<<10)); err != nil {
					return
				}
			}
		}, fetch.ErrUnavailable, "8388608 bytes", 1},
		"refused": {func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, "too long "+secret)
		}, fetch.ErrNothing, "too long", 1},
		"filtered": {func(w http.ResponseWriter) { answer(w, "x", "content_filter") }, fetch.ErrNothing, "content_filter", 1},
		"empty":    {func(w http.ResponseWriter) { answer(w, " \n", "stop") }, fetch.ErrNothing, "empty", 1},
		"null":     {func(w http.ResponseWriter) { _, _ = io.WriteString(w, `{"choices":[{"message":{"content":null}}]}`) }, fetch.ErrNothing, "empty", 1},
	} {
		s := serveModel(t)
		s.fault = func(w http.ResponseWriter, _ *http.Request, _ asked) bool { c.fault(w); return true }
		config := synthetic(s, "x")
		config.APIKeyEnv = "TEST_API_KEY"
		f := fetcher(t)
		_, err := f.Generate(t.Context(), config)
		require.ErrorIs(t, err, c.is, name)
		require.ErrorContains(t, err, c.says, name)
		require.NotContains(t, err.Error(), secret, name)
		require.Equal(t, map[string]int{"x": c.asked}, s.requests(), name)
		noSecret(t, f.Dir.String())
	}
	config := synthetic(serveModel(t), "x")
	config.APIKeyEnv = "UNSET_TEST_API_KEY"
	_, err := fetcher(t).Generate(t.Context(), config)
	require.ErrorIs(t, err, fetch.ErrDenied)
	require.ErrorContains(t, err, config.APIKeyEnv)
}

// TestSomeAreRefused: one bad prompt does not end a run.
func TestSomeAreRefused(t *testing.T) {
	s := serveModel(t)
	s.fault = func(w http.ResponseWriter, _ *http.Request, a asked) bool {
		if a.prompt() == "bad" {
			w.WriteHeader(http.StatusBadRequest)
			return true
		}
		return false
	}
	f := fetcher(t)
	c := synthetic(s, "a", "bad", "b")
	r, err := f.Generate(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, []string{"A", "B"}, outputs(samples(t, f, r)))
	require.Equal(t, []fetch.Count{{Reason: "refused", N: 1}}, r.Left)
	s.requests()
	_, err = f.Generate(t.Context(), c)
	require.NoError(t, err)
	require.Empty(t, s.requests(), "a refusal is an answer")
}

// TestBudget: an answer takes 10 tokens; the one that reaches the budget is the last, whatever the concurrency.
func TestBudget(t *testing.T) {
	s := serveModel(t)
	s.fault = func(http.ResponseWriter, *http.Request, asked) bool {
		time.Sleep(time.Duration(rand.IntN(500)) * time.Microsecond)
		return false
	}
	var prompts []string
	for i := range 50 {
		prompts = append(prompts, fmt.Sprint("p", i))
	}
	c := synthetic(s, prompts...)
	for _, b := range []struct{ budget, want int64 }{{1, 1}, {10, 1}, {11, 2}, {100, 10}, {499, 50}, {500, 50}, {5000, 50}, {0, 50}} {
		for _, concurrency := range []int{1, 8} {
			c.BudgetTokens, c.Concurrency = b.budget, concurrency
			f := fetcher(t)
			r, err := f.Generate(t.Context(), c)
			require.NoError(t, err)
			require.Equal(t, b.want, r.Got, "budget %d", b.budget)
			require.Equal(t, "P0", samples(t, f, r)[0].Output)
			require.Equal(t, 10*b.want, r.Tokens.Prompt+r.Tokens.Completion)
			require.LessOrEqual(t, len(s.requests()), int(b.want)+concurrency)
			if b.want < 50 {
				require.Equal(t, []fetch.Count{{Reason: "over_budget", N: 50 - b.want}}, r.Left)
			}
		}
	}
	s.setFault(func(w http.ResponseWriter, _ *http.Request, _ asked) bool {
		_, _ = io.WriteString(w, `{"choices":[{"message":{"content":"x"}}]}`)
		return true
	})
	c.BudgetTokens = 100
	_, err := fetcher(t).Generate(t.Context(), c)
	require.ErrorContains(t, err, "budget_tokens cannot be kept")
}

func TestKilledGenerate(t *testing.T) {
	s := serveModel(t)
	var prompts, want []string
	for i := range 40 {
		prompts = append(prompts, fmt.Sprint("p", i))
		want = append(want, fmt.Sprint("P", i))
	}
	c := synthetic(s, prompts...)
	f := fetcher(t)
	path := filepath.Join(t.TempDir(), "fetched")
	for _, after := range []int{1, 5, 12} {
		n := 0
		var mu sync.Mutex
		killed(t, order{Dir: path, Synthetic: &c}, func(kill func()) {
			s.setFault(func(http.ResponseWriter, *http.Request, asked) bool {
				mu.Lock()
				defer mu.Unlock()
				if n++; n > after {
					kill()
				}
				return false
			})
		})
	}
	s.setFault(nil)
	s.requests()
	f.Dir = take(t, path)
	journal, err := os.ReadFile(f.Dir.Path(fetch.JournalName))
	require.NoError(t, err)
	durable := bytes.Count(journal, []byte(`"output"`))
	r, err := f.Generate(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, want, outputs(samples(t, f, r)))
	asked := s.requests()
	require.Len(t, asked, 40-durable, "what was durable is not asked for again")
	require.Positive(t, durable)
}

func TestStoppedGenerate(t *testing.T) {
	s := serveModel(t)
	ctx, stop := context.WithCancel(t.Context())
	s.fault = func(_ http.ResponseWriter, r *http.Request, a asked) bool {
		if a.prompt() == "b" {
			stop()
			<-r.Context().Done()
		}
		return false
	}
	_, err := fetcher(t).Generate(ctx, synthetic(s, "a", "b", "c"))
	require.ErrorIs(t, err, context.Canceled)
}

func FuzzCompletion(f *testing.F) {
	f.Add([]byte(`{"model":"m","choices":[{"message":{"content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2}}`))
	f.Add([]byte(`{"choices":[{"message":{"content":null},"finish_reason":"content_filter"}],"usage":{"prompt_tokens":-1}}`))
	f.Add([]byte(`{"choices":[{}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		output, why, tokens, err := fetch.ParseCompletion(data)
		if err == nil && (output == "") == (why == "") || tokens.Prompt < 0 || tokens.Completion < 0 {
			t.Fatalf("%q %q %+v", output, why, tokens)
		}
	})
}

func FuzzPrompts(f *testing.F) {
	f.Add([]byte("{\"instruction\":\"a\",\"input\":\"b\"}\n\n{}"))
	f.Add([]byte("[]\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, p := range fetch.ReadPrompts(data) {
			if strings.TrimSpace(p.Instruction) == "" {
				t.Fatal("an empty instruction")
			}
		}
	})
}

func FuzzSampleJournal(f *testing.F) {
	f.Add([]byte(`{"id":"00000000000000000000000000000000","output":"x","model":"m","tokens":{"prompt":1,"completion":2},"received":5}` + "\n"))
	f.Add([]byte("{}\n"))
	c := fetch.DefaultSynthetic()
	c.Endpoint, c.Model, c.Prompts = "http://127.0.0.1:1/v1", "m", []fetch.Prompt{{Instruction: "x"}}
	f.Fuzz(func(t *testing.T, data []byte) {
		fetcher := fetch.Fetcher{Dir: take(t, t.TempDir()), Now: time.Now}
		if err := os.WriteFile(filepath.Join(fetcher.Dir.String(), fetch.JournalName), append([]byte(fetch.JournalHead(c)), data...), 0o600); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, _ = fetcher.Generate(ctx, c)
	})
}

func TestSyntheticIsChecked(t *testing.T) {
	base := map[string]any{"endpoint": "http://127.0.0.1:8000/v1", "model": "m", "prompts": []any{map[string]any{"instruction": "x"}}}
	parse := func(change string) error {
		all := map[string]any{}
		for k, v := range base {
			all[k] = v
		}
		require.NoError(t, json.Unmarshal([]byte("{"+change+"}"), &all))
		raw, err := json.Marshal(all)
		require.NoError(t, err)
		var c fetch.Synthetic
		if err := json.Unmarshal(raw, &c); err != nil {
			return err
		}
		return c.Check()
	}
	require.NoError(t, parse(""))
	for change, says := range map[string]string{
		`"endpoint":"x"`: "endpoint", `"endpoint":"http://u:hunter2@h/v1"`: "endpoint", `"endpoint":"http://h/v1?key=hunter2"`: "endpoint",
		`"endpoint":"http://h/v1/chat/completions"`: "endpoint", `"model":""`: "model", `"api_key_env":"sk-hunter2"`: "api_key_env",
		`"api_key_env":"MILLRACE_API_KEY"`: "_API_KEY", `"api_key_env":"AWS_SECRET_ACCESS_KEY"`: "_API_KEY", `"prompts":[]`: "one of prompts",
		`"prompts_file":"x"`: "one of prompts", `"prompts":null,"topics":["a"]`: "template", `"prompts":null,"template":"{topic}"`: "topics",
		`"prompts":null,"topics":["a"],"template":"x"`: "topic", `"prompts":null,"topics":[""],"template":"{topic}"`: "topics[0]", `"samples":0`: "samples",
		`"samples":10000001`: "samples", `"temperature":-1`: "temperature", `"temperature":10.5`: "temperature", `"max_tokens":0`: "max_tokens",
		`"max_tokens":1048577`: "max_tokens", `"concurrency":0`: "concurrency", `"concurrency":257`: "concurrency", `"rate":-1`: "rate", `"rate":10001`: "rate",
		`"budget_tokens":-1`: "budget_tokens", `"timeout":0`: "timeout", `"timeout":3601`: "timeout", `"as":"xml"`: "as is", `"key":"x"`: "key",
		`"prompts":[{"instruction":" "}]`: "prompts[0]", `"system":"` + strings.Repeat("x", 1<<20+1) + `"`: "system",
	} {
		err := parse(change)
		require.ErrorContains(t, err, says, "%.80s", change)
		require.NotContains(t, err.Error(), "hunter2")
	}
	for _, edge := range []string{`"samples":10000000`, `"temperature":0`, `"temperature":10`, `"max_tokens":1048576`, `"concurrency":256`, `"rate":10000`,
		`"timeout":0.1`, `"timeout":3600`, `"as":"chat"`, `"api_key_env":"OPENAI_API_KEY"`, `"system":"` + strings.Repeat("x", 1<<20) + `"`} {
		require.NoError(t, parse(edge), "%.80s", edge)
	}
}
