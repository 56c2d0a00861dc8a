package readmodel_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"millrace/event"
	"millrace/storage/readmodel"
	"millrace/storage/readmodel/where"
)

// TestOneDamagedRun flips bytes of one run in the file: every question on the others is answered as before, and the damaged one says that it is.
func TestOneDamagedRun(t *testing.T) {
	const bad = event.RunID("run-04")
	ctx := context.Background()
	lr := where.Field{Name: where.Config, Key: "lr"}
	for _, c := range []struct {
		name   string
		pieces []string // of the file, each with a byte to flip
		head   bool     // whether more is known of it than that it is there
		says   string
	}{
		{"record", []string{`"spec":{"kind":"train","config":{"lr":4}`}, true, "its record"},
		{"progress", []string{`{"progress":{"run":"run-04"`}, true, "its progress and usage"},
		{"config", []string{"\x02lr\x014"}, true, ""},
		{"head", []string{"the fourth\x04mark"}, true, ""},
		{"head and record", []string{"the fourth\x04mark", `"spec":{"kind":"train","config":{"lr":4}`}, false, "its record"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := t.TempDir() + "/model.db"
			m, err := readmodel.Open(path, readmodel.Options{})
			if err != nil {
				t.Fatal(err)
			}
			var log []event.Envelope
			tell := func(e event.Event) {
				log = append(log, event.Envelope{Seq: uint64(len(log) + 1), Event: e})
			}
			for i := range 9 {
				run := event.RunID(fmt.Sprintf("run-%02d", i))
				r := event.RunRequested{Run: run, Name: "other", Note: "mark", Spec: event.Spec{Kind: event.Train, Config: []byte(fmt.Sprintf(`{"lr":%d}`, i))}}
				if run == bad {
					r.Name = "the fourth"
				}
				tell(r)
				tell(event.RunProgressed{Run: run, Unit: "steps", Done: 5})
			}
			feed(t, m, log)
			mustClose(t, m)
			flip(t, path, c.pieces)

			logger, said := heard()
			if m, err = readmodel.Open(path, readmodel.Options{Log: logger}); err != nil {
				t.Fatal(err)
			}
			defer mustClose(t, m)
			if why := m.Rebuilt(); why != "" {
				t.Fatalf("rebuilt: %s", why)
			}
			p, err := m.Runs(ctx, where.Compare{Field: where.Field{Name: where.Kind}, Op: where.Equal, Values: []where.Value{{Word: "train"}}}, []where.Sort{{Field: lr, Desc: true}}, "", 0)
			if err != nil {
				t.Fatal(err)
			}
			var ids []event.RunID
			for _, r := range p.Runs {
				if r.ID != bad {
					ids = append(ids, r.ID)
					if config, err := m.Config(r.ID); err != nil || r.Damaged != "" || string(config) != `{"lr":`+strings.TrimPrefix(string(r.ID), "run-0")+"}" {
						t.Errorf("%s: %q %s, error %v", r.ID, r.Damaged, config, err)
					}
					continue
				}
				if !strings.Contains(r.Damaged, c.says) || (c.says == "") != (r.Damaged == "") || c.head != (r.Name == "the fourth") {
					t.Errorf("the damaged run is %+v", r)
				}
			}
			if want := []event.RunID{"run-08", "run-07", "run-06", "run-05", "run-03", "run-02", "run-01", "run-00"}; !slices.Equal(ids, want) {
				t.Errorf("the others are %v", ids)
			}
			if p.Total != 9 && c.head {
				t.Errorf("%d runs", p.Total)
			}
			if r, err := m.Run(bad); err != nil || !strings.Contains(r.Damaged, c.says) {
				t.Errorf("the damaged run is %+v, error %v", r, err)
			}
			if g, err := m.GroupRuns(ctx, nil, []where.Field{{Name: where.RunName}}, nil, "", 0); err != nil || g.Groups[0].Count != 8 {
				t.Errorf("groups %+v, error %v", g, err)
			}
			if c.name != "config" && !strings.Contains(said.String(), string(bad)) {
				t.Errorf("the log does not name the run: %s", said)
			}
			if err := m.Apply(event.Envelope{Seq: 100, Event: event.RunTagged{Run: bad, Set: map[string]string{"a": "b"}}}); err != nil {
				t.Errorf("a fact about the damaged run ends the fold: %v", err)
			}
			if err := m.Apply(event.Envelope{Seq: 101, Event: event.RunTagged{Run: "run-05", Set: map[string]string{"a": "b"}}}); err != nil {
				t.Errorf("a fact about another run: %v", err)
			}
			if r, err := m.Run("run-05"); err != nil || r.Tags["a"] != "b" {
				t.Errorf("%+v, error %v", r, err)
			}
		})
	}
}

// flip changes one byte in the middle of every place in a file where some bytes stand.
func flip(t *testing.T, path string, pieces []string) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, piece := range pieces {
		found := false
		for i := 0; ; {
			j := bytes.Index(raw[i:], []byte(piece))
			if j < 0 {
				break
			}
			raw[i+j+len(piece)-1] ^= 1
			found = true
			i += j + 1
		}
		if !found {
			t.Fatalf("%q is not in the file", piece)
		}
	}
	if err := os.WriteFile(path, raw, 0o644); err != nil {
		t.Fatal(err)
	}
}
