package where_test

import (
	"errors"
	"math"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"millrace/storage/readmodel/where"
)

// Whatever can be said in Go can be written, and is read as the same.
func TestEveryConditionCanBeWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := expr(t, 4)
		text := where.Print(e)
		got, err := where.Parse(text, now)
		if err != nil {
			if len(text) > where.MaxBytes {
				return
			}
			t.Fatalf("%#v is printed as %s: %v", e, text, err)
		}
		if want := plain(e); !same(got, want) {
			t.Fatalf("%#v is printed as %s, which is %#v", want, text, got)
		}
		if again := where.Print(got); again != text {
			t.Fatalf("%s is printed as %s", text, again)
		}
	})
}

// plain is the oracle of what Parse calls the plainest form.
func plain(e where.Expr) where.Expr {
	switch e := e.(type) {
	case where.And:
		out := where.And{}
		for _, c := range e {
			switch c := plain(c).(type) {
			case where.And:
				out = append(out, c...)
			default:
				out = append(out, c)
			}
		}
		if len(out) == 1 {
			return out[0]
		}
		return out
	case where.Or:
		out := where.Or{}
		for _, c := range e {
			switch c := plain(c).(type) {
			case where.Or:
				out = append(out, c...)
			default:
				out = append(out, c)
			}
		}
		if len(out) == 0 {
			return where.Not{Of: where.And{}}
		}
		if len(out) == 1 {
			return out[0]
		}
		return out
	case where.Not:
		return where.Not{Of: plain(e.Of)}
	}
	return e
}

func expr(t *rapid.T, depth int) where.Expr {
	kind := rapid.IntRange(0, 4).Draw(t, "kind")
	if depth == 0 && kind < 3 {
		kind = 3
	}
	switch kind {
	case 0, 1:
		var list []where.Expr
		for range rapid.IntRange(0, 3).Draw(t, "conditions") {
			list = append(list, expr(t, depth-1))
		}
		if kind == 0 {
			return where.And(list)
		}
		return where.Or(list)
	case 2:
		return where.Not{Of: expr(t, depth-1)}
	case 3:
		return compare(t)
	}
	return where.Words{Text: word(t)}
}

func compare(t *rapid.T) where.Expr {
	name := rapid.SampledFrom(where.Names()).Draw(t, "field")
	c := where.Compare{Field: where.Field{Name: name}}
	kinds := []where.ValueKind{where.Word}
	ops := []where.Op{where.Equal, where.NotEqual, where.Less, where.AtMost, where.Greater, where.AtLeast, where.In, where.NotIn, where.Exists}
	partial := []where.Op{where.Contains, where.NotContains}
	switch name {
	case where.Config:
		c.Field.Key = key(t)
		kinds, ops = []where.ValueKind{where.Word, where.Number, where.Bool}, append(ops, partial...)
	case where.Metric:
		c.Field.Key = key(t)
		c.Field.Stat = rapid.SampledFrom([]where.Stat{"", where.StatFirst, where.StatMin, where.StatMax, where.StatAt}).Draw(t, "stat")
		if c.Field.Stat == where.StatAt {
			c.Field.Step = rapid.Int64().Draw(t, "step")
		}
		kinds = []where.ValueKind{where.Number}
	case where.Tag:
		c.Field.Key, ops = key(t), append(ops, partial...)
	case where.Input:
		ops = append(ops, partial...)
		if rapid.Bool().Draw(t, "role") {
			c.Field.Key = key(t)
		}
	case where.Archived, where.Starred:
		kinds, ops = []where.ValueKind{where.Bool}, ops[:2]
	case where.Created, where.Started, where.Ended, where.Updated:
		kinds = []where.ValueKind{where.Time}
	case where.Duration, where.Dollars, where.DeviceSeconds, where.Joules, where.Tokens, where.FLOPs, where.Steps:
		kinds = []where.ValueKind{where.Number}
	case where.Label: // to be equal to a list is to be in it
		ops = append(ops[2:], partial...)
	default:
		ops = append(ops, partial...)
	}
	c.Op = rapid.SampledFrom(ops).Draw(t, "op")
	n := 1
	switch c.Op {
	case where.Exists:
		n = 0
	case where.In, where.NotIn:
		n = rapid.IntRange(0, 3).Draw(t, "values")
	}
	for range n {
		v := where.Value{Kind: rapid.SampledFrom(kinds).Draw(t, "value")}
		switch v.Kind {
		case where.Number:
			v.Number = rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{math.NaN(), math.Inf(1), math.Inf(-1), 1e-3, 1e15, 0, math.MaxFloat64})).Draw(t, "number")
		case where.Bool:
			v.Bool = rapid.Bool().Draw(t, "bool")
		case where.Time:
			v.Time = time.Unix(rapid.Int64Range(-60_000_000_000, 250_000_000_000).Draw(t, "seconds"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanoseconds")).UTC()
		default:
			switch name {
			case where.Status:
				v.Word = rapid.SampledFrom([]string{"pending", "running", "failed"}).Draw(t, "status")
			case where.Kind:
				v.Word = rapid.SampledFrom([]string{"train", "external"}).Draw(t, "kind of run")
			default:
				v.Word = word(t)
			}
		}
		c.Values = append(c.Values, v)
	}
	return c
}

// word is any text, or one that means something to the language.
func word(t *rapid.T) string {
	return rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-z./"'\\\n -]{0,8}`), rapid.SampledFrom([]string{
		"and", "or", "not", "in", "labels", "exists", "at", "ago", "()", "name", "status:x", "config.a", "starred", "12", "1e3", "10k", "true", "nan", "$5",
		"don't", "3d", "2026-11-01", "-x", "!x", "NOT", "metric.x", "x]", "É", "\u200b", "inf",
	})).Draw(t, "word")
}

func key(t *rapid.T) string {
	return rapid.OneOf(
		rapid.StringMatching(`[a-z]{1,3}(\.[a-z0-9/_-]{0,3}){0,3}`), rapid.StringN(1, 5, -1),
		rapid.SampledFrom([]string{"val/loss", "loss.min", "min", "a.last", ".", "at", "a b", `"`}),
	).Draw(t, "key")
}

// No text makes the parser fall over, and what it reads it reads again from what it writes.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"", `baseline cost<1`, `status in (running, failed) and config.optimizer.lr <= 3e-4`, `"x" in labels or not (a && !b)`,
		`metric["val/loss"].min < 2.1 metric.loss at 1000 > nan`, `config."a.b".c exists`, `created > 3d ago duration >= 2h30m cost < $5`,
		"name ~ 'gp\\'t'", "not not ()", "labels not in (a)", "config[", `a."b`, "\xff", "x not", "created > 2026-11-01T10:00:00+02:00", `"\u12`, "((((", "≤≥≠",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := where.Parse(text, now)
		if err != nil {
			var s *where.SyntaxError
			if !errors.As(err, &s) || s.Offset > len(text) || s.Offset < 0 || !utf8.ValidString(err.Error()) {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		printed := where.Print(e)
		if len(printed) > where.MaxBytes {
			return
		}
		again, err := where.Parse(printed, now.Add(time.Hour)) // nothing that is printed is counted from now
		if err != nil || !same(again, e) {
			t.Fatalf("%q is %#v, printed as %s, which is %#v, %v", text, e, printed, again, err)
		}
	})
}
