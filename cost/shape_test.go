package cost_test

import (
	"errors"
	"math"
	"testing"

	"pgregory.net/rapid"

	"millrace/cost"
)

// The published checkpoints' own counts of parameters.
func TestPublishedModelsToTheLastParameter(t *testing.T) {
	for name, want := range map[string]int64{
		"gpt2-124m": 124_439_808, "gpt2-355m": 354_823_168, "gpt2-774m": 774_030_080, "gpt2-1.5b": 1_557_611_200,
		"tinyllama-1.1b": 1_100_048_384, "llama2-7b": 6_738_415_616, "llama2-13b": 13_015_864_320, "llama2-70b": 68_976_648_192,
		"llama3-8b": 8_030_261_248, "llama3-70b": 70_553_706_496, "qwen2.5-0.5b": 494_032_768, "llama3.2-1b": 1_235_814_400, "llama-3.2-1b": 1_235_814_400,
		"bert-base": 108_891_648, "bart-base": 139_420_416, "t5-small": 60_506_624,
	} {
		s, err := cost.Preset(name)
		if err != nil {
			t.Fatal(err)
		}
		n, err := s.Parameters()
		if err != nil || n.Total != want {
			t.Errorf("%s: %d parameters %v, published are %d", name, n.Total, err, want)
		}
	}
	for name, billions := range map[string]float64{"gpt3-175b": 175, "chinchilla-70b": 70} { // published only so far
		s, _ := cost.Preset(name)
		if n, err := s.Parameters(); err != nil || math.Abs(float64(n.Total)/1e9/billions-1) > 0.005 {
			t.Errorf("%s: %d %v", name, n.Total, err)
		}
	}
	for _, name := range cost.Presets() {
		if _, err := cost.Preset(name); err != nil {
			t.Error(err)
		}
	}
	if _, err := cost.Preset("llama9"); !errors.Is(err, cost.ErrBadShape) {
		t.Error(err)
	}
}

func TestFLOPsOfPublishedModels(t *testing.T) {
	// Brown et al. 2020, table D.1: 3.14e23 for 175B on 300B tokens, by 6N without attention.
	s, _ := cost.Preset("gpt3-175b")
	n, _ := s.Parameters()
	if c := 6 * float64(n.Total) * 300e9; math.Abs(c/3.14e23-1) > 0.005 {
		t.Errorf("6ND of GPT-3 is %.4g", c)
	}
	rule, _ := s.Rule(2048)
	if c := rule.Training() * 300e9; math.Abs(c/3.14e23-1) > 0.05 {
		t.Errorf("with attention %.4g", c)
	}
	// Rule and exact count agree but for look-ups, biases and norms.
	for _, name := range []string{"gpt2-124m", "llama2-7b", "llama2-70b", "llama3-8b", "qwen2.5-0.5b"} {
		s, _ := cost.Preset(name)
		rule, _ := s.Rule(s.Context)
		exact, _ := s.Exact(s.Context)
		if math.Abs(rule.Training()/exact.Training()-1) > 0.002 || rule.Attention != exact.Attention {
			t.Errorf("%s: %+v, exactly %+v", name, rule, exact)
		}
	}
	// Hoffmann et al. 2022, table A4: appendix F's count against 6ND. The published ratios come out without the embedding and the
	// logits, which the appendix lists.
	for _, c := range []struct {
		params                       float64
		layers, width, ffw, heads, q int
		ratio                        float64
	}{
		{73e6, 10, 640, 2560, 10, 64, 1.03}, {305e6, 20, 1024, 4096, 16, 64, 1.10}, {552e6, 24, 1280, 5120, 10, 128, 1.08},
		{1.143e9, 26, 1792, 7168, 14, 128, 1.04}, {1.6e9, 28, 2048, 8192, 16, 128, 1.03}, {6.8e9, 40, 3584, 14336, 28, 128, 0.99},
	} {
		s := cost.Shape{Vocab: 32000, DModel: c.width, NLayer: c.layers, NHead: c.heads, HeadDim: c.q, Hidden: c.ffw, Context: 2048}
		f, err := s.Chinchilla(2048)
		f.Forward -= 4 * 32000 * float64(c.width)
		if ratio := 3 * f.Forward / (6 * c.params); err != nil || math.Abs(ratio-c.ratio) > 0.02 {
			t.Errorf("%.3g parameters: ratio %.3f %v, published is %.2f", c.params, ratio, err, c.ratio)
		}
	}
}

