package trainer

import (
	"context"
	"fmt"

	"millrace/trainer/model"
	"millrace/trainer/random"
	"millrace/trainer/token"
)

// Sample is a text that a model writes now and then, to be read by people: a decoder goes on with the prompt, an encoder-decoder writes
// what stands for the prompt's <extra_id_0>, <extra_id_1> … The zero Sample is none.
type Sample struct {
	Every       int64   `json:"every"`                 // steps
	Prompt      string  `json:"prompt,omitempty"`      // what it reads; "" begins a document
	Tokens      int     `json:"tokens"`                // at most; 0 chooses 64
	Temperature float64 `json:"temperature,omitempty"` // 0 takes the likeliest token each time
}

const (
	maxSampled = 4096 // tokens
	maxPrompt  = 4096 // bytes
)

func (c Config) checkSample() error {
	s := c.Sample
	switch {
	case s == (Sample{}):
		return nil
	case s.Every < 1 || s.Every > maxSteps:
		return fmt.Errorf("sample.every: %d is not between 1 and %d steps", s.Every, int64(maxSteps))
	case s.Tokens < 1 || s.Tokens > maxSampled:
		return fmt.Errorf("sample.tokens: %d is not between 1 and %d", s.Tokens, maxSampled)
	case len(s.Prompt) > maxPrompt:
		return fmt.Errorf("sample.prompt: %d bytes are more than %d", len(s.Prompt), maxPrompt)
	case !(s.Temperature >= 0 && s.Temperature <= 100):
		return fmt.Errorf("sample.temperature: %g is not between 0 and 100", s.Temperature)
	case c.Model.Arch.Kind() == model.Encoder:
		return fmt.Errorf("sample: a %s does not continue texts; leave it out", c.Model.Arch)
	case c.Model.NLabel > 0:
		return fmt.Errorf("sample: a classifier does not continue texts; leave it out")
	}
	return nil
}

// sample lets the model write, if it is time for it.
func (r *run) sample(ctx context.Context) error {
	s := r.config.Sample
	if s.Every == 0 || r.step%s.Every != 0 || r.job.Words == nil {
		return nil
	}
	fail := func(err error) error { return fmt.Errorf("trainer: sample after step %d: %w", r.step, err) }
	tok := r.job.Words
	stop := []int32{tok.EndOfText()}
	var prompt []int32
	var err error
	if r.config.Model.Arch.Kind() == model.EncoderDecoder {
		gaps := token.WithSentinels(tok, r.config.Model.VocabSize)
		tok = gaps
		if prompt, err = token.AppendWithSpecial(tok, nil, s.Prompt); err == nil {
			if end, ok := gaps.End(prompt); ok {
				stop = append(stop, end)
			}
		}
	} else {
		prompt, err = token.Encode(tok, s.Prompt)
	}
	if err != nil {
		return fail(err)
	}
	if len(prompt) == 0 {
		prompt = []int32{tok.EndOfText()}
	}
	r.optimizer.Await()
	ids, err := r.model.Generate(ctx, prompt, s.Tokens, model.Sampling{
		Temperature: s.Temperature, Seed: random.Mix(r.config.Seed, uint64(r.step)), Stop: stop,
	})
	if err != nil {
		return fail(err)
	}
	var text []byte
	for _, id := range ids {
		text = append(text, tok.Bytes(id)...)
	}
	if err := r.job.Recorder.Sampled(ctx, Sampled{Step: r.step, Prompt: s.Prompt, Text: string(text)}); err != nil {
		return fail(err)
	}
	return nil
}
