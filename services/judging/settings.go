package judging

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"millrace/curator/fetch"
	"millrace/event"
)

// Settings is the configuration of a run of kind judge. As a wish, contest is its id or name; as it is recorded, it is the whole of it.
type Settings struct {
	Contest event.ContestOpened `json:"contest"`
	// Endpoint is the URL before /chat/completions, Model what is asked there. APIKeyEnv names an environment variable of the worker that holds
	// the key; its name ends in _API_KEY.
	Endpoint  string `json:"endpoint"`
	Model     string `json:"model"`
	APIKeyEnv string `json:"api_key_env"`
	// AllowPrivate lets the endpoint be an address that is not one of the public internet.
	AllowPrivate bool `json:"allow_private"`
	// Prompt is what the judge is asked.
	Prompt Prompt `json:"prompt"`
	// Temperature and Seed go to the server; the nth time that a question is asked its seed is n-1 higher. MaxTokens bounds one answer.
	Temperature float64 `json:"temperature"`
	Seed        int64   `json:"seed"`
	MaxTokens   int     `json:"max_tokens"`
	// Concurrency is how many requests are on their way at once; Rate, how many begin in a second, 0: no limit. Timeout is of one, in seconds.
	Concurrency int     `json:"concurrency"`
	Rate        float64 `json:"rate"`
	Timeout     float64 `json:"timeout"`
	// Tries is how often a question is asked whose answer has no verdict; Requests how often a request is sent that fails.
	Tries    int `json:"tries"`
	Requests int `json:"requests"`
	// Items bounds the prompts that are asked about, from the first; 0 is all. BudgetTokens ends the run when prompts and answers have taken
	// so many, as the server counts; 0 is no bound.
	Items        int64 `json:"items"`
	BudgetTokens int64 `json:"budget_tokens"`
	// InputPrice and OutputPrice are US dollars for a million tokens of prompts and of answers.
	InputPrice  float64 `json:"input_price"`
	OutputPrice float64 `json:"output_price"`
}

func defaults() Settings {
	return Settings{MaxTokens: 1024, Concurrency: 4, Timeout: 120, Tries: 3, Requests: 4}
}

// wish is Settings before the contest was looked up.
type wish struct {
	Contest string `json:"contest"`
}

// Resolve completes the specification of a judge's run: every default is written out, the contest is the whole of it, and its inputs are the answers that
// are judged. Find looks a contest up by id or name.
func Resolve(spec event.Spec, find func(idOrName string) (event.ContestOpened, error)) (event.Spec, error) {
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(spec.Config, &keys); err != nil {
		return spec, fmt.Errorf("judging: configuration: %w", err)
	}
	if raw := bytes.TrimSpace(keys["contest"]); len(raw) > 0 && raw[0] == '"' {
		var w wish
		if err := json.Unmarshal(spec.Config, &w); err != nil {
			return spec, fmt.Errorf("judging: configuration: %w", err)
		}
		c, err := find(w.Contest)
		if err != nil {
			return spec, err
		}
		if keys["contest"], err = json.Marshal(c); err != nil {
			return spec, err
		}
	}
	config, err := json.Marshal(keys)
	if err != nil {
		return spec, err
	}
	s, err := parse(config)
	if err != nil {
		return spec, err
	}
	if spec.Config, err = json.Marshal(s); err != nil {
		return spec, err
	}
	spec.Inputs = nil
	for _, e := range s.Contest.Entries {
		spec.Inputs = append(spec.Inputs, event.Input{Role: "results", Digest: e.Results, Name: string(e.Evaluation)})
	}
	return spec, nil
}

// parse reads what Resolve wrote, or what it will write. An unknown key is an error that names it.
func parse(config []byte) (Settings, error) {
	s := defaults()
	d := json.NewDecoder(bytes.NewReader(config))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return s, fmt.Errorf("judging: configuration: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return s, errors.New("judging: configuration: more than one JSON value")
	}
	if s.Contest.Contest == "" {
		return s, errors.New("judging: contest is not given: want the id or name of one")
	}
	var err error
	if s.Prompt, err = s.Prompt.withDefaults(s.Contest.Mode); err != nil {
		return s, fmt.Errorf("judging: %w", err)
	}
	return s, s.check()
}

func (s Settings) check() error {
	if err := fetch.CheckEndpoint(s.endpoint()); err != nil {
		return fmt.Errorf("judging: %w", err)
	}
	switch {
	case s.Tries < 1 || s.Tries > 20:
		return fmt.Errorf("judging: tries is %d: want 1 to 20", s.Tries)
	case s.Requests < 1 || s.Requests > 20:
		return fmt.Errorf("judging: requests is %d: want 1 to 20", s.Requests)
	case s.Items < 0 || s.BudgetTokens < 0:
		return fmt.Errorf("judging: items %d and budget_tokens %d must not be negative", s.Items, s.BudgetTokens)
	case !(s.InputPrice >= 0 && s.InputPrice <= 1e6 && s.OutputPrice >= 0 && s.OutputPrice <= 1e6):
		return fmt.Errorf("judging: input_price %v and output_price %v are US dollars for a million tokens: want 0 to 1000000", s.InputPrice, s.OutputPrice)
	case len(s.Contest.Entries) == 0:
		return errors.New("judging: contest has no entries")
	case s.Contest.Mode != event.Pairs && s.Contest.Mode != event.Scale:
		return fmt.Errorf("judging: contest has mode %.20q", s.Contest.Mode)
	}
	return nil
}

func (s Settings) endpoint() fetch.Synthetic {
	return fetch.Synthetic{
		Endpoint: strings.TrimSpace(s.Endpoint), Model: s.Model, APIKeyEnv: s.APIKeyEnv, MaxTokens: s.MaxTokens, Temperature: &s.Temperature, Seed: &s.Seed,
		Concurrency: s.Concurrency, Rate: s.Rate, Timeout: s.Timeout, Public: !s.AllowPrivate,
	}
}
