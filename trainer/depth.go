package trainer

import (
	"bytes"
	"encoding/json"
	"fmt"

	"millrace/trainer/model"
)

// depthRows is how many sequences of a depth's model are computed at once, if memory or a shorter context does not ask for another number.
const depthRows = 8

// Depth is what follows from one number, nanochat's dial (see model.Depth): the model, tokens of a step, steps, and the learning rate of AdamW.
// vocab is how many tokens the budget counts with; 0 is 32,768.
func (c Config) Depth(n, vocab int) (Config, error) {
	d, err := model.Depth(n, vocab)
	if err != nil {
		return c, err
	}
	c.Model = d.Model
	c.BatchSize, c.GradAccum = depthRows, int(max(1, d.StepBatch/int64(depthRows*d.Model.Context)))
	c.Steps = d.Steps
	if c.Optimizer.Name == "adamw" {
		c.Optimizer.LR = d.LR
	}
	return c, nil
}

// dialled is the Config of a depth, and b without that key. A shorter context in b has more sequences, so that a step learns from as many tokens.
func (c Config) dialled(b []byte, depth json.RawMessage, vocab int) (Config, []byte, error) {
	var n int
	if err := json.Unmarshal(depth, &n); err != nil {
		return c, nil, fmt.Errorf("depth: %.20s is not a whole number of layers", depth)
	}
	c, err := c.Depth(n, vocab)
	if err != nil {
		return c, nil, err
	}
	var rest map[string]json.RawMessage
	if err := json.NewDecoder(bytes.NewReader(b)).Decode(&rest); err != nil {
		return c, nil, err // cannot be: the key was found in it
	}
	var in struct {
		Model struct {
			Context int `json:"context"`
		} `json:"model"`
		BatchSize int `json:"batch_size"`
	}
	_ = json.Unmarshal(b, &in) // mistakes are told by who decodes it whole
	if tokens := c.TokensPerStep(); in.Model.Context > 0 || in.BatchSize > 0 {
		context, rows := c.Model.Context, c.BatchSize
		if in.Model.Context > 0 {
			context = in.Model.Context
		}
		if in.BatchSize > 0 {
			rows = in.BatchSize
		}
		c.GradAccum = int(max(1, tokens/int64(context)/int64(rows)))
	}
	delete(rest, "depth")
	b, err = json.Marshal(rest)
	return c, b, err
}
