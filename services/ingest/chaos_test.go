package ingest_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"millrace/event"
	"millrace/storage/readmodel"
)

// batch is a writer's n-th batch, with facts of every manner in it.
func batch(writer string, n int) string {
	return fmt.Sprintf(`{"writer":%q,"sequence":%d,"entries":[{"alert":{"title":"%s %d"}},{"points":[{"key":"loss","step":%d,"value":%d},{"key":"acc","step":%d,"value":1}]},
		{"lines":{"stream":%q,"first":%d,"lines":["line %d"]}},{"tags":{%q:"%d"}},{"text":{"key":"t","step":%d,"text":"x"}}]}`, writer, n, writer, n, n, n, n, writer, n, n, writer, n, n)
}

// TestWhateverIsRepeatedOnceIsRead has several writers send each batch once or several times, also twice at one moment as a client does whose
// first try hangs, and old ones late. What is read is what it would be had each come once.
func TestWhateverIsRepeatedOnceIsRead(t *testing.T) {
	l := start(t)
	writers := []string{"rank0", "rank1", "rank2"}
	const batches = 6
	l.ok("/runs", `{"id":"chaos"}`)
	l.ok("/runs", `{"id":"once"}`)
	var all sync.WaitGroup
	for i, w := range writers {
		all.Go(func() {
			random := rand.New(rand.NewPCG(uint64(i), 7))
			for n := 1; n <= batches; n++ {
				var tries sync.WaitGroup
				for range 1 + random.IntN(3) {
					tries.Go(func() { l.post("/runs/chaos/log", batch(w, n)) })
				}
				tries.Wait()
				if got := l.post("/runs/chaos/log", batch(w, n)); got.Status != 200 {
					t.Errorf("%s %d: %+v", w, n, got)
				}
				if got := l.post("/runs/chaos/log", batch(w, 1+random.IntN(n))); got.Status != 200 {
					t.Errorf("%s: an old batch: %+v", w, got)
				}
			}
		})
	}
	all.Wait()
	for _, w := range writers {
		for n := 1; n <= batches; n++ {
			l.ok("/runs/once/log", batch(w, n))
		}
	}
	if err := l.model.WaitFor(t.Context(), l.last()); err != nil {
		t.Fatal(err)
	}
	read := func(run event.RunID) string {
		var out strings.Builder
		r, err := l.model.Run(run)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&out, r.Tags)
		series, err := l.model.Series(run, readmodel.SeriesQuery{})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range series {
			fmt.Fprintln(&out, s.Key, s.Writer, s.Steps, s.Values)
		}
		alerts, err := l.model.Alerts(run, 1000)
		if err != nil {
			t.Fatal(err)
		}
		count := map[string]int{}
		for _, a := range alerts {
			count[a.Title]++
		}
		raw, _ := json.Marshal(count)
		fmt.Fprintln(&out, string(raw))
		for _, w := range writers {
			lines, err := l.model.Lines(run, w, 0, 100)
			if err != nil {
				t.Fatal(err)
			}
			for _, line := range lines {
				fmt.Fprintln(&out, w, line.Number, line.Text)
			}
			last, err := l.model.LastSequence(run, event.WriterID(w))
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintln(&out, w, event.BatchTaken(last))
		}
		texts, err := l.model.Texts(run, "t", 1000)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&out, len(texts))
		return out.String()
	}
	if chaos, once := read("chaos"), read("once"); chaos != once {
		t.Errorf("sent again and again:\n%s\nonce:\n%s", chaos, once)
	}
}

func TestAFullDiskIsNoFaultOfTheBatch(t *testing.T) {
	l := startWith(t, 300_000)
	l.ok("/runs", `{"id":"R1"}`)
	text := strings.Repeat("x", 20_000)
	taken := 0
	var got reply
	for n := 1; n < 100; n++ {
		if got = l.post("/runs/R1/log?wait=1", fmt.Sprintf(`{"writer":"w","sequence":%d,"entries":[{"text":{"key":"t","step":%d,"text":%q}}]}`, n, n, text)); got.Status != 200 {
			break
		}
		taken++
	}
	if got.Status != 503 || got.Error.Code != "UNAVAILABLE" || got.RetryAfter == "" || !strings.Contains(got.Error.Hint, "free space") || taken == 0 {
		t.Fatalf("after %d batches: %+v", taken, got)
	}
	if got := l.do("GET", "/runs/R1/writers/w", nil); got.Sequence != uint64(taken) {
		t.Fatalf("%d batches were answered, %d are there", taken, got.Sequence)
	}
	if texts, err := l.model.Texts("R1", "t", 1000); err != nil || len(texts) != taken {
		t.Fatalf("%d texts, %v; want %d", len(texts), err, taken)
	}
	if n := l.door.Counts().Unavailable.Load(); n == 0 {
		t.Error("it was not counted")
	}
}
