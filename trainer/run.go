package trainer

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"millrace/trainer/data"
	"millrace/trainer/engine"
	"millrace/trainer/model"
	"millrace/trainer/optim"
)

// How a training ends early.
var (
	// ErrStopped: the context was cancelled; the step at hand was finished and a checkpoint saved.
	ErrStopped = errors.New("training was stopped")
	// ErrDiverged: the loss or the gradient was not a finite number. Nothing was changed or saved by that step, so the
	// latest checkpoint is good.
	ErrDiverged = errors.New("training diverged")
)

// Job is a training to run.
type Job struct {
	Config   Config
	Kernels  engine.Kernels
	Train    data.Tokens
	Val      data.Tokens // held out; nil evaluates nothing
	Recorder Recorder
	// Resume opens the files of the checkpoint to go on from; nil starts at step 1.
	Resume Open
	// Init opens a checkpoint whose weights to start from, as fine-tuning does; nil draws them from the seed. Only
	// model.safetensors is read. Ignored with Resume.
	Init Open
	// StopAfter, when positive, ends the run with a checkpoint after that step, as if it were divided into shifts.
	StopAfter int64
	// SaveAt are steps after which a checkpoint is saved besides every Config.CheckpointEvery.
	SaveAt []int64
	// MemoryLimit, when positive, refuses a model and batch that would take more bytes than this.
	MemoryLimit int64
	// Now tells the time for speed metrics; nil is time.Now.
	Now func() time.Time
}

// Result is where a run ended.
type Result struct {
	Step    int64   // steps done
	Tokens  int64   // targets learnt from
	Loss    float64 // of the last step of this run; NaN if it made none
	ValLoss float64 // of the latest evaluation; NaN without
	Done    bool    // all steps are done
}

// run is the state of a training.
type run struct {
	job       Job
	config    Config
	model     *model.Model
	optimizer *optim.AdamW
	batch     *model.Batch
	train     *data.Sampler
	heldOut   *heldOut // nil without
	step      int64
	saved     int64 // step of the latest checkpoint
	loss      float64
	valLoss   float64
	points    []Point
}

// Run trains until the configured number of steps is done, StopAfter is reached, or ctx is cancelled. Errors wrap ErrStopped
// or ErrDiverged where they apply; the Result is valid with any error.
func Run(ctx context.Context, j Job) (Result, error) {
	r, err := begin(j)
	if err != nil {
		return Result{Loss: math.NaN(), ValLoss: math.NaN()}, err
	}
	err = r.loop(ctx)
	return r.result(), err
}

func begin(j Job) (*run, error) {
	c, err := j.Config.Resolve()
	if err != nil {
		return nil, fmt.Errorf("trainer: %w", err)
	}
	if j.Kernels == nil || j.Train == nil || j.Recorder == nil {
		return nil, errors.New("trainer: a job needs Kernels, Train and a Recorder")
	}
	if j.Now == nil {
		j.Now = time.Now
	}
	if need := c.Model.TrainingBytes(c.BatchSize, c.Model.Context); j.MemoryLimit > 0 && need > float64(j.MemoryLimit) {
		return nil, fmt.Errorf("trainer: this model and batch need about %.1f GB of memory and %.1f GB are allowed; use a smaller model, batch_size or context",
			need/1e9, float64(j.MemoryLimit)/1e9)
	}
	r := &run{job: j, config: c, loss: math.NaN(), valLoss: math.NaN()}
	if r.train, err = data.NewSampler(j.Train, c.Model.Context, c.Data.Order, c.Seed); err != nil {
		return nil, fmt.Errorf("trainer: training text: %w", err)
	}
	if need := int64(c.BatchSize) * int64(c.GradAccum); r.train.Windows() < need {
		return nil, fmt.Errorf("trainer: the training text has %d windows of %d tokens, fewer than the %d of one step; use a smaller batch_size, grad_accum or context, or more data",
			r.train.Windows(), c.Model.Context, need)
	}
	if r.model, err = model.New(c.Model, j.Kernels, c.Seed); err != nil {
		return nil, fmt.Errorf("trainer: %w", err)
	}
	if r.optimizer, err = optim.New(c.Optimizer, j.Kernels, r.model.Parameters()); err != nil {
		return nil, fmt.Errorf("trainer: %w", err)
	}
	switch {
	case j.Resume != nil:
		err = r.resume(j.Resume)
	case j.Init != nil:
		err = with(j.Init, ModelFile, r.model.Load)
	}
	if err != nil {
		return nil, err
	}
	if r.batch, err = r.model.Batch(c.BatchSize, c.Model.Context); err != nil {
		return nil, fmt.Errorf("trainer: %w", err)
	}
	if j.Val != nil {
		if r.heldOut, err = newHeldOut(c, r.model, j.Val); err != nil {
			return nil, fmt.Errorf("trainer: held-out text: %w", err)
		}
	}
	return r, nil
}

