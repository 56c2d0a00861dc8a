package curator

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"reflect"
	"runtime"
	"slices"

	"millrace/curator/attribute"
	"millrace/curator/corpus"
	"millrace/curator/filter"
	"millrace/event"

	"gopkg.in/yaml.v3"
)

// ErrReread says that other filters cannot be judged by stored attributes: the text must be read again.
var ErrReread = errors.New("the text must be read again")

// Redecision is what other filters make of a dataset's documents. Bytes are of text as it was read.
type Redecision struct {
	Recipe event.Digest `json:"recipe"` // that decided before
	All    Count        `json:"all"`    // documents and files, kept or not
	// Kept is the documents that stay, Rules those that each rule drops, by the rule's name.
	Kept  RuleChange   `json:"kept"`
	Rules []RuleChange `json:"rules"`
}

// Count is documents and their text.
type Count struct {
	Documents int64 `json:"documents"`
	Bytes     int64 `json:"bytes"`
}

func (c *Count) add(bytes int64) {
	c.Documents++
	c.Bytes += bytes
}

func (c *Count) sum(o Count) {
	c.Documents += o.Documents
	c.Bytes += o.Bytes
}

// RuleChange is what a rule dropped before, and drops after. In and Out are the documents that it drops now and did not drop,
// and the other way round; another rule may have dropped them, or may do so now.
type RuleChange struct {
	Rule   string `json:"rule,omitempty"`
	Before Count  `json:"before"`
	After  Count  `json:"after"`
	In     Count  `json:"in"`
	Out    Count  `json:"out"`
	// Examples are the first documents that moved in, and the first that moved out; five of each at most.
	Examples []Move `json:"examples,omitempty"`
}

// Move is a document about which another rule decides now. From and To are rules, "" where it is kept; value and threshold are
// those of To, and of From where it is kept now.
type Move struct {
	Source    string  `json:"source"`
	Document  string  `json:"document"`
	Bytes     int64   `json:"bytes"`
	From      string  `json:"from,omitempty"`
	To        string  `json:"to,omitempty"`
	Value     float64 `json:"value"`
	Threshold float64 `json:"threshold"`
}

// ParseFilters reads filters as a recipe has them, YAML or JSON: by themselves, or under the key filters, as a whole recipe has
// them. An unknown key is an error, ErrRecipe, that names it.
func ParseFilters(data []byte) (Filters, error) {
	if len(data) > maxRecipeBytes {
		return Filters{}, fmt.Errorf("%w: filters of %d bytes: the limit is %d", ErrRecipe, len(data), maxRecipeBytes)
	}
	var tree map[string]any
	if err := yaml.Unmarshal(data, &tree); err != nil {
		return Filters{}, fmt.Errorf("%w: filters: %w", ErrRecipe, err)
	}
	var v any = tree
	if inner, ok := tree["filters"]; ok {
		v = inner
	}
	plain, err := json.Marshal(v)
	if err != nil {
		return Filters{}, fmt.Errorf("%w: filters: keys must be text: %w", ErrRecipe, err)
	}
	if err := checkKeys("filters", v, reflect.TypeFor[Filters]()); err != nil {
		return Filters{}, fmt.Errorf("%w: %w", ErrRecipe, err)
	}
	var f Filters
	d := json.NewDecoder(bytes.NewReader(plain))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return Filters{}, fmt.Errorf("%w: filters: %w", ErrRecipe, err)
	}
	f = f.Resolve()
	if err := f.Check(); err != nil {
		return Filters{}, fmt.Errorf("%w: filters: %w", ErrRecipe, err)
	}
	return f, nil
}