func TestMemory(t *testing.T) {
	llama, _ := cost.Preset("llama2-7b")
	// 32 layers × 2 × 4096 × 2 bytes = 512 KiB a token: 2 GiB for 4096.
	if m, err := llama.InferenceMemory(1, 4096, 2); err != nil || m.Cache != 2<<30 || m.Weights != 2*6_738_415_616 {
		t.Errorf("%+v %v", m, err)
	}
	big, _ := cost.Preset("llama2-70b") // eight times fewer heads of keys: 320 KiB a token
	if m, _ := big.InferenceMemory(1, 4096, 2); m.Cache != 320*1024*4096 {
		t.Errorf("%+v", m)
	}
	// Rajbhandari et al. 2020: 16 bytes a parameter; 7.5B parameters on 64 devices take 120, 31.4, 16.6 and 1.9 GB.
	s := cost.Shape{Vocab: 1, DModel: 2500 * 2, NLayer: 25, NHead: 4, Context: 1, Positions: cost.NoPosition, Tied: true}
	n, _ := s.Parameters()
	for stage, gb := range []float64{120, 31.4, 16.6, 1.9} {
		m, err := s.TrainingMemory(cost.Layout{Shards: 64, Stage: stage})
		if err != nil {
			t.Fatal(err)
		}
		state := (m.Weights + m.Gradients + m.Moments + m.Master) / float64(n.Total) * 7.5
		if math.Abs(state/gb-1) > 0.02 {
			t.Errorf("stage %d: %.1f GB, published are %.1f", stage, state, gb)
		}
	}
	// Korthikanti et al. 2022, table 2: s·b·h·L·(34 + 5as/h), 34·s·b·h·L. GPT-3: h 12288, a 96, s 2048, 5as/h = 80.
	gpt3, _ := cost.Preset("gpt3-175b")
	sbhl := 2048.0 * 12288 * 96
	for how, want := range map[cost.Recompute]float64{cost.KeepAll: 114 * sbhl, cost.Selective: 34 * sbhl, cost.Full: 2*sbhl + 34*2048*12288} {
		if m, err := gpt3.TrainingMemory(cost.Layout{Recompute: how}); err != nil || math.Abs(m.Activations/want-1) > 1e-12 {
			t.Errorf("%s: %g %v, want %g", how, m.Activations, err, want)
		}
	}
	for _, l := range []cost.Layout{{Stage: 4}, {Recompute: "some"}, {Precision: "fp4"}, {Batch: -1}} {
		if _, err := gpt3.TrainingMemory(l); !errors.Is(err, cost.ErrBadShape) {
			t.Errorf("%+v: %v", l, err)
		}
	}
}

// drawnShape is any shape that can be.
func drawnShape(t *rapid.T) cost.Shape {
	heads := rapid.IntRange(1, 16).Draw(t, "heads")
	kv := heads
	for _, d := range []int{2, 3, 5} {
		if heads%d == 0 && rapid.Bool().Draw(t, "grouped") {
			kv = heads / d
		}
	}
	return cost.Shape{
		Kind:  rapid.SampledFrom([]cost.Kind{cost.Decoder, cost.Encoder, cost.EncoderDecoder}).Draw(t, "kind"),
		Vocab: rapid.IntRange(1, 1000).Draw(t, "vocab"), DModel: heads * 8 * rapid.IntRange(1, 8).Draw(t, "width"),
		NLayer: rapid.IntRange(1, 20).Draw(t, "layers"), NHead: heads, KVHeads: kv, Context: rapid.IntRange(1, 4096).Draw(t, "context"),
		Gated: rapid.Bool().Draw(t, "gated"), Tied: rapid.Bool().Draw(t, "tied"), Bias: rapid.Bool().Draw(t, "bias"),
		Positions: rapid.SampledFrom([]cost.Position{cost.Learned, cost.Rotary, cost.ALiBi, cost.Relative, cost.Sinusoidal}).Draw(t, "positions"),
		Norm:      rapid.SampledFrom([]cost.Norm{cost.LayerNorm, cost.RMSNorm}).Draw(t, "norm"),
	}
}

