package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"millrace/event"
	"millrace/services/job"
	"millrace/services/judging"
	"millrace/storage/readmodel"
)

// judges lets models elsewhere vote, in the frame of evaluations.
func (n *Node) judges(jobs *job.Runner) *judging.Service {
	return &judging.Service{Jobs: jobs, Bus: n.bus, Blobs: n.blobs, Now: time.Now, Log: n.log}
}

// resolveJudge completes the specification of a judge's run.
func (n *Node) resolveJudge(_ context.Context, spec event.Spec) (event.Spec, error) {
	return judging.Resolve(spec, func(id string) (event.ContestOpened, error) {
		c, err := n.model.FindContest(id)
		switch {
		case errors.Is(err, readmodel.ErrNotFound):
			return event.ContestOpened{}, fmt.Errorf("judging: there is no contest %.80q; list them with: millrace contest list", id)
		case err != nil:
			return event.ContestOpened{}, err
		case c.ClosedAt != nil:
			return event.ContestOpened{}, fmt.Errorf("judging: contest %s is closed", c.Name)
		}
		return c.ContestOpened, nil
	})
}
