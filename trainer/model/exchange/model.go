package exchange

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"millrace/trainer/model/stored"
)

// Format is a form of models.
type Format string

// The forms.
const (
	HuggingFace Format = "hf"
	GGUF        Format = "gguf"
	LLMC        Format = "llmc"
)

// ErrModel is wrapped by errors about a model that is not what its form asks for.
var ErrModel = errors.New("exchange")

// Model is a model on its way from one program to another.
type Model struct {
	// From is the form it was read from.
	From Format
	// Config is the config.json, as transformers writes it.
	Config []byte
	// Tensors are all weights, under transformers' names and in its shapes.
	Tensors []stored.Tensor
	// Tokenizer is the tokenizer.json; nil when there is none, or none that this form can say.
	Tokenizer []byte
	// Beside are further files of a folder, by name: generation_config.json and the like.
	Beside map[string][]byte
	// Notes tell a person what was left out and why.
	Notes []string

	// Whole is where the weights lie as one model.safetensors, "" when they do not.
	Whole string

	files []io.Closer
}

// Close closes the files that the tensors lie in.
func (m *Model) Close() error {
	var err error
	for _, f := range m.files {
		err = errors.Join(err, f.Close())
	}
	m.files = nil
	return err
}

func (m *Model) note(format string, a ...any) { m.Notes = append(m.Notes, fmt.Sprintf(format, a...)) }

// tensor finds one by name; the names of a GPT-2 may lack "transformer.", as in OpenAI's own files.
func (m *Model) tensor(name string) (stored.Tensor, bool) {
	for _, t := range m.Tensors {
		if t.Name == name {
			return t, true
		}
	}
	short, ok := strings.CutPrefix(name, "transformer.")
	if !ok {
		return stored.Tensor{}, false
	}
	for _, t := range m.Tensors {
		if t.Name == short {
			return t.Named(name), true
		}
	}
	return stored.Tensor{}, false
}

// as is a tensor in another format; "" keeps it as it is.
func as(t stored.Tensor, d stored.DType) (stored.Tensor, error) {
	if d == "" || !t.DType.Weights() {
		return t, nil
	}
	return t.As(d)
}

func wrong(format string, a ...any) error {
	return fmt.Errorf("%w: %w", ErrModel, fmt.Errorf(format, a...))
}
