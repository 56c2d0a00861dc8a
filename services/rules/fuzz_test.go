package rules

import (
	"encoding/json"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"millrace/event"
	"millrace/storage/readmodel"
)

// FuzzRule reads a rule's file as anybody may write it: whatever it is, it is refused with a reason or can be read again as it was saved, asked
// within its bounds, and looked at for circles.
func FuzzRule(f *testing.F) {
	f.Add([]byte(`{"name":"careful","on":"run.alert_raised","when":"event.level == 'error' && run.kind == 'train'","then":{"stop":{"reason":"=event.title"}}}`))
	f.Add([]byte(`{"name":"n","on":"points","metric":"*loss*","when":"values.exists(v, isnan(v)) || mean(values) > 2.0 * median([1.0, double(step)])","then":{"rollback":{"config":{"optimizer.lr":"=value * 0.5"}}},"repeat":"10m"}`))
	f.Add([]byte(`{"name":"a","on":"run.alert_raised","when":"true","then":{"alert":{"title":"t"}}}`))
	f.Add([]byte(`{"name":"w","on":"alias.set","when":"event.alias.matches('^[a-z]+$') && time.getHours() < 9","then":{"webhook":{"url":"https://example.com","title":"==x"}}}`))
	f.Add([]byte(`{"name":"e","on":"run.ended","when":"[1,2,3].map(x, x * 2).exists(x, x > 5)","then":{"email":{"to":["a@example.com"],"title":"='%s'.format([key])"}}}`))
	f.Add([]byte(`{"name":"b","on":"run.ended","when":"'x'.replace('x', 'yyyyyyyy').size() > 3 && history(key, 3) == [] && stale('a', 'min') > 1","then":{"evaluate":{"suite":"quick"}}}`))
	f.Add([]byte(`{"name":"m","on":"run.ended","when":"experiment.name == '' && size(aliases) == 0 && !('x' in metrics) && run.cost.dollars > 1.0","then":{"stop":{}}}`))
	f.Add([]byte(`{"ready":"early-stopping","set":{"patience":"3"}}`))
	f.Add([]byte(`{"ready":"stop-at-budget","set":{"dollars":"1) || (true"}}`))
	f.Add([]byte(`{"ready":"../rule","set":{}}`))
	m, err := readmodel.Open(filepath.Join(f.TempDir(), "view.db"), readmodel.Options{Identity: "x", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		f.Fatal(err)
	}
	defer m.Close()
	f.Fuzz(func(t *testing.T, raw []byte) {
		saved, err := ReadRule(raw)
		if err != nil {
			return
		}
		r, err := Parse(saved)
		if err != nil {
			var refused *Error
			if !errors.As(err, &refused) || refused.Error() == "" {
				t.Fatalf("%v is no reason", err)
			}
			return
		}
		again, err := Parse(r.RuleSaved)
		if err != nil || !same(again.RuleSaved, r.RuleSaved) {
			t.Fatalf("what was saved is not read again: %v", err)
		}
		if _, err := json.Marshal(r.RuleSaved); err != nil {
			t.Fatal(err)
		}
		Circle(r, []*Rule{again})
		s := &state{
			model: m, env: event.Envelope{ID: "1", Seq: 7, Time: time.Unix(1_800_000_000, 0), Event: zeroOf(r.On)},
			key: "train/loss", values: []float64{3, 2, 1}, step: 9,
		}
		began := time.Now()
		yes, err := r.when.holds(t.Context(), s)
		if took := time.Since(began); took > 30*maxTime { // a bound, not a speed: the machine may be busy
			t.Fatalf("it took %v", took)
		}
		if err == nil && yes {
			_, _ = r.then.resolve(t.Context(), s)
		}
	})
}
