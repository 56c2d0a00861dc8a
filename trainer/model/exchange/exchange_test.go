package exchange_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"millrace/trainer/model/exchange"
	"millrace/trainer/model/stored"
	"millrace/trainer/token"
)

// What transformers saves computes here what it computes there.
func TestLogitsAreTransformers(t *testing.T) {
	for family, want := range peers(t, "logits.json") {
		t.Run(family, func(t *testing.T) {
			if d := distance(t, folder(t, family), want); d > 1e-4 {
				t.Errorf("logits are %g from transformers'", d)
			}
		})
	}
}

// A folder that is read and written is the folder: every tensor bit for bit, in one file or in several, and every small file as it was.
func TestFolderRoundTrip(t *testing.T) {
	for _, family := range families {
		for _, limit := range []int64{0, 40_000} {
			m := folder(t, family)
			dir := filepath.Join(t.TempDir(), "out")
			names, err := m.WriteFolder(dir, "", limit)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(filepath.Join(dir, "model.safetensors")); (err == nil) != (limit == 0) {
				t.Errorf("%s: with a limit of %d the files are %v", family, limit, names)
			}
			again := open(t, dir)
			sameBytes(t, again, m)
			for _, name := range []string{"config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json"} {
				got, err := os.ReadFile(filepath.Join(dir, name))
				want, err2 := os.ReadFile(filepath.Join("testdata", family, name))
				if err := errors.Join(err, err2); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%s: %s is not what it was: %v", family, name, err)
				}
			}
		}
	}
}

func TestFolderInAnotherFormat(t *testing.T) {
	m := folder(t, "llama") // bfloat16
	dir := t.TempDir()
	if _, err := m.WriteFolder(dir, stored.F32, 0); err != nil {
		t.Fatal(err)
	}
	again := open(t, dir)
	sameValues(t, values(t, again), values(t, m)) // exact
	if !strings.Contains(string(again.Config), `"dtype": "float32"`) || again.Tensors[0].DType != stored.F32 {
		t.Errorf("%s of %s", again.Config, again.Tensors[0].DType)
	}
	if _, err := m.WriteFolder(dir, stored.Q8_0, 0); !errors.Is(err, exchange.ErrModel) {
		t.Errorf("%v", err)
	}
}

// checked is what testdata/check.py found out about the files that these tests write.
type checked struct {
	SHA256     string             `json:"sha256"`
	Difference map[string]float64 `json:"difference"`
}

// A GGUF goes out and comes back with every tensor bit for bit, and its bytes are those that testdata/check.py opened with other programs.
func TestGGUFRoundTrip(t *testing.T) {
	raw, err := os.ReadFile("testdata/checked.json")
	if err != nil {
		t.Fatal(err)
	}
	var known map[string]checked
	if err := json.Unmarshal(raw, &known); err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for name, d := range map[string]stored.DType{"f32": stored.F32, "f16": stored.F16, "bf16": stored.BF16, "q8_0": stored.Q8_0} {
			m := folder(t, family)
			file := family + "-" + name + ".gguf"
			path := save(t, file, func(w io.Writer) error { _, err := m.WriteGGUF(w, d, family); return err })
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if out := os.Getenv("MILLRACE_CHECK"); out != "" { // for testdata/check.py
				if err := os.WriteFile(filepath.Join(out, file), b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			sum := sha256.Sum256(b)
			if k := known[file]; k.SHA256 != hex.EncodeToString(sum[:]) || len(k.Difference) == 0 {
				t.Errorf("%s is %x, which other programs have not opened: see testdata/check.py", file, sum)
			}
			again := open(t, path)
			if again.From != exchange.GGUF || !bytes.Equal(again.Config, m.Config) {
				t.Errorf("%s: %s", file, again.Config)
			}
			if _, err := again.Check(); err != nil {
				t.Errorf("%s: %v", file, err)
			}
			if exact := name == "f32" || family == "llama" && name == "bf16"; exact {
				sameValues(t, values(t, again), values(t, m))
			}
			// What came of it once comes of it again.
			second := save(t, file, func(w io.Writer) error { _, err := again.WriteGGUF(w, d, family); return err })
			third := open(t, second)
			sameBytes(t, third, again)
			tokenizersAgree(t, again.Tokenizer, m.Tokenizer)
		}
	}
}

// tokenizersAgree compares what two tokenizers make of texts.
func tokenizersAgree(t *testing.T, a, b []byte) {
	t.Helper()
	x, err := token.Parse(a)
	if err != nil {
		t.Fatal(err)
	}
	y, err := token.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(x.JSON(), y.JSON()) {
		t.Errorf("tokenizers differ:\n%s\n%s", x.JSON(), y.JSON())
	}
}

// A GGUF of somebody else carries no config.json: what its keys say is the same network.
func TestForeignGGUF(t *testing.T) {
	for _, family := range families {
		m := folder(t, family)
		path := save(t, "m.gguf", func(w io.Writer) error { _, err := m.WriteGGUF(w, "", family); return err })
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		raw = bytes.Replace(raw, []byte("millrace.config"), []byte("someone.config!"), 1)
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		foreign, err := exchange.Open(path)
		if family == "llama" { // its rotations are stretched from 16 positions on, as no published model's
			if !errors.Is(err, exchange.ErrModel) || !strings.Contains(err.Error(), "neither Llama 3.1's nor 3.2's") {
				t.Errorf("%v", err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		sameValues(t, values(t, foreign), values(t, m))
		want, err := m.Check()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := foreign.Check(); err != nil || got != want {
			t.Errorf("%+v, want %+v: %v", got, want, err)
		}
		if err := foreign.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestLLMCRoundTrip(t *testing.T) {
	m := folder(t, "gpt2")
	for _, d := range []stored.DType{"", stored.F32, stored.BF16} {
		path := save(t, "m.bin", func(w io.Writer) error { _, err := m.WriteLLMC(w, d); return err })
		again := open(t, path)
		if d != stored.BF16 {
			sameValues(t, values(t, again), values(t, m))
		}
		if c, err := again.Check(); err != nil || c.VocabSize != 288 || again.Tokenizer != nil || len(again.Notes) == 0 {
			t.Errorf("%+v %v %v", c, again.Notes, err)
		}
		second := save(t, "m.bin", func(w io.Writer) error { _, err := again.WriteLLMC(w, d); return err })
		a, err := os.ReadFile(path)
		b, err2 := os.ReadFile(second)
		if err := errors.Join(err, err2); err != nil || !bytes.Equal(a, b) {
			t.Errorf("%s: written again it is another file: %v", d, err)
		}
	}
	var b bytes.Buffer
	if err := m.WriteLLMCTokenizer(&b); err != nil || b.Len() < 1024+2*288 {
		t.Errorf("%d bytes: %v", b.Len(), err)
	}
	if _, err := folder(t, "llama").WriteLLMC(io.Discard, ""); !errors.Is(err, exchange.ErrModel) || !strings.Contains(err.Error(), "model_type") {
		t.Errorf("%v", err)
	}
}
