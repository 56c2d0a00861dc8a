package readmodel

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/bbolt"
	"pgregory.net/rapid"
)

// TestLayersLikeAMap writes into layers, carries them to the file, lets some of that fail, and compares every get and scan with a map.
func TestLayersLikeAMap(t *testing.T) {
	file := 0
	rapid.Check(t, func(rt *rapid.T) {
		file++
		db, err := openBolt(filepath.Join(t.TempDir(), fmt.Sprint(file)), false)
		if err != nil {
			rt.Fatal(err)
		}
		defer func() { _ = db.Close() }()
		if err := db.Update(func(tx *bbolt.Tx) error {
			_, err := tx.CreateBucket([]byte(layout[tableText].name))
			return err
		}); err != nil {
			rt.Fatal(err)
		}
		db.NoSync = true
		groups := []string{"a", "a\x00", "b"}
		want := map[string]map[string]string{"a": {}, "a\x00": {}, "b": {}}
		pending, frozen := newLayer(), (*layer)(nil)
		word := rapid.StringOfN(rapid.SampledFrom([]rune("ab\x00\x7f")), 0, 3, -1)
		for i := range rapid.IntRange(0, 40).Draw(rt, "ops") {
			g, k := rapid.SampledFrom(groups).Draw(rt, "group"), word.Draw(rt, "key")
			switch rapid.SampledFrom([]string{"put", "put", "put", "put", "remove", "clear", "freeze", "write", "fail", "scan"}).Draw(rt, "op") {
			case "put":
				pending.put(tableText, g, k, []byte(fmt.Sprint(i)))
				want[g][k] = fmt.Sprint(i)
			case "remove":
				pending.remove(tableText, g, k)
				delete(want[g], k)
			case "clear":
				pending.clear(tableText, g)
				want[g] = map[string]string{}
			case "freeze":
				if frozen == nil {
					frozen, pending = pending, newLayer()
				}
			case "write":
				if frozen != nil {
					if err := db.Update(frozen.write); err != nil {
						rt.Fatal(err)
					}
					frozen = nil
				}
			case "fail":
				if frozen != nil {
					frozen.under(pending)
					frozen = nil
				}
			case "scan":
				s := span{prefix: word.Draw(rt, "prefix"), backward: rapid.Bool().Draw(rt, "backward")}
				if rapid.Bool().Draw(rt, "bounded") {
					s.from = rapid.SampledFrom([]string{"", s.prefix}).Draw(rt, "at") + word.Draw(rt, "from")
				}
				checkScan(rt, db, []*layer{pending, frozen}, g, s, want[g])
			}
			checkScan(rt, db, []*layer{pending, frozen}, g, span{}, want[g])
		}
	})
}

func checkScan(t *rapid.T, db *bbolt.DB, layers []*layer, g string, s span, want map[string]string) {
	layers = slices.DeleteFunc(slices.Clone(layers), func(l *layer) bool { return l == nil })
	if err := db.View(func(tx *bbolt.Tx) error {
		v := view{layers: layers, tx: tx}
		var keys []string
		for _, k := range slices.Sorted(maps.Keys(want)) {
			if string(v.get(tableText, g, k)) != want[k] {
				return fmt.Errorf("%q %q is %q, want %q", g, k, v.get(tableText, g, k), want[k])
			}
			if !strings.HasPrefix(k, s.prefix) || !s.backward && k < s.from || s.backward && s.from != "" && k > s.from {
				continue
			}
			keys = append(keys, k)
		}
		if s.backward {
			slices.Reverse(keys)
		}
		var got []string
		v.scan(tableText, g, s, func(rest, value []byte) bool {
			got = append(got, string(rest))
			if string(value) != want[string(rest)] {
				t.Fatalf("scan: %q %q is %q, want %q", g, rest, value, want[string(rest)])
			}
			return true
		})
		if !slices.Equal(got, keys) {
			return fmt.Errorf("scan of %q %+v gives %q, want %q", g, s, got, keys)
		}
		for n := range keys { // and it stops when told to
			left := n + 1
			v.scan(tableText, g, s, func(_, _ []byte) bool { left--; return left > 0 })
			if left != 0 {
				return fmt.Errorf("scan of %d pairs stopped %d early", n+1, left)
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}
