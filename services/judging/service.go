package judging

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"millrace/curator/fetch"
	"millrace/evaluator"
	"millrace/evaluator/contest"
	"millrace/event"
	"millrace/services/bus"
	"millrace/services/job"
	"millrace/storage/blob"
)

// Service lets models elsewhere vote.
type Service struct {
	Jobs  *job.Runner
	Bus   *bus.Bus
	Blobs *blob.Store
	// Pause is the first pause before a failed request is sent again; every next is twice as long. 0 is 1 s.
	Pause time.Duration
	Now   func() time.Time
	Log   *slog.Logger
}

// Run works judges' runs until ctx ends.
func (s *Service) Run(ctx context.Context) error { return s.Jobs.Work(ctx, event.Judge, s.judge) }

// maxInARow is how many questions in a row may fail before the judge counts as not there.
const maxInARow = 10

// question is one to ask: of a pair in one of its orders.
type question struct {
	item contest.Item
	a, b int
	vote event.VoteID
}

// judge is one run.
func (s *Service) judge(ctx context.Context, j *job.Job) (job.Outcome, error) {
	config, err := parse(j.Request.Spec.Config)
	if err != nil {
		return job.Outcome{}, job.Fail("bad_config", "", err)
	}
	if _, err := s.Bus.Last(ctx, event.ContestClosed{Contest: config.Contest.Contest}.Subject()); err == nil {
		return job.Outcome{}, job.Failf("contest_closed", "open another one", "judging: contest %s is closed", config.Contest.Name)
	} else if !errors.Is(err, bus.ErrNone) {
		return job.Outcome{}, err
	}
	j.Progress("read", 0, int64(len(config.Contest.Entries)), "entries", 0)
	items, err := contest.Gather(config.Contest, func(entry int) (io.ReadCloser, error) {
		return s.Blobs.Reader(ctx, blob.Digest(config.Contest.Entries[entry].Results))
	})
	if err != nil {
		return job.Outcome{}, final(err)
	}
	chat, err := fetch.OpenChat(config.endpoint(), config.Requests, s.Pause, s.Now)
	if err != nil {
		return job.Outcome{}, refused(err)
	}
	defer chat.Close()
	w := &work{Service: s, job: j, settings: config, contest: contest.Contest{ContestOpened: config.Contest, Items: items}, chat: chat, began: s.Now()}
	return w.run(ctx)
}

// work is a run that goes on.
type work struct {
	*Service
	job      *job.Job
	settings Settings
	contest  contest.Contest
	chat     *fetch.Chat
	began    time.Time

	mu       sync.Mutex
	total    int64
	votes    []event.VoteCast // those of earlier attempts too
	failed   int64            // questions without an answer
	inARow   int
	fault    error // why the last of them has none
	tokens   fetch.Tokens
	overdone bool // the budget is spent
}

func (w *work) run(ctx context.Context) (job.Outcome, error) {
	open, err := w.open(ctx)
	if err != nil {
		return job.Outcome{}, err
	}
	w.tell()
	g, asking := errgroup.WithContext(ctx)
	g.SetLimit(w.settings.Concurrency)
	for _, q := range open {
		if asking.Err() != nil {
			break
		}
		g.Go(func() error {
			if w.spent() {
				return nil
			}
			return w.one(asking, q)
		})
	}
	err = g.Wait()
	if rerr := w.report(w.job.Lasting()); err == nil {
		err = rerr
	}
	done := job.Outcome{Steps: int64(len(w.votes))}
	switch {
	case err != nil:
		return done, err
	case w.overdone:
		return done, job.Failf("over_budget", "start a run with a higher budget_tokens; the votes so far count", "judging: budget_tokens %d is spent after %d of %d questions", w.settings.BudgetTokens, done.Steps, w.total)
	case done.Steps == 0 && w.failed > 0:
		return done, job.Failf("judge_unavailable", "see that the endpoint answers, then resume the run", "judging: none of %d questions was answered: %w", w.total, w.fault)
	}
	return done, nil
}

// open lists what is to be asked: every question, pairs in both orders, but for those that have a vote already.
func (w *work) open(ctx context.Context) ([]question, error) {
	list := w.contest.Items.List
	if n := w.settings.Items; n > 0 {
		list = list[:min(n, int64(len(list)))]
	}
	var all []question
	add := func(item contest.Item, a, b int) error {
		q := question{item, a, b, event.ModelVote(w.contest.Contest, w.job.Request.Run, item.ID, a, b)}
		w.total++
		if w.job.Attempt > 1 {
			env, err := w.Bus.Last(ctx, event.VoteCast{Vote: q.vote}.Subject())
			if err == nil {
				if v, ok := env.Event.(event.VoteCast); ok {
					w.votes = append(w.votes, v)
				}
				return nil
			}
			if !errors.Is(err, bus.ErrNone) {
				return err
			}
		}
		all = append(all, q)
		return nil
	}
	for _, item := range list {
		for _, p := range w.contest.Pairs() {
			if err := add(item, p[0], p[1]); err != nil {
				return nil, err
			}
			if p[0] == p[1] {
				continue
			}
			if err := add(item, p[1], p[0]); err != nil {
				return nil, err
			}
		}
	}
	if w.total == 0 {
		return nil, job.Failf("nothing_to_judge", "", "judging: the contest has no prompt that every entry has answered")
	}
	return all, nil
}