func (r *run) loop(ctx context.Context) error {
	// What was computed is told even when the training is being stopped.
	tell := context.WithoutCancel(ctx)
	for r.step < r.config.Steps && (r.job.StopAfter <= 0 || r.step < r.job.StopAfter) {
		if ctx.Err() != nil {
			if err := r.save(tell); err != nil {
				return err
			}
			return fmt.Errorf("trainer: %w after step %d: %w", ErrStopped, r.step, context.Cause(ctx))
		}
		if err := r.advance(tell); err != nil {
			return err
		}
	}
	return r.save(tell)
}

// advance does one step and all that is due after it.
func (r *run) advance(ctx context.Context) error {
	c := r.config
	step := r.step + 1
	start := r.job.Now()
	loss, norm, err := r.learn(step)
	if err != nil {
		return err
	}
	seconds := r.job.Now().Sub(start).Seconds()
	r.points = append(r.points[:0], Point{KeyLoss, loss}, Point{KeyGradNorm, norm}, Point{KeyLR, c.Optimizer.LR * c.Schedule.Rate(step, c.Steps)})
	if !finite(loss) || !finite(norm) {
		if err := r.job.Recorder.Metrics(ctx, step, r.points); err != nil {
			return fmt.Errorf("trainer: record step %d: %w", step, err)
		}
		return fmt.Errorf("trainer: %w at step %d: loss %g, gradient norm %g; the latest checkpoint is of step %d; try a lower optimizer.lr or clip",
			ErrDiverged, step, loss, norm, r.saved)
	}
	r.step, r.loss = step, loss
	tokens := float64(step * c.TokensPerStep())
	r.points = append(r.points, Point{KeyTokens, tokens}, Point{KeyEpoch, tokens / float64(r.job.Train.Len())}, Point{KeyStepSeconds, seconds})
	if seconds > 0 {
		r.points = append(r.points, Point{KeyTokensPerSecond, float64(c.TokensPerStep()) / seconds})
	}
	if r.heldOut != nil && (step%c.EvalEvery == 0 || step == c.Steps) {
		if r.valLoss, err = r.heldOut.loss(); err != nil {
			return fmt.Errorf("trainer: evaluate after step %d: %w", step, err)
		}
		r.points = append(r.points, Point{KeyValLoss, r.valLoss})
	}
	if err := r.job.Recorder.Metrics(ctx, step, r.points); err != nil {
		return fmt.Errorf("trainer: record step %d: %w", step, err)
	}
	if step%c.CheckpointEvery == 0 || slices.Contains(r.job.SaveAt, step) {
		return r.save(ctx)
	}
	return nil
}

// learn computes the loss and gradient of a step and, if they are finite, updates the parameters.
func (r *run) learn(step int64) (loss, norm float64, err error) {
	c := r.config
	t := c.Model.Context
	r.optimizer.ZeroGrad()
	sum := 0.0
	next := r.samples()
	targets, err := r.targets(next)
	if err != nil {
		return 0, 0, fmt.Errorf("trainer: read step %d's text: %w", step, err)
	}
	for range c.GradAccum {
		for row := range c.BatchSize {
			if err := r.train.Sample(r.batch.IDs[row*t:(row+1)*t], r.batch.Targets[row*t:(row+1)*t], next); err != nil {
				return 0, 0, fmt.Errorf("trainer: read step %d's text: %w", step, err)
			}
			next++
		}
		l, err := r.batch.Run(float32(1 / targets))
		if err != nil {
			return 0, 0, fmt.Errorf("trainer: step %d: %w", step, err)
		}
		sum += l
	}
	loss, norm = sum/targets, r.optimizer.GradNorm()
	if finite(loss) && finite(norm) {
		r.optimizer.Step(step, c.Schedule.Rate(step, c.Steps), norm, c.Clip)
	}
	return loss, norm, nil
}

// targets is how many targets count in the step that begins with that sample. A step of which none does has no loss and no gradient.
func (r *run) targets(first int64) (float64, error) {
	c := r.config
	if !r.train.Masked() {
		return float64(c.TokensPerStep()), nil
	}
	sum := int64(0)
	for i := range int64(c.BatchSize * c.GradAccum) {
		n, err := r.train.Counted(first + i)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return float64(max(sum, 1)), nil
}

// samples is how many windows the steps so far have shown.
func (r *run) samples() int64 { return r.step * int64(r.config.BatchSize) * int64(r.config.GradAccum) }

// save hands the current state to the recorder, unless it has it.
func (r *run) save(ctx context.Context) error {
	if r.saved == r.step {
		return nil
	}
	c, err := r.checkpoint()
	if err != nil {
		return err
	}
	if err := r.job.Recorder.Checkpoint(ctx, c); err != nil {
		return fmt.Errorf("trainer: save the checkpoint of step %d: %w", r.step, err)
	}
	r.saved = r.step
	return nil
}

func (r *run) result() Result {
	return Result{
		Step: r.step, Tokens: r.step * r.config.TokensPerStep(), Loss: r.loss, ValLoss: r.valLoss,
		Done: r.step == r.config.Steps,
	}
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
