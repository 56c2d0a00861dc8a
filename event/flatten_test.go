package event_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"millrace/event"
)

func TestParametersAreFlattened(t *testing.T) {
	ps, err := event.Flatten(event.RawJSON(`{"b": {"c" : {"d":1}, "e":[{"x":2}]}, "a.z":null, "n":{ }, "a.z":"again"}`), "client", true)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range ps {
		if p.Origin != "client" || !p.WriteOnce {
			t.Fatalf("%+v", p)
		}
		got = append(got, p.Path+"="+string(p.Value))
	}
	if s := fmt.Sprint(got); s != `[b.c.d=1 b.e=[{"x":2}] a.z=null n={ } a.z="again"]` {
		t.Fatal(s)
	}
	for _, bad := range []string{``, `7`, `[1]`, `{`, `{"a":}`, `{"":1}`, `{"` + strings.Repeat("x", 1025) + `":1}`, strings.Repeat(`{"a":`, 40) + `1` + strings.Repeat(`}`, 40), `{"a":{"b":1}`} {
		if _, err := event.Flatten(event.RawJSON(bad), "", false); !errors.Is(err, event.ErrMalformed) {
			t.Errorf("%.40q: %v", bad, err)
		}
	}
}

func FuzzFlatten(f *testing.F) {
	f.Add([]byte(`{"a":{"b":[1,{}],"c":{}}}`))
	f.Add([]byte(`{"a":{"b":1}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		ps, err := event.Flatten(raw, "", false)
		if err != nil && !errors.Is(err, event.ErrMalformed) {
			t.Fatal(err)
		}
		for _, p := range ps {
			if p.Path == "" || len(p.Path) > event.MaxKey || len(p.Value) == 0 {
				t.Fatalf("%+v", p)
			}
		}
		if context, err := event.Context(raw); err == nil && context != "" {
			if again, err := event.Context(event.RawJSON(context)); err != nil || again != context {
				t.Fatalf("%q became %q, %v", context, again, err)
			}
		}
	})
}