// one asks one question until there is a verdict, and publishes it.
func (w *work) one(ctx context.Context, q question) error {
	began := w.Now()
	text := w.settings.Prompt.ask(w.contest.Guidelines, q.item.Prompt, q.item.Answers[q.a], q.item.Answers[q.b])
	vote := event.VoteCast{
		Vote: q.vote, Contest: w.contest.Contest, Rater: w.settings.Model, Judge: event.ModelJudge, Run: w.job.Request.Run, Item: q.item.ID, A: q.a, B: q.b, Choice: event.Undecided,
	}
	for try := range w.settings.Tries {
		r, err := w.chat.Ask(ctx, text, try)
		w.count(r.Tokens)
		if err != nil {
			return w.unanswered(ctx, q, err)
		}
		if choice, score, ok := parseVerdict(w.contest.Mode, r.Text); ok {
			vote.Choice, vote.Score, vote.Comment = choice, score, ""
			break
		}
		vote.Comment = clip(r.Why + r.Text)
		if r.Why == "refused" || r.Why == "content_filter" { // the same question gets the same answer
			vote.Comment = clip(r.Why + ": " + r.Detail)
			break
		}
		if w.spent() {
			break
		}
	}
	vote.Seconds = event.Number(w.Now().Sub(began).Seconds())
	if _, err := w.Bus.PublishOnce(ctx, vote); err != nil && !errors.Is(err, bus.ErrExists) {
		return err
	}
	w.mu.Lock()
	w.votes = append(w.votes, vote)
	w.inARow = 0
	w.mu.Unlock()
	if vote.Choice == event.Undecided {
		w.job.Print(fmt.Sprintf("%s, %s before %s: no verdict after %d tries: %s", q.item.ID, w.label(q.a), w.label(q.b), w.settings.Tries, vote.Comment))
	}
	w.tell()
	return nil
}

// unanswered counts a question that the endpoint did not answer; it is asked again when the run is resumed. Too many in a row, or a refused key, end the run.
func (w *work) unanswered(ctx context.Context, q question, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if !errors.Is(err, fetch.ErrUnavailable) {
		return refused(err)
	}
	w.job.Print(fmt.Sprintf("%s, %s before %s: %v", q.item.ID, w.label(q.a), w.label(q.b), err))
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failed, w.fault = w.failed+1, err
	if w.inARow++; w.inARow >= maxInARow {
		return job.Fail("judge_unavailable", "see that the endpoint answers, then resume the run: what was answered is not asked again",
			fmt.Errorf("judging: %d questions in a row were not answered, %d of %d have a vote: %w", w.inARow, len(w.votes), w.total, err))
	}
	return nil
}

func (w *work) label(entry int) string { return w.contest.Entries[entry].Label }

func (w *work) count(t fetch.Tokens) {
	if t == (fetch.Tokens{}) {
		return
	}
	w.mu.Lock()
	w.tokens.Prompt += t.Prompt
	w.tokens.Completion += t.Completion
	w.mu.Unlock()
	w.job.Spend(0, t.Prompt+t.Completion, 0, 0)
	w.job.Pay(float64(t.Prompt)/1e6*w.settings.InputPrice + float64(t.Completion)/1e6*w.settings.OutputPrice)
}

// spent tells whether there are no tokens left.
func (w *work) spent() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.overdone = w.overdone || w.settings.BudgetTokens > 0 && w.tokens.Prompt+w.tokens.Completion >= w.settings.BudgetTokens
	return w.overdone
}

// tell says how far the run is.
func (w *work) tell() {
	w.mu.Lock()
	defer w.mu.Unlock()
	done := int64(len(w.votes)) + w.failed
	left := time.Duration(0)
	if done > 0 {
		left = time.Duration(float64(w.Now().Sub(w.began)) / float64(done) * float64(w.total-done))
	}
	w.job.Progress("judge", done, w.total, "questions", left)
}

// report says what came of the run: in numbers, which rules can look at, and in words.
func (w *work) report(ctx context.Context) error {
	t, err := w.contest.Count(w.votes, contest.Of{Models: true})
	if err != nil {
		return err
	}
	r := contest.Rater{}
	for _, x := range t.Raters {
		r = x // there is one: this run
	}
	keys, values := []string{"judge/questions", "judge/votes", "judge/undecided", "judge/unanswered", "judge/tokens"},
		[]float64{float64(w.total), float64(r.Votes), float64(r.Undecided), float64(w.failed), float64(w.tokens.Prompt + w.tokens.Completion)}
	if r.Sided > 0 {
		keys, values = append(keys, "judge/first_share"), append(values, float64(r.First)/float64(r.Sided))
	}
	if r.Both > 0 {
		keys, values = append(keys, "judge/turned_share"), append(values, float64(r.Turned)/float64(r.Both))
	}
	w.job.Print(fmt.Sprintf("%d of %d questions have a vote, %d of them undecided; %d were not answered; the one shown first won %d of %d; %d of %d verdicts turned with the order",
		r.Votes, w.total, r.Undecided, w.failed, r.First, r.Sided, r.Turned, r.Both))
	return w.job.Metrics(ctx, int64(w.job.Attempt), keys, values)
}

// clip keeps the beginning of a text, for the record.
func clip(s string) string {
	const most = 500
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most-4], "") + " …"
}

// refused says that the endpoint cannot be asked.
func refused(err error) error {
	if errors.Is(err, fetch.ErrDenied) {
		return job.Fail("judge_denied", "set the environment variable that api_key_env names, on the worker, and start the run again", fmt.Errorf("judging: %w", err))
	}
	return err
}

// final marks faults that trying again cannot mend.
func final(err error) error {
	switch {
	case errors.Is(err, evaluator.ErrAnswers), errors.Is(err, contest.ErrItems):
		return job.Fail("bad_results", "", err)
	}
	return job.Stored(err)
}
