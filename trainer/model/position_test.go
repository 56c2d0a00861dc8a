package model_test

import (
	"math"
	"testing"

	"millrace/trainer/engine/cpu"
	"millrace/trainer/model"
)

// The slopes that ALiBi's paper states for 8 heads, and those of its code for 12.
func TestSlopes(t *testing.T) {
	for n, want := range map[int][]float64{
		1:  {1. / 256},
		8:  {1. / 2, 1. / 4, 1. / 8, 1. / 16, 1. / 32, 1. / 64, 1. / 128, 1. / 256},
		12: {1. / 2, 1. / 4, 1. / 8, 1. / 16, 1. / 32, 1. / 64, 1. / 128, 1. / 256, math.Exp2(-0.5), math.Exp2(-1.5), math.Exp2(-2.5), math.Exp2(-3.5)},
	} {
		got := model.Slopes(n)
		if len(got) != len(want) {
			t.Errorf("%d heads: %v", n, got)
			continue
		}
		for i := range want {
			if math.Abs(float64(got[i])-want[i]) > 1e-7 {
				t.Errorf("%d heads: slope %d is %g, want %g", n, i, got[i], want[i])
			}
		}
	}
}

// Dynamic scaling follows the length of what is run, not that of the program: a score is that of the sequence by itself.
func TestDynamicScalingFollowsTheSequence(t *testing.T) {
	c := family(model.Llama)
	c.RopeScaling = model.RopeScaling{Type: "dynamic", Factor: 4, OriginalContext: 5}
	m, err := model.New(c, cpu.Reference(), 4)
	if err != nil {
		t.Fatal(err)
	}
	enlarge(m, 0.2)
	text := tokens(c.Context, c.VocabSize, 3)
	for _, n := range []int{4, 7, 20, 9, 5} { // lengths up and down, in programs of 16 and 24
		got, err := m.Score(t.Context(), text[:n], 1)
		if err != nil {
			t.Fatal(err)
		}
		logits, err := m.Logits([][]int32{text[:n-1]}, nil, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		row := logits[0][(n-2)*c.VocabSize:]
		total := 0.0
		for _, x := range row {
			total += math.Exp(float64(x))
		}
		want := float64(row[text[n-1]]) - math.Log(total)
		if math.Abs(got[n-2].LogProb-want) > 1e-5 {
			t.Errorf("%d tokens: the last has a log-probability of %g, in a program of its own %g", n, got[n-2].LogProb, want)
		}
	}
}

// Initial weights are the family's.
func TestInitialWeightsOfFamilies(t *testing.T) {
	std := func(n int) float64 { return 1 / math.Sqrt(float64(n)) }
	for _, a := range []model.Arch{model.Llama, model.BERT, model.T5} {
		c := model.Config{Arch: a, NLayer: 1, NHead: 4, HeadDim: 24, DModel: 64, DFF: 160, Context: 32, VocabSize: 400, Bias: a == model.BERT, Tie: model.No}
		m, err := model.New(c, cpu.Reference(), 1)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]float64{}
		if a == model.T5 {
			for _, s := range []string{"encoder.block.0.layer.0.SelfAttention.", "decoder.block.0.layer.1.EncDecAttention."} {
				want[s+"q.weight"], want[s+"k.weight"], want[s+"v.weight"], want[s+"o.weight"] = std(64*24), std(64), std(64), std(4*24)
			}
			want["shared.weight"], want["lm_head.weight"], want["decoder.block.0.layer.2.DenseReluDense.wo.weight"], want["encoder.block.0.layer.1.DenseReluDense.wi.weight"] = 1, 1, std(160), std(64)
		}
		for _, x := range m.File().Tensors {
			square := 0.0
			for _, v := range x.Data {
				square += float64(v) * float64(v) / float64(len(x.Data))
			}
			w, ok := want[x.Name]
			switch {
			case ok:
				delete(want, x.Name)
			case len(x.Shape) == 1 && x.Data[0] == 1: // a gain
				w = 1
			case len(x.Shape) == 1:
				w = 0
			case a == model.T5:
				continue
			default:
				w = 0.02
			}
			if got := math.Sqrt(square); math.Abs(got-w) > 0.08*w {
				t.Errorf("%s: root mean square %g, want %g", x.Name, got, w)
			}
		}
		if len(want) > 0 {
			t.Errorf("%s has no %v", a, want)
		}
	}
}
