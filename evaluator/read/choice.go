package read

import (
	"bufio"
	"encoding/json"
	"io"
	"regexp"
	"strings"
)

var brackets = regexp.MustCompile(`\[.*?\]`)

// clean takes out what WikiHow left in HellaSwag's texts, as lm-eval does.
func clean(s string) string {
	s = strings.ReplaceAll(strip(s), " [title]", ". ")
	return strings.ReplaceAll(brackets.ReplaceAllString(s, ""), "  ", " ")
}

func (c *collector) hellaswag(raw []byte) error {
	var row struct {
		Ind           word     `json:"ind"`
		ActivityLabel string   `json:"activity_label"`
		CtxA          string   `json:"ctx_a"`
		CtxB          string   `json:"ctx_b"`
		Endings       []string `json:"endings"`
		Label         number   `json:"label"`
	}
	if err := decode(raw, &row); err != nil {
		return err
	}
	if !row.Label.set || len(row.Endings) == 0 {
		return bad("no label or no endings: this split has no answers; take the validation split")
	}
	e := Example{ID: string(row.Ind), Right: []int{row.Label.value}, Fields: map[string]string{
		"query": clean(row.ActivityLabel + ": " + row.CtxA + " " + capitalize(row.CtxB)), "activity_label": row.ActivityLabel,
	}}
	for _, ending := range row.Endings {
		e.Choices = append(e.Choices, clean(ending))
	}
	return c.add(e)
}

// options are choices with their labels, in the two forms of ARC.
type options struct{ text, label []string }

func (o *options) UnmarshalJSON(b []byte) error {
	var columns struct {
		Text  []string `json:"text"`
		Label []string `json:"label"`
	}
	var list []struct {
		Text  string `json:"text"`
		Label string `json:"label"`
	}
	if len(b) > 0 && b[0] == '[' {
		if err := json.Unmarshal(b, &list); err != nil {
			return err
		}
		for _, l := range list {
			o.text, o.label = append(o.text, l.Text), append(o.label, l.Label)
		}
		return nil
	}
	if err := json.Unmarshal(b, &columns); err != nil {
		return err
	}
	o.text, o.label = columns.Text, columns.Label
	return nil
}

func (c *collector) arc(raw []byte) error {
	var row struct {
		ID        string          `json:"id"`
		Question  json.RawMessage `json:"question"`
		Choices   options         `json:"choices"`
		AnswerKey string          `json:"answerKey"`
	}
	if err := decode(raw, &row); err != nil {
		return err
	}
	question := ""
	if len(row.Question) > 0 && row.Question[0] == '{' {
		var q struct {
			Stem    string  `json:"stem"`
			Choices options `json:"choices"`
		}
		if err := decode(row.Question, &q); err != nil {
			return err
		}
		question, row.Choices = q.Stem, q.Choices
	} else if err := decode(row.Question, &question); err != nil {
		return err
	}
	if len(row.Choices.text) != len(row.Choices.label) {
		return bad("%d choices with %d labels", len(row.Choices.text), len(row.Choices.label))
	}
	for i, l := range row.Choices.label {
		if l == row.AnswerKey {
			e := Example{ID: row.ID, Fields: map[string]string{"question": question}, Choices: row.Choices.text, Right: []int{i}}
			c.letters(&e)
			return c.add(e)
		}
	}
	return bad("answerKey %.20q is none of the labels %.80q", row.AnswerKey, row.Choices.label)
}

// targets are TruthfulQA's answers, in the two forms: {"answer": 1, …} and {"choices": […], "labels": […]}.
type targets struct {
	choices []string
	labels  []int
}

func (t *targets) UnmarshalJSON(b []byte) error {
	var columns struct {
		Choices []string `json:"choices"`
		Labels  []int    `json:"labels"`
	}
	if json.Unmarshal(b, &columns) == nil && columns.Choices != nil && columns.Labels != nil {
		t.choices, t.labels = columns.Choices, columns.Labels
		return nil
	}
	d := json.NewDecoder(strings.NewReader(string(b))) // the order counts
	if _, err := d.Token(); err != nil {
		return err
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		key, ok := name.(string)
		var label int
		if err := d.Decode(&label); err != nil || !ok {
			return bad("targets are neither {answer: 0 or 1} nor {choices, labels}")
		}
		t.choices, t.labels = append(t.choices, key), append(t.labels, label)
	}
	return nil
}

