package model

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Description is what can be said of an architecture without computing anything.
type Description struct {
	Config        Config  `json:"config"` // resolved
	Kind          Kind    `json:"kind"`
	Parameters    Count   `json:"parameters"`
	FLOPsPerToken float64 `json:"flops_per_token"` // of training; scoring takes a third
	Batch         int     `json:"batch"`           // sequences
	Context       int     `json:"context"`         // tokens of a sequence, of all figures
	Training      Memory  `json:"training"`        // in float32 with AdamW
	Inference     Memory  `json:"inference"`       // of one sequence, in float32
	InferenceBF16 Memory  `json:"inference_bf16"`  // the same in bfloat16
	Drawing       string  `json:"drawing"`
}

// Describe tells what training on batches of b sequences of t tokens takes; t 0 is the context. The first mistake of the config is
// named by its key.
func (c Config) Describe(b, t int) (Description, error) {
	c, err := c.Resolve()
	if err != nil {
		return Description{}, err
	}
	choose(&t, c.Context)
	if b < 1 || t < 1 || t > c.Context {
		return Description{}, fmt.Errorf("a batch of %d sequences of %d tokens does not fit model.context %d", b, t, c.Context)
	}
	return Description{
		Config: c, Kind: c.Arch.Kind(), Parameters: c.Parameters(), FLOPsPerToken: c.FLOPsPerToken(t), Batch: b, Context: t,
		Training: c.TrainingMemory(b, t), Inference: c.InferenceMemory(1, t, 4), InferenceBF16: c.InferenceMemory(1, t, 2), Drawing: c.Draw(),
	}, nil
}

// line is a line of a drawing: what happens, and how many parameters do it.
type line struct {
	text  string
	count int64
}

// Draw is a picture of the stack, input at the foot, in lines of text.
func (c Config) Draw() string {
	c = c.filled()
	d := drawing{c: c, counts: map[string]int64{}}
	for _, s := range c.specs() {
		d.counts[s.name] = s.size()
	}
	var b strings.Builder
	if c.Arch.Kind() == EncoderDecoder {
		d.stack(&b, c.Arch.layout().stack(false), c.NLayer, true, false)
		b.WriteString("\n")
		d.stack(&b, c.Arch.layout().stack(true), c.NEncoder, false, true)
	} else {
		d.stack(&b, c.Arch.layout().stack(false), c.NLayer, false, false)
	}
	return b.String()
}

type drawing struct {
	c      Config
	counts map[string]int64 // of parameters by name
}

// of adds up what layers hold, by names without ".weight" and ".bias".
func (d drawing) of(names ...string) int64 {
	n := int64(0)
	for _, name := range names {
		n += d.counts[name] + d.counts[name+".weight"] + d.counts[name+".bias"]
	}
	return n
}

// stack draws one stack.
func (d drawing) stack(w *strings.Builder, s stackLayout, layers int, cross, encoder bool) {
	c, n := d.c, d.c.Arch.layout()
	var top, block, foot []line
	if !encoder {
		top = d.head()
	}
	if c.NormPlace != Post {
		top = append(top, line{string(c.Norm), d.of(s.finalNorm)})
	}
	b := s.block(0)
	block = append(block, d.part(b.mlp.norm, d.feedForward(b.mlp))...)
	if cross {
		block = append(block, d.part(b.cross.norm, line{"attention to the encoder's output", d.of(b.cross.q, b.cross.qkv, b.cross.out)})...)
	}
	a := b.attention
	block = append(block, d.part(a.norm, line{d.attention(encoder), d.of(a.qkv, a.out, a.qNorm, a.kNorm)})...)
	if c.NormPlace == Post {
		foot = append(foot, line{string(c.Norm), d.of(s.embedNorm)})
	}
	if c.Position == Relative {
		foot = append(foot, line{fmt.Sprintf("relative positions of all blocks: %d buckets up to %d apart", c.RelativeBuckets, c.RelativeDistance), d.of(s.relative)})
	}
	foot = append(foot, d.input(s, n, encoder)...)

	reads, gives := fmt.Sprintf("tokens, at most %s", grouped(int64(c.Context))), "a score for each of "+grouped(int64(c.VocabSize))+" tokens"
	switch {
	case encoder:
		gives = "to every block of the decoder"
	case c.NLabel > 0:
		gives = fmt.Sprintf("a score for each of %d classes", c.NLabel)
	}
	frame(w, gives, reads, top, block, foot, layers)
}

