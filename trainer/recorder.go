package trainer

import (
	"context"
	"io"
	"strings"
)

// Recorder is told what happens. Metrics, Spiked and Sampled are called in order from one goroutine, Checkpoint from another, one
// checkpoint after the other, so that training goes on meanwhile. An error ends the training. ctx is not cancelled when the training is,
// so that the last checkpoint can be saved: bound the time yourself.
type Recorder interface {
	// Metrics gets the points of a step, counted from 1, once a step. After a resume steps are told again, with the same
	// values where Deterministic says so. points may not be kept.
	Metrics(ctx context.Context, step int64, points []Point) error
	// Spiked tells, after its Metrics, that a step was taken out by Config.Guard. After a resume it is told again.
	Spiked(ctx context.Context, s Spike) error
	// Sampled tells a text that the model wrote after a step.
	Sampled(ctx context.Context, s Sampled) error
	// Checkpoint returns when the files are durable. They may be read during the call only. Metrics of its step were told before; those
	// of later steps may be told meanwhile. Run returns after the last call has.
	Checkpoint(ctx context.Context, c Checkpoint) error
}

// Point is a value of a metric.
type Point struct {
	Key   string
	Value float64
}

// Sampled is a text that the model wrote.
type Sampled struct {
	Step   int64 // after which
	Prompt string
	Text   string // what follows the prompt
}

// Keys of metrics.
const (
	KeyLoss            = "train/loss"        // mean over the step's targets that count, in nats, before its update
	KeyValLoss         = "val/loss"          // mean over the held-out windows, in nats, after its update
	KeyLR              = "lr"                // learning rate of the step
	KeyGradNorm        = "grad_norm"         // before clipping
	KeyTokens          = "tokens"            // shown since step 1, counted or not
	KeyEpoch           = "epoch"             // tokens over those of the text
	KeySkipped         = "skipped"           // with Config.Guard or precision fp16: steps that weights and moments do not hold
	KeyLossScale       = "loss_scale"        // with precision fp16: what the loss is multiplied by
	KeyStepSeconds     = "step_seconds"      // without evaluation and checkpoint
	KeyTokensPerSecond = "tokens_per_second" // of the step
	KeyMFU             = "mfu"               // FLOPs of the step over what the machine's measured peak would have done in its time
	KeyDataSeconds     = "time/data"         // of the step: waiting for text
	KeyComputeSeconds  = "time/compute"      // of the step: forward and backward
	KeyUpdateSeconds   = "time/update"       // of the step: gradient norm and optimizer, where it is not beside the next step
	KeySavingSeconds   = "time/checkpoint"   // by which a checkpoint held up the training since the step before
	KeyEvalSeconds     = "time/evaluation"   // of the evaluation after the step
)

// Prefixes of keys of metrics.
const (
	// PrefixLayer comes before "<parameter>/weight_norm", "/grad_norm" and "/update_ratio" (the norm of the step's change over
	// weight_norm), every Config.LayerStats steps.
	PrefixLayer = "layer/"
	prefixTime  = "time/"
)

// Deterministic says whether a metric is the same to the bit when the same job runs again. The others measure time.
func Deterministic(key string) bool {
	switch key {
	case KeyStepSeconds, KeyTokensPerSecond, KeyMFU:
		return false
	}
	return !strings.HasPrefix(key, prefixTime)
}

// Checkpoint is what a training can be resumed from. Its bytes hold no time and no name of a machine.
type Checkpoint struct {
	Step    int64
	Tokens  int64   // learnt from so far
	Final   bool    // the last of a finished training
	ValLoss float64 // of the latest evaluation; NaN before the first
	Files   []File
}

// File is one file of a checkpoint.
type File struct {
	Name string
	Size int64
	Body Body // may be read several times, giving the same bytes, while the Checkpoint call lasts
	// Parts are the lengths in bytes of what the file is made of, one behind the other, where another checkpoint may have some of it too: a
	// header and each tensor. nil of the other files.
	Parts []int64
}

// Body is the content of a file, to be written as a whole or read anywhere.
type Body interface {
	io.WriterTo
	io.ReaderAt
}

// Names of a checkpoint's files. The first two are what other tools load.
const (
	ConfigFile    = "config.json"           // the architecture, as Hugging Face writes it
	ModelFile     = "model.safetensors"     // weights
	OptimizerFile = "optimizer.safetensors" // what the optimizer keeps
	TrainerFile   = "trainer.json"          // step, position and resolved config
)
