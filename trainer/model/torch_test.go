package model_test

import (
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"

	"millrace/trainer/engine"
	"millrace/trainer/engine/cpu"
	"millrace/trainer/model"
	"millrace/trainer/random"
)

// torchRun is what testdata/torch/golden.py says of one model: ten losses, and of every gradient of the first step its length, its
// projection on a direction, and four of its elements.
type torchRun struct {
	Config    json.RawMessage
	Losses    []float64
	Gradients map[string][]float64
}

// Gradients and ten losses of every family are those of PyTorch and transformers in float32, on the same weights and tokens.
// LARGE_GOLDEN names the file that golden.py 124m writes, for GPT-2 124M itself.
func TestTrainsAsPyTorchDoes(t *testing.T) {
	path := "testdata/torch/golden.json"
	if large := os.Getenv("LARGE_GOLDEN"); large != "" {
		path = large
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var peers map[string]torchRun
	if err := json.Unmarshal(raw, &peers); err != nil {
		t.Fatal(err)
	}
	for kind, p := range peers {
		t.Run(kind, func(t *testing.T) {
			k, err := cpu.Open(2)
			if err != nil {
				t.Fatal(err)
			}
			shape, spread := model.Shape{Sequences: 2, Tokens: 12}, 0.2
			var c model.Config
			if kind == "124m" {
				shape, spread = model.Shape{Sequences: 4, Tokens: 64}, 0.02*math.Sqrt(12)
				c, err = model.Preset("gpt2-124m")
			} else {
				c, err = model.ParseHuggingFace(p.Config)
			}
			if err != nil {
				t.Fatal(err)
			}
			if kind == "t5" {
				shape.Source = 9
			}
			follow(t, c, k, shape, spread, p)
		})
	}
}

const torchSeed = 7 // golden.py's

func follow(t *testing.T, c model.Config, k engine.Kernels, shape model.Shape, spread float64, p torchRun) {
	m, err := model.New(c, k, 1)
	if err != nil {
		t.Fatal(err)
	}
	grads := gradients(m)
	for _, tensor := range m.File().Tensors {
		host := make([]float32, len(tensor.Data))
		key := random.Key(torchSeed, tensor.Name)
		for i := range host {
			v := random.Float64(key, uint64(i)) - 0.5
			if len(tensor.Shape) > 1 {
				v *= spread
			} else {
				v *= 0.2
			}
			if strings.Contains(strings.ToLower(tensor.Name), "norm.weight") || strings.Contains(tensor.Name, "ln_") && strings.HasSuffix(tensor.Name, "weight") {
				v++
			}
			host[i] = float32(v)
		}
		k.Upload(tensor.Data, host)
	}
	b, err := m.BatchOf(shape)
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	drawIDs(b.IDs, "ids", c.VocabSize)
	drawIDs(b.Targets, "targets", c.VocabSize)
	if b.EncoderIDs != nil {
		drawIDs(b.EncoderIDs, "source", c.VocabSize)
		copy(b.EncoderLengths, []int32{9, 5})
	} else if b.EncoderLengths != nil {
		copy(b.EncoderLengths, []int32{12, 7})
		for i := range b.Targets {
			if i%5 != 1 || int32(i%shape.Tokens) >= b.EncoderLengths[i/shape.Tokens] {
				b.Targets[i] = -1
			}
		}
	}
	for _, id := range b.Targets {
		if id >= 0 {
			rows++
		}
	}
	params := m.Parameters()
	moments := make([][2][]float32, len(params))
	for i, p := range params {
		moments[i] = [2][]float32{k.Alloc(len(p.Value)), k.Alloc(len(p.Value))}
	}
	for step, want := range p.Losses {
		for _, p := range params {
			k.Zero(p.Grad)
		}
		sum, err := b.Run(1 / float32(rows))
		if err != nil {
			t.Fatal(err)
		}
		got := sum / float64(rows)
		if t.Logf("step %d: loss %.6f, PyTorch's %.6f", step+1, got, want); math.Abs(got-want) > 1e-4*want {
			t.Errorf("step %d: loss %.7g, PyTorch's %.7g", step+1, got, want)
		}
		if step == 0 {
			compare(t, k, grads, p.Gradients)
		}
		for i, p := range params {
			h := engine.AdamW{LR: 1e-3, Beta1: 0.9, Beta2: 0.95, Eps: 1e-8, GradScale: 1, Step: step + 1}
			if len(p.Shape) > 1 {
				h.WeightDecay = 0.1
			}
			k.AdamW(p.Value, moments[i][0], moments[i][1], p.Grad, h)
		}
	}
}

// gradients finds the gradient of every tensor of the model's file, whose tensors are parts of its parameters, in their order.
func gradients(m *model.Model) map[string][]float32 {
	found := map[string][]float32{}
	tensors := m.File().Tensors
	for _, p := range m.Parameters() {
		for at := 0; at < len(p.Grad); tensors = tensors[1:] {
			n := len(tensors[0].Data)
			found[tensors[0].Name] = p.Grad[at : at+n]
			at += n
		}
	}
	return found
}

// compare checks gradients to 1e-4 of their length.
func compare(t *testing.T, k engine.Kernels, grads map[string][]float32, want map[string][]float64) {
	if len(grads) != len(want) {
		t.Errorf("%d tensors, PyTorch has %d", len(grads), len(want))
	}
	worst, longest := 0.0, 0.0
	for _, numbers := range want {
		longest = max(longest, numbers[0])
	}
	for name, numbers := range want {
		length := max(numbers[0], 1e-5*longest) // of keys' biases, which change nothing, both have rounding errors only
		if grads[name] == nil {
			t.Errorf("no tensor %s", name)
			continue
		}
		g := make([]float32, len(grads[name]))
		k.Download(g, grads[name])
		key := random.Key(torchSeed, name+".direction")
		got := []float64{0, 0}
		for i, v := range g {
			got[0] += float64(v) * float64(v)
			if random.Float64(key, uint64(i)) < 0.5 {
				got[1] -= float64(v)
			} else {
				got[1] += float64(v)
			}
		}
		got[0] = math.Sqrt(got[0])
		for i := 0; i < len(g) && len(got) < 6; i += max(1, len(g)/3) {
			got = append(got, float64(g[i]))
		}
		for i, n := range numbers {
			off := math.Abs(got[i]-n) / length
			if i == 1 {
				off /= math.Sqrt(float64(len(g))) // as many elements' errors add up
			}
			if worst = max(worst, off); off > 1e-4 {
				t.Errorf("%s: number %d of its gradient is %.7g, PyTorch's %.7g, length %.4g", name, i, got[i], n, numbers[0])
			}
		}
	}
	t.Logf("gradients of %d tensors differ by at most %.2g of their length", len(want), worst)
}

func drawIDs(ids []int32, use string, vocab int) {
	key := random.Key(torchSeed, use)
	for i := range ids {
		ids[i] = int32(random.Below(key, uint64(i), uint64(vocab)))
	}
}
