package exchange

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"millrace/trainer/model/safetensors"
	"millrace/trainer/model/stored"
	"millrace/trainer/token"
)

// Names of files in a folder as transformers has them.
const (
	ConfigFile           = "config.json"
	TokenizerFile        = "tokenizer.json"
	tokenizerConfigFile  = "tokenizer_config.json"
	generationConfigFile = "generation_config.json"
	// ownTokenizerFile is a tokenizer that only this program has.
	ownTokenizerFile = "tokenizer.millrace.json"
)

// Beside are the small files of a folder that go along with the model.
func Beside() []string {
	return []string{generationConfigFile, tokenizerConfigFile, "special_tokens_map.json", "chat_template.jinja"}
}

// maxBeside bounds such a file, maxTokenizer a tokenizer.json, in bytes.
const (
	maxBeside    = 4 << 20
	maxTokenizer = 64 << 20
)

// Open reads a model of whatever form: a folder of transformers', or a file of llama.cpp's or llm.c's. Close it after its tensors have been
// written.
func Open(path string) (*Model, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, wrong("%w", err)
	}
	if info.IsDir() {
		return openFolder(path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, wrong("%w", err)
	}
	var begin [4]byte
	if _, err := io.ReadFull(f, begin[:]); err != nil {
		return nil, errors.Join(wrong("%s: %w", path, err), f.Close())
	}
	m, err := openFile(f, info.Size(), begin)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", filepath.Base(path), err), f.Close())
	}
	m.files = append(m.files, f)
	return m, nil
}

func openFile(f io.ReaderAt, size int64, begin [4]byte) (*Model, error) {
	switch {
	case string(begin[:]) == "GGUF":
		return openGGUF(f, size)
	case isLLMC(begin[:]):
		return openLLMC(f, size)
	}
	return nil, wrong("it is neither a GGUF nor a model of llm.c; of a model in safetensors name the folder")
}

// small reads a file of a folder; nil when it is not there.
func small(dir, name string, most int64) ([]byte, error) {
	f, err := os.Open(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, wrong("%w", err)
	}
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, wrong("%s: %w", name, err)
	}
	if int64(len(b)) > most {
		return nil, wrong("%s has more than %d bytes", name, most)
	}
	return b, nil
}

func openFolder(dir string) (_ *Model, err error) {
	m := &Model{From: HuggingFace, Beside: map[string][]byte{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.Close())
		}
	}()
	if m.Config, err = small(dir, ConfigFile, maxConfig); err != nil {
		return nil, err
	}
	if m.Config == nil {
		if raw, err := small(dir, AdapterConfigFile, maxConfig); err == nil && raw != nil {
			return nil, wrong("%s is an adapter, not a model: millrace import BASE --adapter %s, BASE being the folder of the model that it adapts", dir, dir)
		}
		return nil, wrong("%s has no %s: name the folder of a model as transformers saves it, or a GGUF or .bin file", dir, ConfigFile)
	}
	if err = m.weights(dir); err != nil {
		return nil, err
	}
	if err = m.settle(); err != nil {
		return nil, err
	}
	if m.Tokenizer, err = small(dir, TokenizerFile, maxTokenizer); err != nil {
		return nil, err
	}
	for _, name := range Beside() {
		raw, err := small(dir, name, maxBeside)
		if err != nil {
			return nil, err
		}
		if raw != nil {
			m.Beside[name] = raw
		}
	}
	return m, m.takeTokenizer(dir)
}

// takeTokenizer finds the tokenizer where it is no tokenizer.json.
func (m *Model) takeTokenizer(dir string) error {
	if m.Tokenizer == nil {
		own, err := small(dir, ownTokenizerFile, maxTokenizer)
		if err != nil {
			return err
		}
		m.Tokenizer = own
	}
	if m.Tokenizer == nil {
		vocab, err := small(dir, "vocab.json", maxTokenizer)
		merges, err2 := small(dir, "merges.txt", maxTokenizer)
		if err = errors.Join(err, err2); err != nil {
			return err
		}
		if vocab != nil && merges != nil {
			tok, err := token.ParseGPT2(vocab, merges)
			if err != nil {
				return wrong("%w", err)
			}
			m.Tokenizer = tok.JSON()
		}
	}
	if m.Tokenizer == nil {
		m.note("the folder has no %s; give one with --tokenizer", TokenizerFile)
		return nil
	}
	if _, err := token.Parse(m.Tokenizer); err != nil {
		m.note("its tokenizer goes along, but cannot be used here: %v", err)
	}
	return nil
}

