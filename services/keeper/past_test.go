package keeper_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"millrace/event"
	"millrace/services/keeper"
	"millrace/storage/readmodel"
)

func dumped(t testing.TB, m *readmodel.Model) string {
	t.Helper()
	var out bytes.Buffer
	if err := m.Dump(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestThePastIsWhatItWas tells a random log, with snapshots and trims in between, and writes down the whole model at every place. Looking back at
// random places gives the same, byte for byte.
func TestThePastIsWhatItWas(t *testing.T) {
	for seed := range uint64(8) {
		random := rand.New(rand.NewPCG(seed, 1))
		l := start(t)
		runs := []string{"a", "b", "c"}
		was := map[uint64]string{0: dumped(t, l.model)}
		when := map[uint64]time.Time{}
		tell := func(e event.Event) {
			place := l.tell(e)
			was[place], when[place] = dumped(t, l.model), l.now
		}
		for i := range 40 {
			run, step := event.RunID(runs[random.IntN(3)]), random.Int64N(6)
			switch random.IntN(10) {
			case 0, 1:
				tell(event.RunRequested{Run: run, Name: fmt.Sprint("n", i), Spec: event.Spec{Kind: event.Train}, Experiment: "x"})
			case 2, 3:
				tell(event.MetricsLogged{Gateway: "g", Frames: []event.Frame{{Run: run, Writer: "w", Series: []event.Series{{Key: "loss", Steps: []int64{step}, Times: []int64{int64(i)}, Values: []float64{float64(i)}}}}}})
			case 4:
				tell(event.RunNoted{Run: run, Name: ptr(fmt.Sprint("noted ", i))})
			case 5:
				tell(event.RunEnded{Run: run, Attempt: 1, Status: event.Finished})
			case 6:
				tell(event.RunDeleted{Run: run})
			case 7:
				tell(event.CheckpointSaved{Run: run, Step: step, Checkpoint: event.DigestOf([]byte{byte(i)})})
			case 8:
				if _, err := l.keeper.Snapshot(t.Context(), "test"); err != nil {
					t.Fatal(err)
				}
				was[l.model.Cursor().Applied] = dumped(t, l.model)
			case 9:
				if _, err := l.keeper.Trim(t.Context(), keeper.TrimWish{Place: l.model.Cursor().Applied / 2}); err != nil {
					t.Fatal(err)
				}
				was[l.model.Cursor().Applied] = dumped(t, l.model)
			}
		}
		last := l.model.Cursor().Applied
		for range 6 {
			place := random.Uint64N(last + 1)
			m, at, release, err := l.past.At(t.Context(), place)
			if err != nil {
				t.Fatalf("at %d of %d: %v", place, last, err)
			}
			if want, ok := was[place]; ok && dumped(t, m) != want {
				t.Fatalf("at %d of %d it was\n%s\nand is said to have been\n%s", place, last, want, dumped(t, m))
			}
			if w, ok := when[place]; ok && !at.Equal(w) {
				t.Fatalf("place %d was at %v, not at %v", place, w, at)
			}
			release()
			if w, ok := when[place]; ok {
				if found, err := l.past.Place(t.Context(), w); err != nil || found != place {
					t.Fatalf("at %v the last place was %d, not %d: %v", w, place, found, err)
				}
			}
		}
		if found, err := l.past.Place(t.Context(), begins); err != nil || found != 0 {
			t.Fatalf("before everything: %d %v", found, err)
		}
		l.close()
	}
}

func ptr[T any](v T) *T { return &v }

// TestModelsOfThePastAreBounded asks for more places than may be kept: those that nobody reads give way, those that are read do not.
func TestModelsOfThePastAreBounded(t *testing.T) {
	l := start(t)
	ctx := t.Context()
	l.tell(lives(5, "a")...)
	past, err := keeper.OpenPast(l.keeper, t.TempDir(), keeper.PastLimits{Models: 2, Patience: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := past.Close(); err != nil {
			t.Error(err)
		}
		if _, _, _, err := past.At(ctx, 1); !errors.Is(err, readmodel.ErrClosed) {
			t.Errorf("after the end: %v", err)
		}
	}()
	var wait sync.WaitGroup
	for i := range 8 { // many ask for the same place: it is made once
		wait.Go(func() {
			m, _, release, err := past.At(ctx, 5)
			if err != nil {
				t.Error(err)
				return
			}
			if n, err := m.Run("a-0"); err != nil || n.Status != event.Finished || len(m.RunIDs()) != 1 {
				t.Errorf("reader %d: %v %v", i, n.Status, err)
			}
			release()
		})
	}
	wait.Wait()
	_, _, first, err := past.At(ctx, 5)
	if err != nil {
		t.Fatal(err)
	}
	_, _, second, err := past.At(ctx, 10)
	if err != nil {
		t.Fatal(err)
	}
	var refused *keeper.Refusal
	if _, _, _, err := past.At(ctx, 15); !errors.As(err, &refused) || refused.Code() != "UNAVAILABLE" {
		t.Errorf("a third while two are read: %v", err)
	}
	first()
	first() // once more changes nothing
	if _, _, third, err := past.At(ctx, 15); err != nil {
		t.Error(err)
	} else {
		third()
	}
	second()
	if _, _, _, err := past.At(ctx, 1000); !errors.As(err, &refused) || refused.Code() != "INVALID" {
		t.Errorf("beyond the end: %v", err)
	}
}
