package serving

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"millrace/trainer/model/exchange"
)

// Folders are models on this machine's disk: folders as transformers writes them, and files of llama.cpp and llm.c.
type Folders []string

// OpenFolders checks that each path is a model, without reading its weights.
func OpenFolders(paths []string) (Folders, error) {
	var f Folders
	for _, p := range paths {
		abs, err := filepath.Abs(p)
		if err != nil {
			return nil, fmt.Errorf("serving: %w", err)
		}
		m, err := exchange.Open(abs)
		if err != nil {
			return nil, fmt.Errorf("serving: %w", err)
		}
		missing := m.Tokenizer == nil
		if _, err := m.Check(); err != nil {
			return nil, fmt.Errorf("serving: %s: %w", p, err)
		}
		if err := m.Close(); err != nil {
			return nil, fmt.Errorf("serving: %w", err)
		}
		if missing {
			return nil, fmt.Errorf("serving: %s has no tokenizer.json, without which nobody can talk to it; put it there", p)
		}
		f = append(f, abs)
	}
	return f, nil
}

// Offers names each by the last part of its path.
func (f Folders) Offers(context.Context) ([]Offer, error) {
	var out []Offer
	for _, p := range f {
		o := Offer{Name: filepath.Base(p)}
		if info, err := os.Stat(p); err == nil {
			o.Created = info.ModTime()
		}
		out = append(out, o)
	}
	return out, nil
}

// Find takes the last part of a path, or the path.
func (f Folders) Find(_ context.Context, name string) (Checkpoint, error) {
	i := slices.IndexFunc(f, func(p string) bool { return filepath.Base(p) == name || p == name })
	if i < 0 {
		return Checkpoint{}, fmt.Errorf("%w: %q", ErrUnknownModel, name)
	}
	path := f[i]
	info, err := os.Stat(path)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("serving: %w", err)
	}
	open := func(use func(*exchange.Model) error) error {
		m, err := exchange.Open(path)
		if err != nil {
			return fmt.Errorf("serving: %w", err)
		}
		defer m.Close()
		return use(m)
	}
	small := func(pick func(*exchange.Model) []byte) func(context.Context) ([]byte, error) {
		return func(context.Context) (b []byte, err error) {
			err = open(func(m *exchange.Model) error { b = pick(m); return nil })
			return b, err
		}
	}
	return Checkpoint{
		ID: fmt.Sprintf("%s@%d", path, info.ModTime().UnixNano()), Created: info.ModTime().Truncate(time.Second),
		Config:    small(func(m *exchange.Model) []byte { return m.Config }),
		Tokenizer: small(func(m *exchange.Model) []byte { return m.Tokenizer }),
		Weights: func(context.Context) (io.ReadCloser, error) {
			r, w := io.Pipe()
			go func() {
				w.CloseWithError(open(func(m *exchange.Model) error {
					_, err := m.WriteSafetensors(w)
					return err
				}))
			}()
			return r, nil
		},
	}, nil
}