// weights opens model.safetensors, or the files that its index names.
func (m *Model) weights(dir string) error {
	open := func(name string) (io.ReaderAt, int64, error) {
		f, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			return nil, 0, err
		}
		m.files = append(m.files, f)
		info, err := f.Stat()
		if err != nil {
			return nil, 0, err
		}
		return f, info.Size(), nil
	}
	r, size, err := open(safetensors.ModelFile)
	if err == nil {
		if m.Tensors, _, err = safetensors.Open(r, size); err != nil {
			return fmt.Errorf("%s: %w", safetensors.ModelFile, err)
		}
		m.Whole = filepath.Join(dir, safetensors.ModelFile)
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return wrong("%w", err)
	}
	index, err := os.ReadFile(filepath.Join(dir, safetensors.IndexFile))
	if errors.Is(err, fs.ErrNotExist) {
		return wrong("%s has neither %s nor %s; weights in another format become one by transformers' save_pretrained", dir, safetensors.ModelFile, safetensors.IndexFile)
	}
	if err != nil {
		return wrong("%w", err)
	}
	m.Tensors, err = safetensors.OpenShards(index, open)
	return err
}

// settle compares the tensors of a folder with its config, for the families that can be taken elsewhere, and gives them transformers'
// names. What holds nothing learned is left out: masks, frequencies, and the head where it is the embedding.
func (m *Model) settle() error {
	var kind struct {
		ModelType string `json:"model_type"`
	}
	if err := json.Unmarshal(m.Config, &kind); err != nil {
		return wrong("%s: %w", ConfigFile, err)
	}
	if kind.ModelType != "gpt2" && kind.ModelType != "llama" {
		return nil // it can be used here, and compared when it is
	}
	c, err := parseConfig(m.Config)
	if err != nil {
		return err
	}
	taken := map[string]bool{}
	for _, n := range c.names() {
		t, ok := m.tensor(n.hf)
		if !ok && n.missing && c.Bias != nil && !*c.Bias {
			continue
		}
		if !ok {
			return wrong("the model has no %s, which its %s asks for", n.hf, ConfigFile)
		}
		if !sameShape(t.Shape, n.shape) {
			return wrong("%s is %v, and %v by the %s", n.hf, t.Shape, n.shape, ConfigFile)
		}
		if !t.DType.Weights() {
			return wrong("%s is %s; weights are F32, F16 or BF16", n.hf, t.DType)
		}
		taken[n.hf] = true
	}
	var all []stored.Tensor
	for _, t := range m.Tensors {
		switch {
		case taken[t.Name]:
			all = append(all, t)
		case taken["transformer."+t.Name]:
			all = append(all, t.Named("transformer."+t.Name))
		case nothingLearned(t.Name), t.Name == "lm_head.weight" && c.tied():
		default:
			return wrong("the model has %s, which its %s does not ask for", t.Name, ConfigFile)
		}
	}
	m.Tensors = all
	return nil
}

