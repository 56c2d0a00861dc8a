package where_test

import (
	"errors"
	"flag"
	"math"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"millrace/storage/readmodel/where"
)

var update = flag.Bool("update", false, "write testdata anew")

var now = time.Date(2026, 11, 21, 9, 30, 0, 0, time.UTC)

// testdata/parse.txt has texts, and below each, after "→ ", what Print makes of it; testdata/errors.txt, after "✗ ", what is wrong.
func TestTextsAndTheirPrintedForms(t *testing.T) {
	golden(t, "testdata/parse.txt", func(text string) string {
		e, err := where.Parse(text, now)
		if err != nil {
			return err.Error()
		}
		printed := where.Print(e)
		again, err := where.Parse(printed, now)
		if err != nil || !same(again, e) {
			t.Errorf("%s is read as %#v, printed as %s, and that is read as %#v, %v", text, e, printed, again, err)
		}
		return printed
	})
}

func TestErrorsPointAtTheCharacter(t *testing.T) {
	golden(t, "testdata/errors.txt", func(text string) string {
		e, err := where.Parse(text, now)
		if err == nil {
			return "no error: " + where.Print(e)
		}
		if s := (*where.SyntaxError)(nil); !errors.As(err, &s) || s.Offset < 0 || s.Offset > len(text) || s.Line < 1 || s.Column < 1 {
			t.Errorf("%s: %#v", text, err)
		}
		return err.Error()
	})
}

// golden runs every text of a file; "\n" in a text is a new line.
func golden(t *testing.T, file string, answer func(text string) string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for block := range strings.SplitSeq(strings.TrimSpace(string(data)), "\n\n") {
		text, _, _ := strings.Cut(block, "\n")
		if strings.HasPrefix(text, "#") {
			out.WriteString(block + "\n\n")
			continue
		}
		text = strings.TrimSpace(text)
		got := answer(strings.ReplaceAll(text, `⏎`, "\n"))
		out.WriteString(text + "\n  → " + strings.ReplaceAll(got, "\n", "\n    ") + "\n\n")
	}
	want := strings.TrimSpace(out.String()) + "\n"
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(data) != want {
		t.Errorf("%s says otherwise (write it anew with -update):\n%s", file, want)
	}
}

func TestHugeTextsAreRefused(t *testing.T) {
	for name, text := range map[string]string{
		"bytes":       strings.Repeat("x", where.MaxBytes+1),
		"parentheses": strings.Repeat("(", where.MaxDepth+1) + "x" + strings.Repeat(")", where.MaxDepth+1),
		"nots":        strings.Repeat("not ", where.MaxDepth+1) + "x",
		"bangs":       strings.Repeat("!", where.MaxBytes),
		"words":       strings.Repeat("x ", where.MaxTerms+1),
		"values":      "name in (" + strings.Repeat("a,", where.MaxTerms) + "a)",
		"nothings":    strings.Repeat("() ", where.MaxTerms+1),
		"open":        strings.Repeat("(", where.MaxBytes),
		"not UTF-8":   "name = \"\xff\"",
	} {
		var s *where.SyntaxError
		if e, err := where.Parse(text, now); !errors.As(err, &s) {
			t.Errorf("%s: %v, %v", name, e, err)
		}
	}
	if _, err := where.Parse(strings.Repeat("(", where.MaxDepth)+"x"+strings.Repeat(")", where.MaxDepth), now); err != nil {
		t.Error(err)
	}
	if _, err := where.Parse(strings.Repeat("x ", where.MaxTerms), now); err != nil {
		t.Error(err)
	}
}

