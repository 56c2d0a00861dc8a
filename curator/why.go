package curator

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"millrace/curator/attribute"
	"millrace/curator/clean"
	"millrace/curator/corpus"
	"millrace/curator/filter"
	"millrace/event"
)

// Explanation says what became of a document, and what was measured.
type Explanation struct {
	Source   string       `json:"source"`
	Document string       `json:"document"`
	Digest   event.Digest `json:"digest,omitempty"` // of the text as it was read; none for a file that gave no text
	Bytes    int64        `json:"bytes"`
	Kept     bool         `json:"kept"`
	// Rule is the reason as in Manifest.Dropped, with the value that was measured and the threshold.
	Rule      string  `json:"rule,omitempty"`
	Value     float64 `json:"value"`
	Threshold float64 `json:"threshold"`
	// Repeats is the text that the document repeats, where the rule is about another text and knows which.
	Repeats *Repeated `json:"repeats,omitempty"`
	// Recipe is the digest of the recipe that decided.
	Recipe event.Digest `json:"recipe"`
	// Language is the document's, by its code, if the recipe's filters looked at it.
	Language string `json:"language,omitempty"`
	// Values are the measurements by name (measure.Value); none if the text is not UTF-8 or white space only. Scores are in
	// millionths.
	Values map[string]int64 `json:"values,omitempty"`
	// Places are where a kept document is in the shards: several where it is taken several times or cut in two.
	Places []Place `json:"places,omitempty"`
}

// Place is a document in a dataset: the n-th, from 0, of a shard of a split.
type Place struct {
	Split    string `json:"split"`
	Shard    int64  `json:"shard"`
	Document int64  `json:"document"`
}

// Match says how a text was found among those that were read.
type Match string

// The ways to find a text.
const (
	Exact  Match = "exact"  // to the byte, as it was read
	Nearly Match = "nearly" // white space and what the recipe's clean changes aside, as it was read or as it was kept
	NoText Match = "none"   // not at all: the explanation is what the recipe's filters would decide of it
)

// Errors of questions about documents.
var (
	// ErrAttributes is wrapped by errors about bytes that are no attributes.
	ErrAttributes = attribute.ErrAttributes
	// ErrNotNoted says that the dataset keeps no record of single documents.
	ErrNotNoted = errors.New(`the dataset keeps no record of single documents: put "attributes: true" into its recipe and curate again`)
	// ErrNoDocument says that there was no such document.
	ErrNoDocument = errors.New("not among those that the dataset was made from")
)

// Why says what became of a document: all that go by an id, a source's name, a slash and an id, or the digest of a text as it
// was read. It reads an index blob or two of Manifest.AttributeIndex and the blobs of attributes that hold the answer; of a
// dataset without an index, all. Errors: ErrNotNoted, ErrNoDocument, ErrAttributes, attribute.ErrIndex, ErrBlob, and Open's.
func (d Dataset) Why(ctx context.Context, document string) ([]Explanation, error) {
	if len(d.Manifest.Attributes) == 0 {
		return nil, ErrNotNoted
	}
	q := question{Dataset: d}
	wanted := func(e Explanation) bool {
		return e.Document == document || string(e.Digest) == document ||
			len(document) == len(e.Source)+1+len(e.Document) && strings.HasPrefix(document, e.Source+"/") && strings.HasSuffix(document, e.Document)
	}
	var spans []span
	first, last := attribute.IDKeys(document)
	spans = append(spans, span{first, last})
	for _, s := range d.Manifest.Recipe.Sources {
		if id, ok := strings.CutPrefix(document, s.Name+"/"); ok {
			key := attribute.DocumentKey(s.Name, id)
			spans = append(spans, span{key, key})
		}
	}
	if digest := event.Digest(document); digest.Valid() {
		texts, err := q.texts(ctx, sumOf(digest), attribute.AsRead)
		if err != nil {
			return nil, err
		}
		spans = append(spans, texts...)
	}
	found, err := q.explain(ctx, spans, wanted)
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("document %.200q is %w", document, ErrNoDocument)
	}
	return found, err
}