func (c *collector) truthfulqa(raw []byte, all bool) error {
	var row struct {
		Question string  `json:"question"`
		MC1      targets `json:"mc1_targets"`
		MC2      targets `json:"mc2_targets"`
	}
	if err := decode(raw, &row); err != nil {
		return err
	}
	t := row.MC1
	if all {
		t = row.MC2
	}
	if len(t.choices) != len(t.labels) {
		return bad("%d choices with %d labels", len(t.choices), len(t.labels))
	}
	e := Example{Fields: map[string]string{"question": row.Question}, Choices: t.choices}
	for i, l := range t.labels {
		if l == 1 {
			e.Right = append(e.Right, i)
		}
	}
	if len(e.Right) == 0 {
		return bad("no answer is right")
	}
	return c.add(e)
}

// lambada takes the last word from each passage.
func (c *collector) lambada(data *bufio.Reader) error {
	one := func(text string) error {
		at := strings.LastIndexByte(text, ' ')
		context, last := "", text
		if at >= 0 {
			context, last = text[:at], text[at+1:]
		}
		return c.add(Example{Fields: map[string]string{"context": context, "word": last, "text": text}, Choices: []string{last}, Right: []int{0}})
	}
	start, err := firstByte(data)
	if err != nil {
		return err
	}
	if start != '{' && start != '[' {
		return lines(data, func(_ int, line []byte) error { return one(strings.TrimSuffix(string(line), "\r")) })
	}
	return rows(data, func(raw []byte) error {
		var row struct {
			Text string `json:"text"`
		}
		if err := decode(raw, &row); err != nil {
			return err
		}
		if row.Text == "" {
			return bad("no text")
		}
		return one(row.Text)
	})
}

func (c *collector) piqa(data *bufio.Reader, labels io.Reader) error {
	var list []int
	if labels != nil {
		r, err := unpacked(labels)
		if err != nil {
			return err
		}
		err = lines(r, func(_ int, line []byte) error {
			var n number
			if err := n.UnmarshalJSON([]byte(strip(string(line)))); err != nil {
				return bad("labels: %w", err)
			}
			if len(list) >= MaxExamples {
				return bad("more than %d labels", MaxExamples)
			}
			list = append(list, n.value)
			return nil
		})
		if err != nil {
			return err
		}
	}
	at := 0
	return rows(data, func(raw []byte) error {
		var row struct {
			ID    word   `json:"id"`
			Goal  string `json:"goal"`
			Sol1  string `json:"sol1"`
			Sol2  string `json:"sol2"`
			Label number `json:"label"`
		}
		if err := decode(raw, &row); err != nil {
			return err
		}
		if at < len(list) {
			row.Label = number{true, list[at]}
		}
		at++
		if !row.Label.set {
			return bad("no label: PIQA publishes them as a file of their own, which source.labels_digest names (%d labels there)", len(list))
		}
		e := Example{ID: string(row.ID), Fields: map[string]string{"goal": row.Goal}, Choices: []string{row.Sol1, row.Sol2}, Right: []int{row.Label.value}}
		c.letters(&e)
		return c.add(e)
	})
}

func (c *collector) winogrande(raw []byte) error {
	var row struct {
		QID      string `json:"qID"`
		Sentence string `json:"sentence"`
		Option1  string `json:"option1"`
		Option2  string `json:"option2"`
		Answer   number `json:"answer"`
	}
	if err := decode(raw, &row); err != nil {
		return err
	}
	before, after, ok := strings.Cut(row.Sentence, "_")
	if !ok {
		return bad("the sentence has no _: %.80q", row.Sentence)
	}
	if !row.Answer.set {
		return bad("no answer: this split has none; take the development split")
	}
	return c.add(Example{
		ID: row.QID, Fields: map[string]string{"before": before, "after": strip(after), "sentence": row.Sentence},
		Choices: []string{row.Option1, row.Option2}, Right: []int{row.Answer.value - 1},
	})
}
