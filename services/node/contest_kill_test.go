package node_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"millrace/acceptance/freeport"
	"millrace/client"
	"millrace/event"
	"millrace/services/node"
)

// A node is killed again and again while a model votes in a contest: every question has one vote, and none is asked again that has one, but for
// those that were on their way.
func TestAJudgeVotesOnceThroughKills(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED in the race pass: a child process is killed, run in the pass before it")
	}
	t.Parallel()
	var asked atomic.Int64
	judge := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		verdict := []string{"A", "B", "TIE"}[asked.Add(1)%3]
		time.Sleep(20 * time.Millisecond) // so that a kill finds it at work
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"choices":[{"message":{"content":"VERDICT: %s"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":2}}`, verdict) // the client may be gone
	}))
	defer judge.Close()
	config := node.Config{Data: t.TempDir(), Addr: freeport.Addr(t), Threads: 1, Roles: []node.Role{node.Tracker, node.Curation, node.Training, node.Evaluation}}
	proc := spawn(t, config)
	defer func() { end(proc) }()
	c := client.New("http://"+config.Addr, "")
	finish(t, c, begin(t, c, curation(t, corpus(t, 20), 300)).ID)
	run := finish(t, c, begin(t, c, training(6, 2)).ID)
	in := client.OpenContest{Name: "which", Mode: "PAIR", Overlap: 1, DailyVotes: 10}
	for _, step := range []int64{2, 4, 6} {
		e, err := c.EvaluateStep(t.Context(), run.ID, step, "samples")
		if err != nil {
			t.Fatal(err)
		}
		in.Evaluations = append(in.Evaluations, finish(t, c, e.ID).ID)
	}
	contest, err := c.OpenContest(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	want := int64(contest.Items) * 3 * 2 // pairs of three entries, in both orders
	raw, err := json.Marshal(map[string]any{"contest": "which", "endpoint": judge.URL + "/v1", "model": "fickle", "allow_private": true, "concurrency": 2})
	if err != nil {
		t.Fatal(err)
	}
	votes := begin(t, c, client.StartRun{Kind: "JUDGE", Config: raw})
	const kills = 3
	for i := range int64(kills) {
		for deadline := time.Now().Add(time.Minute); asked.Load() < want*(i+1)/(kills+1); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("after %d kills %d questions of %d were asked", i, asked.Load(), want)
			}
		}
		end(proc)
		proc = spawn(t, config)
	}
	done := finish(t, c, votes.ID)
	cast := map[string]int{}
	for _, v := range all[event.VoteCast](t, c) {
		cast[fmt.Sprint(v.Item, " ", v.A, v.B)]++
		if string(v.Run) != votes.ID || v.Choice == event.Undecided {
			t.Errorf("%+v", v)
		}
	}
	for question, n := range cast {
		if n != 1 {
			t.Errorf("%s has %d votes", question, n)
		}
	}
	if n := asked.Load(); int64(len(cast)) != want || want < 12 || n < want || n > want+2*kills || done.Attempts < 2 {
		t.Errorf("%d of %d questions have votes after %d requests and %d attempts", len(cast), want, n, done.Attempts)
	}
}