// WhyText says what became of a text: of all documents that it is the text of, or, when there are none, what the recipe's
// filters would decide of it; nothing, if the lists and models that they ask are not here as they were. Errors: ErrNotNoted, ErrAttributes, attribute.ErrIndex, ErrBlob, and Open's.
func (d Dataset) WhyText(ctx context.Context, text string) ([]Explanation, Match, error) {
	if len(d.Manifest.Attributes) == 0 {
		return nil, NoText, ErrNotNoted
	}
	q := question{Dataset: d}
	raw := sha256.Sum256([]byte(text))
	if how := d.Manifest.Recipe.Clean; how != nil {
		text = how.Text(text, new(clean.Counts))
	}
	for _, try := range []struct {
		match Match
		sum   [sha256.Size]byte
		kinds []attribute.Kind
	}{{Exact, raw, []attribute.Kind{attribute.AsRead}}, {Nearly, alike(text), []attribute.Kind{attribute.AsRead, attribute.Nearly}}} {
		if try.match == Nearly && len(d.Manifest.AttributeIndex) == 0 {
			break
		}
		spans, err := q.texts(ctx, try.sum, try.kinds...)
		if err != nil {
			return nil, NoText, err
		}
		found, err := q.explain(ctx, spans, func(e Explanation) bool { return try.match == Nearly || sumOf(e.Digest) == raw })
		if err != nil || len(found) > 0 {
			return found, try.match, err
		}
	}
	would, err := d.Manifest.Recipe.judge(text, d.Manifest.FilterFiles)
	if errors.Is(err, ErrRecipe) || errors.Is(err, ErrReread) { // lists and models that are not here, or others by now
		return nil, NoText, nil
	}
	return []Explanation{would}, NoText, err
}

// Judge is what the recipe's filters decide of a text by itself: whether it is new, and whether evaluations have it, is not
// looked at.
func (r Recipe) Judge(text string) (Explanation, error) { return r.judge(text, nil) }

// judge is Judge by the files that were used, if they are still what they were; otherwise the error wraps ErrReread.
func (r Recipe) judge(text string, used []filter.UsedFile) (Explanation, error) {
	f, err := newRefiner(r)
	if err != nil {
		return Explanation{}, fmt.Errorf("%w: %w", ErrRecipe, err)
	}
	for i, was := range used {
		if is := f.models.Used[i]; is != was {
			return Explanation{}, fmt.Errorf("%w: the file of %s has changed: it is %s, and was %s", ErrReread, was.Filter, is.Digest, was.Digest)
		}
	}
	out := f.refine(corpus.New(0, "", text))
	e := Explanation{Digest: event.DigestOf([]byte(text)), Bytes: int64(len(text)), Kept: out.keep, Recipe: r.Digest()}
	if !out.keep {
		e.Rule, e.Value, e.Threshold = out.why.Reason, out.why.Value, out.why.Limit
	}
	if out.measured {
		e.Language = out.Language
		e.Values = map[string]int64{}
		for i, name := range f.header(r).Values {
			e.Values[name] = out.values[i]
		}
	}
	return e, nil
}

// span is a stretch of keys, both ends included.
type span struct{ first, last attribute.Key }

// question is one question to a dataset; it remembers the index blobs that it has read.
type question struct {
	Dataset
	read map[event.Digest]attribute.Index
}

// most is how many documents one question is answered for.
const most = 64

// entries are the index's entries of a span.
func (q *question) entries(ctx context.Context, s span) ([]attribute.Entry, error) {
	var found []attribute.Entry
	blobs := q.Manifest.AttributeIndex
	for i, b := range blobs {
		first, err := b.first()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrManifest, err)
		}
		if first > s.last {
			break
		}
		if i+1 < len(blobs) {
			if next, err := blobs[i+1].first(); err == nil && next < s.first {
				continue
			}
		}
		x, ok := q.read[b.Digest]
		if !ok {
			raw, err := q.Dataset.read(ctx, b.Digest, b.Size)
			if err != nil {
				return nil, err
			}
			if x, err = attribute.ReadIndex(raw); err != nil {
				return nil, err
			}
			if q.read == nil {
				q.read = map[event.Digest]attribute.Index{}
			}
			q.read[b.Digest] = x
		}
		for e := range x.Between(s.first, s.last) {
			found = append(found, e)
		}
	}
	return found, nil
}

