package exchange

import (
	"bytes"
	"io"

	"millrace/trainer/model"
	"millrace/trainer/model/safetensors"
	"millrace/trainer/token"
)

// Check tells whether this program can use the model: its config.json describes a network that it builds, the tensors are that network's, and
// its tokenizer, if it can be used here, has no more tokens than the vocabulary. Nothing but headers is read.
func (m *Model) Check() (model.Config, error) {
	c, err := model.ParseHuggingFace(m.Config)
	if err != nil {
		return c, wrong("%w", err)
	}
	header, err := safetensors.Header(nil, m.Tensors)
	if err != nil {
		return c, err
	}
	// Not as a bytes.Reader, which would tell that no tensors follow.
	if err := model.Fits(c, io.MultiReader(bytes.NewReader(header))); err != nil {
		return c, wrong("%w", err)
	}
	if tok, err := m.tokenizer(); err == nil && tok != nil && tok.VocabSize() > c.VocabSize {
		return c, wrong("the tokenizer has %d tokens, the model's vocab_size is %d: it is another model's", tok.VocabSize(), c.VocabSize)
	}
	return c, nil
}

// SetTokenizer gives the model another tokenizer: the bytes of a tokenizer.json, or of another file that token.Parse reads.
func (m *Model) SetTokenizer(raw []byte) error {
	tok, err := token.Parse(raw)
	if err != nil {
		return wrong("%w", err)
	}
	if token.IsRankFile(raw) {
		raw = tok.JSON()
	}
	m.Tokenizer = raw
	return nil
}

// WriteSafetensors writes the weights as one model.safetensors, as they are stored.
func (m *Model) WriteSafetensors(w io.Writer) (int64, error) {
	return safetensors.Write(w, map[string]string{"format": "pt"}, m.Tensors)
}
