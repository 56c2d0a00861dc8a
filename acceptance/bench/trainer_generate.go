package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"millrace/trainer/engine"
	"millrace/trainer/engine/cpu"
	"millrace/trainer/model"
	"millrace/trainer/model/exchange"
	"millrace/trainer/model/stored"
	"millrace/trainer/token"
)

const generated = 128 // tokens

// generation compares one stream of GPT-2 124M, of random weights, with llama.cpp's on the same file.
func generation(ctx context.Context, _ peers) ([]Row, error) {
	ranks, err := gpt2Ranks(ctx, os.TempDir())
	if err != nil {
		fmt.Fprintln(os.Stderr, "trainer/generate is left out:", err)
		return nil, nil
	}
	folder, err := os.MkdirTemp("", "millrace-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	p := newPeers(ctx, "llama")
	var rows []Row
	for _, form := range []engine.Form{engine.FormF32, engine.FormQ8} {
		var ours written // its best
		path := filepath.Join(folder, string(form)+".gguf")
		mine := func() (float64, error) {
			var got written
			err := child(ctx, "generate", &got, ranks, folder, string(form))
			if ours.Seconds == 0 || got.Seconds < ours.Seconds {
				ours = got
			}
			return got.Seconds, err
		}
		ended := ""
		took, err := inTurns(2, mine, func() (float64, error) {
			took, err := p.seconds(ctx, 2, "llama_generate.py", path, fmt.Sprint(generated))()
			if err == nil {
				return took, nil
			}
			ended = "; llama.cpp without repacked weights, with which it ended: " + strings.SplitN(err.Error(), "\n", 2)[0]
			return p.seconds(ctx, 2, "llama_generate.py", path, fmt.Sprint(generated), "plain")()
		})
		if err != nil {
			return nil, err
		}
		row := Row{Name: "generate_gpt2_124m_" + string(form), Value: generated / ours.Seconds, Unit: "tokens/s", Better: "higher",
			Note: fmt.Sprintf("one stream, 2 threads, %.1f GB/s of weights, which is %.0f%% of the %.1f GB/s at which this machine reads memory", ours.Rate/1e9, 100*ours.Rate/ours.Memory, ours.Memory/1e9) + ended}
		if took[1] > 0 {
			row.Peer, row.PeerValue, row.Bar = "llama.cpp", ptr(generated/took[1]), ptr(generated/took[1])
		} else {
			row.Note += "; " + p.missing
		}
		rows = append(rows, row, Row{Name: "generate_gpt2_124m_" + string(form) + "_bandwidth", Value: 100 * ours.Rate / ours.Memory, Unit: "% of memory's", Better: "higher", Bar: ptr(70)})
	}
	return rows, nil
}

// written is what the child that generates prints.
type written struct {
	Seconds float64 // of all tokens after the prompt, best of four
	Rate    float64 // bytes of weights a second
	Memory  float64 // bytes a second that plain reading reaches
}

// childGenerates writes a GPT-2 124M as GGUF for the peer, and times its own.
func childGenerates(args []string) (written, error) {
	if len(args) != 3 {
		return written{}, errors.New("arguments: ranks, folder, form")
	}
	folder, form := args[1], engine.Form(args[2])
	k, err := cpu.Open(2)
	if err != nil {
		return written{}, err
	}
	config, err := model.Preset("gpt2-124m")
	if err != nil {
		return written{}, err
	}
	net, err := model.New(config, k, 1)
	if err != nil {
		return written{}, err
	}
	if err := writeGGUF(net, args[0], folder, form); err != nil {
		return written{}, err
	}
	g, err := model.NewGenerator(net, form)
	if err != nil {
		return written{}, err
	}
	prompt := make([]int32, 16)
	for i := range prompt {
		prompt[i] = int32(100 + i)
	}
	out := written{Memory: readingRate()}
	for range 4 {
		feed := &model.Feed{Sequence: g.NewSequence(), Tokens: prompt}
		if err := g.Step([]*model.Feed{feed}); err != nil {
			return written{}, err
		}
		sampler := model.NewSampler(model.Sampling{}, prompt)
		began := time.Now()
		for range generated {
			feed.Tokens = []int32{sampler.Draw(feed.Logits[0])}
			if err := g.Step([]*model.Feed{feed}); err != nil {
				return written{}, err
			}
		}
		if took := time.Since(began).Seconds(); out.Seconds == 0 || took < out.Seconds {
			out.Seconds = took
		}
	}
	n := config.Parameters()
	each := map[engine.Form]float64{engine.FormF32: 4, engine.FormQ8: 34.0 / 32}[form] // bytes of a weight
	out.Rate = each * float64(n.Total-n.Position) * generated / out.Seconds
	return out, nil
}

// writeGGUF goes the way of an export: a folder as transformers has it, then the file.
func writeGGUF(net *model.Model, ranks, folder string, form engine.Form) (err error) {
	raw, err := os.ReadFile(ranks)
	if err != nil {
		return err
	}
	tok, err := token.Parse(raw)
	if err != nil {
		return err
	}
	bpe, ok := tok.(*token.BPE)
	if !ok {
		return fmt.Errorf("%s is no BPE", ranks)
	}
	inner := filepath.Join(folder, "hf")
	if err := os.MkdirAll(inner, 0o755); err != nil {
		return err
	}
	weights, err := os.Create(filepath.Join(inner, "model.safetensors"))
	if err != nil {
		return err
	}
	if _, err := net.File().WriteTo(weights); err != nil {
		return errors.Join(err, weights.Close())
	}
	if err := errors.Join(weights.Close(), os.WriteFile(filepath.Join(inner, "config.json"), net.Config().HuggingFace(), 0o644),
		os.WriteFile(filepath.Join(inner, exchange.TokenizerFile), bpe.JSON(), 0o644)); err != nil {
		return err
	}
	m, err := exchange.Open(inner)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	file, err := os.Create(filepath.Join(folder, string(form)+".gguf"))
	if err != nil {
		return err
	}
	_, err = m.WriteGGUF(file, stored.DType(strings.ToUpper(string(form))), "gpt2-124m")
	return errors.Join(err, file.Close())
}

// readingRate is how many bytes a second two threads read from memory that no cache holds: they look for a byte that is not there, by vectors.
func readingRate() float64 {
	const n = 1 << 28
	x := bytes.Repeat([]byte{1}, n)
	best := 0.0
	for range 8 {
		began := time.Now()
		found := make(chan int, 2)
		for half := range 2 {
			go func() { found <- bytes.IndexByte(x[half*n/2:(half+1)*n/2], 2) }()
		}
		if <-found+<-found != -2 {
			panic("a byte was found that is not there")
		}
		best = max(best, n/time.Since(began).Seconds())
	}
	return best
}
