package optim_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"millrace/trainer/engine"
	"millrace/trainer/engine/cpu"
	"millrace/trainer/optim"
)

// Updates that are put off, and made by whoever comes first, end in the same bits as those that are made at once: of a table of which a
// step reads few rows, of a parameter that no program asks for, and of gradients that several passes add to.
func TestUpdatesBesideTheTrainingChangeNoBit(t *testing.T) {
	for _, name := range []string{"adamw", "adam", "sgd", "lion", "muon"} {
		var want []byte
		for _, later := range []bool{false, true} {
			k, err := cpu.Open(2)
			if err != nil {
				t.Fatal(err)
			}
			const vocab, width, rows = 301, 48, 64
			table := engine.NewParameter(k, "wte.weight", true, vocab, width)
			gain := engine.NewParameter(k, "ln.weight", true, width)
			hidden := engine.NewParameter(k, "h.weight", true, width, width)
			bias := engine.NewParameter(k, "h.bias", true, width)
			unused := engine.NewParameter(k, "unused.weight", true, 7, 5)
			params := []*engine.Parameter{table, gain, hidden, bias, unused}
			for i, p := range params {
				host := make([]float32, len(p.Value))
				fill(host, uint64(i))
				k.Upload(p.Value, host)
				fill(host, uint64(i)+10)
				k.Upload(p.Grad, host) // means nothing
			}
			ids, targets := make([]int32, rows), make([]int32, rows)
			program, err := engine.Build(k, true, func(g *engine.Graph) *engine.Tensor {
				x := g.LayerNorm("ln", g.Embed("embed", table, nil, ids, rows), gain, nil, 1e-5)
				return g.CrossEntropy("loss", g.Linear("head", g.Linear("h", x, hidden, bias, false), table, nil, true), targets)
			})
			if err != nil {
				t.Fatal(err)
			}
			o, err := optim.New(optim.Default(name), k, params)
			if err != nil {
				t.Fatal(err)
			}
			for s := range int64(12) {
				o.ZeroGrad()
				for pass := range int64(2) {
					for i := range ids {
						ids[i], targets[i] = int32((int64(i)*int64(i)+s*31+pass)%vocab), int32((int64(i)*7+s)%vocab)
					}
					if err := program.Run(1. / rows); err != nil {
						t.Fatal(err)
					}
				}
				o.Step(optim.Update{Step: s + 1, Rate: 1, Norm: o.GradNorm(), Clip: 1, Later: later})
			}
			o.Await()
			var got bytes.Buffer
			if _, err := o.File().WriteTo(&got); err != nil {
				t.Fatal(err)
			}
			for _, p := range params {
				host := make([]float32, len(p.Value))
				k.Download(host, p.Value)
				if err := binary.Write(&got, binary.LittleEndian, host); err != nil {
					t.Fatal(err)
				}
			}
			if !later {
				want = got.Bytes()
			} else if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("%s: other bits", name)
			}
		}
	}
}
