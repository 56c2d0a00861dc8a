package serving

import (
	"context"
	"errors"
	"io"
	"time"
)

// ErrUnknownModel is wrapped by a Source that has no model of a name.
var ErrUnknownModel = errors.New("no such model")

// Source knows models.
type Source interface {
	// Offers lists what can be asked for, the newest first. It may leave out names that Find knows.
	Offers(ctx context.Context) ([]Offer, error)
	// Find is the model of a name. Errors: ErrUnknownModel.
	Find(ctx context.Context, name string) (Checkpoint, error)
}

// Offer is a model that can be asked for.
type Offer struct {
	Name    string // what a request names
	Label   string // what people call it; "" when nothing else
	Run     string // the run that made it, if there is one
	Step    int64
	Created time.Time
}

// Checkpoint is a model in a store. Its readers are called when it is loaded, once each.
type Checkpoint struct {
	// ID is of the content: two names of the same content have the same.
	ID      string
	Created time.Time
	// Config is the config.json, as transformers writes it.
	Config func(context.Context) ([]byte, error)
	// Weights is the model.safetensors.
	Weights func(context.Context) (io.ReadCloser, error)
	// Tokenizer is a file that token.Parse reads.
	Tokenizer func(context.Context) ([]byte, error)
}
