package model_test

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"millrace/trainer/model"
)

// family is a small config of each family, as a user would write it.
func family(a model.Arch) model.Config {
	return model.Config{Arch: a, NLayer: 2, NHead: 4, DModel: 16, Context: 24, VocabSize: 13, Bias: a == model.GPT2 || a == model.BERT}
}

var families = []model.Arch{model.GPT2, model.Llama, model.BERT, model.T5}

// anyConfig draws a valid config with any choices.
func anyConfig(t *rapid.T) model.Config {
	pick := func(name string, of ...string) string { return rapid.SampledFrom(of).Draw(t, name) }
	c := model.Config{
		Arch: rapid.SampledFrom(families).Draw(t, "arch"), NLayer: rapid.IntRange(1, 3).Draw(t, "layers"), NHead: rapid.SampledFrom([]int{1, 2, 3, 4}).Draw(t, "heads"),
		DModel: rapid.SampledFrom([]int{12, 24}).Draw(t, "width"), Context: rapid.IntRange(4, 40).Draw(t, "context"), VocabSize: rapid.IntRange(4, 20).Draw(t, "vocab"),
		Bias: rapid.Bool().Draw(t, "bias"), AttnBias: rapid.Bool().Draw(t, "attn"), QKVBias: rapid.Bool().Draw(t, "qkv"), QKNorm: rapid.Bool().Draw(t, "qknorm"),
		Position:   model.Position(pick("position", "", "learned", "sinusoidal", "rope", "alibi", "relative", "none")),
		Norm:       model.Norm(pick("norm", "", "layernorm", "rmsnorm")),
		NormPlace:  model.Place(pick("place", "", "pre", "post", "both")),
		Activation: model.Activation(pick("activation", "", "gelu", "gelu_exact", "relu", "silu", "relu2", "swiglu", "geglu")),
		Tie:        model.Choice(rapid.IntRange(0, 2).Draw(t, "tie")),
		DFF:        rapid.SampledFrom([]int{0, 20, 48}).Draw(t, "ff"), HeadDim: rapid.SampledFrom([]int{0, 6, 8}).Draw(t, "headdim"),
		NormEps: rapid.SampledFrom([]float64{0, 1e-3}).Draw(t, "eps"), Dropout: rapid.SampledFrom([]float64{0, 0.1}).Draw(t, "dropout"),
		LogitSoftcap: rapid.SampledFrom([]float64{0, 0, 30}).Draw(t, "softcap"), NSegment: rapid.SampledFrom([]int{0, 0, 3}).Draw(t, "segments"),
	}
	if c.NHead%2 == 0 {
		c.NKVHead = rapid.SampledFrom([]int{0, 1, 2}).Draw(t, "kv")
	}
	if c.Arch == model.T5 {
		c.NEncoder = rapid.IntRange(0, 2).Draw(t, "encoder")
	}
	if c.Position == "rope" || c.Position == "" && c.Arch == model.Llama {
		c.RopeTheta = rapid.SampledFrom([]float64{0, 500}).Draw(t, "theta")
		if kind := pick("scaling", "", "linear", "dynamic", "llama3", "yarn"); kind != "" {
			c.RopeScaling = model.RopeScaling{Type: kind, Factor: 2}
			if kind != "linear" {
				c.RopeScaling.OriginalContext = rapid.SampledFrom([]int{3, c.Context, c.Context / 2}).Draw(t, "original")
			}
		}
	}
	r, err := c.Resolve()
	if err != nil {
		t.Skip(err)
	}
	return r
}

// Whatever is chosen, our own reading of config.json is exact, and so is the JSON of a record.
func TestConfigsComeBackExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := anyConfig(t)
		file := c.HuggingFace()
		if back, err := model.ParseHuggingFace(file); err != nil || back != c {
			t.Fatalf("%+v\ncame back as\n%+v, %v\nfrom %s", c, back, err, file)
		}
		raw, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		var back model.Config
		if err := json.Unmarshal(raw, &back); err != nil {
			t.Fatal(err)
		}
		if back, err = back.Resolve(); err != nil || back != c {
			t.Fatalf("%+v came back as %+v, %v from %s", c, back, err, raw)
		}
	})
}

