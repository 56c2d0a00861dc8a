package readmodel

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"millrace/event"
)

// fold is the application of one fact.
type fold struct {
	*Model
	v    view
	file *file
	env  event.Envelope
	at   time.Time
	// touched are the runs whose watchers are nudged.
	touched map[event.RunID]struct{}
	// counts tells that the fact changes the runs that it touches: what comes all the time does not (see ChangedRuns).
	counts bool
}

// Apply folds one fact in. Facts come in the order of the log; one that was applied already is ignored, so feeding again is harmless;
// missing sequences are allowed (a log may have forgotten some). When it returns, every read sees the fact; the file has
// it within CommitEvery. A fact that makes no sense changes nothing and is counted in Stats().Skipped: no fact can stop
// the fold. Errors: ErrClosed; ErrBroken; that of a commit which still fails (the fact was then not applied).
func (m *Model) Apply(env event.Envelope) error {
	m.mu.Lock()
	for m.full() && !m.closed && m.failed == nil {
		m.wantCommit()
		m.room.Wait()
	}
	switch {
	case m.closed:
		m.mu.Unlock()
		return ErrClosed
	case m.broken != nil:
		m.mu.Unlock()
		return m.broken
	case m.failed != nil && m.full():
		m.mu.Unlock()
		if err := m.Commit(); err != nil {
			return err
		}
		return m.Apply(env)
	case env.Seq <= m.appliedTo:
		m.mu.Unlock()
		return nil
	}
	f := fold{Model: m, file: &file{db: m.db}, env: env, at: clampTime(env.Time), touched: map[event.RunID]struct{}{}}
	f.v = view{layers: m.layers(), lazy: f.file}
	err := f.guardedApply()
	f.markChanged()
	f.file.end()
	if errors.Is(err, ErrBroken) && m.broken == nil {
		m.broken = err
	}
	if err != nil && m.broken == nil {
		m.skipped++
		m.log.Error("a fact could not be folded and is skipped", "seq", env.Seq, "id", env.ID, "err", err)
	}
	if m.broken == nil {
		m.appliedTo, m.appliedID = env.Seq, env.ID
		m.wakeWaiters(false)
	}
	err = m.broken
	if m.points > m.options.CommitPoints/2 {
		m.wantCommit()
	}
	m.mu.Unlock()
	m.watches.nudge(f.touched)
	return err
}

// full tells that Apply must wait for a commit. The lock must be held.
func (m *Model) full() bool {
	return m.points >= m.options.CommitPoints || m.pending.bytes >= maxPendingBytes
}

func (m *Model) wantCommit() {
	select {
	case m.kick <- struct{}{}:
	default:
	}
}

// guardedApply keeps a fact that makes the fold panic from stopping it for ever: the log still holds the fact, and every other
// program start would die of it again.
func (f *fold) guardedApply() (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	if f.env.Event == nil {
		return fmt.Errorf("no event")
	}
	return f.apply()
}

// apply knows every fact of the vocabulary. A new one without a case here is an error that the tests find.
func (f *fold) apply() error {
	if f.repeated() {
		return nil
	}
	if e, ok := f.env.Event.(event.BatchLogged); ok {
		return f.batchLogged(e)
	}
	return f.applyOne()
}