func TestFieldsAndOrders(t *testing.T) {
	for text, want := range map[string]where.Field{
		"created":                  {Name: where.Created},
		`config."a.b".c`:           {Name: where.Config, Key: "a.b.c"},
		`metric["val/loss"].min`:   {Name: where.Metric, Key: "val/loss", Stat: where.StatMin},
		"metric.min":               {Name: where.Metric, Key: "min"},
		"metric.loss.last":         {Name: where.Metric, Key: "loss"},
		`metric["loss.min"]`:       {Name: where.Metric, Key: "loss.min"},
		"metric.val/loss at -1":    {Name: where.Metric, Key: "val/loss", Stat: where.StatAt, Step: -1},
		"metric.loss at 10_000":    {Name: where.Metric, Key: "loss", Stat: where.StatAt, Step: 10_000},
		`tags["a team"]`:           {Name: where.Tag, Key: "a team"},
		"input":                    {Name: where.Input},
		"INPUT.dataset":            {Name: where.Input, Key: "dataset"},
		`config["optimizer"]."lr"`: {Name: where.Config, Key: "optimizer.lr"},
	} {
		got, err := where.ParseField(text)
		if err != nil || got != want {
			t.Errorf("%s is %+v, %v", text, got, err)
		}
		if again, err := where.ParseField(where.PrintField(got)); err != nil || again != want {
			t.Errorf("%s is printed as %s, which is %+v, %v", text, where.PrintField(got), again, err)
		}
	}
	for _, text := range []string{"", "x", "config", "name.x", "created desc", `"name"`, "metric.", "config..a", `config.""`, "metric.a at", "metric.a at b", `metric["a"].mean`, "created <"} {
		if f, err := where.ParseField(text); err == nil {
			t.Errorf("%q is %+v", text, f)
		}
	}
	got, err := where.ParseSort(`metric["val/loss"].min, created desc, name ASC`)
	want := []where.Sort{
		{Field: where.Field{Name: where.Metric, Key: "val/loss", Stat: where.StatMin}},
		{Field: where.Field{Name: where.Created}, Desc: true}, {Field: where.Field{Name: where.RunName}},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := where.ParseSort(" "); got != nil || err != nil {
		t.Errorf("%+v, %v", got, err)
	}
	for _, text := range []string{"name,", ",", "name up", "name desc desc", "nme", strings.Repeat("name, ", 8) + "name"} {
		if s, err := where.ParseSort(text); err == nil {
			t.Errorf("%q is %+v", text, s)
		}
	}
}

// same compares conditions; NaN is NaN.
func same(a, b where.Expr) bool {
	switch a := a.(type) {
	case where.And:
		b, ok := b.(where.And)
		return ok && sameList(a, b)
	case where.Or:
		b, ok := b.(where.Or)
		return ok && sameList(a, b)
	case where.Not:
		b, ok := b.(where.Not)
		return ok && same(a.Of, b.Of)
	case where.Compare:
		b, ok := b.(where.Compare)
		if !ok || a.Field != b.Field || a.Op != b.Op || len(a.Values) != len(b.Values) {
			return false
		}
		for i, v := range a.Values {
			w := b.Values[i]
			if math.IsNaN(v.Number) && math.IsNaN(w.Number) {
				v.Number, w.Number = 0, 0
			}
			if !v.Time.Equal(w.Time) {
				return false
			}
			v.Time, w.Time = time.Time{}, time.Time{}
			if v != w {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(a, b)
}

func sameList(a, b []where.Expr) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !same(a[i], b[i]) {
			return false
		}
	}
	return true
}

// The examples of the page are in the language, and every field is on it.
func TestThePageSpeaksTheLanguage(t *testing.T) {
	page, err := os.ReadFile("../../../docs/filters.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```\n")
	examples, table, ok := strings.Cut(rest, "```\n")
	if !ok || strings.Count(examples, "\n") < 3 {
		t.Fatal("the page has no examples")
	}
	for text := range strings.Lines(examples) {
		if _, err := where.Parse(text, now); err != nil {
			t.Error(err)
		}
	}
	for _, name := range where.Names() {
		if !strings.Contains(table, "`"+string(name)) {
			t.Errorf("%s is not told of", name)
		}
	}
}
