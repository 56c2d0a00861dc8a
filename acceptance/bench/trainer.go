package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// size is a GPT-2 and a batch of it.
type size struct {
	name                                        string
	layers, width, heads, context, batch, vocab int
}

func (s size) args() []string {
	out := make([]string, 0, 6)
	for _, n := range []int{s.layers, s.width, s.heads, s.context, s.batch, s.vocab} {
		out = append(out, fmt.Sprint(n))
	}
	return out
}

func (s size) tokens() float64 { return float64(s.batch * s.context) }

var (
	gpt2124M = size{"gpt2_124m", 12, 768, 12, 64, 4, 50257}
	tinyGPT  = size{"tiny_gpt", 4, 128, 4, 128, 8, 256}
)

// trainers measures the trainer on this machine's processor; ONLY picks parts.
func trainers(ctx context.Context, b *bench) ([]Row, error) {
	var rows []Row
	p := newPeers(ctx, "trainer")
	for _, part := range []struct {
		name    string
		measure func(context.Context, peers) ([]Row, error)
	}{
		{"steps", trainingSteps}, {"products", products}, {"growth", growth}, {"pause", checkpointPause}, {"generate", generation},
	} {
		if only := os.Getenv("ONLY"); only != "" && !strings.Contains(","+only+",", ","+part.name+",") {
			continue
		}
		got, err := part.measure(ctx, p)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", part.name, err)
		}
		rows = append(rows, got...)
	}
	return rows, nil
}

// child runs a part of this program in a process of its own, so that memory is its own, and reads what it prints.
func child(ctx context.Context, task string, out any, args ...string) error {
	cmd := exec.CommandContext(ctx, os.Args[0], append([]string{"-child", task}, args...)...)
	cmd.Stderr = os.Stderr
	raw, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("%s %v: %w", task, args, err)
	}
	return json.Unmarshal(raw, out)
}

// stepped is what the child that trains prints.
type stepped struct {
	Seconds float64 // a step, median
	FLOPs   float64 // a step's, by model.Config.FLOPsPerToken
	PeakFMA float64 // FLOP/s of multiply-adds on all threads, measured between steps
	Peak    int64   // most bytes resident in steps
	Saving  int64   // and with the copy that the last checkpoint is made from
	Minimum float64 // bytes that weights, gradients, optimizer and kept activations need
	Mallocs float64 // allocations a step
	Slower  float64 // the share of the time that would not have passed if all steps were as the median, without anything between
	Between float64 // the share of the time in which no step was under way
}

const stepsFor = 6 * time.Second

// inTurns measures several contenders one after the other, so many times, and returns the least seconds of each: other guests of a virtual
// machine come and go. One that returns 0 is not there.
func inTurns(turns int, contenders ...func() (float64, error)) ([]float64, error) {
	best := make([]float64, len(contenders))
	for range turns {
		for i, measure := range contenders {
			took, err := measure()
			if err != nil {
				return nil, err
			}
			if best[i] == 0 || took < best[i] {
				best[i] = took
			}
		}
	}
	return best, nil
}

func trainStep(ctx context.Context, s size, precision string, threads int) (stepped, error) {
	var out stepped
	err := child(ctx, "train", &out, append(s.args(), precision, fmt.Sprint(threads), stepsFor.String())...)
	return out, err
}

// trainingSteps compares whole steps, forward, backward, clipping and AdamW, with PyTorch's and llm.c's.
func trainingSteps(ctx context.Context, p peers) ([]Row, error) {
	var rows []Row
	for _, s := range []size{gpt2124M, tinyGPT} {
		var alone, both, half stepped // each one's best
		ours := func(best *stepped, precision string, threads int) func() (float64, error) {
			return func() (float64, error) {
				got, err := trainStep(ctx, s, precision, threads)
				if best.Seconds == 0 || got.Seconds < best.Seconds {
					*best = got
				}
				return got.Seconds, err
			}
		}
		torch := func(mode string) func() (float64, error) {
			return p.seconds(ctx, 2, "torch_train.py", append(s.args(), mode, fmt.Sprint(stepsFor.Seconds()))...)
		}
		took, err := inTurns(3, ours(&both, "f32", 2), torch("eager"), torch("compile"), ours(&half, "bf16", 2), torch("bf16"), ours(&alone, "f32", 1))
		if err != nil {
			return nil, err
		}
		speed := func(o stepped) float64 { return s.tokens() / o.Seconds }
		shape := fmt.Sprintf("%d layers, d %d, T %d, B %d, V %d, 2 threads", s.layers, s.width, s.context, s.batch, s.vocab)
		row := Row{Name: s.name + "_f32", Value: speed(both), Unit: "tokens/s", Better: "higher", Note: shape}
		times, llmcs := 1.3, "PEER_LLMC_124M"
		if s == tinyGPT {
			times, llmcs = 3, "PEER_LLMC"
		}
		if eager, compiled := took[1], took[2]; eager > 0 {
			row.Peer, row.PeerValue = "PyTorch compiled", ptr(s.tokens()/compiled)
			if eager < compiled {
				row.Peer, row.PeerValue = "PyTorch eager", ptr(s.tokens()/eager)
			}
			row.Bar = ptr(times * *row.PeerValue)
		} else {
			row.Note += "; " + p.missing
		}
		rows = append(rows, row)
		if peer, err := llmc(ctx, llmcs, s); err != nil {
			return nil, err
		} else if peer != nil {
			rows = append(rows, Row{Name: s.name + "_llmc", Value: speed(both), Unit: "tokens/s", Better: "higher", Bar: ptr(4 * *peer), Peer: "llm.c", PeerValue: peer})
		}
		row = Row{Name: s.name + "_bf16", Value: speed(half), Unit: "tokens/s", Better: "higher", Note: fmt.Sprintf("%.2f times float32", speed(half)/speed(both))}
		if autocast := took[4]; autocast > 0 && s == gpt2124M {
			row.Peer, row.PeerValue, row.Bar = "PyTorch bf16 autocast", ptr(s.tokens()/autocast), ptr(1.2*s.tokens()/autocast)
		}
		rows = append(rows, row,
			Row{Name: s.name + "_two_threads", Value: speed(both) / speed(alone), Unit: "times one", Better: "higher", Bar: ptr(1.85)})
		if s == gpt2124M {
			rows = append(rows,
				Row{Name: s.name + "_peak_share", Value: 100 * both.FLOPs / both.Seconds / both.PeakFMA, Unit: "%", Better: "higher", Bar: ptr(60), Note: fmt.Sprintf("of %.0f GFLOP/s of multiply-adds, measured between the steps", both.PeakFMA/1e9)},
				Row{Name: s.name + "_memory", Value: float64(both.Peak) / both.Minimum, Unit: "times the minimum", Better: "lower", Bar: ptr(1.1), Note: fmt.Sprintf("%.2f GB resident, %.2f GB with the copy for a checkpoint", float64(both.Peak)/1e9, float64(both.Saving)/1e9)},
				Row{Name: s.name + "_mallocs", Value: both.Mallocs, Unit: "a step", Better: "lower", Note: "whatever of this process allocates in that time: NATS's server, which is part of it, looks at its own usage once a second, 8 or 9 allocations"})
		}
	}
	return rows, nil
}

