package model_test

import (
	"encoding/json"
	"strings"
	"testing"

	"millrace/trainer/model"
)

// Every mistake is named by its key.
func TestConfigMistakes(t *testing.T) {
	llama := `"arch":"llama","n_layer":2,"n_head":4,"d_model":16,"context":8,"vocab_size":9`
	for in, want := range map[string]string{
		`{"arch":"rwkv"}`:        `model.arch: "rwkv" is not known`,
		`{"n_head":5}`:           "model.n_head: 5 does not divide model.d_model 128",
		`{"n_layer":0}`:          "model.n_layer: 0 is not between 1",
		`{"vocab_size":-1}`:      "model.vocab_size: -1",
		`{"n_kv_head":3}`:        "model.n_kv_head: 3 does not divide model.n_head 4",
		`{"n_kv_head":-1}`:       "model.n_kv_head: -1",
		`{"head_dim":70000}`:     "model.head_dim: 70000",
		`{"head_dim":60000}`:     "model.head_dim: 60000 in 4 heads",
		`{"d_ff":-3}`:            "model.d_ff: -3",
		`{"n_encoder":2}`:        "model.n_encoder: 2, but only an encoder-decoder",
		`{"position":"rotary"}`:  `model.position: "rotary" is not known`,
		`{"rope_theta":1000}`:    `model.rope_theta and model.rope_scaling are for model.position "rope"`,
		`{"relative_buckets":8}`: "model.relative_buckets and model.relative_distance are for",
		`{"position":"relative","relative_buckets":7}`:             "model.relative_buckets: 7",
		`{"position":"relative","relative_distance":8}`:            "model.relative_distance: 8",
		`{"position":"rope","head_dim":3}`:                         "model.head_dim: 3 is odd",
		`{"position":"sinusoidal","d_model":7,"n_head":1}`:         "model.d_model: 7 is odd",
		`{"norm":"batchnorm"}`:                                     `model.norm: "batchnorm" is not known`,
		`{"norm_place":"middle"}`:                                  `model.norm_place: "middle"`,
		`{"norm_eps":2}`:                                           "model.norm_eps: 2",
		`{"activation":"tanh"}`:                                    `model.activation: "tanh"`,
		`{"dropout":1}`:                                            "model.dropout: 1 is not",
		`{"logit_softcap":-1}`:                                     "model.logit_softcap: -1",
		`{"n_segment":-1}`:                                         "model.n_segment: -1",
		`{"tie":3}`:                                                "3 is not true or false",
		`{"heads":3}`:                                              `unknown field "heads"`,
		`{"preset":"gpt5"}`:                                        `model.preset: "gpt5" is not known; use one of gpt2-124m`,
		`{` + llama + `,"rope_theta":1}`:                           "model.rope_theta: 1",
		`{` + llama + `,"rope_scaling":{"type":"ntk","factor":2}}`: `model.rope_scaling.type: "ntk"`,
		`{` + llama + `,"rope_scaling":{"type":"linear","factor":0.5}}`:                                        "model.rope_scaling.factor: 0.5",
		`{` + llama + `,"rope_scaling":{"type":"yarn","factor":2}}`:                                            "model.rope_scaling.original_context: 0",
		`{` + llama + `,"rope_scaling":{"type":"linear","factor":2,"original_context":4}}`:                     "original_context: 4, which linear scaling does not need",
		`{` + llama + `,"rope_scaling":{"type":"llama3","factor":2,"original_context":4,"low_freq_factor":5}}`: "low_freq_factor 5 and high_freq_factor 4",
		`{` + llama + `,"rope_scaling":{"type":"linear","factor":2,"beta_fast":5}}`:                            "are for type yarn",
	} {
		c := model.Default()
		c.VocabSize = 9
		err := json.Unmarshal([]byte(in), &c)
		if err == nil {
			_, err = c.Resolve()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", in, err, want)
		}
	}
}

