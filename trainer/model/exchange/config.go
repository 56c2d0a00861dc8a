package exchange

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
)

// maxConfig bounds a config.json in bytes.
const maxConfig = 1 << 20

// config is what the other forms need of a config.json of a GPT-2 or a Llama.
type config struct {
	ModelType string `json:"model_type"`
	VocabSize int    `json:"vocab_size"`
	Tie       *bool  `json:"tie_word_embeddings"`

	// GPT-2's.
	NPositions int      `json:"n_positions"`
	NEmbd      int      `json:"n_embd"`
	NLayer     int      `json:"n_layer"`
	NHead      int      `json:"n_head"`
	NInner     *int     `json:"n_inner"`
	LNEps      *float64 `json:"layer_norm_epsilon"`
	GPT2Act    string   `json:"activation_function"`
	Bias       *bool    `json:"bias"` // ours: transformers has no GPT-2 without
	ByLayer    bool     `json:"scale_attn_by_inverse_layer_idx"`

	// Llama's.
	Context   int         `json:"max_position_embeddings"`
	Hidden    int         `json:"hidden_size"`
	Inner     int         `json:"intermediate_size"`
	Layers    int         `json:"num_hidden_layers"`
	Heads     int         `json:"num_attention_heads"`
	KVHeads   *int        `json:"num_key_value_heads"`
	HeadDim   *int        `json:"head_dim"`
	RMSEps    *float64    `json:"rms_norm_eps"`
	Theta     *float64    `json:"rope_theta"`
	Scaling   *ropeConfig `json:"rope_scaling"`
	Rope      *ropeConfig `json:"rope_parameters"` // both, since transformers 5
	LlamaAct  string      `json:"hidden_act"`
	QKVBias   bool        `json:"attention_bias"`
	MLPBias   bool        `json:"mlp_bias"`
	BosID     *int        `json:"bos_token_id"`
	TorchType string      `json:"torch_dtype"`
}

// ropeConfig is how positions beyond those of the first training are rotated.
type ropeConfig struct {
	Type       string   `json:"rope_type"`
	OldType    string   `json:"type"`
	Theta      *float64 `json:"rope_theta"`
	Factor     float64  `json:"factor"`
	LowFactor  float64  `json:"low_freq_factor"`
	HighFactor float64  `json:"high_freq_factor"`
	Original   float64  `json:"original_max_position_embeddings"`
}

// Limits of what is taken, far above what one machine holds; they keep products of sizes in range.
const (
	maxLayers  = 1 << 10
	maxWidth   = 1 << 16
	maxInner   = 1 << 20
	maxContext = 1 << 24
	maxVocab   = 1 << 22
)

// parseConfig reads a config.json and fills in what transformers does.
func parseConfig(raw []byte) (config, error) {
	var c config
	if len(raw) > maxConfig {
		return c, wrong("config.json has %d bytes, more than %d", len(raw), maxConfig)
	}
	if err := json.Unmarshal(raw, &c); err != nil {
		return c, wrong("config.json: %w", err)
	}
	switch c.ModelType {
	case "gpt2":
		return c, c.completeGPT2()
	case "llama":
		return c, c.completeLlama()
	}
	return c, wrong(`config.json: model_type %q: models of type "gpt2" and "llama" can be taken elsewhere`, c.ModelType)
}

type sized struct {
	key        string
	value, max int
}

func checkSizes(sizes ...sized) error {
	for _, s := range sizes {
		if s.value < 1 || s.value > s.max {
			return wrong("config.json: %s %d is not between 1 and %d", s.key, s.value, s.max)
		}
	}
	return nil
}

func (c *config) completeGPT2() error {
	if c.NInner == nil {
		inner := 4 * c.NEmbd
		c.NInner = &inner
	}
	if c.LNEps == nil {
		eps := 1e-5
		c.LNEps = &eps
	}
	if err := checkSizes(sized{"vocab_size", c.VocabSize, maxVocab}, sized{"n_positions", c.NPositions, maxContext}, sized{"n_embd", c.NEmbd, maxWidth},
		sized{"n_layer", c.NLayer, maxLayers}, sized{"n_head", c.NHead, maxWidth}, sized{"n_inner", *c.NInner, maxInner}); err != nil {
		return err
	}
	switch {
	case c.NEmbd%c.NHead != 0:
		return wrong("config.json: n_head %d does not divide n_embd %d", c.NHead, c.NEmbd)
	case c.ByLayer:
		return wrong("config.json: scale_attn_by_inverse_layer_idx true: no other form has it")
	}
	return nil
}