// products compares matrix products with OpenBLAS (numpy) and oneDNN (PyTorch).
func products(ctx context.Context, p peers) ([]Row, error) {
	var rows []Row
	for _, shape := range [][3]int{{1024, 768, 3072}, {256, 768, 768}, {256, 128, 512}, {1024, 128, 512}} {
		m, k, n := shape[0], shape[1], shape[2]
		work := 2 * float64(m) * float64(k) * float64(n) / 1e9
		for _, threads := range []int{1, 2} {
			for _, precision := range []string{"f32", "bf16"} {
				ours := func() (float64, error) {
					var out struct{ Seconds float64 }
					err := child(ctx, "product", &out, fmt.Sprint(m), fmt.Sprint(k), fmt.Sprint(n), precision, fmt.Sprint(threads))
					return out.Seconds, err
				}
				names := map[string]string{"numpy": "OpenBLAS", "torch": "PyTorch", "bf16": "oneDNN"}
				contenders, kinds := []func() (float64, error){ours}, map[string][]string{"f32": {"numpy", "torch"}, "bf16": {"bf16"}}[precision]
				for _, kind := range kinds {
					contenders = append(contenders, p.seconds(ctx, threads, "torch_product.py", fmt.Sprint(m), fmt.Sprint(k), fmt.Sprint(n), kind, "0.5"))
				}
				took, err := inTurns(4, contenders...)
				if err != nil {
					return nil, err
				}
				row := Row{Name: fmt.Sprintf("product_%dx%dx%d_%s_%dT", m, k, n, precision, threads), Value: work / took[0], Unit: "GFLOP/s", Better: "higher", Note: p.missing}
				for i, kind := range kinds {
					if theirs := took[1+i]; theirs > 0 && (row.PeerValue == nil || work/theirs > *row.PeerValue) {
						row.Peer, row.PeerValue, row.Bar = names[kind], ptr(work/theirs), ptr(work/theirs)
					}
				}
				rows = append(rows, row)
			}
		}
	}
	return rows, nil
}

// growth tells how speed and memory change with size and context.
func growth(ctx context.Context, _ peers) ([]Row, error) {
	var rows []Row
	for _, s := range []size{
		{"10m", 6, 256, 4, 256, 4, 16384}, {"30m", 8, 448, 7, 256, 4, 16384}, {"124m", 12, 768, 12, 256, 4, 50257}, {"355m", 24, 1024, 16, 256, 1, 50257},
		{"30m_T1024", 8, 448, 7, 1024, 1, 16384}, {"30m_T4096", 8, 448, 7, 4096, 1, 16384},
	} {
		got, err := trainStep(ctx, s, "f32", 2)
		if err != nil {
			return nil, err
		}
		rows = append(rows, Row{Name: "growth_" + s.name, Value: s.tokens() / got.Seconds, Unit: "tokens/s", Better: "higher",
			Note: fmt.Sprintf("%.2f GB resident, %.0f%% of the multiply-add peak", float64(got.Peak)/1e9, 100*got.FLOPs/got.Seconds/got.PeakFMA)})
	}
	return rows, nil
}

// checkpointPause is the share of training time that checkpoints take from it.
func checkpointPause(ctx context.Context, _ peers) ([]Row, error) {
	var out stepped
	if err := child(ctx, "pause", &out, gpt2124M.args()...); err != nil {
		return nil, err
	}
	return []Row{{Name: "checkpoint_pause", Value: 100 * out.Between, Unit: "% of training", Better: "lower", Bar: ptr(2),
		Note: fmt.Sprintf("124M, a checkpoint of 1.5 GB every 20 steps, hashed and written to the disk by the same two cores meanwhile: steps that share them and pauses are %.1f%% of the time", 100*out.Slower)}}, nil
}
