package evaluation

import (
	"context"
	"errors"

	"millrace/event"
	"millrace/services/bus"
	"millrace/services/job"
)

// tell publishes the scores of a job, unless an attempt before this one has: a worker may be killed between its scores and its run's last
// word, or be thought dead and come back. Of several attempts at once one is heard.
func (s *Service) tell(ctx context.Context, j *job.Job, done event.EvaluationCompleted) error {
	if err := j.Flush(ctx); err != nil {
		return err
	}
	for {
		last, told, err := s.told(ctx, j, done.Of)
		if err != nil || told {
			return err
		}
		if _, err = s.Bus.PublishAfter(ctx, event.Envelope{Event: done}, last); !errors.Is(err, bus.ErrExists) {
			return err
		}
	}
}

// told tells whether the log has scores of a job's run, since it was asked for. last is the place of the newest scores of the judged run,
// 0 without any.
func (s *Service) told(ctx context.Context, j *job.Job, of event.RunID) (last uint64, told bool, err error) {
	subject := event.EvaluationCompleted{Of: of}.Subject()
	newest, err := s.Bus.Last(ctx, subject)
	if errors.Is(err, bus.ErrNone) {
		return 0, false, nil
	}
	if err != nil || newest.Seq < j.Place() {
		return newest.Seq, false, err
	}
	err = s.Bus.Follow(ctx, j.Place(), []string{subject}, func(env event.Envelope) error {
		if e, ok := env.Event.(event.EvaluationCompleted); ok && e.Run == j.Request.Run {
			told = true
		}
		if told || env.Seq >= newest.Seq {
			return errRead
		}
		return nil
	})
	if errors.Is(err, errRead) {
		err = nil
	}
	return newest.Seq, told, err
}

// errRead ends a reading.
var errRead = errors.New("read")
