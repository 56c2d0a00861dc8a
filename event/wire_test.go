package event_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"sort"
	"strings"
	"testing"
	"time"

	"millrace/event"
)

var update = flag.Bool("update", false, "rewrite the golden bytes")

func envelope(e event.Event) event.Envelope {
	return event.Envelope{ID: "01HZX3V9M8Q4T6W2Y5B7C9D1ID", Source: "/node/laptop/test", Time: time.Date(2026, 11, 21, 9, 30, 0, 123456789, time.UTC), Event: e}
}

// golden draws a fact as it lies on the wire: subject, headers in order, an empty line, the body.
func golden(t *testing.T, env event.Envelope) []byte {
	t.Helper()
	head, body, err := event.Encode(env)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	fmt.Fprintln(&b, env.Event.Subject())
	keys := make([]string, 0, len(head))
	for k := range head {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for _, k := range keys {
		fmt.Fprintf(&b, "%s: %s\n", k, head[k])
	}
	b.WriteByte('\n')
	b.Write(body)
	return b.Bytes()
}

func TestEveryFactHasGoldenBytesAndReadsBack(t *testing.T) {
	set, examples := event.Set(), event.Examples()
	if len(set) != len(examples) {
		t.Fatalf("%d facts in the set, %d examples", len(set), len(examples))
	}
	for i, e := range examples {
		if set[i].Type() != e.Type() {
			t.Fatalf("example %d is %s, the set has %s there", i, e.Type(), set[i].Type())
		}
		t.Run(string(e.Type()), func(t *testing.T) {
			everyFieldFilled(t, e)
			got := golden(t, envelope(e))
			file := filepath.Join("testdata", "golden", string(e.Type()))
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Fatalf("the wire form changed.\nwas:\n%s\nis:\n%s", want, got)
			}
			back := parseGolden(t, want)
			if b := golden(t, back); !bytes.Equal(b, want) {
				t.Fatalf("read and written again it differs:\n%s", b)
			}
		})
	}
}

func parseGolden(t *testing.T, b []byte) event.Envelope {
	t.Helper()
	head, body, _ := strings.Cut(string(b), "\n\n")
	lines := strings.Split(head, "\n")
	headers := map[string]string{}
	for _, l := range lines[1:] {
		k, v, _ := strings.Cut(l, ": ")
		headers[k] = v
	}
	env, err := event.Decode(lines[0], func(k string) string { return headers[k] }, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return env
}

// everyFieldFilled makes sure that an example shows every field at least once, so that its golden bytes pin every name.
func everyFieldFilled(t *testing.T, e event.Event) {
	t.Helper()
	raw, err := json.Marshal(e)
	if _, isFrame := e.(event.MetricsLogged); isFrame {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	rt := reflect.TypeOf(e)
	for i := range rt.NumField() {
		name, _, _ := strings.Cut(rt.Field(i).Tag.Get("json"), ",")
		if _, ok := m[name]; !ok {
			if rt.Field(i).Name == "Failure" && rt.Name() == "RuleFired" {
				continue // shown by run.ended
			}
			t.Errorf("the example of %s leaves %q out", rt.Name(), name)
		}
	}
}

func TestSubjectsAreDistinctAndCannotBeBrokenOutOf(t *testing.T) {
	bad := event.RunStarted{Run: "a.b"}
	if _, _, err := event.Encode(envelope(bad)); !errors.Is(err, event.ErrBadID) {
		t.Fatalf("an id with a dot: %v", err)
	}
	for _, id := range []event.RunID{"", "*", ">", "a b", "é", event.RunID(strings.Repeat("x", 65))} {
		if _, _, err := event.Encode(envelope(event.RunStarted{Run: id})); !errors.Is(err, event.ErrBadID) {
			t.Errorf("id %q: %v", id, err)
		}
	}
	if got := (event.RunRequested{Run: "R1", Spec: event.Spec{Kind: event.Train}}).Subject(); got != "millrace.run.R1.requested.train" {
		t.Fatal(got)
	}
}

func TestDecodeRefusesWhatItCannotTrust(t *testing.T) {
	head, body, err := event.Encode(envelope(event.RunHeartbeat{Run: "R1", Writer: "w"}))
	if err != nil {
		t.Fatal(err)
	}
	get := func(over map[string]string) func(string) string {
		return func(k string) string {
			if v, ok := over[k]; ok {
				return v
			}
			return head[k]
		}
	}
	cases := []struct {
		what    string
		subject string
		over    map[string]string
		body    []byte
		want    error
	}{
		{"another version", "", map[string]string{event.HeaderSpec: "0.3"}, body, event.ErrMalformed},
		{"an unknown fact", "", map[string]string{event.HeaderType: "millrace.run.exploded.v1"}, body, event.ErrUnknownType},
		{"a newer version of a fact", "", map[string]string{event.HeaderType: "millrace.run.heartbeat.v2"}, body, event.ErrUnknownType},
		{"no time", "", map[string]string{event.HeaderTime: ""}, body, event.ErrMalformed},
		{"broken JSON", "", nil, []byte(`{"run":`), event.ErrMalformed},
		{"another run's subject", "millrace.run.R2.heartbeat", nil, body, event.ErrMalformed},
		{"too long", "", nil, make([]byte, event.MaxBody+1), event.ErrMalformed},
	}
	for _, c := range cases {
		if _, err := event.Decode(c.subject, get(c.over), c.body); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.what, err, c.want)
		}
	}
	if _, err := event.Decode("millrace.run.R1.heartbeat", get(nil), body); err != nil {
		t.Fatal(err)
	}
}

