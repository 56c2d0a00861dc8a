package event_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"millrace/event"
)

func TestAnIDAsHexadecimalDigitsAndBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := event.RunID(event.DerivedID(rapid.String().Draw(t, "name")))
		h, ok := id.Hex()
		if !ok || len(h) != 32 || strings.Trim(h, "0123456789abcdef") != "" {
			t.Fatal(id, h, ok)
		}
		if back, ok := event.RunFromHex(h); !ok || back != id {
			t.Fatal(id, h, back, ok)
		}
	})
	for _, bad := range []event.RunID{"", "short", "8ZZZZZZZZZZZZZZZZZZZZZZZZZ", "01HZX3V9M8Q4T6W2Y5B7C9D1Fu"} {
		if h, ok := bad.Hex(); ok {
			t.Errorf("%q has digits %q", bad, h)
		}
	}
	for _, bad := range []string{"", "0123", strings.Repeat("g", 32), strings.Repeat("A", 32), "+1" + strings.Repeat("0", 30)} {
		if id, ok := event.RunFromHex(bad); ok {
			t.Errorf("%q is run %q", bad, id)
		}
	}
}
