package data

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"millrace/trainer/token"
)

// Labelled are texts as ids, each of one of some classes.
type Labelled struct {
	Texts  [][]int32
	Labels []int32  // of each text: an index into Names
	Names  []string // of the classes
}

// maxLabels bounds how many classes there are.
const maxLabels = 10_000

// ReadLabelled reads JSON Lines of {"text": "…", "label": "…"}; a label may be a number or true or false too. names are the
// classes, in the order of their numbers; with none they are those of the file, sorted. A text is cut to its first most ids;
// one without any is the end of text alone. A class of less than two, or a label that is not among names, is an error that wraps
// ErrExamples.
func ReadLabelled(file []byte, t token.Tokenizer, names []string, most int) (Labelled, error) {
	l := Labelled{Names: slices.Clone(names)}
	var labels []string
	err := eachLine(file, func(_ int, line []byte) error {
		var in struct {
			Text  *string         `json:"text"`
			Label json.RawMessage `json:"label"`
		}
		if err := object(line, &in); err != nil {
			return err
		}
		if in.Text == nil {
			return fmt.Errorf(`no "text"`)
		}
		label, err := labelName(in.Label)
		if err != nil {
			return err
		}
		ids, err := token.Encode(t, *in.Text)
		if err != nil {
			return err
		}
		if len(ids) == 0 {
			ids = []int32{t.EndOfText()}
		}
		l.Texts = append(l.Texts, slices.Clip(ids[:min(len(ids), most)]))
		labels = append(labels, label)
		return nil
	})
	if err != nil {
		return Labelled{}, err
	}
	if len(names) == 0 {
		l.Names = slices.Clone(labels)
		slices.Sort(l.Names)
		l.Names = slices.Compact(l.Names)
	}
	if len(l.Names) < 2 || len(l.Names) > maxLabels {
		return Labelled{}, fmt.Errorf("%w: %d different labels: want 2 to %d", ErrExamples, len(l.Names), maxLabels)
	}
	at := make(map[string]int32, len(l.Names))
	for i, name := range l.Names {
		at[name] = int32(i)
	}
	for i, label := range labels {
		n, ok := at[label]
		if !ok {
			return Labelled{}, fmt.Errorf("%w: example %d has the label %q, which is none of %d labels given", ErrExamples, i+1, label, len(names))
		}
		l.Labels = append(l.Labels, n)
	}
	return l, nil
}

// labelName is a label as a word.
func labelName(raw json.RawMessage) (string, error) {
	var v any
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &v); err != nil {
			return "", err
		}
	}
	switch v := v.(type) {
	case string:
		if v == "" || len(v) > 1000 {
			return "", fmt.Errorf(`"label" has %d bytes: want 1 to 1000`, len(v))
		}
		return v, nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	case bool:
		return strconv.FormatBool(v), nil
	}
	return "", fmt.Errorf(`no "label": want text, a number, true or false`)
}

// Split parts examples into those to learn from and those held out, which are so large a fraction of all, chosen by seed. Of two
// examples or more there is one in each, unless fraction is 0.
func (l Labelled) Split(fraction float64, seed uint64) (train, heldOut Labelled) {
	in, out := split(len(l.Texts), fraction, seed)
	pick := func(at []int) Labelled {
		p := Labelled{Names: l.Names}
		for _, i := range at {
			p.Texts, p.Labels = append(p.Texts, l.Texts[i]), append(p.Labels, l.Labels[i])
		}
		return p
	}
	return pick(in), pick(out)
}

// Longest is the number of ids of the longest text.
func (l Labelled) Longest() int {
	most := 0
	for _, ids := range l.Texts {
		most = max(most, len(ids))
	}
	return most
}
