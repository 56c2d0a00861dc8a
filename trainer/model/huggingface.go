package model

import (
	"encoding/json"
	"fmt"
)

// A config.json is the architecture as transformers writes it, so that a checkpoint loads there as it is. What transformers has a
// word for is said by it alone. What it has no word for stands under a key of ours, "millrace", which is a whole Config: beside the
// other keys where they still describe the same network (dropout; how long a stretched context may be), and under the model type
// "millrace", which transformers refuses, where they cannot.

// form is the config.json of one family.
type form interface {
	// config is the architecture it describes, not resolved. Values that would make another network are refused by key.
	config() (Config, error)
}

// head are the keys that every config.json has.
type head struct {
	Architectures []string `json:"architectures"`
	ModelType     string   `json:"model_type"`
}

// ours is what transformers has no word for.
type ours struct {
	Millrace *Config `json:"millrace,omitempty"`
}

// foreign is the model type of a network that transformers does not know.
const foreign = "millrace"

// HuggingFace is the config.json that goes with the model's file.
func (c Config) HuggingFace() []byte {
	c = c.filled()
	f := c.form(nil)
	switch stock, err := resolved(f); {
	case err == nil && stock == c:
	case err == nil && stock == c.stock():
		f = c.form(&c)
	default:
		f = struct {
			head
			VocabSize  int    `json:"vocab_size"`
			TorchDtype string `json:"torch_dtype"`
			ours
		}{head{[]string{"MillraceModel"}, foreign}, c.VocabSize, "float32", ours{&c}}
	}
	b, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		panic(err) // a struct of numbers and strings always marshals
	}
	return append(b, '\n')
}

// stock is the config without what changes nothing about the network that transformers computes.
func (c Config) stock() Config {
	c.Dropout, c.NLabel, c.Pool = 0, 0, ""
	if c.Arch.Kind() == Encoder {
		c.MaskToken = c.VocabSize - 1
	}
	if s := c.RopeScaling; s.Type == dynamicScaling {
		c.Context = dynamicContext(s.OriginalContext, s.Factor)
	}
	return c
}

// form is the config in the words of its family's config.json, whether or not they say all of it.
func (c Config) form(own *Config) any {
	switch c.Arch {
	case Llama:
		return c.llamaForm(own)
	case BERT:
		return c.bertForm(own)
	case T5:
		return c.t5Form(own)
	}
	return c.gpt2Form(own)
}

func resolved(f any) (Config, error) {
	d, ok := f.(form)
	if !ok {
		return Config{}, fmt.Errorf("config.json: no form of a family") // cannot be: form() returns forms
	}
	c, err := d.config()
	if err != nil {
		return c, err
	}
	return c.Resolve()
}

// ParseHuggingFace reads a config.json, ours or that of a stock GPT-2, Llama (Mistral, Qwen 2 and 3 where they are the same
// network), BERT or T5, and returns it resolved. Unknown keys are allowed, as transformers writes many; values that would make
// another network are refused by name.
func ParseHuggingFace(b []byte) (Config, error) {
	var begin struct {
		ModelType string `json:"model_type"`
		ours
	}
	if err := json.Unmarshal(b, &begin); err != nil {
		return Config{}, fmt.Errorf("config.json: %w", err)
	}
	if begin.ModelType == foreign {
		if begin.Millrace == nil {
			return Config{}, fmt.Errorf("config.json: model_type millrace without a key millrace")
		}
		return named(begin.Millrace.Resolve())
	}
	var f form
	switch begin.ModelType {
	case "gpt2":
		f = &gpt2Form{ActivationFunction: "gelu_new", LayerNormEpsilon: 1e-5}
	case "llama", "mistral", "qwen2", "qwen3":
		f = newLlamaForm(begin.ModelType)
	case "bert":
		f = &bertForm{HiddenAct: "gelu", MaxPositionEmbeddings: 512, TypeVocabSize: 2, LayerNormEps: 1e-12}
	case "t5":
		f = &t5Form{DKV: 64, NumBuckets: 32, MaxDistance: 128, LayerNormEpsilon: 1e-6, FeedForwardProj: "relu", NPositions: 512}
	default:
		return Config{}, fmt.Errorf(`config.json: model_type %q is not supported; only gpt2, llama, mistral, qwen2, qwen3, bert and t5 are`, begin.ModelType)
	}
	if err := json.Unmarshal(b, f); err != nil {
		return Config{}, fmt.Errorf("config.json: %w", err)
	}
	c, err := named(resolved(f))
	if err != nil || begin.Millrace == nil {
		return c, err
	}
	own, err := named(begin.Millrace.Resolve())
	if err == nil && own.stock() != c {
		return Config{}, fmt.Errorf("config.json: millrace describes another network than the other keys")
	}
	return own, err
}

// named says where a mistake is.
func named(c Config, err error) (Config, error) {
	if err != nil {
		return Config{}, fmt.Errorf("config.json: %w", err)
	}
	return c, nil
}

// refuse says which value makes another network.
func refuse(key string, value any, want string) (Config, error) {
	return Config{}, fmt.Errorf("%s %v is not supported; only %s is", key, value, want)
}

// words are transformers' names of activations; of a gated one that of its gate.
var words = map[string]Activation{
	"gelu_new": GELU, "gelu_pytorch_tanh": GELU, "gelu": GELUExact, "relu": ReLU, "silu": SiLU, "swish": SiLU, "relu2": ReLU2,
}

const knownActivations = "gelu_new, gelu, relu, silu or relu2"

// word is transformers' name of an activation without a gate; "" where it has none.
func (a Activation) word() string {
	switch a {
	case GELU:
		return "gelu_new"
	case GELUExact:
		return "gelu"
	case ReLU, SiLU, ReLU2:
		return string(a)
	}
	return ""
}
