package fetch

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// The values of Synthetic.As.
const (
	AsText = "text" // a document is what the model wrote
	AsChat = "chat" // a document is a conversation: what was asked, and the answer
)

// Synthetic says what to let a model write, by a server that speaks OpenAI's chat completions. Start from DefaultSynthetic;
// as JSON, what is not said is as there. What is asked is one of Prompts, PromptsFile, and Topics with Template.
type Synthetic struct {
	// Endpoint is the URL before /chat/completions, as http://127.0.0.1:8000/v1.
	Endpoint string `json:"endpoint"`
	Model    string `json:"model"`
	// APIKeyEnv is the name of an environment variable of the worker that holds the key, if the server wants one. The key
	// itself never leaves the worker but to the endpoint.
	APIKeyEnv string `json:"api_key_env,omitempty"`
	// System is said before every prompt.
	System  string   `json:"system,omitempty"`
	Prompts []Prompt `json:"prompts,omitempty"`
	// PromptsFile is JSON Lines on the worker's disk, each {"instruction", "input"}.
	PromptsFile string `json:"prompts_file,omitempty"`
	// Topics go one by one into Template, where it says {topic}.
	Topics   []string `json:"topics,omitempty"`
	Template string   `json:"template,omitempty"`
	// Samples is how many answers to each prompt there are to be.
	Samples int `json:"samples"`
	// Temperature is the server's own when nil.
	Temperature *float64 `json:"temperature,omitempty"`
	MaxTokens   int      `json:"max_tokens"` // of one answer
	// Seed, when set, goes to the server, for the n-th sample n-1 higher.
	Seed *int64 `json:"seed,omitempty"`
	// Concurrency is how many requests are on their way at once; Rate, how many begin in a second, 0: no limit.
	Concurrency int     `json:"concurrency"`
	Rate        float64 `json:"rate,omitempty"`
	// BudgetTokens, when not 0, ends it when answers and prompts have taken so many tokens, as the server counts them.
	// Requests that are on their way then still cost.
	BudgetTokens int64 `json:"budget_tokens,omitempty"`
	// Timeout is how many seconds a request may take.
	Timeout float64 `json:"timeout"`
	As      string  `json:"as"`
	// Public refuses an endpoint whose address is not one of the public internet.
	Public bool `json:"-"`
}

// Prompt is what a model is asked: the instruction, and what it is about.
type Prompt struct {
	Instruction string `json:"instruction"`
	Input       string `json:"input,omitempty"`
}

// text is the prompt in one message.
func (p Prompt) text() string {
	if p.Input == "" {
		return p.Instruction
	}
	return p.Instruction + "\n\n" + p.Input
}

// DefaultSynthetic has everything but an endpoint, a model and prompts.
func DefaultSynthetic() Synthetic {
	return Synthetic{Samples: 1, MaxTokens: 1024, Concurrency: 4, Timeout: 300, As: AsText}
}

// UnmarshalJSON starts from DefaultSynthetic. An unknown key is an error.
func (s *Synthetic) UnmarshalJSON(data []byte) error {
	type plain Synthetic
	p := plain(DefaultSynthetic())
	err := strict(data, &p)
	*s = Synthetic(p)
	return err
}

// Limits of a Synthetic.
const (
	maxSamples     = 10_000_000 // prompts times samples
	maxPrompt      = 1 << 20    // bytes of a prompt, and of a line of a file
	maxConcurrency = 256
	topicMark      = "{topic}"
)