// What transformers knows is said in its words alone; what it does not know is under a type that it refuses.
func TestWhatTransformersHasAWordFor(t *testing.T) {
	for _, c := range []struct {
		change func(*model.Config)
		arch   model.Arch
		kind   string
		own    bool
	}{
		{func(*model.Config) {}, model.GPT2, "gpt2", false},
		{func(c *model.Config) { c.Activation, c.DFF, c.Tie, c.NormEps = "relu", 20, model.No, 1e-6 }, model.GPT2, "gpt2", false},
		{func(c *model.Config) { c.Dropout = 0.1 }, model.GPT2, "gpt2", true},
		{func(c *model.Config) { c.Position = "rope" }, model.GPT2, "millrace", true},
		{func(c *model.Config) { c.Norm = "rmsnorm" }, model.GPT2, "millrace", true},
		{func(*model.Config) {}, model.Llama, "llama", false},
		{func(c *model.Config) {
			c.NKVHead, c.HeadDim, c.Tie, c.RopeTheta, c.AttnBias = 2, 8, model.Yes, 5e5, true
		}, model.Llama, "llama", false},
		{func(c *model.Config) { c.Bias = true }, model.Llama, "llama", false},
		{func(c *model.Config) { c.QKVBias = true }, model.Llama, "qwen2", false},
		{func(c *model.Config) { c.QKNorm = true }, model.Llama, "qwen3", false},
		{func(c *model.Config) { c.QKNorm, c.QKVBias = true, true }, model.Llama, "millrace", true},
		{func(c *model.Config) { c.NormPlace = "both" }, model.Llama, "millrace", true},
		{func(c *model.Config) { c.RopeScaling = model.RopeScaling{Type: "linear", Factor: 2} }, model.Llama, "llama", false},
		{func(c *model.Config) {
			c.RopeScaling = model.RopeScaling{Type: "dynamic", Factor: 2, OriginalContext: 12}
		}, model.Llama, "llama", false},
		{func(c *model.Config) {
			c.RopeScaling = model.RopeScaling{Type: "dynamic", Factor: 2, OriginalContext: 20}
		}, model.Llama, "llama", true},
		{func(c *model.Config) {
			c.RopeScaling = model.RopeScaling{Type: "llama3", Factor: 8, OriginalContext: 12}
		}, model.Llama, "llama", false},
		{func(c *model.Config) { c.RopeScaling = model.RopeScaling{Type: "yarn", Factor: 2, OriginalContext: 12} }, model.Llama, "llama", false},
		{func(*model.Config) {}, model.BERT, "bert", false},
		{func(c *model.Config) { c.Activation, c.NSegment = "gelu", 1 }, model.BERT, "bert", false},
		{func(c *model.Config) { c.Tie = model.No }, model.BERT, "millrace", true},
		{func(c *model.Config) { c.Bias = false }, model.BERT, "millrace", true},
		{func(*model.Config) {}, model.T5, "t5", false},
		{func(c *model.Config) {
			c.Activation, c.Tie, c.NEncoder, c.RelativeBuckets = "geglu", model.No, 1, 8
		}, model.T5, "t5", false},
		{func(c *model.Config) { c.Position = "rope" }, model.T5, "millrace", true},
	} {
		config := family(c.arch)
		c.change(&config)
		var got struct {
			ModelType string          `json:"model_type"`
			Millrace  json.RawMessage `json:"millrace"`
		}
		file := config.HuggingFace()
		if err := json.Unmarshal(file, &got); err != nil || got.ModelType != c.kind || (got.Millrace != nil) != c.own {
			t.Errorf("want %s, own %t: %s", c.kind, c.own, file)
		}
	}
}