// Redecide judges the dataset's documents by other filters than those of its recipe, from what is stored: the blobs of
// attributes are read one after another, a few at a time; told, when set, hears how many documents of how many are done. What
// was no text stays dropped. A duplicate that the filters keep stays a duplicate, though the document it repeats may be one that
// they drop now, and what is contaminated stays so; what they dropped and keep now is not looked at for either.
//
// It returns ErrReread, wrapped, when the filters differ in more than thresholds: in the splitter, the word lists, how C4
// judges lines, what a short line or a long paragraph is, or in the lists and models that they ask; ErrRecipe for filters that cannot be; ErrNotNoted; and the errors
// of Why.
func (d Dataset) Redecide(ctx context.Context, filters Filters, told func(done, total int64)) (Redecision, error) {
	made := d.Manifest.Recipe
	if err := filters.Check(); err != nil {
		return Redecision{}, fmt.Errorf("%w: filters: %w", ErrRecipe, err)
	}
	if len(d.Manifest.Attributes) == 0 {
		return Redecision{}, ErrNotNoted
	}
	if !made.Filters.MeasuresAs(filters) {
		return Redecision{}, fmt.Errorf("%w: the filters differ in what they count, not only in thresholds: run the recipe", ErrReread)
	}
	if err := d.sameFiles(filters); err != nil {
		return Redecision{}, err
	}
	re := redecider{Dataset: d, filters: filters, old: map[string]bool{}}
	for _, rule := range made.Filters.Rules() {
		re.old[rule.Name] = true
	}
	var total, done int64
	for _, b := range d.Manifest.Attributes {
		total += b.Documents
	}
	sum := tally{rules: map[string]*RuleChange{}}
	workers := min(4, runtime.GOMAXPROCS(0)) // each holds a blob of some megabytes
	for part, err := range corpus.Parallel(ctx, workers, each(d.Manifest.Attributes), func(b AttributeBlob) (tally, error) { return re.blob(ctx, b) }) {
		if err != nil {
			return Redecision{}, err
		}
		sum.add(part)
		if done += part.all.Documents; told != nil {
			told(done, total)
		}
	}
	out := Redecision{Recipe: d.Manifest.RecipeDigest, All: sum.all}
	for _, name := range slices.Sorted(maps.Keys(sum.rules)) {
		if r := *sum.rules[name]; name == "" {
			out.Kept = r
		} else {
			out.Rules = append(out.Rules, r)
		}
	}
	return out, nil
}

// sameFiles tells whether the filters' lists and models are those that were asked: by digest where the filters have one, and
// else by name.
func (d Dataset) sameFiles(filters Filters) error {
	was := map[string]filter.File{}
	for i, f := range d.Manifest.Recipe.Filters.Files() {
		f.Digest = d.Manifest.FilterFiles[i].Digest
		was[f.Key] = f
	}
	for _, f := range filters.Files() {
		if old := was[f.Key]; f.Digest != "" && f.Digest != old.Digest || f.Digest == "" && f.Path != old.Path {
			return fmt.Errorf("%w: %s is %s %s, and was %s %s: run the recipe", ErrReread, f.Key, f.Path, f.Digest, old.Path, old.Digest)
		}
	}
	return nil
}

func each[T any](list []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, v := range list {
			if !yield(v, nil) {
				return
			}
		}
	}
}

// redecider judges blobs anew. Any number of goroutines may use it.
type redecider struct {
	Dataset
	filters Filters
	old     map[string]bool // the rules of the recipe's filters
}

// decide is a record's reason as the filters have it now.
func (re *redecider) decide(decider filter.Decider, r attribute.Record) corpus.Why {
	if !r.Measured {
		return r.Why
	}
	if why, keep := decider.Decide(&r.Values, r.Digest); !keep {
		return why
	}
	if re.old[r.Why.Reason] {
		return corpus.Why{}
	}
	return r.Why
}

func (re *redecider) blob(ctx context.Context, b AttributeBlob) (tally, error) {
	t := tally{rules: map[string]*RuleChange{}}
	var decider *filter.Decider
	err := re.records(ctx, b, func(h attribute.Header, r attribute.Record) bool {
		if decider == nil {
			made := filter.NewDecider(re.filters, h.Languages...)
			decider = &made
		}
		t.all.add(r.Bytes)
		is := re.decide(*decider, r)
		was := t.rule(r.Why.Reason)
		was.Before.add(r.Bytes)
		now := t.rule(is.Reason)
		now.After.add(r.Bytes)
		if was != now {
			m := Move{Source: h.Sources[r.Source], Document: r.ID, Bytes: r.Bytes, From: r.Why.Reason, To: is.Reason, Value: is.Value, Threshold: is.Limit}
			if is.Reason == "" {
				m.Value, m.Threshold = r.Why.Value, r.Why.Limit
			}
			was.Out.add(r.Bytes)
			now.In.add(r.Bytes)
			was.example(m)
			now.example(m)
		}
		return ctx.Err() == nil
	})
	return t, errors.Join(err, ctx.Err())
}

// example keeps a move if there are few of its direction.
func (r *RuleChange) example(m Move) {
	n := 0
	for _, e := range r.Examples {
		if (e.To == r.Rule) == (m.To == r.Rule) {
			n++
		}
	}
	if n < corpus.MaxExamples {
		r.Examples = append(r.Examples, m)
	}
}

// tally is a Redecision in the making; what is kept is under "".
type tally struct {
	all   Count
	rules map[string]*RuleChange
}

func (t *tally) rule(name string) *RuleChange {
	r := t.rules[name]
	if r == nil {
		r = &RuleChange{Rule: name}
		t.rules[name] = r
	}
	return r
}

func (t *tally) add(o tally) {
	t.all.sum(o.all)
	for name, more := range o.rules {
		r := t.rule(name)
		r.Before.sum(more.Before)
		r.After.sum(more.After)
		r.In.sum(more.In)
		r.Out.sum(more.Out)
		for _, m := range more.Examples {
			r.example(m)
		}
	}
}