// texts are where the documents of a text are in the index; everything, when there is no index.
func (q *question) texts(ctx context.Context, sum [sha256.Size]byte, kinds ...attribute.Kind) ([]span, error) {
	key := attribute.TextKey(sum)
	entries, err := q.entries(ctx, span{key, key})
	var spans []span
	for _, e := range entries {
		for _, k := range kinds {
			if e.Kind == k {
				first, last := e.Documents()
				spans = append(spans, span{first, last})
			}
		}
	}
	return spans, err
}

// explain is the explanations of the wanted documents in the spans.
func (q *question) explain(ctx context.Context, spans []span, wanted func(Explanation) bool) ([]Explanation, error) {
	if len(q.Manifest.AttributeIndex) == 0 {
		return q.scan(ctx, wanted)
	}
	numbers := map[int64]bool{}
	places := map[attribute.Key][]Place{}
	seen := map[attribute.Entry]bool{} // spans may have documents in common
	for _, s := range spans {
		entries, err := q.entries(ctx, s)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if seen[e] {
				continue
			}
			seen[e] = true
			switch e.Kind {
			case attribute.Number:
				numbers[int64(e.Value)] = true
			case attribute.InTrain, attribute.InHeldOut:
				shard, n := e.Place()
				places[e.Key] = append(places[e.Key], Place{splitNames[e.Kind-attribute.InTrain], shard, n})
			}
		}
	}
	var found []Explanation
	from := int64(0)
	for _, b := range q.Manifest.Attributes {
		here, highest := false, int64(0)
		for n := range numbers {
			if n >= from && n < from+b.Documents {
				here, highest = true, max(highest, n)
			}
		}
		if here && len(found) < most {
			n := from
			err := q.records(ctx, b, func(h attribute.Header, r attribute.Record) bool {
				if numbers[n] {
					if e := explain(h, r); wanted(e) {
						e.Places = places[attribute.DocumentKey(e.Source, e.Document)]
						found = append(found, e)
					}
				}
				n++
				return n <= highest && len(found) < most
			})
			if err != nil {
				return nil, err
			}
		}
		from += b.Documents
	}
	return found, nil
}

// scan looks through all attributes.
func (q *question) scan(ctx context.Context, wanted func(Explanation) bool) ([]Explanation, error) {
	var found []Explanation
	for _, b := range q.Manifest.Attributes {
		err := q.records(ctx, b, func(h attribute.Header, r attribute.Record) bool {
			if e := explain(h, r); wanted(e) {
				found = append(found, e)
			}
			return len(found) < most
		})
		if err != nil || len(found) == most {
			return found, err
		}
	}
	return found, nil
}

// records reads a blob of attributes until each returns false.
func (d Dataset) records(ctx context.Context, b AttributeBlob, each func(attribute.Header, attribute.Record) bool) error {
	raw, err := d.read(ctx, b.Digest, b.Size)
	if err != nil {
		return err
	}
	header, records, err := attribute.Read(raw)
	if err != nil {
		return err
	}
	if header.Recipe != d.Manifest.RecipeDigest {
		return fmt.Errorf("%w: these are of recipe %.80q, not of %q", ErrAttributes, header.Recipe, d.Manifest.RecipeDigest)
	}
	for r, err := range records {
		if err != nil {
			return err
		}
		if !each(header, r) {
			return nil
		}
	}
	return nil
}

func digestOf(r attribute.Record) event.Digest {
	if r.Digest == ([32]byte{}) {
		return ""
	}
	return event.Digest("sha256:" + hex.EncodeToString(r.Digest[:]))
}

// sumOf is a digest's bytes; zeros for none.
func sumOf(d event.Digest) (sum [sha256.Size]byte) {
	if raw, err := hex.DecodeString(strings.TrimPrefix(string(d), "sha256:")); err == nil {
		copy(sum[:], raw)
	}
	return sum
}

func explain(h attribute.Header, r attribute.Record) Explanation {
	e := Explanation{Source: h.Sources[r.Source], Document: r.ID, Digest: digestOf(r), Bytes: r.Bytes, Kept: r.Why.Reason == "",
		Rule: r.Why.Reason, Value: r.Why.Value, Threshold: r.Why.Limit, Repeats: (*Repeated)(r.Why.Repeats), Recipe: h.Recipe}
	if r.Measured {
		e.Language = h.Language(r.Values)
		e.Values = map[string]int64{}
		for i, name := range h.Values {
			e.Values[name] = r.Values[i]
		}
	}
	return e
}