func nothingLearned(name string) bool {
	for _, end := range []string{".attn.bias", ".attn.masked_bias", ".rotary_emb.inv_freq"} {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return false
}

// WriteFolder writes the model as transformers saves one: config.json, model.safetensors (in several files above limit bytes; 0: 5 GB),
// tokenizer.json, tokenizer_config.json, generation_config.json. Weights become d, or stay as they are when d is "". The folder is made; files
// of these names in it are replaced. It returns the names of the files.
func (m *Model) WriteFolder(dir string, d stored.DType, limit int64) ([]string, error) {
	if d == stored.Q8_0 {
		return nil, wrong("transformers has no Q8_0: choose f32, f16 or bf16, or the format gguf")
	}
	raw, tensors, err := m.forTransformers(d)
	if err != nil {
		return nil, err
	}
	if limit <= 0 {
		limit = safetensors.ShardBytes
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, wrong("%w", err)
	}
	w := &folder{dir: dir}
	w.put(ConfigFile, raw)
	metadata := map[string]string{"format": "pt"} // transformers refuses a file without
	shards := safetensors.Shards(tensors, limit)
	for i, shard := range shards {
		name := safetensors.ModelFile
		if len(shards) > 1 {
			name = safetensors.ShardFile(i, len(shards))
		}
		w.write(name, func(out io.Writer) error {
			_, err := safetensors.Write(out, metadata, shard)
			return err
		})
	}
	if len(shards) > 1 {
		w.put(safetensors.IndexFile, safetensors.Index(shards))
	}
	if err := m.putTokenizer(w); err != nil {
		return nil, err
	}
	return w.names, w.err
}

// forTransformers is the config.json and the tensors as transformers takes them.
func (m *Model) forTransformers(d stored.DType) ([]byte, []stored.Tensor, error) {
	raw, tensors := m.Config, m.Tensors
	set := map[string]any{}
	c, err := parseConfig(raw)
	if err == nil && c.ModelType == "gpt2" && c.Bias != nil && !*c.Bias {
		tensors = m.portable(&c)
		set["bias"] = nil
	}
	if d != "" {
		converted := make([]stored.Tensor, len(tensors))
		for i, t := range tensors {
			if converted[i], err = as(t, d); err != nil {
				return nil, nil, err
			}
		}
		tensors = converted
		var has map[string]json.RawMessage
		if err := json.Unmarshal(raw, &has); err != nil {
			return nil, nil, wrong("%s: %w", ConfigFile, err)
		}
		key := "torch_dtype"
		if _, ok := has["dtype"]; ok { // since transformers 5
			key = "dtype"
		}
		if string(has[key]) != `"`+torchName(d)+`"` {
			set[key] = torchName(d)
		}
	}
	if len(set) > 0 {
		if raw, err = withKeys(raw, set); err != nil {
			return nil, nil, err
		}
	}
	return raw, tensors, nil
}

// putTokenizer writes the tokenizer and the small files; those that are missing are made.
func (m *Model) putTokenizer(w *folder) error {
	beside := map[string][]byte{}
	for name, raw := range m.Beside {
		beside[name] = raw
	}
	raw := m.portableTokenizer()
	if raw != nil {
		w.put(TokenizerFile, raw)
	} else if m.Tokenizer != nil {
		w.put(ownTokenizerFile, m.Tokenizer)
	}
	tok, err := m.tokenizer()
	if raw != nil && err == nil && tok != nil {
		var c struct {
			Context int `json:"n_positions"`
			Longest int `json:"max_position_embeddings"`
		}
		if err := json.Unmarshal(m.Config, &c); err != nil {
			return wrong("%s: %w", ConfigFile, err)
		}
		names := map[int32]string{}
		for _, s := range tok.Special() {
			names[s.ID] = s.Name
		}
		if beside[tokenizerConfigFile] == nil {
			settings := map[string]any{
				"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": false, "model_max_length": max(c.Context, c.Longest),
				"bos_token": names[m.beginning(tok)], "eos_token": names[m.ending(tok)],
			}
			beside[tokenizerConfigFile] = indented(settings)
		}
		if beside[generationConfigFile] == nil {
			beside[generationConfigFile] = indented(map[string]any{"bos_token_id": m.beginning(tok), "eos_token_id": m.ending(tok)})
		}
	}
	for _, name := range Beside() {
		if beside[name] != nil {
			w.put(name, beside[name])
		}
	}
	return w.err
}

func indented(v any) []byte {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		panic(err) // maps of numbers and texts always marshal
	}
	return append(b, '\n')
}

// folder writes files one after the other, each whole or not at all. The first error stays.
type folder struct {
	dir   string
	names []string
	err   error
}

func (f *folder) put(name string, b []byte) {
	f.write(name, func(w io.Writer) error { _, err := w.Write(b); return err })
}

func (f *folder) write(name string, write func(io.Writer) error) {
	if f.err != nil {
		return
	}
	if f.err = WriteFile(filepath.Join(f.dir, name), write); f.err == nil {
		f.names = append(f.names, name)
	}
}