// What a family chooses, and what is laid over it.
func TestResolveWritesDownTheFamily(t *testing.T) {
	for in, want := range map[string]string{
		`{}`: `{"arch":"gpt2","n_layer":4,"n_head":4,"d_model":128,"context":128,"vocab_size":9,"bias":true}`,
		`{"arch":"gpt2","position":"rope","norm":"layernorm","d_ff":512}`: `{"arch":"gpt2","n_layer":4,"n_head":4,"d_model":128,"context":128,"vocab_size":9,"bias":true,"position":"rope"}`,
		`{"arch":"llama","d_model":256,"n_kv_head":2}`: `{"arch":"llama","n_layer":4,"n_head":4,"d_model":256,"context":128,"vocab_size":9,"bias":false,"n_kv_head":2,"head_dim":64,"d_ff":688,` +
			`"position":"rope","rope_theta":10000,"norm":"rmsnorm","norm_place":"pre","norm_eps":0.00001,"activation":"swiglu","tie":false}`,
		`{"arch":"bert"}`: `{"arch":"bert","n_layer":4,"n_head":4,"d_model":128,"context":128,"vocab_size":9,"bias":true,"n_kv_head":4,"head_dim":32,"d_ff":512,"n_segment":2,"mask_token":8,` +
			`"position":"learned","norm":"layernorm","norm_place":"post","norm_eps":1e-12,"activation":"gelu_exact","tie":true}`,
		`{"arch":"t5","tie":"no","n_encoder":1}`: `{"arch":"t5","n_layer":4,"n_head":4,"d_model":128,"context":128,"vocab_size":9,"bias":false,"n_kv_head":4,"head_dim":32,"d_ff":512,"n_encoder":1,` +
			`"position":"relative","relative_buckets":32,"relative_distance":128,"norm":"rmsnorm","norm_place":"pre","norm_eps":0.000001,"activation":"relu","tie":false}`,
		`{"preset":"bert-base"}`: `{"arch":"bert","n_layer":12,"n_head":12,"d_model":768,"context":512,"vocab_size":9,"bias":true,"n_kv_head":12,"head_dim":64,"d_ff":3072,"n_segment":2,"mask_token":8,` +
			`"position":"learned","norm":"layernorm","norm_place":"post","norm_eps":1e-12,"activation":"gelu_exact","tie":true}`,
		`{"preset":"llama-tiny","n_layer":2}`: `{"arch":"llama","n_layer":2,"n_head":32,"d_model":2048,"context":2048,"vocab_size":9,"bias":false,"n_kv_head":4,"head_dim":64,"d_ff":5632,` +
			`"position":"rope","rope_theta":10000,"norm":"rmsnorm","norm_place":"pre","norm_eps":0.00001,"activation":"swiglu","tie":false}`,
	} {
		c := model.Default()
		c.VocabSize = 9
		if err := json.Unmarshal([]byte(in), &c); err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		r, err := c.Resolve()
		if err != nil {
			t.Errorf("%s: %v", in, err)
		}
		if twice, _ := r.Resolve(); twice != r {
			t.Errorf("%s: resolving twice gives %+v, then %+v", in, r, twice)
		}
		got, err := json.Marshal(r)
		if err != nil || string(got) != want {
			t.Errorf("%s:\ngot  %s, %v\nwant %s", in, got, err, want)
		}
		var back model.Config
		if err := json.Unmarshal(got, &back); err != nil || back != r.Record() {
			t.Errorf("%s: came back as %+v, %v", in, back, err)
		}
		if back, _ = back.Resolve(); back != r {
			t.Errorf("%s: resolved again it is %+v", in, back)
		}
	}
}

// The published checkpoints' numbers of parameters.
func TestPresetCounts(t *testing.T) {
	for name, want := range map[string]int64{
		"gpt2-124m": 124_439_808, "gpt2-355m": 354_823_168, "gpt2-774m": 774_030_080, "gpt2-1.5b": 1_557_611_200,
		"llama-tiny": 1_100_048_384, "llama-3-8b": 8_030_261_248, "llama-3.2-1b": 1_235_814_400, "bert-base": 109_514_298, "t5-small": 60_506_624,
	} {
		c, err := model.Preset(name)
		if err == nil {
			err = c.Validate()
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		n := c.Parameters()
		if n.Total != want {
			t.Errorf("%s: %d parameters, want %d", name, n.Total, want)
		}
		if n.Embedding+n.Position+n.Attention+n.Cross+n.MLP+n.Norm+n.Head != n.Total {
			t.Errorf("%s: the parts %+v do not add up", name, n)
		}
	}
	if len(model.Presets()) != 9 {
		t.Errorf("presets %v; add new ones to this test", model.Presets())
	}
}
