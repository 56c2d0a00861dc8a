package model_test

import (
	"bytes"
	"context"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"millrace/trainer/engine/cpu"
	"millrace/trainer/model"
	"millrace/trainer/random"
)

// enlarge makes every parameter large enough that its gradient is well above rounding.
func enlarge(m *model.Model, by float64) {
	for _, p := range m.Parameters() {
		key := random.Key(9, p.Name)
		for i := range p.Value {
			a, _ := random.Normal(key, uint64(i))
			p.Value[i] += float32(by * a)
		}
	}
}

// read fills a batch with tokens: of an encoder-decoder's source too, some of it padding.
func read(b *model.Batch, c model.Config, seed uint64) {
	copy(b.IDs, tokens(len(b.IDs), c.VocabSize, seed))
	copy(b.Targets, tokens(len(b.Targets), c.VocabSize, seed+1))
	copy(b.EncoderIDs, tokens(len(b.EncoderIDs), c.VocabSize, seed+2))
	if b.Segments != nil {
		copy(b.Segments, tokens(len(b.Segments), c.NSegment, seed+3))
	}
	if b.EncoderLengths != nil {
		b.EncoderLengths[0]--
	}
	b.Targets[1] = -1
}

// Any choices together: the whole network's gradient against central differences, evaluation equal to training to the bit, and a file that
// computes the same when it is read.
func TestAnyNetwork(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := anyConfig(t)
		c.Dropout = 0 // see TestDropout
		m, err := model.New(c, cpu.Reference(), 4)
		if err != nil {
			t.Fatal(err)
		}
		enlarge(m, 0.2)
		const n = 4
		b, err := m.Batch(2, n)
		if err != nil {
			t.Fatal(err)
		}
		e, err := m.Evaluation(2, n)
		if err != nil {
			t.Fatal(err)
		}
		read(b, c, 1)
		read(e, c, 1)
		loss := func() float64 {
			for _, p := range m.Parameters() {
				clear(p.Grad)
			}
			l, err := b.Run(1)
			if err != nil {
				t.Fatal(err)
			}
			return l
		}
		was := loss()
		if l, err := e.Run(0); err != nil || math.Float64bits(l) != math.Float64bits(was) {
			t.Fatalf("%+v: training sees a loss of %g, evaluation of %g, %v", c, was, l, err)
		}
		again := readBack(t, m)
		if again.Config() != c {
			t.Fatalf("%+v came back as %+v", c, again.Config())
		}
		e2, err := again.Evaluation(2, n)
		if err != nil {
			t.Fatal(err)
		}
		read(e2, c, 1)
		if l, err := e2.Run(0); err != nil || l != was {
			t.Fatalf("%+v: read back, the loss is %g instead of %g, %v", c, l, was, err)
		}
		// Along a random direction of all parameters at once, scaled by the gradient so that it counts.
		grads := map[string][]float32{}
		square := 0.0
		for _, p := range m.Parameters() {
			grads[p.Name] = slices.Clone(p.Grad)
			for _, g := range p.Grad {
				square += float64(g) * float64(g)
			}
		}
		if math.IsNaN(square) || square == 0 {
			t.Fatalf("%+v: gradients of norm² %g", c, square)
		}
		// A step along one parameter's gradient changes the loss by its norm.
		i := rapid.IntRange(0, len(m.Parameters())-1).Draw(t, "parameter")
		p := m.Parameters()[i]
		norm := 0.0
		for _, g := range grads[p.Name] {
			norm += float64(g) * float64(g)
		}
		norm = math.Sqrt(norm)
		if norm < 1e-2 {
			return // a bias under a softmax, say: nothing to see above rounding
		}
		value := slices.Clone(p.Value)
		at := func(h float64) float64 {
			for j := range p.Value {
				p.Value[j] = value[j] + float32(h*float64(grads[p.Name][j])/norm)
			}
			return loss()
		}
		// Small steps, to either side, are for a kink of ReLU nearby; larger ones for losses that drown in rounding.
		var quotients []float64
		for _, h := range []float64{4e-3, 1e-3, 2e-4, 5e-5} {
			up, down := at(h), at(-h)
			for _, numeric := range []float64{(8*(up-down) - (at(2*h) - at(-2*h))) / (12 * h), (up - was) / h, (was - down) / h} {
				if math.Abs(numeric-norm) < 0.03*norm+5e-3 {
					return
				}
				quotients = append(quotients, numeric)
			}
		}
		t.Fatalf("%+v: %s: gradient of norm %g, difference quotients %g", c, p.Name, norm, quotients)
	})
}

// readBack writes a model and reads it.
func readBack(t *rapid.T, m *model.Model) *model.Model {
	var b bytes.Buffer
	if _, err := m.File().WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	c, err := model.ParseHuggingFace(m.Config().HuggingFace())
	if err != nil {
		t.Fatal(err)
	}
	back, err := model.Read(c, cpu.Reference(), &b)
	if err != nil {
		t.Fatal(err)
	}
	return back
}

