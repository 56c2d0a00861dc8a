package model

import (
	"fmt"
	"math"
	"strconv"
)

// Dial is everything that follows from one number, the depth.
type Dial struct {
	Depth     int
	Model     Config
	Tokens    int64   // the budget to train on
	StepBatch int64   // tokens of a step, a power of two
	Steps     int64   // Tokens / StepBatch
	LR        float64 // AdamW's at its highest
}

// The dial's constants, and the depth at which they were found.
const (
	aspect         = 64      // width of a layer
	dialHead       = 128     // width of a head
	dialContext    = 2048    // tokens of a sequence
	DialVocab      = 32_768  // tokens that the budget counts with where the vocabulary is left open
	perParameter   = 12      // tokens of the budget for each parameter that is multiplied
	referenceDepth = 12      // where the next two were found
	referenceBatch = 1 << 19 // tokens of a step
	referenceLR    = 6e-4    // GPT-3's for the same width and batch (Brown et al. 2020, table 2.1)
	batchPower     = 0.383   // of the budget, by which the batch grows (Bergsma et al. 2025)
	maxDepth       = 256
)

// Depth is nanochat's one dial (scripts/base_train.py, July 2026), for Llama's build, which every other program loads. With N layers:
//
//	width   d = 64·N, rounded up to a multiple of 128; heads of 128
//	budget  D = 12·(parameters of the blocks and the head)
//	batch   B = 2¹⁹·(D/D₁₂)^0.383, rounded to a power of two; D₁₂ is the budget of 12 layers (Power Lines, Bergsma et al. 2025)
//	rate    η = 6·10⁻⁴·√(768/d)·√(B/2¹⁹)
//
// vocab is the number of tokens that the budget counts with, and the model's; 0 counts with 32,768 and leaves the model's open.
func Depth(n, vocab int) (Dial, error) {
	if n < 1 || n > maxDepth {
		return Dial{}, fmt.Errorf("depth: %d is not between 1 and %d", n, maxDepth)
	}
	if vocab < 0 || vocab > maxVocab {
		return Dial{}, fmt.Errorf("model.vocab_size: %d is not between 1 and %d", vocab, maxVocab)
	}
	d := Dial{Depth: n, Model: dialShape(n)}
	counted := vocab
	choose(&counted, DialVocab)
	budget := dialBudget(n, counted)
	batch := referenceBatch * math.Pow(budget/dialBudget(referenceDepth, counted), batchPower)
	d.StepBatch = 1 << int(math.Round(math.Log2(batch)))
	d.Steps = max(1, int64(budget)/d.StepBatch)
	d.Tokens = d.Steps * d.StepBatch
	d.LR = round(referenceLR * math.Sqrt(aspect*referenceDepth/float64(d.Model.DModel)) * math.Sqrt(float64(d.StepBatch)/referenceBatch))
	d.Model.VocabSize = vocab
	return d, nil
}

// dialShape is the model of n layers.
func dialShape(n int) Config {
	width := (n*aspect + dialHead - 1) / dialHead * dialHead
	return Config{Arch: Llama, NLayer: n, NHead: width / dialHead, DModel: width, Context: dialContext}
}

// dialBudget is how many tokens a model of n layers is trained on.
func dialBudget(n, vocab int) float64 {
	c := dialShape(n)
	c.VocabSize = vocab
	p := c.Parameters()
	return perParameter * float64(p.Attention+p.MLP+p.Head)
}

// round keeps three digits, enough for a rate that people read.
func round(x float64) float64 {
	r, err := strconv.ParseFloat(strconv.FormatFloat(x, 'g', 3, 64), 64)
	if err != nil {
		panic(err) // what was formatted parses
	}
	return r
}
