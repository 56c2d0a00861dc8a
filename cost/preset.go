package cost

import (
	"fmt"
	"slices"
	"strings"
)

// presets are published models. Their counts are the published checkpoints', to the last parameter (see the tests).
func presets() []Shape {
	gpt2 := func(name string, layers, width, heads int) Shape {
		return Shape{Name: name, Vocab: 50257, DModel: width, NLayer: layers, NHead: heads, Context: 1024, Tied: true, Bias: true}
	}
	llama := func(name string, vocab, width, layers, heads, kv, hidden, context int) Shape {
		return Shape{Name: name, Vocab: vocab, DModel: width, NLayer: layers, NHead: heads, KVHeads: kv, Hidden: hidden, Context: context,
			Gated: true, Positions: Rotary, Norm: RMSNorm}
	}
	return []Shape{
		gpt2("gpt2-124m", 12, 768, 12), gpt2("gpt2-355m", 24, 1024, 16), gpt2("gpt2-774m", 36, 1280, 20), gpt2("gpt2-1.5b", 48, 1600, 25), // Radford et al. 2019
		{Name: "gpt3-175b", Vocab: 50257, DModel: 12288, NLayer: 96, NHead: 96, Context: 2048, Tied: true, Bias: true}, // Brown et al. 2020, table 2.1
		// Hoffmann et al. 2022, table 4.
		{Name: "chinchilla-70b", Vocab: 32000, DModel: 8192, NLayer: 80, NHead: 64, HeadDim: 128, Hidden: 32768, Context: 2048, Positions: Recurrent, Norm: RMSNorm, Tied: true},
		llama("tinyllama-1.1b", 32000, 2048, 22, 32, 4, 5632, 2048),
		llama("llama2-7b", 32000, 4096, 32, 32, 32, 11008, 4096), llama("llama2-13b", 32000, 5120, 40, 40, 40, 13824, 4096), llama("llama2-70b", 32000, 8192, 80, 64, 8, 28672, 4096),
		llama("llama3-8b", 128256, 4096, 32, 32, 8, 14336, 8192), llama("llama3-70b", 128256, 8192, 80, 64, 8, 28672, 8192),
		{Name: "llama3.2-1b", Vocab: 128256, DModel: 2048, NLayer: 16, NHead: 32, KVHeads: 8, Hidden: 8192, Context: 131072, Gated: true, Positions: Rotary, Norm: RMSNorm, Tied: true},
		{Name: "qwen2.5-0.5b", Vocab: 151936, DModel: 896, NLayer: 24, NHead: 14, KVHeads: 2, Hidden: 4864, Context: 32768, Gated: true, Positions: Rotary, Norm: RMSNorm, QKVBias: true, Tied: true},
		{Name: "bert-base", Kind: Encoder, Vocab: 30522, DModel: 768, NLayer: 12, NHead: 12, Context: 512, Segments: 2, Bias: true, NoHead: true, EmbeddingNorm: true, NoFinalNorm: true},
		{Name: "bart-base", Kind: EncoderDecoder, Vocab: 50265, DModel: 768, NLayer: 6, NHead: 12, Context: 1024, PositionRows: 1026, Bias: true, Tied: true, EmbeddingNorm: true, NoFinalNorm: true},
		{Name: "t5-small", Kind: EncoderDecoder, Vocab: 32128, DModel: 512, NLayer: 6, NHead: 8, Hidden: 2048, Context: 512, Positions: Relative, Norm: RMSNorm, Tied: true},
	}
}

// Presets are the names of published models, whose shapes Preset gives.
func Presets() []string {
	var names []string
	for _, s := range presets() {
		names = append(names, s.Name)
	}
	return names
}

// Preset is a published model's shape, every default written out, by the name here or the trainer's. Errors: ErrBadShape for a name that is not known.
func Preset(name string) (Shape, error) {
	switch strings.ToLower(name) { // as the trainer's presets are called
	case "llama-tiny":
		name = "tinyllama-1.1b"
	case "llama-3-8b":
		name = "llama3-8b"
	case "llama-3.2-1b":
		name = "llama3.2-1b"
	}
	all := presets()
	i := slices.IndexFunc(all, func(s Shape) bool { return strings.EqualFold(s.Name, name) })
	if i < 0 {
		return Shape{}, fmt.Errorf("cost: preset %q is none of %s: %w", name, strings.Join(Presets(), ", "), ErrBadShape)
	}
	return all[i].Filled()
}

// Like is a model of about so many parameters, of Llama's build (RoPE, RMSNorm, SwiGLU, heads of 128, 128 wide a layer), for when only a size is
// given: width and depth grow together, as in Kaplan et al. 2020, who found the loss to depend on their ratio only weakly. Errors: ErrBadShape.
func Like(parameters float64, vocab, context int) (Shape, error) {
	make := func(layers int) Shape {
		width := 128 * layers
		return Shape{Name: "like llama", Vocab: vocab, DModel: width, NLayer: layers, NHead: layers, Hidden: (8*width/3 + 255) / 256 * 256, Context: context,
			Gated: true, Positions: Rotary, Norm: RMSNorm}
	}
	best, found := Shape{}, 0.0
	for layers := 1; layers <= 512; layers++ {
		s, err := make(layers).Filled()
		if err != nil {
			return Shape{}, err
		}
		n := float64(s.count().Total)
		if found == 0 || distance(n, parameters) < distance(found, parameters) {
			best, found = s, n
		}
	}
	return best, nil
}

// distance of two sizes, as a ratio of at least 1.
func distance(a, b float64) float64 { return max(a/b, b/a) }