// A decoder sees nothing behind a token; an encoder sees all but padding; a decoder beside an encoder sees the source, but for its padding.
func TestWhoSeesWhat(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := anyConfig(t)
		m, err := model.New(c, cpu.Reference(), 4)
		if err != nil {
			t.Fatal(err)
		}
		enlarge(m, 0.2)
		const n, s = 4, 3
		ids, source := [][]int32{{1, 2, 3, 0}}, [][]int32(nil)
		lengths := []int32(nil)
		switch c.Arch.Kind() {
		case model.Encoder:
			lengths = []int32{n - 1}
		case model.EncoderDecoder:
			source, lengths = [][]int32{{3, 2, 1}}, []int32{s - 1}
		}
		run := func() []float32 {
			l, err := m.Logits(ids, source, nil, lengths)
			if err != nil {
				t.Fatal(err)
			}
			return l[0]
		}
		first := c.VocabSize * (n - 1) // logits of all but the last token
		was := run()
		ids[0][n-1] = 2 // what comes last, or is padding
		if source != nil {
			source[0][s-1] = 2
		}
		if now := run(); !slices.Equal(now[:first], was[:first]) {
			t.Fatalf("%+v: earlier tokens see the last, or padding", c)
		}
		if source != nil {
			source[0][0] = 0
			if now := run(); slices.Equal(now[:first], was[:first]) {
				t.Fatalf("%+v: the decoder does not see its source", c)
			}
			return
		}
		was = run()
		ids[0][0] = 3
		if now := run(); slices.Equal(now[c.VocabSize:first], was[c.VocabSize:first]) {
			t.Fatalf("%+v: later tokens do not see the first", c)
		}
		if c.Arch.Kind() == model.Encoder {
			was = run()
			ids[0][n-2] = 1
			if now := run(); slices.Equal(now[:c.VocabSize], was[:c.VocabSize]) {
				t.Fatalf("%+v: the first token does not see a later one", c)
			}
		}
	})
}

// The same number drops the same, another number something else, an evaluation nothing.
func TestDropout(t *testing.T) {
	for _, a := range families {
		c := family(a)
		c.Dropout = 0.5
		m, err := model.New(c, cpu.Reference(), 4)
		if err != nil {
			t.Fatal(err)
		}
		b, err := m.Batch(2, 8)
		if err != nil {
			t.Fatal(err)
		}
		read(b, m.Config(), 1)
		run := func(number uint64) float64 {
			b.SetRun(number)
			l, err := b.Run(0)
			if err != nil {
				t.Fatal(err)
			}
			return l
		}
		one, two, again := run(1), run(2), run(1)
		if one != again || one == two {
			t.Errorf("%s: losses %g and %g of one number, %g of another", a, one, again, two)
		}
		e, err := m.Evaluation(2, 8)
		if err != nil {
			t.Fatal(err)
		}
		read(e, m.Config(), 1)
		if l, err := e.Run(0); err != nil || l == one {
			t.Errorf("%s: an evaluation drops too: %g, %v", a, l, err)
		}
		c.Dropout = 0
		whole, err := model.New(c, cpu.Reference(), 4)
		if err != nil {
			t.Fatal(err)
		}
		w, err := whole.Evaluation(2, 8)
		if err != nil {
			t.Fatal(err)
		}
		read(w, whole.Config(), 1)
		l, err := e.Run(0)
		if err != nil {
			t.Fatal(err)
		}
		if want, err := w.Run(0); err != nil || l != want {
			t.Errorf("%s: evaluated, the loss is %g; without dropout %g, %v", a, l, want, err)
		}
	}
}

// What an encoder is asked is each token from all others; an encoder-decoder writes what follows from what came before.
func TestScoresOfOtherKinds(t *testing.T) {
	ctx := context.Background()
	for _, a := range []model.Arch{model.BERT, model.T5} {
		c := family(a)
		m, err := model.New(c, cpu.Reference(), 4)
		if err != nil {
			t.Fatal(err)
		}
		enlarge(m, 0.2)
		text := tokens(c.Context+1, c.VocabSize-1, 3)
		all, err := m.Score(ctx, text, 1)
		if err != nil || len(all) != c.Context {
			t.Fatal(a, len(all), err)
		}
		again, err := m.Score(ctx, text[:10], 4)
		if err != nil || len(again) != 6 {
			t.Fatal(a, again, err)
		}
		if other, err := m.Score(ctx, text[:10], 4); err != nil || !slices.Equal(other, again) {
			t.Errorf("%s: scored again: %v, %v", a, other, err)
		}
		// Over all tokens in the place of the last scored, probabilities sum to one.
		total := 0.0
		for id := range int32(c.VocabSize) {
			s, err := m.Score(ctx, append(slices.Clone(text[:9]), id), 4)
			if err != nil {
				t.Fatal(err)
			}
			total += math.Exp(s[5].LogProb)
		}
		if math.Abs(total-1) > 1e-5 {
			t.Errorf("%s: probabilities sum to %g", a, total)
		}
		if _, err := m.Generate(ctx, text[:3], 2, model.Sampling{}); a == model.BERT && err == nil {
			t.Errorf("%s continues texts", a)
		}
	}
	m, err := model.New(family(model.GPT2), cpu.Reference(), 4)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.ScoreTarget(ctx, []int32{1}, []int32{2}); err == nil {
		t.Error("a decoder has no source")
	}
	if _, err := m.BatchOf(model.Shape{Sequences: 1, Tokens: 2, Source: 3}); err == nil {
		t.Error("a decoder has no source")
	}
}