func (c *config) completeLlama() error {
	if c.KVHeads == nil {
		c.KVHeads = &c.Heads
	}
	if c.RMSEps == nil {
		eps := 1e-6
		c.RMSEps = &eps
	}
	if c.Rope != nil {
		if c.Theta == nil {
			c.Theta = c.Rope.Theta
		}
		if c.Scaling == nil {
			c.Scaling = c.Rope
		}
	}
	if c.Theta == nil {
		theta := 10000.0
		c.Theta = &theta
	}
	if err := checkSizes(sized{"vocab_size", c.VocabSize, maxVocab}, sized{"max_position_embeddings", c.Context, maxContext}, sized{"hidden_size", c.Hidden, maxWidth},
		sized{"intermediate_size", c.Inner, maxInner}, sized{"num_hidden_layers", c.Layers, maxLayers}, sized{"num_attention_heads", c.Heads, maxWidth},
		sized{"num_key_value_heads", *c.KVHeads, maxWidth}); err != nil {
		return err
	}
	if c.HeadDim == nil {
		if c.Hidden%c.Heads != 0 {
			return wrong("config.json: num_attention_heads %d does not divide hidden_size %d", c.Heads, c.Hidden)
		}
		d := c.Hidden / c.Heads
		c.HeadDim = &d
	}
	if err := checkSizes(sized{"head_dim", *c.HeadDim, maxWidth}); err != nil {
		return err
	}
	switch {
	case c.Heads%*c.KVHeads != 0:
		return wrong("config.json: num_key_value_heads %d does not divide num_attention_heads %d", *c.KVHeads, c.Heads)
	case *c.HeadDim%2 != 0:
		return wrong("config.json: head_dim %d is odd and cannot be rotated", *c.HeadDim)
	case !(*c.Theta > 0) || math.IsInf(*c.Theta, 0):
		return wrong("config.json: rope_theta %g is not positive", *c.Theta)
	}
	return nil
}

// scaling is the kind of rope_scaling, "default" without.
func (c *config) scaling() string {
	switch {
	case c.Scaling == nil, c.Scaling.Type == "" && c.Scaling.OldType == "":
		return "default"
	case c.Scaling.Type != "":
		return c.Scaling.Type
	}
	return c.Scaling.OldType
}

// tied tells whether the head is the embedding.
func (c *config) tied() bool {
	if c.Tie != nil {
		return *c.Tie
	}
	return c.ModelType == "gpt2"
}

// withKeys is a JSON object with keys replaced; the others stay as they are, in their order, and new ones come last.
func withKeys(raw []byte, set map[string]any) ([]byte, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, wrong("config.json is no JSON object")
	}
	type field struct {
		name  string
		value json.RawMessage
	}
	var fields []field
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, wrong("config.json: %w", err)
		}
		name, _ := t.(string)
		f := field{name: name}
		if err := d.Decode(&f.value); err != nil {
			return nil, wrong("config.json: %s: %w", name, err)
		}
		fields = append(fields, f)
	}
	var names []string
	for name := range set {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		v, err := json.Marshal(set[name])
		if err != nil {
			return nil, fmt.Errorf("exchange: %s: %w", name, err)
		}
		at := slices.IndexFunc(fields, func(f field) bool { return f.name == name })
		switch {
		case set[name] == nil && at >= 0:
			fields = slices.Delete(fields, at, at+1)
		case set[name] == nil:
		case at >= 0:
			fields[at].value = v
		default:
			fields = append(fields, field{name, v})
		}
	}
	var b bytes.Buffer
	b.WriteByte('{')
	for i, f := range fields {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(f.name)
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(f.value)
	}
	b.WriteByte('}')
	var out bytes.Buffer
	if err := json.Indent(&out, b.Bytes(), "", "  "); err != nil {
		return nil, err
	}
	return []byte(strings.TrimSpace(out.String()) + "\n"), nil
}
