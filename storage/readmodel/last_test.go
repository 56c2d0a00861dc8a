package readmodel_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"millrace/event"
	"millrace/storage/readmodel"
	"millrace/storage/readmodel/readmodeltest"
)

// TestLastOfIsAPartOfLastValues: what is asked of some runs is what is known of all, wherever it lies: in memory, in the file, and
// what is on its way from one to the other.
func TestLastOfIsAPartOfLastValues(t *testing.T) {
	l := readmodeltest.Start(t)
	rng := rand.New(rand.NewPCG(1, 2))
	var ids []event.RunID
	for i := range 40 {
		ids = append(ids, event.RunID(fmt.Sprintf("run-%d", i))) // run-1 is the beginning of run-10
	}
	check := func() {
		t.Helper()
		for _, key := range []string{"loss", "loss/2", "none"} {
			all, err := l.LastValues(key)
			if err != nil {
				t.Fatal(err)
			}
			want := map[event.RunID][]readmodel.SeriesInfo{}
			for _, s := range all {
				want[s.Run] = append(want[s.Run], s)
			}
			some := append([]event.RunID{"nobody", ids[3]}, ids...) // one that is not there, one twice
			got, err := l.LastOf(some, key)
			if err != nil {
				t.Fatal(err)
			}
			for i, id := range some {
				if len(got[i])+len(want[id]) > 0 && !reflect.DeepEqual(got[i], want[id]) {
					t.Fatalf("%s of %s: %+v, want %+v", key, id, got[i], want[id])
				}
			}
		}
	}
	for round := range 300 {
		id := ids[rng.IntN(len(ids))]
		switch rng.IntN(12) {
		case 0:
			l.Tell(event.RunDeleted{Run: id})
			ids[round%len(ids)] = event.RunID(fmt.Sprint("later-", round))
		case 1:
			l.Tell(event.RunRewound{Run: id, Step: rng.Int64N(20)})
		case 2:
			if err := l.Commit(); err != nil {
				t.Fatal(err)
			}
		case 3:
			l.Reopen()
		default:
			step := rng.Int64N(40)
			l.Tell(event.MetricsLogged{Gateway: "g", Frames: []event.Frame{{
				Run: id, Writer: event.WriterID(fmt.Sprint("w", rng.IntN(3))),
				Series: []event.Series{{Key: []string{"loss", "loss/2"}[rng.IntN(2)], Steps: []int64{step}, Times: []int64{1}, Values: []float64{rng.Float64()}}},
			}}})
		}
		check()
	}
}
