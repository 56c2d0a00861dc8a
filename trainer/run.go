package trainer

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"millrace/trainer/data"
	"millrace/trainer/engine"
	"millrace/trainer/model"
	"millrace/trainer/optim"
	"millrace/trainer/token"
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
	Config  Config
	Kernels engine.Kernels
	Train   data.Tokens
	Val     data.Tokens // held out; nil evaluates nothing
	// Labelled and LabelledVal are in the place of Train and Val for objective Classify, Pairs and PairsVal for Preference,
	// Translations and TranslationsVal for Translate.
	Labelled, LabelledVal data.Labelled
	Pairs, PairsVal       []data.Pair

	Translations, TranslationsVal []data.Translation
	// Tokenizer, when not nil, is put into every checkpoint as TokenizerFile.
	Tokenizer []byte
	Recorder  Recorder
	// Resume opens the files of the checkpoint to go on from; nil starts at step 1.
	Resume Open
	// Init opens a checkpoint whose weights to start from, as fine-tuning does; nil draws them from the seed. With Resume it is needed where
	// the weights are frozen (Finetune.LoRA) or referred to (Preference), and otherwise ignored.
	Init Open
	// StopAfter, when positive, ends the run with a checkpoint after that step, as if it were divided into shifts.
	StopAfter int64
	// SaveAt are steps after which a checkpoint is saved besides every Config.CheckpointEvery.
	SaveAt []int64
	// MemoryLimit, when positive, refuses a model and batch that would take more bytes than this.
	MemoryLimit int64
	// Words is the text's tokenizer, for Config.Sample; nil samples nothing.
	Words token.Tokenizer
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
	pace      pace
	model     *model.Model
	optimizer *optim.Optimizer
	objective objective
	heldOut   *heldOut // nil without
	saver     saver
	watch     *watch     // nil without a Guard
	scale     *lossScale // nil where float32's range is enough
	clock     stopwatch
	peak      float64 // FLOP/s that products reach on the device; 0: unknown
	perToken  float64 // FLOPs that a token takes
	layers    *layers // nil without
	step      int64
	skipped   int64 // of the steps, what weights and moments do not hold
	// base is what a rollback goes back to: the step and what was skipped before it.
	base, baseSkipped int64
	rollbacks         int   // since base
	warm              int64 // steps of the base's training that the optimizer's moments hold
	loss              float64
	valLoss           float64
	points            []Point
}

// Run trains until the configured number of steps is done, StopAfter is reached, or ctx is cancelled. Errors wrap ErrStopped
// or ErrDiverged where they apply; the Result is valid with any error.
func Run(ctx context.Context, j Job) (Result, error) {
	r, err := begin(j)
	if err != nil {
		return Result{Loss: math.NaN(), ValLoss: math.NaN()}, err
	}
	defer r.optimizer.Await()
	err = r.loop(ctx)
	if e := r.saver.wait(); err == nil {
		err = e
	}
	return r.result(), err
}

func begin(j Job) (*run, error) {
	c, err := j.Config.Resolve()
	if err != nil {
		return nil, fmt.Errorf("trainer: %w", err)
	}
	j.Train = j.text(c)
	if j.Kernels == nil || j.Train == nil || j.Recorder == nil {
		return nil, errors.New("trainer: a job needs Kernels, Train and a Recorder")
	}
	if j.Now == nil {
		j.Now = time.Now
	}
	r := &run{job: j, config: c, pace: c.pace(), loss: math.NaN(), valLoss: math.NaN(), clock: stopwatch{now: j.Now}}
	if r.saver, err = newSaver(c, j); err != nil {
		return nil, err
	}
	if c.Guard != (Guard{}) {
		r.watch = &watch{}
	}
	r.scale = newLossScale(c)
	products, err := c.kernels(j.Kernels)
	if err != nil {
		return nil, err
	}
	if p, ok := products.(interface{ PeakFLOPS() float64 }); ok {
		r.peak, r.perToken = p.PeakFLOPS(), r.config.Model.FLOPsPerToken(r.config.Model.Context)
	}
	if err := r.build(products); err != nil {
		return nil, err
	}
	if j.Init == nil && c.needsBase() {
		return nil, errors.New("trainer: adapters and preferences need the weights of a base: a job with Init")
	}
	if j.Init != nil && (j.Resume == nil || c.needsBase()) {
		if err := r.start(j.Init); err != nil {
			return nil, err
		}
	}
	if j.Resume != nil {
		if err := r.resume(j.Resume); err != nil {
			return nil, err
		}
	}
	return r, r.settle()
}

