package model

import (
	"fmt"
	"slices"
	"strings"
)

// preset is a published model's shape.
type preset struct {
	name   string
	config Config
}

// presets are published models. Their counts of parameters are the published checkpoints', to the last (see the tests).
func presets() []preset {
	gpt2 := func(name string, layers, heads, width int) preset {
		return preset{name, Config{Arch: GPT2, NLayer: layers, NHead: heads, DModel: width, Context: 1024, VocabSize: 50257, Bias: true}}
	}
	llama32 := RopeScaling{Type: llama3Scaling, Factor: 32, OriginalContext: 8192}
	return []preset{
		gpt2("gpt2-124m", 12, 12, 768), gpt2("gpt2-355m", 24, 16, 1024), gpt2("gpt2-774m", 36, 20, 1280), gpt2("gpt2-1.5b", 48, 25, 1600), // Radford et al. 2019
		{"llama-tiny", Config{Arch: Llama, NLayer: 22, NHead: 32, NKVHead: 4, DModel: 2048, DFF: 5632, Context: 2048, VocabSize: 32000}}, // TinyLlama 1.1B (Zhang et al. 2024)
		{"llama-3-8b", Config{Arch: Llama, NLayer: 32, NHead: 32, NKVHead: 8, DModel: 4096, DFF: 14336, Context: 8192, VocabSize: 128256, RopeTheta: 500_000}},
		{"llama-3.2-1b", Config{Arch: Llama, NLayer: 16, NHead: 32, NKVHead: 8, DModel: 2048, DFF: 8192, Context: 131072, VocabSize: 128256, RopeTheta: 500_000, RopeScaling: llama32, Tie: Yes}},
		{"bert-base", Config{Arch: BERT, NLayer: 12, NHead: 12, DModel: 768, Context: 512, VocabSize: 30522, Bias: true, MaskToken: 103}},
		{"t5-small", Config{Arch: T5, NLayer: 6, NHead: 8, DModel: 512, Context: 512, VocabSize: 32128}},
	}
}

// Presets are the names of published models whose shapes Preset gives.
func Presets() []string {
	var names []string
	for _, p := range presets() {
		names = append(names, p.name)
	}
	return names
}

// Preset is a published model's shape. An unknown name is an error that lists the known ones.
func Preset(name string) (Config, error) {
	all := presets()
	i := slices.IndexFunc(all, func(p preset) bool { return strings.EqualFold(p.name, name) })
	if i < 0 {
		return Config{}, fmt.Errorf("model.preset: %q is not known; use one of %s", name, strings.Join(Presets(), ", "))
	}
	return all[i].config, nil
}
