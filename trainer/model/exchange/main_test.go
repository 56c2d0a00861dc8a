package exchange_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"millrace/trainer/engine/cpu"
	"millrace/trainer/model"
	"millrace/trainer/model/exchange"
	"millrace/trainer/model/stored"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// families are the folders that testdata/make.py writes.
var families = []string{"gpt2", "llama"}

func open(t *testing.T, path string) *exchange.Model {
	t.Helper()
	m, err := exchange.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

func folder(t *testing.T, family string) *exchange.Model {
	t.Helper()
	return open(t, filepath.Join("testdata", family))
}

// save writes a file into a temporary folder.
func save(t *testing.T, name string, write func(io.Writer) error) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := exchange.WriteFile(path, write); err != nil {
		t.Fatal(err)
	}
	return path
}

// values are all weights by name, as numbers.
func values(t *testing.T, m *exchange.Model) map[string][]float32 {
	t.Helper()
	all := map[string][]float32{}
	for _, x := range m.Tensors {
		v, err := x.Floats()
		if err != nil {
			t.Fatal(err)
		}
		all[x.Name] = v
	}
	return all
}

// sameValues compares two models' weights to the bit.
func sameValues(t *testing.T, got, want map[string][]float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%d tensors, want %d", len(got), len(want))
	}
	for name, w := range want {
		same := func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }
		if !slices.EqualFunc(got[name], w, same) {
			t.Errorf("%s is not what it was", name)
		}
	}
}

// sameBytes compares two models' tensors as they are stored.
func sameBytes(t *testing.T, got, want *exchange.Model) {
	t.Helper()
	named := map[string]stored.Tensor{}
	for _, x := range got.Tensors {
		named[x.Name] = x
	}
	if len(named) != len(want.Tensors) {
		t.Errorf("%d tensors, want %d", len(named), len(want.Tensors))
	}
	for _, w := range want.Tensors {
		g := named[w.Name]
		if g.Write == nil || g.DType != w.DType || !slices.Equal(g.Shape, w.Shape) {
			t.Errorf("%s is %s %v, want %s %v", w.Name, g.DType, g.Shape, w.DType, w.Shape)
			continue
		}
		a, err := g.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		b, err := w.Bytes()
		if err != nil || !bytes.Equal(a, b) {
			t.Errorf("%s is not what it was: %v", w.Name, err)
		}
	}
}

// peer is what transformers computes.
type peer struct {
	IDs    [][]int32     `json:"ids"`
	Logits [][][]float64 `json:"logits"`
}

func peers(t *testing.T, file string) map[string]peer {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]peer
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// distance loads a model and gives the greatest difference between its logits and a peer's, up to the constant that no probability knows, at
// some positions.
func distance(t *testing.T, m *exchange.Model, want peer) float64 {
	t.Helper()
	c, err := m.Check()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := m.WriteSafetensors(&b); err != nil {
		t.Fatal(err)
	}
	net, err := model.Read(c, cpu.Reference(), &b)
	if err != nil {
		t.Fatal(err)
	}
	worst := 0.0
	for s, ids := range want.IDs {
		for _, p := range []int{0, len(ids) / 2, len(ids) - 1} {
			logits := want.Logits[s][p]
			sum := 0.0
			for _, x := range logits {
				sum += math.Exp(x)
			}
			for v := s; v < len(logits); v += 5 {
				scores, err := net.Score(context.Background(), append(slices.Clone(ids[:p+1]), int32(v)), p+1)
				if err != nil {
					t.Fatal(err)
				}
				worst = max(worst, math.Abs(scores[0].LogProb-(logits[v]-math.Log(sum))))
			}
		}
	}
	return worst
}