// build makes the model, its optimizer and what they learn from, on kernels of the configured precision.
func (r *run) build(products engine.Kernels) (err error) {
	c, j := r.config, r.job
	if c.Objective != "" {
		if err := r.makeModel(products); err != nil {
			return err
		}
		return r.examples()
	}
	// Short texts are refused before memory is taken for a model.
	windows, err := data.NewSampler(j.Train, c.window(), c.Data.Order, c.Seed)
	if err != nil {
		return fmt.Errorf("trainer: training text: %w", err)
	}
	if need := int64(c.BatchSize) * int64(c.GradAccum); windows.Windows() < need {
		return fmt.Errorf("trainer: the training text has %d windows of %d tokens, fewer than the %d of one step; use a smaller batch_size, grad_accum or context, or more data",
			windows.Windows(), c.window(), need)
	}
	if err := r.makeModel(products); err != nil {
		return err
	}
	if r.objective, err = newText(c, r.model, j.Train, c.Data.Order, true); err != nil {
		return fmt.Errorf("trainer: training text: %w", err)
	}
	if j.Val == nil {
		return nil
	}
	o, err := newText(c, r.model, j.Val, data.Sequential, false)
	if err == nil {
		r.heldOut, err = newHeldOut(c, o)
	}
	if err != nil {
		return fmt.Errorf("trainer: held-out text: %w", err)
	}
	return nil
}

// makeModel makes the model and the optimizer of what it learns.
func (r *run) makeModel(products engine.Kernels) (err error) {
	if r.model, err = r.config.newModel(products); err != nil {
		return fmt.Errorf("trainer: %w", err)
	}
	if r.optimizer, err = optim.New(r.config.Optimizer, r.job.Kernels, r.model.Learnt()); err != nil {
		return fmt.Errorf("trainer: %w", err)
	}
	if r.config.LayerStats > 0 {
		r.layers = newLayers(r.job.Kernels, r.model.Learnt())
	}
	return nil
}

// settle copies the state to where the first checkpoint will be copied. A rollback goes back to it before there is a checkpoint; and memory
// that was written to once does not hold up a training that goes on after its first checkpoint.
func (r *run) settle() error {
	if goesOn := r.config.CheckpointEvery < r.config.Steps || len(r.job.SaveAt) > 0; !r.rollsBack() && !(r.saver.roomy && goesOn) {
		return nil
	}
	c, err := r.checkpoint()
	if err != nil {
		return err
	}
	r.base, r.baseSkipped = r.step, r.skipped
	r.saver.last = r.saver.fresh()
	return r.saver.last.take(c)
}

func (r *run) loop(ctx context.Context) error {
	// What was computed is told even when the training is being stopped.
	tell := context.WithoutCancel(ctx)
	for r.step < r.config.Steps && (r.job.StopAfter <= 0 || r.step < r.job.StopAfter) {
		if ctx.Err() != nil {
			if err := r.leave(tell); err != nil {
				return err
			}
			return fmt.Errorf("trainer: %w after step %d: %w", ErrStopped, r.step, context.Cause(ctx))
		}
		if err := r.saver.check(); err != nil {
			return err
		}
		if err := r.advance(tell); err != nil {
			return err
		}
	}
	return r.leave(tell)
}

// advance does one step and all that is due after it.
func (r *run) advance(ctx context.Context) error {
	c := r.config
	step := r.step + 1
	r.clock.begin()
	loss, norm, err := r.learn(step)
	if err != nil {
		return err
	}
	var spike Spike
	var spiked bool
	scale := r.scale.factor()
	overflow := r.scale.overflowed(loss, norm)
	if overflow {
		r.skipped++
	} else if spike, spiked, err = r.judge(step, loss, norm); err != nil {
		r.points = append(r.points[:0], Point{KeyLoss, loss}, Point{KeyGradNorm, norm}, Point{KeyLR, r.rate(step)})
		if e := r.job.Recorder.Metrics(ctx, step, r.points); e != nil {
			return fmt.Errorf("trainer: record step %d: %w", step, e)
		}
		return err
	}
	if !spiked && !overflow {
		r.update(step, norm, scale)
	}
	r.clock.lap(KeyUpdateSeconds)
	r.step, r.loss = step, loss
	r.tell(step, loss, norm)
	if r.heldOut != nil && (step%c.EvalEvery == 0 || step == c.Steps) {
		if r.valLoss, err = r.heldOut.loss(); err != nil {
			return fmt.Errorf("trainer: evaluate after step %d: %w", step, err)
		}
		r.clock.lap(KeyEvalSeconds)
		r.points = append(r.points, Point{KeyValLoss, r.valLoss}, r.clock.point(KeyEvalSeconds))
		r.measured("val/", r.heldOut.objective)
	}
	if err := r.job.Recorder.Metrics(ctx, step, r.points); err != nil {
		return fmt.Errorf("trainer: record step %d: %w", step, err)
	}
	if spiked {
		if err := r.job.Recorder.Spiked(ctx, spike); err != nil {
			return fmt.Errorf("trainer: record step %d: %w", step, err)
		}
	}
	if err := r.sample(ctx); err != nil {
		return err
	}
	if r.due(step) {
		return r.save(ctx)
	}
	return nil
}

