package trainer

import (
	"context"
	"io"
)

// Recorder is told what happens, in order, from one goroutine. An error ends the training.
type Recorder interface {
	// Metrics gets the points of a step, counted from 1, once a step. After a resume steps are told again, with the same
	// values where Deterministic says so. points may not be kept.
	Metrics(ctx context.Context, step int64, points []Point) error
	// Checkpoint returns when the files are durable. They are read during the call only: training changes them afterwards.
	// ctx is not cancelled when the training is, so that the last checkpoint can be saved; bound the time yourself.
	Checkpoint(ctx context.Context, c Checkpoint) error
}

// Point is a value of a metric.
type Point struct {
	Key   string
	Value float64
}

// Keys of metrics.
const (
	KeyLoss            = "train/loss"        // mean over the step's targets that count, in nats, before its update
	KeyValLoss         = "val/loss"          // mean over the held-out windows, in nats, after its update
	KeyLR              = "lr"                // learning rate of the step
	KeyGradNorm        = "grad_norm"         // before clipping
	KeyTokens          = "tokens"            // shown since step 1, counted or not
	KeyEpoch           = "epoch"             // tokens over those of the text
	KeyStepSeconds     = "step_seconds"      // without evaluation and checkpoint
	KeyTokensPerSecond = "tokens_per_second" // of the step
)

// Deterministic says whether a metric is the same to the bit when the same job runs again. The others measure time.
func Deterministic(key string) bool { return key != KeyStepSeconds && key != KeyTokensPerSecond }

// Checkpoint is what a training can be resumed from. Its bytes hold no time and no name of a machine.
type Checkpoint struct {
	Step    int64
	Final   bool    // the last of a finished training
	ValLoss float64 // of the latest evaluation; NaN before the first
	Files   []File
}

// File is one file of a checkpoint.
type File struct {
	Name string
	Size int64
	Body io.WriterTo // may be written several times, giving the same bytes, while the Checkpoint call lasts
}

// Names of a checkpoint's files. The first two are what other tools load.
const (
	ConfigFile    = "config.json"           // the architecture, as Hugging Face writes it
	ModelFile     = "model.safetensors"     // weights
	OptimizerFile = "optimizer.safetensors" // AdamW's moments
	TrainerFile   = "trainer.json"          // step, position and resolved config
)