// applyOne folds a fact that carries no others.
func (f *fold) applyOne() error {
	f.counts = f.counts || countsAsChange(f.env.Event)
	switch e := f.env.Event.(type) {
	case event.MetricsLogged:
		return f.metricsLogged(e)
	case event.RunRequested:
		return f.runRequested(e)
	case event.RunStarted:
		return f.runStarted(e)
	case event.RunProgressed:
		return f.runProgressed(e)
	case event.RunHeartbeat:
		return f.runHeartbeat(e)
	case event.RunStopRequested:
		return f.runStopRequested(e)
	case event.RunEnded:
		return f.runEnded(e)
	case event.RunTagged:
		return f.runTagged(e)
	case event.RunNoted:
		return f.runNoted(e)
	case event.RunArchived:
		return f.runArchived(e)
	case event.RunDeleted:
		return f.runDeleted(e)
	case event.RunRewound:
		return f.runRewound(e)
	case event.ReproductionVerified:
		return f.reproductionVerified(e)
	case event.MetricDefined:
		return f.metricDefined(e)
	case event.ParamsLogged:
		return f.paramsLogged(e)
	case event.RowsLogged:
		return f.rowsLogged(e)
	case event.LinesLogged:
		return f.linesLogged(e)
	case event.TextLogged:
		return f.textLogged(e)
	case event.ArtifactLogged:
		return f.artifactLogged(e)
	case event.AlertRaised:
		return f.alertRaised(e)
	case event.ExperimentCreated:
		return f.experimentCreated(e)
	case event.ExperimentUpdated:
		return f.experimentUpdated(e)
	case event.DatasetPublished:
		return f.datasetPublished(e)
	case event.CheckpointSaved:
		return f.checkpointSaved(e)
	case event.CheckpointDeleted:
		return f.checkpointDeleted(e)
	case event.AliasSet:
		return f.aliasSet(e)
	case event.EvaluationCompleted:
		return f.evaluationCompleted(e)
	case event.UsageSampled:
		return f.usageSampled(e)
	case event.ResourcesSpent:
		return f.resourcesSpent(e)
	case event.PriceSet:
		return f.priceSet(e)
	case event.RuleSaved:
		return f.ruleSaved(e)
	case event.RuleRemoved:
		return f.ruleRemoved(e)
	case event.RuleFired:
		return f.ruleFired(e)
	case event.RuleActed:
		return f.ruleActed(e)
	case event.NotificationRequested:
		return f.told(e.Rule, e.Seq, func(n *Notification) { n.NotificationRequested, n.RequestedAt = e, f.at })
	case event.NotificationDelivered:
		return f.told(e.Rule, e.Seq, func(n *Notification) { n.Delivered, n.DeliveredAt = &e, f.at })
	case event.NotificationFailed:
		return f.told(e.Rule, e.Seq, func(n *Notification) { n.Failed, n.FailedAt = &e, f.at })
	case event.SweepStarted:
		return f.sweepStarted(e)
	case event.TrialScored:
		return f.trialScored(e)
	case event.SweepEnded:
		return f.sweepEnded(e)
	case event.SnapshotTaken:
		return f.snapshotTaken(e)
	case event.LogArchived:
		return f.logArchived(e)
	case event.RetentionSet:
		return f.retentionSet(e)
	case event.RunPruned:
		return f.runPruned(e)
	case event.DatasetDeleted:
		return f.datasetDeleted(e)
	case event.ExperimentDeleted:
		return f.experimentDeleted(e)
	case event.RunStarred:
		return f.runStarred(e)
	case event.RunBudgetSet:
		return f.runBudgetSet(e)
	case event.AliasRemoved:
		return f.aliasRemoved(e)
	case event.RunBudgetReached:
		return f.runBudgetReached(e)
	case event.ExperimentBudgetReached:
		return f.experimentBudgetReached(e)
	}
	return f.applyContest()
}

// applyContest knows the facts of contests.
func (f *fold) applyContest() error {
	switch e := f.env.Event.(type) {
	case event.ContestOpened:
		return f.contestOpened(e)
	case event.ContestClosed:
		return f.contestClosed(e)
	case event.VoteCast:
		return f.voteCast(e)
	}
	return f.applySuite()
}

// applySuite knows the facts of suites.
func (f *fold) applySuite() error {
	if e, ok := f.env.Event.(event.SuiteSaved); ok {
		return f.suiteSaved(e)
	}
	return f.applyForeign()
}

// applyForeign knows the facts that only scripts of others bring.
func (f *fold) applyForeign() error {
	switch e := f.env.Event.(type) {
	case event.CollectionSaved:
		return f.collectionSaved(e)
	case event.CollectionRemoved:
		return f.collectionRemoved(e)
	case event.VersionSaved:
		return f.versionSaved(e)
	case event.VersionAliased:
		return f.versionAliased(e)
	case event.VersionRemoved:
		return f.versionRemoved(e)
	case event.InputLogged:
		return f.inputLogged(e)
	case event.SummaryLogged:
		return f.summaryLogged(e)
	case event.SpansLogged:
		return f.spansLogged(e)
	}
	return fmt.Errorf("%T is not known to the read model", f.env.Event)
}

func countsAsChange(e event.Event) bool {
	switch e.(type) {
	case event.MetricsLogged, event.RunHeartbeat, event.UsageSampled, event.ResourcesSpent, event.LinesLogged:
		return false
	}
	return true
}

// markChanged notes which runs the fact at hand has changed.
func (f *fold) markChanged() {
	if !f.counts {
		return
	}
	for id := range f.touched {
		if st := f.runs[id]; st != nil {
			st.changed = f.env.Seq
		}
	}
}

// put stores a value as JSON in a table.
func (f *fold) put(t table, group, rest string, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("%s: %w", layout[t].name, err)
	}
	f.pending.put(t, group, rest, raw)
	return nil
}

// validJSON keeps a JSON value as it is, and makes a string of what is none.
func validJSON(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 {
		return json.RawMessage("null")
	}
	if json.Valid(raw) {
		return raw
	}
	quoted, err := json.Marshal(string(raw))
	if err != nil {
		return json.RawMessage("null")
	}
	return quoted
}
