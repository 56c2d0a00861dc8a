package serving

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"

	"millrace/trainer/model"
	"millrace/trainer/token"
)

// request is what both kinds of completions take. Parameters that OpenAI's protocol has and that change what is answered are known
// or refused; others are ignored, for clients send many. top_k, min_p and repetition_penalty are as vLLM and llama.cpp have them.
type request struct {
	Model             string   `json:"model"`
	Temperature       *float64 `json:"temperature"`
	TopP              *float64 `json:"top_p"`
	TopK              *int     `json:"top_k"`
	MinP              *float64 `json:"min_p"`
	RepetitionPenalty *float64 `json:"repetition_penalty"`
	FrequencyPenalty  *float64 `json:"frequency_penalty"`
	PresencePenalty   *float64 `json:"presence_penalty"`
	Seed              *int64   `json:"seed"`
	N                 *int     `json:"n"`
	MaxTokens         *int     `json:"max_tokens"`
	Stop              strs     `json:"stop"`
	Stream            bool     `json:"stream"`
	StreamOptions     struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
	LogitBias map[string]float64 `json:"logit_bias"`
}

// completionRequest is the body of /v1/completions.
type completionRequest struct {
	request
	Prompt   prompts `json:"prompt"`
	LogProbs *int    `json:"logprobs"`
	Echo     bool    `json:"echo"`
	Suffix   string  `json:"suffix"`
	BestOf   *int    `json:"best_of"`
}

// chatRequest is the body of /v1/chat/completions.
type chatRequest struct {
	request
	Messages            []chatMessage   `json:"messages"`
	MaxCompletionTokens *int            `json:"max_completion_tokens"`
	LogProbs            bool            `json:"logprobs"`
	TopLogProbs         *int            `json:"top_logprobs"`
	Tools               []any           `json:"tools"`
	Functions           []any           `json:"functions"`
	ResponseFormat      *responseFormat `json:"response_format"`
}

type responseFormat struct {
	Type string `json:"type"`
}

// strs is a string or several.
type strs []string

func (s *strs) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	var one string
	if json.Unmarshal(b, &one) == nil {
		*s = strs{one}
		return nil
	}
	var all []string
	if err := json.Unmarshal(b, &all); err != nil {
		return errors.New("want a string or a list of strings")
	}
	*s = all
	return nil
}

// prompt is a text, or its tokens.
type prompt struct {
	text   string
	tokens []int32
}

// prompts is a prompt or several: a string, a list of them, a list of tokens, or a list of those.
type prompts []prompt

func (p *prompts) UnmarshalJSON(b []byte) error {
	var texts strs
	if string(b) != "[]" && texts.UnmarshalJSON(b) == nil {
		for _, t := range texts {
			*p = append(*p, prompt{text: t})
		}
		return nil
	}
	var one []int32
	if err := json.Unmarshal(b, &one); err == nil && len(one) > 0 {
		*p = prompts{{tokens: one}}
		return nil
	}
	var all [][]int32
	if err := json.Unmarshal(b, &all); err != nil || len(all) == 0 {
		return errors.New("want a string, a list of strings, a list of tokens, or a list of lists of tokens, none empty")
	}
	for _, t := range all {
		if len(t) == 0 {
			return errors.New("a list of tokens is empty")
		}
		*p = append(*p, prompt{tokens: t})
	}
	return nil
}

// chatMessage is a turn; its content is a string, or parts that are text.
type chatMessage struct{ token.Message }

func (m *chatMessage) UnmarshalJSON(b []byte) error {
	var raw struct {
		Role    string          `json:"role"`
		Content json.RawMessage `json:"content"`
	}
	if err := json.Unmarshal(b, &raw); err != nil {
		return err
	}
	m.Role = raw.Role
	if len(raw.Content) == 0 || json.Unmarshal(raw.Content, &m.Content) == nil {
		return nil
	}
	var parts []struct{ Type, Text string }
	if err := json.Unmarshal(raw.Content, &parts); err != nil {
		return errors.New("content is neither a string nor a list of parts")
	}
	for _, p := range parts {
		if p.Type != "text" {
			return fmt.Errorf("a part of content is %q; only text is understood", p.Type)
		}
		m.Content += p.Text
	}
	return nil
}

// Limits of a request, beside the server's own.
const (
	maxChoices  = 8  // answers to a prompt
	maxPrompts  = 64 // of a request
	maxMessages = 1 << 10
	maxStops    = 16
	maxStop     = 1 << 10 // bytes of one
	maxRanked   = 20
)