func TestSpecDigestIgnoresTheOrderOfKeys(t *testing.T) {
	a := event.Spec{Kind: event.Train, Config: json.RawMessage(`{"b":1.50,"a":{"d":1,"c":2}}`)}
	b := event.Spec{Kind: event.Train, Config: json.RawMessage(`{ "a": {"c":2, "d":1}, "b":1.50 }`)}
	da, err := a.Digest()
	if err != nil {
		t.Fatal(err)
	}
	db, _ := b.Digest()
	if da != db || !da.Valid() {
		t.Fatalf("%s and %s", da, db)
	}
	b.Engine = "cuda"
	if dc, _ := b.Digest(); dc == da {
		t.Fatal("the engine is part of the spec")
	}
}

func TestIDs(t *testing.T) {
	early, err := event.NewID(time.UnixMilli(1), strings.NewReader("0123456789"))
	if err != nil {
		t.Fatal(err)
	}
	late, _ := event.NewID(time.UnixMilli(2), strings.NewReader("0123456789"))
	if len(early) != 26 || early >= late || !event.ValidID(early) {
		t.Fatalf("%q then %q", early, late)
	}
	if early != "0000000001"+early[10:] {
		t.Fatalf("%q does not start with its milliseconds", early)
	}
	first, again := event.DerivedID("a", "b"), event.DerivedID("a", "b")
	if first != again || first == event.DerivedID("ab") {
		t.Fatal("a derived id follows from its parts, kept apart")
	}
	if _, err := event.NewID(time.UnixMilli(1), strings.NewReader("")); err == nil {
		t.Fatal("no randomness, no id")
	}
}

func TestNumbersKeepWhatJSONCannotSay(t *testing.T) {
	for _, f := range []float64{0, 1.5, -1e300, math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1), 5e-324} {
		raw, err := json.Marshal(event.Number(f))
		if err != nil {
			t.Fatal(err)
		}
		var n event.Number
		if err := json.Unmarshal(raw, &n); err != nil {
			t.Fatal(err)
		}
		if math.Float64bits(float64(n)) != math.Float64bits(f) {
			t.Errorf("%v → %s → %v", f, raw, n)
		}
	}
	var n event.Number
	if err := json.Unmarshal([]byte(`"many"`), &n); err == nil {
		t.Fatal("a word is not a number")
	}
}
