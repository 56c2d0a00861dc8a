package exchange_test

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"millrace/trainer/engine/cpu"
	"millrace/trainer/model"
	"millrace/trainer/model/exchange"
	"millrace/trainer/model/safetensors"
)

// adapters are those that testdata/adapters.py made with PEFT, and what they adapt.
var adapters = map[string]string{"gpt2": "gpt2", "llama": "llama", "llama-rslora": "llama"}

func adapter(name string) string { return filepath.Join("testdata", "adapter-"+name) }

func TestAdaptersAreThoseOfPEFT(t *testing.T) {
	want := peers(t, "adapters.json")
	for name, base := range adapters {
		m := folder(t, base)
		if err := m.Adapt(adapter(name)); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if worst := distance(t, m, want[name]); worst > 1e-4 {
			t.Errorf("%s: logits are off by %.2g", name, worst)
		}
		again := open(t, save(t, "a.gguf", func(w io.Writer) error { _, err := m.WriteGGUF(w, "", name); return err }))
		sameValues(t, values(t, again), values(t, m))
	}
}

// What this program writes of the adapters that PEFT made is what PEFT wrote: the same tensors, and a config that means the same.
func TestPEFTReadsOurAdapters(t *testing.T) {
	for name, l := range map[string]model.LoRA{
		"gpt2":  {Rank: 2, Alpha: 5, Targets: "attn.c_attn,mlp"},
		"llama": {Rank: 3, Alpha: 4, Targets: "q_proj,v_proj,o_proj,gate_proj,down_proj"},
	} {
		base := folder(t, adapters[name])
		c, err := base.Check()
		if err != nil {
			t.Fatal(err)
		}
		net, err := model.NewAdapted(c, l, cpu.Reference(), 1)
		if err != nil {
			t.Fatal(err)
		}
		theirs := map[string][]float32{}
		f, err := os.Open(filepath.Join(adapter(name), exchange.AdapterFile))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		tensors, _, err := safetensors.Open(f, info.Size())
		if err != nil {
			t.Fatal(err)
		}
		kept := tensors[:0:0]
		for _, x := range tensors {
			if strings.Contains(x.Name, "lm_head") { // modules_to_save: our adapters save tables together
				continue
			}
			if theirs[x.Name], err = x.Floats(); err != nil {
				t.Fatal(err)
			}
			kept = append(kept, x)
		}
		var file bytes.Buffer
		if _, err := safetensors.Write(&file, nil, kept); err != nil {
			t.Fatal(err)
		}
		if err := net.LoadAdapters(&file); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		ours := net.AdapterFile().Tensors
		for _, x := range ours {
			if !slices.Equal(x.Data, theirs[x.Name]) {
				t.Errorf("%s: %s is not what PEFT has", name, x.Name)
			}
		}
		if len(ours) != len(theirs) {
			t.Errorf("%s: %d tensors, PEFT has %d", name, len(ours), len(theirs))
		}
		said := map[string]any{}
		if err := json.Unmarshal(net.AdapterConfig(name), &said); err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(filepath.Join(adapter(name), exchange.AdapterConfigFile))
		if err != nil {
			t.Fatal(err)
		}
		known := map[string]any{}
		if err := json.Unmarshal(raw, &known); err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"peft_type", "r", "lora_alpha", "bias", "fan_in_fan_out", "task_type", "use_dora", "use_rslora", "base_model_name_or_path"} {
			a, _ := json.Marshal(said[key])
			b, _ := json.Marshal(known[key])
			if !bytes.Equal(a, b) {
				t.Errorf("%s: %s is %s, PEFT has %s", name, key, a, b)
			}
		}
		targets, theirTargets := said["target_modules"].([]any), known["target_modules"].([]any)
		for i, ending := range theirTargets { // ours say more of a layer's name
			if len(targets) != len(theirTargets) || !strings.HasSuffix(targets[i].(string), ending.(string)) {
				t.Errorf("%s: target_modules are %v, PEFT has %v", name, targets, theirTargets)
				break
			}
		}
		for key := range said {
			if _, ok := known[key]; !ok {
				t.Errorf("%s: PEFT knows no %s", name, key)
			}
		}
	}
}

func TestAdaptersThatDoNotFit(t *testing.T) {
	for want, change := range map[string]func(dir string){
		"use_dora": func(dir string) {
			rewrite(t, filepath.Join(dir, "adapter_config.json"), `"use_dora": false`, `"use_dora": true`)
		},
		`peft_type "IA3"`: func(dir string) { rewrite(t, filepath.Join(dir, "adapter_config.json"), `"LORA"`, `"IA3"`) },
		"lora_alpha 0": func(dir string) {
			rewrite(t, filepath.Join(dir, "adapter_config.json"), `"lora_alpha": 5`, `"lora_alpha": 0`)
		},
		"alpha_pattern": func(dir string) {
			rewrite(t, filepath.Join(dir, "adapter_config.json"), `"alpha_pattern": {}`, `"alpha_pattern": {"x": 1}`)
		},
		"has no adapter_config.json": func(dir string) { remove(t, filepath.Join(dir, "adapter_config.json")) },
		"adapter_model.safetensors":  func(dir string) { cut(t, filepath.Join(dir, "adapter_model.safetensors")) },
	} {
		dir := filepath.Join(t.TempDir(), "adapter")
		if err := os.CopyFS(dir, os.DirFS(adapter("gpt2"))); err != nil {
			t.Fatal(err)
		}
		change(dir)
		m := folder(t, "gpt2")
		count := len(m.Tensors)
		if err := m.Adapt(dir); err == nil || !strings.Contains(err.Error(), want) || len(m.Tensors) != count || m.Whole == "" {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if err := folder(t, "llama").Adapt(adapter("gpt2")); err == nil || !strings.Contains(err.Error(), "another model's") {
		t.Errorf("a GPT-2's adapter of a Llama: %v", err)
	}
}

// Whatever the files of an adapter say: an error, or a model whose tensors can be written.
func FuzzAdapt(f *testing.F) {
	for name := range adapters {
		config, err := os.ReadFile(filepath.Join(adapter(name), exchange.AdapterConfigFile))
		if err != nil {
			f.Fatal(err)
		}
		weights, err := os.ReadFile(filepath.Join(adapter(name), exchange.AdapterFile))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(config, weights)
	}
	f.Fuzz(func(t *testing.T, config, weights []byte) {
		dir := t.TempDir()
		for name, raw := range map[string][]byte{exchange.AdapterConfigFile: config, exchange.AdapterFile: weights} {
			if err := os.WriteFile(filepath.Join(dir, name), raw, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for _, base := range families {
			m, err := exchange.Open(filepath.Join("testdata", base))
			if err != nil {
				t.Fatal(err)
			}
			if m.Adapt(dir) == nil {
				for _, x := range m.Tensors {
					if _, err := x.Floats(); err != nil {
						t.Errorf("%s: %v", x.Name, err)
					}
				}
			}
			if err := m.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
