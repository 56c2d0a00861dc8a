package exchange_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"millrace/trainer/model/exchange"
	"millrace/trainer/model/gguf"
	"millrace/trainer/model/llmc"
	"millrace/trainer/model/safetensors"
	"millrace/trainer/model/stored"
	"millrace/trainer/token"
)

// copied is a copy of a folder in which files may be changed.
func copied(t *testing.T, family string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", family))); err != nil {
		t.Fatal(err)
	}
	return dir
}

func rewrite(t *testing.T, path, old, new string) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil || !bytes.Contains(raw, []byte(old)) {
		t.Fatalf("%s has no %q: %v", path, old, err)
	}
	if err := os.WriteFile(path, bytes.Replace(raw, []byte(old), []byte(new), 1), 0o600); err != nil {
		t.Fatal(err)
	}
}

// What is not a model is refused with the name of what is wrong, before any of its weights is read.
func TestFoldersThatAreNoModel(t *testing.T) {
	for want, change := range map[string]func(dir string){
		"n_head 3 does not divide n_embd 32":     func(dir string) { rewrite(t, dir+"/config.json", `"n_head": 2`, `"n_head": 3`) },
		"vocab_size 0 is not between":            func(dir string) { rewrite(t, dir+"/config.json", `"vocab_size": 288`, `"vocab_size": 0`) },
		"[288 32], and [300 32] by the config":   func(dir string) { rewrite(t, dir+"/config.json", `"vocab_size": 288`, `"vocab_size": 300`) },
		"no transformer.h.2.ln_1.weight, which":  func(dir string) { rewrite(t, dir+"/config.json", `"n_layer": 2`, `"n_layer": 3`) },
		"which its config.json does not ask for": func(dir string) { rewrite(t, dir+"/config.json", `"n_layer": 2`, `"n_layer": 1`) },
		"has no config.json":                     func(dir string) { remove(t, dir+"/config.json") },
		"has neither model.safetensors nor":      func(dir string) { remove(t, dir+"/model.safetensors") },
		"config.json: invalid character":         func(dir string) { rewrite(t, dir+"/config.json", `{`, `[`) },
		"over the limit of 100000000": func(dir string) {
			huge := binary.LittleEndian.AppendUint64(nil, 4<<30)
			if err := os.WriteFile(dir+"/model.safetensors", huge, 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"its header describes": func(dir string) { cut(t, dir+"/model.safetensors") },
	} {
		dir := copied(t, "gpt2")
		change(dir)
		m, err := exchange.Open(dir)
		if err == nil {
			_ = m.Close()
		}
		if (!errors.Is(err, exchange.ErrModel) && !errors.Is(err, safetensors.ErrFormat)) || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// cut takes the last byte of a file.
func cut(t *testing.T, path string) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, info.Size()-1); err != nil {
		t.Fatal(err)
	}
}

// A tokenizer with more tokens than the model has rows is another model's.
func TestATokenizerThatIsTooLarge(t *testing.T) {
	m := folder(t, "gpt2")
	raw, err := os.ReadFile("testdata/gpt2/tokenizer.json")
	if err != nil {
		t.Fatal(err)
	}
	larger := bytes.Replace(raw, []byte(`"added_tokens": [`), []byte(`"added_tokens": [{"id": 288, "content": "<|more|>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true},`), 1)
	if err := m.SetTokenizer(larger); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Check(); !errors.Is(err, exchange.ErrModel) || !strings.Contains(err.Error(), "289 tokens") {
		t.Errorf("%v", err)
	}
	if _, err := m.WriteGGUF(io.Discard, "", "x"); !errors.Is(err, exchange.ErrModel) || !strings.Contains(err.Error(), "289 tokens") {
		t.Errorf("%v", err)
	}
	if err := m.SetTokenizer([]byte("{}")); !errors.Is(err, exchange.ErrModel) {
		t.Errorf("%v", err)
	}
}

// What the other program computes otherwise is refused by the key that says so.
func TestWhatAnotherProgramHasNot(t *testing.T) {
	for want, config := range map[string][3]string{
		"activation_function":    {"gpt2", `"activation_function": "gelu_new"`, `"activation_function": "relu"`},
		"scale_attn_by_inverse":  {"gpt2", `"scale_attn_by_inverse_layer_idx": false`, `"scale_attn_by_inverse_layer_idx": true`},
		"hidden_act":             {"llama", `"hidden_act": "silu"`, `"hidden_act": "gelu"`},
		`rope_scaling of type`:   {"llama", `"rope_type": "llama3"`, `"rope_type": "dynamic"`},
		`model_type "millrace":`: {"gpt2", `"model_type": "gpt2"`, `"model_type": "millrace"`},
	} {
		m := folder(t, config[0])
		was := m.Config
		m.Config = bytes.Replace(was, []byte(config[1]), []byte(config[2]), 1)
		if bytes.Equal(m.Config, was) {
			t.Fatalf("config.json has no %s", config[1])
		}
		if _, err := m.WriteGGUF(io.Discard, "", "x"); !errors.Is(err, exchange.ErrModel) || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

// A GPT-2 without biases, as only this program has them, goes out with biases of zero.
func TestAbsentBiasesAreZero(t *testing.T) {
	m := folder(t, "gpt2")
	was := values(t, m)
	m.Config = bytes.Replace(m.Config, []byte(`"model_type"`), []byte(`"bias": false, "model_type"`), 1)
	kept := m.Tensors[:0:0]
	for _, x := range m.Tensors {
		if !strings.HasSuffix(x.Name, ".bias") {
			kept = append(kept, x)
		}
	}
	m.Tensors = kept
	if _, err := m.Check(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if _, err := m.WriteFolder(dir, "", 0); err != nil {
		t.Fatal(err)
	}
	plain := open(t, dir)
	file := open(t, save(t, "m.bin", func(w io.Writer) error { _, err := m.WriteLLMC(w, ""); return err }))
	if bytes.Contains(plain.Config, []byte(`"bias"`)) {
		t.Errorf("%s", plain.Config)
	}
	for _, out := range []*exchange.Model{plain, file} {
		got := values(t, out)
		if len(got) != len(was) {
			t.Fatalf("%d tensors, want %d", len(got), len(was))
		}
		for name, x := range got {
			for i := range x {
				if strings.HasSuffix(name, ".bias") && x[i] != 0 || !strings.HasSuffix(name, ".bias") && x[i] != was[name][i] {
					t.Fatalf("%s[%d] is %g", name, i, x[i])
				}
			}
		}
	}
	// A GGUF knows that they were absent.
	back := open(t, save(t, "m.gguf", func(w io.Writer) error { _, err := m.WriteGGUF(w, "", "x"); return err }))
	sameValues(t, values(t, back), values(t, m))
}

// A byte tokenizer says the same as a BPE without merges, in a folder and in a GGUF.
func TestByteTokenizerTravels(t *testing.T) {
	m := folder(t, "gpt2")
	if err := m.SetTokenizer(token.NewByte().JSON()); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if _, err := m.WriteFolder(dir, "", 0); err != nil {
		t.Fatal(err)
	}
	path := save(t, "m.gguf", func(w io.Writer) error { _, err := m.WriteGGUF(w, "", "x"); return err })
	for _, out := range []*exchange.Model{open(t, dir), open(t, path)} {
		tok, err := token.Parse(out.Tokenizer)
		if err != nil {
			t.Fatal(err)
		}
		const text = "héron\x00\xff 12 "
		got, err := token.Encode(tok, text)
		want, _ := token.Encode(token.NewByte(), text)
		if err != nil || !slices.Equal(got, want) || tok.EndOfText() != 256 {
			t.Errorf("%s: %v, want %v, %d: %v", out.From, got, want, tok.EndOfText(), err)
		}
	}
	// One of a kind that no other program has stays behind, and it is said.
	char, err := token.NewChar([]rune("abc"))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.SetTokenizer(char.JSON()); err != nil {
		t.Fatal(err)
	}
	m.Notes = nil
	alone := open(t, save(t, "m.gguf", func(w io.Writer) error { _, err := m.WriteGGUF(w, "", "x"); return err }))
	if alone.Tokenizer != nil || len(m.Notes) != 1 || !strings.Contains(m.Notes[0], "of kind char") {
		t.Errorf("%q", m.Notes)
	}
	dir = t.TempDir()
	if _, err := m.WriteFolder(dir, "", 0); err != nil {
		t.Fatal(err)
	}
	if back := open(t, dir); !bytes.Equal(back.Tokenizer, char.JSON()) {
		t.Errorf("%s", back.Tokenizer)
	}
}

// Anything that begins like a GGUF or a model of llm.c is refused without a panic, or is a model whose tensors can be read.
func FuzzOpen(f *testing.F) {
	small, err := exchange.Open(filepath.Join("testdata", "gpt2"))
	if err != nil {
		f.Fatal(err)
	}
	defer func() { _ = small.Close() }()
	var file, bin bytes.Buffer
	if _, err := small.WriteGGUF(&file, stored.Q8_0, "fuzz"); err != nil {
		f.Fatal(err)
	}
	if _, err := small.WriteLLMC(&bin, stored.BF16); err != nil {
		f.Fatal(err)
	}
	f.Add(file.Bytes())
	f.Add(bin.Bytes())
	f.Add(file.Bytes()[:2000])
	f.Fuzz(func(t *testing.T, raw []byte) {
		path := filepath.Join(t.TempDir(), "m")
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		m, err := exchange.Open(path)
		if err != nil {
			if !errors.Is(err, exchange.ErrModel) && !errors.Is(err, gguf.ErrFormat) && !errors.Is(err, llmc.ErrFormat) {
				t.Fatalf("an error of another kind: %v", err)
			}
			return
		}
		for _, x := range m.Tensors {
			if n, err := x.Bytes(); err != nil || int64(len(n)) != x.Size() {
				t.Fatalf("%s: %d bytes: %v", x.Name, len(n), err)
			}
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