// read parses a body.
func read(w http.ResponseWriter, r *http.Request, limit int64, into any) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return err
	}
	if err != nil {
		return refuse("", "the body could not be read")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	if err := d.Decode(into); err != nil {
		return refuse("", "the body is not what this takes: %v", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return refuse("", "there is more in the body than one JSON object")
	}
	return nil
}

// common checks what both kinds have, and makes the settings of the sampler.
func (q *request) common() (s model.Sampling, n int, err error) {
	value := func(p *float64, otherwise float64) float64 {
		if p == nil {
			return otherwise
		}
		return *p
	}
	s = model.Sampling{
		Temperature: value(q.Temperature, 1), TopP: value(q.TopP, 1), MinP: value(q.MinP, 0), RepetitionPenalty: value(q.RepetitionPenalty, 1),
		FrequencyPenalty: value(q.FrequencyPenalty, 0), PresencePenalty: value(q.PresencePenalty, 0), Seed: rand.Uint64(),
	}
	if q.TopK != nil {
		s.TopK = max(*q.TopK, -1) // -1 is vLLM's for all
		s.TopK = max(s.TopK, 0)
	}
	if q.Seed != nil {
		s.Seed = uint64(*q.Seed)
	}
	if n = 1; q.N != nil {
		n = *q.N
	}
	switch {
	case q.Model == "":
		return s, 0, refuse("model", "no model is named; GET /v1/models lists what there is")
	case n < 1 || n > maxChoices:
		return s, 0, refuse("n", "n is %d; it must be 1 to %d", n, maxChoices)
	case q.MaxTokens != nil && *q.MaxTokens < 0:
		return s, 0, refuse("max_tokens", "max_tokens is %d; it must not be negative", *q.MaxTokens)
	case len(q.LogitBias) > 0:
		return s, 0, refuse("logit_bias", "logit_bias is not supported")
	case len(q.Stop) > maxStops || slices.ContainsFunc(q.Stop, func(s string) bool { return s == "" || len(s) > maxStop }):
		return s, 0, refuse("stop", "stop takes at most %d strings of 1 to %d bytes", maxStops, maxStop)
	case s.TopP == 0:
		s.TopP = 1e-9 // the likeliest alone, as OpenAI's
	}
	if err := s.Validate(); err != nil {
		return s, 0, refuse("", "%v", err)
	}
	return s, n, nil
}

// check refuses what is not supported, and says how many tokens beside each are asked for, -1 for none.
func (q *completionRequest) check(n int) (ranked int, err error) {
	switch {
	case len(q.Prompt) == 0:
		q.Prompt = prompts{{}} // a text from its beginning
	case len(q.Prompt) > maxPrompts:
		return 0, refuse("prompt", "there are %d prompts; a request has at most %d", len(q.Prompt), maxPrompts)
	}
	if q.Suffix != "" {
		return 0, refuse("suffix", "suffix is not supported")
	}
	if q.BestOf != nil && *q.BestOf != n {
		return 0, refuse("best_of", "best_of is not supported; use n")
	}
	if q.LogProbs == nil {
		return -1, nil
	}
	if *q.LogProbs < 0 || *q.LogProbs > maxRanked {
		return 0, refuse("logprobs", "logprobs is %d; it must be 0 to %d", *q.LogProbs, maxRanked)
	}
	return *q.LogProbs, nil
}

// check refuses what is not supported, and says how many tokens beside each are asked for, -1 for none.
func (q *chatRequest) check() (ranked int, messages []token.Message, err error) {
	switch {
	case len(q.Messages) == 0 || len(q.Messages) > maxMessages:
		return 0, nil, refuse("messages", "there are %d messages; there must be 1 to %d", len(q.Messages), maxMessages)
	case len(q.Tools) > 0 || len(q.Functions) > 0:
		return 0, nil, refuse("tools", "tools are not supported")
	case q.ResponseFormat != nil && q.ResponseFormat.Type != "text" && q.ResponseFormat.Type != "":
		return 0, nil, refuse("response_format", "response_format %q is not supported", q.ResponseFormat.Type)
	case q.MaxCompletionTokens != nil && *q.MaxCompletionTokens < 0:
		return 0, nil, refuse("max_completion_tokens", "max_completion_tokens is %d; it must not be negative", *q.MaxCompletionTokens)
	case q.TopLogProbs != nil && (*q.TopLogProbs < 0 || *q.TopLogProbs > maxRanked):
		return 0, nil, refuse("top_logprobs", "top_logprobs is %d; it must be 0 to %d", *q.TopLogProbs, maxRanked)
	case q.TopLogProbs != nil && !q.LogProbs:
		return 0, nil, refuse("top_logprobs", "top_logprobs needs logprobs")
	}
	for i, m := range q.Messages {
		if !slices.Contains([]string{"system", "developer", "user", "assistant"}, m.Role) {
			return 0, nil, refuse("messages", "message %d has the role %q; there are system, user and assistant", i, m.Role)
		}
		if m.Role == "developer" {
			m.Role = "system"
		}
		messages = append(messages, m.Message)
	}
	if ranked = -1; q.LogProbs {
		ranked = 0
	}
	if q.TopLogProbs != nil {
		ranked = *q.TopLogProbs
	}
	if q.MaxTokens == nil {
		q.MaxTokens = q.MaxCompletionTokens
	}
	return ranked, messages, nil
}