// tell collects the points of a step.
func (r *run) tell(step int64, loss, norm float64) {
	tokens, size := float64(r.tokens(step)), float64(r.tokens(step)-r.tokens(step-1))
	seconds := r.clock.since()
	r.points = append(r.points[:0], Point{KeyLoss, loss}, Point{KeyGradNorm, norm}, Point{KeyLR, r.rate(step)},
		Point{KeyTokens, tokens}, Point{KeyEpoch, tokens / float64(r.job.Train.Len())}, Point{KeyStepSeconds, seconds})
	if seconds > 0 {
		r.points = append(r.points, Point{KeyTokensPerSecond, size / seconds})
		if r.peak > 0 {
			r.points = append(r.points, Point{KeyMFU, size * r.perToken / seconds / r.peak})
		}
	}
	r.points = append(r.points, r.clock.point(KeyDataSeconds), r.clock.point(KeyComputeSeconds), r.clock.point(KeyUpdateSeconds), r.clock.point(KeySavingSeconds))
	if r.watch != nil || r.scale != nil {
		r.points = append(r.points, Point{KeySkipped, float64(r.skipped)})
	}
	if r.scale != nil {
		r.points = append(r.points, Point{KeyLossScale, r.scale.Scale})
	}
	if r.layers != nil {
		r.points = r.layers.drain(r.points)
	}
	r.measured("train/", r.objective)
}

// learn computes the loss and gradient of a step.
func (r *run) learn(step int64) (loss, norm float64, err error) {
	c := r.config
	r.optimizer.ZeroGrad()
	sum := 0.0
	first, size := r.pace.before(step)
	targets := int64(0)
	for i := range size {
		n, err := r.objective.counted(first + i)
		if err != nil {
			return 0, 0, fmt.Errorf("trainer: read step %d's text: %w", step, err)
		}
		targets += n
	}
	// A step of which no target counts has no loss and no gradient.
	mean, scale := float64(max(targets, 1)), r.scale.factor()
	for i := int64(0); i < size; i += int64(c.BatchSize) {
		for row := range c.BatchSize {
			if err := r.objective.fill(row, first+i+int64(row)); err != nil {
				return 0, 0, fmt.Errorf("trainer: read step %d's text: %w", step, err)
			}
		}
		r.clock.lap(KeyDataSeconds)
		l, err := r.objective.run(float32(scale / mean))
		if err != nil {
			return 0, 0, fmt.Errorf("trainer: step %d: %w", step, err)
		}
		sum += l
		r.clock.lap(KeyComputeSeconds)
	}
	return sum / mean, r.optimizer.GradNorm() / scale, nil
}

// update changes the parameters by a step's gradient, which is scale times as large as it should be.
func (r *run) update(step int64, norm, scale float64) {
	c := r.config
	u := optim.Update{Step: r.warm + step - r.skipped, Rate: c.Schedule.Rate(step, c.Steps), Norm: norm, Clip: c.Clip, Scale: scale, Later: true}
	if r.layers != nil && step%c.LayerStats == 0 {
		u.Around = r.layers.around
	}
	r.optimizer.Step(u)
}

// rate is the learning rate of a step.
func (r *run) rate(step int64) float64 {
	return r.config.Optimizer.LR * r.config.Schedule.Rate(step, r.config.Steps)
}

// samples is how many windows the first steps show, and tokens how many targets.
func (r *run) samples(steps int64) int64 {
	n, _ := r.pace.before(steps + 1)
	return n
}

func (r *run) tokens(steps int64) int64 { return r.samples(steps) * int64(r.config.window()) }

func (r *run) result() Result {
	return Result{
		Step: r.step, Tokens: r.tokens(r.step), Loss: r.loss, ValLoss: r.valLoss,
		Done: r.step == r.config.Steps,
	}
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
