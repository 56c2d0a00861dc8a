package tracker_test

import (
	"slices"
	"testing"

	"millrace/event"
	"millrace/services/tracker"
	"millrace/storage/readmodel"
)

func TestWhatCannotBeDoneAgainIsRefusedUpFront(t *testing.T) {
	tr := start(t)
	say(t, tr, dataset("books"))
	again := func(of event.RunID, steps int64) event.RunRequested {
		return event.RunRequested{Branch: &event.Branch{From: of, Kind: event.Reproduction}, StopAfter: steps}
	}
	of := submit(t, tr, trainWish("books")).(event.RunRequested)
	refusal(t, tr, again(of.Run, 0), tracker.Conflict, "has not begun")
	say(t, tr, event.RunStarted{Run: of.Run, Attempt: 1}, points(of.Run, "train/loss", 3, 2, 1), checkpoint(of.Run, 2, "two"),
		event.RunEnded{Run: of.Run, Attempt: 1, Status: event.Stopped, Steps: 2})
	refusal(t, tr, again(of.Run, -1), tracker.Invalid, "-1")
	// One that was stopped is done up to there, and saves where its original did.
	if req := submit(t, tr, again(of.Run, 0)).(event.RunRequested); req.StopAfter != 2 || !slices.Equal(req.SaveAt, []int64{2}) {
		t.Errorf("%+v", req)
	}
	foreign := submit(t, tr, event.RunRequested{Name: "theirs", Spec: event.Spec{Kind: event.External}}).(event.RunRequested)
	refusal(t, tr, again(foreign.Run, 0), tracker.Invalid, "somebody else's script")
	say(t, tr, event.DatasetDeleted{Dataset: dataset("books").Dataset})
	refusal(t, tr, again(of.Run, 0), tracker.Conflict, "dataset books")
}

func TestWhatIsAnotherIsForeseenAndWhatWasComparedIsCounted(t *testing.T) {
	tr := start(t)
	say(t, tr, dataset("books"))
	tr.Code = event.Code{Version: "v1", Revision: "aaa"}
	of := submit(t, tr, trainWish("books")).(event.RunRequested)
	say(t, tr, event.RunStarted{Run: of.Run, Attempt: 1, Environment: event.Environment{Kernels: "avx512"}}, points(of.Run, "train/loss", 3, 2, 1),
		event.RunEnded{Run: of.Run, Attempt: 1, Status: event.Finished, Steps: 3})
	if known, err := tr.Foreseen(t.Context(), of.Run); err != nil || len(known) != 0 {
		t.Errorf("%v %v", known, err)
	}
	tr.Code.Revision = "bbb"
	tr.Environment = func(event.RunKind) *event.Environment { return &event.Environment{Kernels: "avx2"} }
	if known, err := tr.Foreseen(t.Context(), of.Run); err != nil || !slices.Equal(known, []string{"code revision: aaa → bbb", "kernels: avx512 → avx2"}) {
		t.Errorf("%q %v", known, err)
	}
	req := submit(t, tr, event.RunRequested{Branch: &event.Branch{From: of.Run, Kind: event.Reproduction}}).(event.RunRequested)
	say(t, tr, event.RunStarted{Run: req.Run, Attempt: 1}, points(req.Run, "train/loss", 3, 2))
	for n := int64(0); n != 2; n, _ = tr.Compared(req.Run) {
		if t.Context().Err() != nil {
			t.Fatal("nothing is compared")
		}
	}
	// Stopped, it is incomplete; paused it would not be judged. Resumed, it is judged again.
	say(t, tr, event.RunEnded{Run: req.Run, Attempt: 1, Status: event.Stopped, Steps: 2})
	if v := verdictOf(t, tr, req.Run); v.Verdict != "incomplete" || v.Points != 2 {
		t.Errorf("%+v", v)
	}
	submit(t, tr, event.RunRequested{Run: req.Run, Resume: 1})
	say(t, tr, event.RunStarted{Run: req.Run, Attempt: 2}, points(req.Run, "train/loss", 3, 2, 1), event.RunEnded{Run: req.Run, Attempt: 2, Status: event.Finished, Steps: 3})
	r := becomes(t, tr, req.Run, func(r readmodel.Run) bool { return r.Reproduction.Verdict != "incomplete" })
	if r.Reproduction.Verdict != "identical" || r.Reproduction.Points != 3 {
		t.Errorf("%+v", r.Reproduction)
	}
}

// Of an evaluation that is done again the file of answers is compared bit for bit, also where the scores are the same.
func TestAnswersOfAReproducedEvaluationAreCompared(t *testing.T) {
	tr := start(t)
	say(t, tr, dataset("books"))
	of := submit(t, tr, trainWish("books")).(event.RunRequested)
	say(t, tr, event.RunStarted{Run: of.Run, Attempt: 1}, checkpoint(of.Run, 2, "two"), event.RunEnded{Run: of.Run, Attempt: 1, Status: event.Finished, Steps: 2})
	saved := checkpoint(of.Run, 2, "two")
	wish, err := event.EvaluationRequest(saved, "quick", event.DigestOf([]byte("quick")), event.Code{}, "")
	if err != nil {
		t.Fatal(err)
	}
	completed := func(by, of event.RunID, value float64, answers string) event.EvaluationCompleted {
		e := event.EvaluationCompleted{Run: by, Of: of, Step: 2, Checkpoint: saved.Checkpoint, Suite: "quick", SuiteDigest: event.DigestOf([]byte("quick")),
			Scores: []event.Score{{Task: "heldout", Metric: "loss", Value: event.Number(value), N: 7}}}
		if answers != "" {
			e.Results, e.Answers = event.DigestOf([]byte(answers)), 7
		}
		return e
	}
	say(t, tr, wish, event.RunStarted{Run: wish.Run, Attempt: 1}, completed(wish.Run, of.Run, 2.5, "a"), event.RunEnded{Run: wish.Run, Attempt: 1, Status: event.Finished})
	for name, c := range map[string]struct {
		value   float64
		answers string
		verdict string
		key     string
	}{
		"the same":         {2.5, "a", "identical", ""},
		"other answers":    {2.5, "b", "different", "eval/quick/answers"},
		"another score":    {2.6, "b", "different", "eval/quick/heldout/loss"},
		"no answers there": {2.5, "", "incomplete", ""},
	} {
		req := submit(t, tr, event.RunRequested{Branch: &event.Branch{From: wish.Run, Kind: event.Reproduction}}).(event.RunRequested)
		say(t, tr, event.RunStarted{Run: req.Run, Attempt: 1}, completed(req.Run, req.Run, c.value, c.answers), event.RunEnded{Run: req.Run, Attempt: 1, Status: event.Finished})
		v := verdictOf(t, tr, req.Run)
		if v.Verdict != c.verdict || c.key != "" && (v.FirstDifference == nil || v.FirstDifference.Key != c.key) || c.verdict == "identical" && (v.Digests != 1 || v.Points != 1) {
			t.Errorf("%s: %+v %+v", name, v, v.FirstDifference)
		}
	}
}
