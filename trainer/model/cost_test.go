package model_test

import (
	"encoding/json"
	"testing"

	"millrace/cost"
	"millrace/trainer/model"
)

// What estimates of cost make of a run's configuration is the model.
func TestCostCountsTheSame(t *testing.T) {
	configs := map[string]model.Config{}
	for _, name := range model.Presets() {
		c, err := model.Preset(name)
		if err != nil {
			t.Fatal(err)
		}
		configs[name] = c
	}
	for _, a := range families {
		c := family(a)
		c.Activation, c.Position, c.NormPlace, c.Tie, c.NKVHead = model.GeGLU, model.Sinusoidal, model.Post, model.No, 2
		configs["odd "+string(a)] = c
		c = family(a)
		c.Position, c.Norm, c.HeadDim = model.Relative, model.LayerNorm, 6
		configs["other "+string(a)] = c
	}
	for name, c := range configs {
		raw, err := json.Marshal(map[string]any{"model": c.Record()})
		if err != nil {
			t.Fatal(err)
		}
		s, ok := cost.OfConfig(raw)
		if !ok {
			t.Errorf("%s: not known", name)
			continue
		}
		n, err := s.Parameters()
		if want := c.Parameters(); err != nil || n.Total != want.Total {
			t.Errorf("%s: %+v, %v, want %+v", name, n, err, want)
		}
		f, err := s.Rule(64)
		want := c.FLOPsPerToken(64)
		if ratio := f.Training() / want; err != nil || c.Arch.Kind() != model.EncoderDecoder && (ratio < 0.99 || ratio > 1.01) {
			t.Errorf("%s: %g FLOPs a token, %v, want %g", name, f.Training(), err, want)
		}
	}
	if _, ok := cost.OfConfig([]byte(`{"model":{"arch":"rwkv"}}`)); ok {
		t.Error("an unknown family is known")
	}
}

// The published shapes that both know are the same ones.
func TestPresetsAreThoseOfCost(t *testing.T) {
	for _, name := range model.Presets() {
		c, err := model.Preset(name)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := json.Marshal(map[string]any{"model": c.Record()})
		if err != nil {
			t.Fatal(err)
		}
		is, ok := cost.OfConfig(raw)
		published, err := cost.Preset(name)
		if !ok || err != nil {
			t.Errorf("%s: cost does not know it: %v", name, err)
			continue
		}
		if is, err = is.Filled(); err != nil {
			t.Fatal(err)
		}
		for what, same := range map[string]bool{
			"kind": is.Kind == published.Kind, "vocab": is.Vocab == published.Vocab, "d_model": is.DModel == published.DModel, "n_layer": is.NLayer == published.NLayer,
			"n_head": is.NHead == published.NHead, "kv_heads": is.KVHeads == published.KVHeads, "hidden": is.Hidden == published.Hidden,
			"context": is.Context == published.Context, "segments": is.Segments == published.Segments,
		} {
			if !same {
				t.Errorf("%s: %s is not the same: %+v here, %+v in cost", name, what, is, published)
			}
		}
		if published.NoHead { // published without the head that it was trained with
			published.NoHead, is.NoHead = false, false
		}
		ours, err := is.Parameters()
		theirs, err2 := published.Parameters()
		if err != nil || err2 != nil || c.Arch != model.BERT && ours.Total != theirs.Total {
			t.Errorf("%s: %+v, in cost %+v; %v, %v", name, ours, theirs, err, err2)
		}
	}
}