// More of anything is never fewer parameters, operations or bytes, and parts add up.
func TestMoreIsMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		small := drawnShape(t)
		big := small
		switch rapid.IntRange(0, 4).Draw(t, "more of") {
		case 0:
			big.NLayer++
		case 1:
			big.Vocab++
		case 2:
			big.DModel += big.NHead
		case 3:
			big.Context++
		case 4:
			filled, _ := big.Filled()
			big.Hidden = filled.Hidden + 1
		}
		a, err := small.Parameters()
		if err != nil {
			t.Fatal(err)
		}
		b, err := big.Parameters()
		if err != nil {
			t.Fatal(err)
		}
		if b.Total < a.Total {
			t.Fatalf("%+v %+v", a, b)
		}
		if a.Total != a.Embedding+a.Position+a.Attention+a.MLP+a.Norm+a.Head {
			t.Fatalf("%+v", a)
		}
		for _, of := range []func(cost.Shape) float64{
			func(s cost.Shape) float64 { f, _ := s.Exact(s.Context); return f.Training() },
			func(s cost.Shape) float64 { f, _ := s.Rule(s.Context); return f.Training() },
			func(s cost.Shape) float64 { m, _ := s.TrainingMemory(cost.Layout{}); return m.Total },
			func(s cost.Shape) float64 { m, _ := s.InferenceMemory(1, s.Context, 2); return m.Total },
		} {
			if x, y := of(small), of(big); !(x > 0) || y < x {
				t.Fatalf("%g, more is %g: %+v %+v", x, y, small, big)
			}
		}
		keep, _ := small.TrainingMemory(cost.Layout{Recompute: cost.KeepAll})
		selective, _ := small.TrainingMemory(cost.Layout{})
		if selective.Activations > keep.Activations {
			t.Fatal("recomputation takes memory")
		}
	})
}

func TestBadShapes(t *testing.T) {
	good := cost.Shape{Vocab: 10, DModel: 8, NLayer: 1, NHead: 2, Context: 4}
	for name, spoil := range map[string]func(*cost.Shape){
		"heads": func(s *cost.Shape) { s.NHead = 3 }, "kv": func(s *cost.Shape) { s.NHead, s.KVHeads = 4, 3 }, "vocab": func(s *cost.Shape) { s.Vocab = 0 },
		"wide": func(s *cost.Shape) { s.DModel = 1 << 30 }, "deep": func(s *cost.Shape) { s.NLayer = math.MaxInt }, "kind": func(s *cost.Shape) { s.Kind = "gan" },
		"negative": func(s *cost.Shape) { s.Hidden = -1 }, "heads × dim": func(s *cost.Shape) { s.HeadDim = 1 << 20 }, "norm": func(s *cost.Shape) { s.Norm = "batch" },
		"positions": func(s *cost.Shape) { s.Positions = "gps" },
	} {
		s := good
		spoil(&s)
		if _, err := s.Parameters(); !errors.Is(err, cost.ErrBadShape) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The largest that are let through stay in range.
	most := cost.Shape{Vocab: 1 << 24, DModel: 1 << 20, NLayer: 1 << 14, EncoderLayers: 1 << 14, Kind: cost.EncoderDecoder, NHead: 1 << 10, Hidden: 1 << 22, Gated: true, Bias: true, Context: 1 << 24}
	if n, err := most.Parameters(); err != nil || n.Total <= 0 || n.Total < n.MLP {
		t.Errorf("%+v %v", n, err)
	}
}

func TestAModelOfASize(t *testing.T) {
	for _, n := range []float64{1e8, 1e9, 7e9, 7e10, 1e12} {
		s, err := cost.Like(n, 32000, 4096)
		if err != nil {
			t.Fatal(err)
		}
		if c, _ := s.Parameters(); math.Abs(float64(c.Total)/n-1) > 0.35 {
			t.Errorf("%g: %d", n, c.Total)
		}
	}
}