// config.json as published models have them, shortened to what they differ in.
func TestStockConfigs(t *testing.T) {
	for name, in := range map[string]struct {
		file       string
		parameters int64
	}{
		"gpt2": {`{"activation_function":"gelu_new","architectures":["GPT2LMHeadModel"],"attn_pdrop":0.1,"bos_token_id":50256,"embd_pdrop":0.1,"eos_token_id":50256,
			"layer_norm_epsilon":1e-05,"model_type":"gpt2","n_ctx":1024,"n_embd":768,"n_head":12,"n_layer":12,"n_positions":1024,"task_specific_params":{"text-generation":{"do_sample":true}},"vocab_size":50257}`, 124_439_808},
		"tinyllama": {`{"architectures":["LlamaForCausalLM"],"attention_bias":false,"hidden_act":"silu","hidden_size":2048,"intermediate_size":5632,"max_position_embeddings":2048,"model_type":"llama",
			"num_attention_heads":32,"num_hidden_layers":22,"num_key_value_heads":4,"pretraining_tp":1,"rms_norm_eps":1e-05,"rope_scaling":null,"rope_theta":10000.0,"tie_word_embeddings":false,"vocab_size":32000}`, 1_100_048_384},
		"llama 3.2 1b": {`{"model_type":"llama","head_dim":64,"hidden_act":"silu","hidden_size":2048,"intermediate_size":8192,"max_position_embeddings":131072,"mlp_bias":false,"num_attention_heads":32,
			"num_hidden_layers":16,"num_key_value_heads":8,"rms_norm_eps":1e-05,"rope_scaling":{"factor":32.0,"high_freq_factor":4.0,"low_freq_factor":1.0,"original_max_position_embeddings":8192,"rope_type":"llama3"},
			"rope_theta":500000.0,"tie_word_embeddings":true,"vocab_size":128256}`, 1_235_814_400},
		"mistral 7b v0.3": {`{"model_type":"mistral","hidden_act":"silu","hidden_size":4096,"intermediate_size":14336,"max_position_embeddings":32768,"num_attention_heads":32,"num_hidden_layers":32,
			"num_key_value_heads":8,"rms_norm_eps":1e-05,"rope_theta":1000000.0,"sliding_window":null,"tie_word_embeddings":false,"vocab_size":32768}`, 7_248_023_552},
		"qwen2.5 0.5b": {`{"model_type":"qwen2","hidden_act":"silu","hidden_size":896,"intermediate_size":4864,"max_position_embeddings":32768,"max_window_layers":24,"num_attention_heads":14,
			"num_hidden_layers":24,"num_key_value_heads":2,"rms_norm_eps":1e-06,"rope_theta":1000000.0,"sliding_window":32768,"tie_word_embeddings":true,"use_sliding_window":false,"vocab_size":151936}`, 494_032_768},
		"qwen3 0.6b": {`{"model_type":"qwen3","attention_bias":false,"head_dim":128,"hidden_act":"silu","hidden_size":1024,"intermediate_size":3072,"max_position_embeddings":40960,"num_attention_heads":16,
			"num_hidden_layers":28,"num_key_value_heads":8,"rms_norm_eps":1e-06,"rope_scaling":null,"rope_theta":1000000,"tie_word_embeddings":true,"vocab_size":151936}`, 596_049_920},
		"bert": {`{"model_type":"bert","attention_probs_dropout_prob":0.1,"gradient_checkpointing":false,"hidden_act":"gelu","hidden_dropout_prob":0.1,"hidden_size":768,"intermediate_size":3072,
			"layer_norm_eps":1e-12,"max_position_embeddings":512,"num_attention_heads":12,"num_hidden_layers":12,"pad_token_id":0,"position_embedding_type":"absolute","type_vocab_size":2,"vocab_size":30522}`, 109_514_298},
		"t5-small": {`{"model_type":"t5","d_ff":2048,"d_kv":64,"d_model":512,"decoder_start_token_id":0,"dropout_rate":0.1,"eos_token_id":1,"initializer_factor":1.0,"is_encoder_decoder":true,"layer_norm_epsilon":1e-06,
			"n_positions":512,"num_heads":8,"num_layers":6,"output_past":true,"pad_token_id":0,"relative_attention_num_buckets":32,"vocab_size":32128}`, 60_506_624},
		"t5 v1.1 small": {`{"model_type":"t5","d_ff":1024,"d_kv":64,"d_model":512,"feed_forward_proj":"gated-gelu","layer_norm_epsilon":1e-06,"num_decoder_layers":8,"num_heads":6,"num_layers":8,
			"relative_attention_num_buckets":32,"tie_word_embeddings":false,"vocab_size":32128}`, 76_961_152},
	} {
		c, err := model.ParseHuggingFace([]byte(in.file))
		if err != nil || c.Parameters().Total != in.parameters {
			t.Errorf("%s: %v, %d parameters, want %d: %+v", name, err, c.Parameters().Total, in.parameters, c)
		}
	}
}

