package evaluator

import (
	"fmt"

	"millrace/evaluator/read"
)

// shots chooses the solved examples that stand before each question.
type shots struct {
	task   Task
	pools  map[string][]read.Example // by group
	own    bool                      // they are of the source itself, so that a question must not be its own example
	more   int                       // drawn beyond those that are shown
	random map[string]*twister
}

func newShots(t Task, examples, solved []read.Example) *shots {
	s := &shots{task: t, pools: map[string][]read.Example{}, random: map[string]*twister{}}
	if t.FewShot == 0 {
		return s
	}
	if solved == nil {
		solved, s.own = examples, true
	}
	if s.own || read.Forms()[t.Source.Form].OneMore {
		s.more = 1
	}
	for _, e := range solved {
		s.pools[e.Group] = append(s.pools[e.Group], e)
	}
	return s
}

// of are the solved examples before a question. It must be asked for every question, in order.
func (s *shots) of(e read.Example) ([]read.Example, error) {
	n := s.task.FewShot
	if n == 0 {
		return nil, nil
	}
	pool, want := s.pools[e.Group], n
	if s.own {
		want++
	}
	if len(pool) < want {
		return nil, fail(CodeData, fmt.Errorf("few_shot %d: there are %d solved examples of %q", n, len(pool), e.Group))
	}
	var chosen []read.Example
	if s.task.FewShotSeed == nil {
		chosen = pool[:want]
	} else {
		r := s.random[e.Group]
		if r == nil {
			r = newTwister(*s.task.FewShotSeed)
			s.random[e.Group] = r
		}
		for _, i := range r.sample(len(pool), min(n+s.more, len(pool))) {
			chosen = append(chosen, pool[i])
		}
	}
	shown := make([]read.Example, 0, n)
	for _, c := range chosen {
		if (!s.own || c.ID != e.ID) && len(shown) < n {
			shown = append(shown, c)
		}
	}
	return shown, nil
}