// head is what stands over the last norm, from above.
func (d drawing) head() []line {
	c, n := d.c, d.c.Arch.layout()
	if c.NLabel > 0 {
		return []line{{fmt.Sprintf("classes, from %s token", c.Pool), d.of(scoreHead)}}
	}
	var l []line
	if c.LogitSoftcap > 0 {
		l = append(l, line{fmt.Sprintf("soft cap at %g", c.LogitSoftcap), 0})
	}
	if c.Tie == Yes {
		l = append(l, line{"head: the token table again", d.of(n.headBias)})
	} else {
		l = append(l, line{fmt.Sprintf("head %s × %s", grouped(int64(c.VocabSize)), grouped(int64(c.DModel))), d.of(n.head, n.headBias)})
	}
	if n.headDense != "" {
		l = append(l, line{string(c.Norm), d.of(n.headNorm)}, line{fmt.Sprintf("dense %d × %d, %s", c.DModel, c.DModel, c.Activation.function()), d.of(n.headDense)})
	}
	return l
}

// part is a part of a block with its norms, from above.
func (d drawing) part(norm string, l line) []line {
	switch l.text = "+ " + l.text; d.c.NormPlace {
	case Post:
		return []line{{"  " + string(d.c.Norm), d.of(norm)}, l}
	case Both:
		return []line{{"  " + string(d.c.Norm), d.of(norm + after)}, l, {"  " + string(d.c.Norm), d.of(norm)}}
	}
	return []line{l, {"  " + string(d.c.Norm), d.of(norm)}}
}

func (d drawing) attention(encoder bool) string {
	c := d.c
	text := fmt.Sprintf("attention: %d heads of %d", c.NHead, c.HeadDim)
	if c.NKVHead != c.NHead {
		text += fmt.Sprintf(" on %d of keys and values", c.NKVHead)
	}
	if c.QKNorm {
		text += ", QK-norm"
	}
	switch c.Position {
	case Rope:
		text += fmt.Sprintf(", RoPE %g", c.RopeTheta)
		if s := c.RopeScaling; s.Type != "" {
			text += fmt.Sprintf(" %s × %g", s.Type, s.Factor)
		}
	case ALiBi:
		text += ", ALiBi"
	}
	if encoder || c.Arch.Kind() == Encoder {
		return text + ", both ways"
	}
	return text + ", causal"
}

func (d drawing) feedForward(n mlpLayout) line {
	c := d.c
	up := n.up
	if c.Activation.Gated() {
		up = n.gateUp
	}
	return line{fmt.Sprintf("feed-forward %s → %s → %s, %s", grouped(int64(c.DModel)), grouped(int64(c.DFF)), grouped(int64(c.DModel)), c.Activation), d.of(up, n.down)}
}

func (d drawing) input(s stackLayout, n layout, encoder bool) []line {
	c := d.c
	table := line{fmt.Sprintf("token table %s × %s", grouped(int64(c.VocabSize)), grouped(int64(c.DModel))), d.of(n.tokens)}
	if encoder {
		table = line{"the same token table", 0}
	}
	var l []line
	if c.NSegment > 0 {
		l = append(l, line{fmt.Sprintf("+ %d segments", c.NSegment), d.of(n.segments)})
	}
	switch c.Position {
	case Learned:
		name := n.positions
		choose(&name, s.positions)
		l = append(l, line{fmt.Sprintf("+ learned positions %s × %s", grouped(int64(c.Context)), grouped(int64(c.DModel))), d.of(name)})
	case Sinusoidal:
		l = append(l, line{"+ sinusoidal positions", 0})
	}
	return append(l, table)
}

// frame draws the three parts of a stack above each other.
func frame(w *strings.Builder, gives, reads string, top, block, foot []line, layers int) {
	wide := 0
	for _, part := range [][]line{top, block, foot} {
		for _, l := range part {
			wide = max(wide, utf8.RuneCountInString(l.text))
		}
	}
	wide += 2
	rule := func(left, right string) { fmt.Fprintf(w, "%s%s%s\n", left, strings.Repeat("─", wide), right) }
	lines := func(part []line, beside func(i int) string) {
		for i, l := range part {
			count := ""
			if l.count > 0 {
				count = fmt.Sprintf("%15s", grouped(l.count))
			}
			fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("│ %s%s │%s%s", l.text, strings.Repeat(" ", wide-2-utf8.RuneCountInString(l.text)), beside(i), count), " "))
		}
	}
	none := func(int) string { return "       " }
	fmt.Fprintf(w, "  ▲ %s\n", gives)
	rule("┌", "┐")
	lines(top, none)
	if len(top) > 0 {
		rule("├", "┤")
	}
	lines(block, func(i int) string {
		if i == len(block)/2 {
			return fmt.Sprintf(" ×%-4d ", layers)
		}
		return "       "
	})
	rule("├", "┤")
	lines(foot, none)
	rule("└", "┘")
	fmt.Fprintf(w, "  ▲ %s\n", reads)
}

// grouped writes a number in groups of three digits.
func grouped(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