func TestConfigsOfOtherNetworksAreRefused(t *testing.T) {
	good := map[model.Arch]string{}
	for _, a := range families {
		good[a] = string(family(a).HuggingFace())
	}
	g, l, b, t5 := good[model.GPT2], good[model.Llama], good[model.BERT], good[model.T5]
	add := func(to, keys string) string { return strings.Replace(to, "{", "{"+keys+",", 1) }
	scaled := func(s string) string { return strings.Replace(l, `"rope_scaling": null`, `"rope_scaling":`+s, 1) }
	window := strings.Replace(strings.Replace(l, `"llama"`, `"mistral"`, 1), `"max_position_embeddings": 24`, `"max_position_embeddings": 5000`, 1)
	for _, c := range []struct{ want, in string }{
		{`model_type "bart"`, strings.Replace(g, `"gpt2"`, `"bart"`, 1)},
		{"activation_function", strings.Replace(g, "gelu_new", "tanh", 1)},
		{"model.norm_eps", strings.Replace(g, "0.00001", "1000", 1)},
		{"n_inner", strings.Replace(g, `"n_inner": null`, `"n_inner": "7"`, 1)},
		{"scale_attn_by_inverse_layer_idx", add(g, `"scale_attn_by_inverse_layer_idx":true`)},
		{"scale_attn_weights", add(g, `"scale_attn_weights":false`)},
		{"add_cross_attention", add(g, `"add_cross_attention":true`)},
		{"n_head", strings.Replace(g, `"n_head": 4`, `"n_head": 3`, 1)},
		{"config.json", "{"},
		{"hidden_act", strings.Replace(l, "silu", "gelu", 1)},
		{"mlp_bias", strings.Replace(l, `"mlp_bias": false`, `"mlp_bias": true`, 1)},
		{"partial_rotary_factor", add(l, `"partial_rotary_factor":0.5`)},
		{"sliding_window 4096", window},
		{"sliding_window 8", add(window, `"sliding_window":8`)},
		{"use_sliding_window", add(l, `"use_sliding_window":true`)},
		{"num_attention_heads 5", strings.Replace(l, `"num_attention_heads": 4`, `"num_attention_heads": 5`, 1)},
		{"longrope", scaled(`{"rope_type":"longrope","factor":2}`)},
		{"rope_scaling.truncate", scaled(`{"rope_type":"yarn","factor":2,"truncate":false}`)},
		{"rope_scaling.original_max", scaled(`{"rope_type":"yarn","factor":2,"original_max_position_embeddings":3.5}`)},
		{"rope_scaling.factor", scaled(`{"rope_type":"linear"}`)},
		{"hidden_act", strings.Replace(b, `"gelu"`, `"mish"`, 1)},
		{"position_embedding_type", add(b, `"position_embedding_type":"relative_key"`)},
		{"is_decoder", add(b, `"is_decoder":true`)},
		{"tie_word_embeddings", strings.Replace(b, `"tie_word_embeddings": true`, `"tie_word_embeddings": false`, 1)},
		{"feed_forward_proj", strings.Replace(t5, `"relu"`, `"gated-relu"`, 1)},
		{"relative_buckets", strings.Replace(t5, `num_buckets": 32`, `num_buckets": 7`, 1)},
		{"describes another network", add(g, `"millrace":{"arch":"gpt2","n_layer":1,"n_head":4,"d_model":16,"context":24,"vocab_size":13,"bias":true}`)},
		{"without a key millrace", `{"model_type":"millrace"}`},
		{"unknown field", add(g, `"millrace":{"arch":"gpt2","layers":1}`)},
	} {
		if _, err := model.ParseHuggingFace([]byte(c.in)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
}

func FuzzParseHuggingFace(f *testing.F) {
	for _, a := range families {
		f.Add(family(a).HuggingFace())
	}
	odd := family(model.Llama)
	odd.NormPlace, odd.RopeScaling = "both", model.RopeScaling{Type: "dynamic", Factor: 3, OriginalContext: 5}
	f.Add(odd.HuggingFace())
	f.Add([]byte(`{"model_type":"mistral","sliding_window":null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := model.ParseHuggingFace(b)
		if err != nil {
			return
		}
		if back, err := model.ParseHuggingFace(c.HuggingFace()); err != nil || back != c {
			t.Fatalf("%+v came back as %+v, %v", c, back, err)
		}
	})
}
