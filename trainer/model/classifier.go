package model

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"millrace/trainer/engine"
)

// scoreHead is a classifier's weight, [n_label, d_model] without a bias, as transformers' classifiers of decoders name it.
const scoreHead = "score.weight"

func (m *Model) predictsTokens() error {
	if m.config.NLabel > 0 {
		return fmt.Errorf("model: this is a classifier of %d classes: it predicts no tokens", m.config.NLabel)
	}
	return nil
}

// Classifier is a program that scores the classes of texts of up to t tokens. The caller fills IDs, Lengths and Labels before each Run.
type Classifier struct {
	IDs     []int32 // [texts · t]; what lies behind a text's length is not seen
	Lengths []int32 // of each text, 1 to t
	Labels  []int32 // of each text; -1 ignores it
	t       int
	labels  int
	vocab   int
	k       engine.Kernels
	in      *input
	program *engine.Program
	out     []float32 // losses or, without gradients, logits
}

// Classifier makes the program for b texts of up to t tokens, to train or only to classify. It fails for a model without classes.
func (m *Model) Classifier(b, t int, train bool) (*Classifier, error) {
	switch {
	case m.config.NLabel == 0:
		return nil, fmt.Errorf("model: this model is no classifier; give model.n_label")
	case b < 1 || t < 1 || t > m.config.Context:
		return nil, fmt.Errorf("model: a batch of %d texts of %d tokens does not fit a context of %d", b, t, m.config.Context)
	case train && len(m.Learnt()) == 0:
		return nil, fmt.Errorf("model: this one was read for use only; make one with New to train")
	}
	in := m.newInput(b, t, 0)
	if in.lengths == nil { // a decoder sees no padding behind a text
		in.lengths = make([]int32, b)
	}
	c := &Classifier{in: in, IDs: in.ids, Lengths: in.lengths, Labels: make([]int32, b), t: t, labels: m.config.NLabel, vocab: m.config.VocabSize, k: m.k}
	for i := range c.Lengths {
		c.Lengths[i] = 1
	}
	var err error
	c.program, err = engine.Build(m.k, train, func(g *engine.Graph) *engine.Tensor {
		x := g.Pool("pool", m.net(g, in, train).hidden(), t, c.Lengths, m.config.Pool == LastToken)
		x = g.Linear("score", x, m.named[scoreHead], nil, true)
		if train {
			x = g.CrossEntropy("loss", x, c.Labels)
		}
		return x
	})
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	c.out = make([]float32, len(c.program.Output()))
	return c, nil
}

// SetRun chooses what dropout drops in the next Run of a program that trains, by a number that no other run of the training has.
func (c *Classifier) SetRun(number uint64) { c.in.draw(number) }

// Run computes the sum of the losses of all texts in nats and, when training, adds scale times its gradient to the parameters'.
func (c *Classifier) Run(scale float32) (float64, error) {
	if err := checkIDs(c.IDs, nil, c.vocab); err != nil {
		return 0, err
	}
	for i, n := range c.Lengths {
		if n < 1 || int(n) > c.t || c.Labels[i] < -1 || int(c.Labels[i]) >= c.labels {
			return 0, fmt.Errorf("model: text %d has %d tokens and the label %d; want 1 to %d, and a label below %d", i, n, c.Labels[i], c.t, c.labels)
		}
	}
	if err := c.program.Run(scale); err != nil {
		return 0, err
	}
	c.k.Download(c.out, c.program.Output())
	if len(c.out) == len(c.Labels) && c.labels > 1 {
		return sum(c.out), nil
	}
	total := 0.0
	for i, label := range c.Labels {
		if label >= 0 {
			total -= math.Log(c.Probabilities(i)[label])
		}
	}
	return total, nil
}

// Probabilities are those of a text's classes after a Run. A program that trains has none: it keeps its losses.
func (c *Classifier) Probabilities(text int) []float64 {
	logits := c.out[text*c.labels : (text+1)*c.labels]
	top, total := float64(logits[likeliest(logits)]), 0.0
	p := make([]float64, len(logits))
	for i, x := range logits {
		p[i] = math.Exp(float64(x) - top)
		total += p[i]
	}
	for i := range p {
		p[i] /= total
	}
	return p
}

// Predicted is a text's likeliest class after a Run of a program that does not train.
func (c *Classifier) Predicted(text int) int32 {
	return likeliest(c.out[text*c.labels : (text+1)*c.labels])
}

// transformers' names of classifiers, by the name of the same network that predicts tokens.
var classifiers = map[string]string{
	"GPT2LMHeadModel": "GPT2ForSequenceClassification", "LlamaForCausalLM": "LlamaForSequenceClassification",
	"MistralForCausalLM": "MistralForSequenceClassification", "Qwen2ForCausalLM": "Qwen2ForSequenceClassification", "Qwen3ForCausalLM": "Qwen3ForSequenceClassification",
}

// WithLabels is a classifier's config.json with the names of its classes, and named as transformers' class that classifies where there is
// one. Its keys are sorted.
func WithLabels(config []byte, names []string) ([]byte, error) {
	all := map[string]json.RawMessage{}
	if err := json.Unmarshal(config, &all); err != nil {
		return nil, fmt.Errorf("config.json: %w", err)
	}
	var architectures []string
	_ = json.Unmarshal(all["architectures"], &architectures) // none is as good as one without a name
	for i, a := range architectures {
		if c, ok := classifiers[a]; ok {
			architectures[i] = c
		}
	}
	byID, byName := map[string]string{}, map[string]int{}
	for i, name := range names {
		byID[strconv.Itoa(i)], byName[name] = name, i
	}
	for key, v := range map[string]any{"architectures": architectures, "id2label": byID, "label2id": byName} {
		raw, err := json.Marshal(v)
		if err != nil {
			return nil, fmt.Errorf("config.json: %w", err)
		}
		all[key] = raw
	}
	b, err := json.MarshalIndent(all, "", "  ")
	return append(b, '\n'), err
}

// Labels are the names of the classes in a config.json, by number. It fails unless every number from 0 on has one.
func Labels(config []byte) ([]string, error) {
	var c struct {
		Names map[string]string `json:"id2label"`
	}
	if err := json.Unmarshal(config, &c); err != nil {
		return nil, fmt.Errorf("config.json: %w", err)
	}
	names := make([]string, len(c.Names))
	for i := range names {
		name, ok := c.Names[strconv.Itoa(i)]
		if !ok {
			return nil, fmt.Errorf("config.json: id2label has %d classes, but none has the number %d", len(names), i)
		}
		names[i] = name
	}
	return names, nil
}