var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// Check tells what is wrong by itself; it does not look at the prompts' file, nor into the environment.
func (s Synthetic) Check() error {
	if err := s.checkEndpoint(); err != nil {
		return err
	}
	ways := 0
	for _, there := range []bool{len(s.Prompts) > 0, s.PromptsFile != "", len(s.Topics) > 0 || s.Template != ""} {
		if there {
			ways++
		}
	}
	switch {
	case ways != 1:
		return errors.New("one of prompts, prompts_file, and topics with template is needed")
	case (len(s.Topics) > 0) != strings.Contains(s.Template, topicMark):
		return errors.New("topics go into template, where it says " + topicMark + ": give both")
	case s.Samples < 1 || s.Samples > maxSamples || int64(len(s.Prompts)+len(s.Topics))*int64(s.Samples) > maxSamples:
		return fmt.Errorf("samples is %d: want at least 1, and at most %d for all prompts together", s.Samples, maxSamples)
	case s.BudgetTokens < 0:
		return fmt.Errorf("budget_tokens is %d: want 0 for no limit, or more", s.BudgetTokens)
	case s.As != AsText && s.As != AsChat:
		return fmt.Errorf("as is %q: want %s or %s", s.As, AsText, AsChat)
	case len(s.System) > maxPrompt:
		return fmt.Errorf("system has %d bytes: the limit is %d", len(s.System), maxPrompt)
	}
	for i, p := range s.Prompts {
		if err := p.check(); err != nil {
			return fmt.Errorf("prompts[%d]: %w", i, err)
		}
	}
	for i, t := range s.Topics {
		if t == "" {
			return fmt.Errorf("topics[%d] is empty", i)
		}
	}
	return nil
}

// checkEndpoint tells what is wrong with how the model is asked, whatever it is asked.
func (s Synthetic) checkEndpoint() error {
	u, err := url.Parse(s.Endpoint)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return errors.New("endpoint is no URL like http://127.0.0.1:8000/v1")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errors.New("endpoint has a user, query or fragment: a key belongs into an environment variable, whose name api_key_env is")
	case strings.HasSuffix(strings.TrimRight(u.Path, "/"), "/completions"):
		return errors.New("endpoint ends before /chat/completions")
	case s.Model == "" || len(s.Model) > 200:
		return fmt.Errorf("model has %d bytes: want 1 to 200", len(s.Model))
	case s.APIKeyEnv != "" && (!variable.MatchString(s.APIKeyEnv) || len(s.APIKeyEnv) > 100):
		return errors.New("api_key_env is no name of an environment variable: the key itself does not belong into a recipe")
	case s.APIKeyEnv != "" && !strings.HasSuffix(s.APIKeyEnv, "_API_KEY") || strings.HasPrefix(s.APIKeyEnv, "MILLRACE_"):
		// Whoever may start runs also says where the key goes: only keys that are meant for such endpoints may.
		return fmt.Errorf("api_key_env is %s: want a name that ends in _API_KEY, and does not begin with MILLRACE_", s.APIKeyEnv)
	case s.Temperature != nil && !(*s.Temperature >= 0 && *s.Temperature <= 10):
		return fmt.Errorf("temperature is %v: want 0 to 10", *s.Temperature)
	case s.MaxTokens < 1 || s.MaxTokens > 1<<20:
		return fmt.Errorf("max_tokens is %d: want 1 to %d", s.MaxTokens, 1<<20)
	case s.Concurrency < 1 || s.Concurrency > maxConcurrency:
		return fmt.Errorf("concurrency is %d: want 1 to %d", s.Concurrency, maxConcurrency)
	case s.Rate != 0 && !(s.Rate >= 0.001 && s.Rate <= 10_000):
		return fmt.Errorf("rate is %v requests a second: want 0.001 to 10000, or 0 for no limit", s.Rate)
	case !(s.Timeout >= 0.1 && s.Timeout <= 3600):
		return fmt.Errorf("timeout is %v seconds: want 0.1 to 3600", s.Timeout)
	}
	return nil
}

func (p Prompt) check() error {
	switch {
	case strings.TrimSpace(p.Instruction) == "":
		return errors.New("instruction is empty")
	case len(p.Instruction)+len(p.Input) > maxPrompt:
		return fmt.Errorf("it has %d bytes: the limit is %d", len(p.Instruction)+len(p.Input), maxPrompt)
	}
	return nil
}
