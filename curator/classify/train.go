package classify

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"

	"millrace/curator/words"
)

// Options say how a model is trained; the zero value is good for most.
type Options struct {
	Words  string // splitter, by its name in package words; words.Simple when empty
	NGrams int    // longest run of words; 0 is 2
	Bits   int    // the model has 2^Bits weights; 0 is 20
	Epochs int    // 0 is 10
	Rate   float64
	Decay  float64 // of weights, L2; 0 is 1e-6
	Seed   uint64
	// HeldOut is the share of documents, by digest, that the model does not learn from and is measured by; 0 is 0.1.
	HeldOut float64
	// MaxFeatures bounds memory, 4 bytes each; 0 is 2²⁸.
	MaxFeatures int
}

func (o Options) resolve() Options {
	o.Words, o.NGrams, o.Bits, o.Epochs = cmp.Or(o.Words, words.Simple), cmp.Or(o.NGrams, 2), cmp.Or(o.Bits, 20), cmp.Or(o.Epochs, 10)
	o.Rate, o.Decay, o.HeldOut, o.MaxFeatures = cmp.Or(o.Rate, 0.5), cmp.Or(o.Decay, 1e-6), cmp.Or(o.HeldOut, 0.1), cmp.Or(o.MaxFeatures, 1<<28)
	return o
}

func (o Options) check() error {
	if o.NGrams < 1 || o.NGrams > maxNGrams || o.Bits < minBits || o.Bits > maxBits || o.Epochs < 1 || o.Epochs > 1000 {
		return fmt.Errorf("classify: %d words, %d bits, %d epochs: want 1 to %d, %d to %d, 1 to 1,000", o.NGrams, o.Bits, o.Epochs, maxNGrams, minBits, maxBits)
	}
	if !(o.Rate > 0 && o.Rate <= 100) || !(o.Decay >= 0 && o.Decay < 1) || !(o.HeldOut > 0 && o.HeldOut <= 0.5) {
		return fmt.Errorf("classify: rate %v, decay %v, held out %v: want above 0, 0 to 1, above 0 to 0.5", o.Rate, o.Decay, o.HeldOut)
	}
	return nil
}

// Example is a text and its label.
type Example struct {
	Text string
	Good bool
}

var (
	// ErrOneLabel is returned when documents of one label are missing, among those to learn from or those held out.
	ErrOneLabel = errors.New("good and bad documents are needed, to learn from and to measure by")
	// ErrTooMany is returned when the documents have more features than Options.MaxFeatures.
	ErrTooMany = errors.New("the documents have too many features")
)

// example is one to learn from.
type example struct {
	features []uint32
	good     bool
}

// Train trains a model by stochastic gradient descent with AdaGrad's rates (Duchi et al. 2011) on the logistic loss, good and
// bad documents together weighing the same. The same examples in the same order give the same model on machines of one
// kind. Its errors are ctx's, those of the examples and of options out of range, ErrOneLabel and ErrTooMany.
func Train(ctx context.Context, o Options, examples iter.Seq2[Example, error]) (*Model, Report, error) {
	o = o.resolve()
	if err := o.check(); err != nil {
		return nil, Report{}, err
	}
	m := &Model{splitter: o.Words, ngrams: o.NGrams, bits: o.Bits, weights: make([]float32, 1<<o.Bits)}
	if err := m.init(); err != nil {
		return nil, Report{}, err
	}
	var learn, held []example
	total := 0
	f := m.scratch.Get().(*features)
	for e, err := range examples {
		if err = cmp.Or(err, ctx.Err()); err != nil {
			return nil, Report{}, err
		}
		m.of(f, e.Text)
		if total += len(f.list); total > o.MaxFeatures {
			return nil, Report{}, fmt.Errorf("%w: above %d after %d documents: give fewer", ErrTooMany, o.MaxFeatures, len(learn)+len(held))
		}
		x := example{append([]uint32(nil), f.list...), e.Good}
		if lot(e.Text) < o.HeldOut {
			held = append(held, x)
		} else {
			learn = append(learn, x)
		}
	}
	for _, set := range [][]example{learn, held} {
		good := 0
		for _, x := range set {
			if x.good {
				good++
			}
		}
		if good == 0 || good == len(set) {
			return nil, Report{}, fmt.Errorf("%w: there are %d to learn from and %d held out", ErrOneLabel, len(learn), len(held))
		}
	}
	if err := m.descend(ctx, o, learn); err != nil {
		return nil, Report{}, err
	}
	return m, m.report(learn, held), nil
}

// lot is a number in [0, 1) that the text decides.
func lot(text string) float64 {
	sum := sha256.Sum256([]byte(text))
	return float64(binary.BigEndian.Uint64(sum[:])>>11) / (1 << 53)
}

// descend learns. Products are rounded before they are added, so that a machine that could fuse the two does not.
func (m *Model) descend(ctx context.Context, o Options, learn []example) error {
	good := 0.0
	for _, x := range learn {
		if x.good {
			good++
		}
	}
	n := float64(len(learn))
	weightOf := map[bool]float64{true: n / 2 / good, false: n / 2 / (n - good)}
	squares := make([]float32, len(m.weights))
	var bias, biasSquares float64
	order := make([]int, len(learn))
	for i := range order {
		order[i] = i
	}
	random := rand.New(rand.NewPCG(o.Seed, 0x6d696c6c72616365))
	for range o.Epochs {
		if err := ctx.Err(); err != nil {
			return err
		}
		random.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, at := range order {
			x := learn[at]
			value := 0.0
			if len(x.features) > 0 {
				value = 1 / math.Sqrt(float64(len(x.features)))
			}
			sum := 0.0
			for _, k := range x.features {
				sum += float64(m.weights[k])
			}
			error := sigmoid(float64(sum*value) + bias)
			if x.good {
				error--
			}
			error *= weightOf[x.good]
			biasSquares += float64(error * error)
			bias -= o.Rate * error / math.Sqrt(biasSquares+1e-8)
			for _, k := range x.features {
				g := float64(error*value) + float64(o.Decay*float64(m.weights[k]))
				s := float64(squares[k]) + float64(g*g)
				squares[k] = float32(s)
				m.weights[k] -= float32(o.Rate * g / math.Sqrt(s+1e-8))
			}
		}
	}
	m.bias = float32(bias)
	return nil
}
