package exchange

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"millrace/trainer/model/llmc"
	"millrace/trainer/model/stored"
	"millrace/trainer/token"
)

// WriteLLMC writes the model for llm.c, as F32 or BF16 ("" is F32), and returns the file's length. Only a GPT-2 of the usual shape can be.
func (m *Model) WriteLLMC(w io.Writer, d stored.DType) (int64, error) {
	c, err := parseConfig(m.Config)
	if err != nil {
		return 0, err
	}
	switch {
	case c.ModelType != "gpt2":
		return 0, wrong("config.json: model_type %q: llm.c's files hold a GPT-2", c.ModelType)
	case *c.NInner != 4*c.NEmbd:
		return 0, wrong("config.json: n_inner %d: llm.c's GPT-2 has four times n_embd", *c.NInner)
	case *c.LNEps != 1e-5:
		return 0, wrong("config.json: layer_norm_epsilon %g: llm.c's GPT-2 has 1e-5", *c.LNEps)
	case !c.tied():
		return 0, wrong("config.json: tie_word_embeddings false: llm.c's GPT-2 has one table for both")
	}
	if err := c.expressible(); err != nil {
		return 0, err
	}
	if d == "" {
		d = stored.F32
	}
	tensors := m.portable(&c)
	s := llmc.Shape{Context: c.NPositions, VocabSize: c.VocabSize, NLayer: c.NLayer, NHead: c.NHead, DModel: c.NEmbd}
	return llmc.Write(w, s, d, tensors)
}

// portable is the model's tensors with zeros for biases that a GPT-2 of ours lacks.
func (m *Model) portable(c *config) []stored.Tensor {
	if c.Bias == nil || *c.Bias {
		all := make([]stored.Tensor, 0, len(m.Tensors))
		for _, n := range c.names() {
			if t, ok := m.tensor(n.hf); ok {
				all = append(all, t)
			}
		}
		return all
	}
	var all []stored.Tensor
	for _, n := range c.names() {
		t, ok := m.tensor(n.hf)
		if !ok && n.missing {
			d := stored.F32
			if len(all) > 0 && all[0].DType.Weights() {
				d = all[0].DType
			}
			t, ok = stored.Zeros(d, n.hf, n.shape...), true
		}
		if ok {
			all = append(all, t)
		}
	}
	return all
}

// WriteLLMCTokenizer writes the gpt2_tokenizer.bin beside it, by which llm.c shows what it generates.
func (m *Model) WriteLLMCTokenizer(w io.Writer) error {
	tok, err := token.Parse(m.Tokenizer)
	if err != nil {
		return err
	}
	tokens := make([][]byte, tok.VocabSize())
	for id := range tokens {
		tokens[id] = tok.Bytes(int32(id))
	}
	for _, s := range tok.Special() {
		tokens[s.ID] = []byte(s.Name)
	}
	for id, t := range tokens {
		if len(t) == 0 {
			tokens[id] = []byte("\uFFFD") // llm.c asks for a byte at least
		}
	}
	return llmc.WriteTokenizer(w, tokens, int(tok.EndOfText()))
}

// openLLMC reads a model of llm.c's. It carries no tokenizer.
func openLLMC(r io.ReaderAt, size int64) (*Model, error) {
	s, tensors, err := llmc.Open(r, size)
	if err != nil {
		return nil, err
	}
	config, err := json.Marshal(map[string]any{
		"architectures": []string{"GPT2LMHeadModel"}, "model_type": "gpt2", "vocab_size": s.VocabSize, "n_positions": s.Context,
		"n_embd": s.DModel, "n_layer": s.NLayer, "n_head": s.NHead, "n_inner": nil, "activation_function": "gelu_new",
		"layer_norm_epsilon": 1e-5, "tie_word_embeddings": true, "torch_dtype": torchName(tensors[0].DType),
	})
	if err != nil {
		return nil, fmt.Errorf("exchange: %w", err)
	}
	var b bytes.Buffer
	if err := json.Indent(&b, config, "", "  "); err != nil {
		return nil, fmt.Errorf("exchange: %w", err)
	}
	b.WriteByte('\n')
	c, err := parseConfig(b.Bytes())
	if err != nil {
		return nil, err
	}
	m := &Model{From: LLMC, Config: b.Bytes(), Tensors: tensors, Beside: map[string][]byte{}}
	m.Tensors = m.portable(&c) // in transformers' order
	m.note("a file of llm.c carries no tokenizer; give one with --tokenizer")
	return m, nil
}
