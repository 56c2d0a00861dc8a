package curator

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"millrace/curator/attribute"
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
	// Values are the measurements by name (measure.Value); none if the text is not UTF-8 or white space only.
	Values map[string]int64 `json:"values,omitempty"`
}

// ErrAttributes is wrapped by errors about bytes that are no attributes.
var ErrAttributes = attribute.ErrAttributes

// ErrReread says that other filters cannot be judged by stored attributes: the text must be read again.
var ErrReread = errors.New("the text must be read again")

// Why looks a document up in a blob of attributes (Manifest.Attributes; ask each in turn). document is an id, a source's
// name, a slash and an id, or the digest of the text as it was read: event.DigestOf of a text answers for the text.
func Why(blob []byte, document string) (why Explanation, found bool, err error) {
	header, records, err := attribute.Read(blob)
	if err != nil {
		return Explanation{}, false, err
	}
	for r, err := range records {
		if err != nil {
			return Explanation{}, false, err
		}
		name := header.Sources[r.Source]
		if r.ID == document || string(digestOf(r)) == document || len(document) == len(name)+1+len(r.ID) && strings.HasPrefix(document, name+"/") && strings.HasSuffix(document, r.ID) {
			return explain(header, r), true, nil
		}
	}
	return Explanation{}, false, nil
}

func digestOf(r attribute.Record) event.Digest {
	if r.Digest == ([32]byte{}) {
		return ""
	}
	return event.Digest("sha256:" + hex.EncodeToString(r.Digest[:]))
}

func explain(h attribute.Header, r attribute.Record) Explanation {
	e := Explanation{Source: h.Sources[r.Source], Document: r.ID, Digest: digestOf(r), Bytes: r.Bytes, Kept: r.Why.Reason == "",
		Rule: r.Why.Reason, Value: r.Why.Value, Threshold: r.Why.Limit, Repeats: (*Repeated)(r.Why.Repeats), Recipe: h.Recipe}
	if r.Measured {
		e.Values = map[string]int64{}
		for i, name := range h.Values {
			e.Values[name] = r.Values[i]
		}
	}
	return e
}

// Redecide judges a blob's documents by other filters than those of the recipe that made it, from what is stored, and tells
// each of every document: before and after. What was no text stays dropped. A duplicate that the filters keep stays a
// duplicate, though the document it repeats may be one that they drop now, and what is contaminated stays so; what they
// dropped and keep now is not looked at for either.
//
// It returns ErrReread, wrapped, when the filters differ in more than thresholds: in the splitter, the word lists, how C4
// judges lines, or what a short line or a long paragraph is.
func Redecide(blob []byte, made Recipe, filters Filters, each func(before, after Explanation)) error {
	if err := filters.Check(); err != nil {
		return fmt.Errorf("%w: filters: %w", ErrRecipe, err)
	}
	header, records, err := attribute.Read(blob)
	if err != nil {
		return err
	}
	if got := made.Digest(); header.Recipe != got {
		return fmt.Errorf("%w: these attributes are of recipe %.80q, not of %q", ErrAttributes, header.Recipe, got)
	}
	if !made.Filters.MeasuresAs(filters) {
		return fmt.Errorf("%w: the filters differ in what they count, not only in thresholds: run the recipe", ErrReread)
	}
	old := map[string]bool{}
	for _, rule := range made.Filters.Rules() {
		old[rule.Name] = true
	}
	decider := filter.NewDecider(filters)
	for r, err := range records {
		if err != nil {
			return err
		}
		before := explain(header, r)
		if r.Measured {
			if why, keep := decider.Decide(&r.Values, r.Digest); !keep {
				r.Why = why
			} else if old[r.Why.Reason] {
				r.Why = corpus.Why{}
			}
		}
		each(before, explain(header, r))
	}
	return nil
}
