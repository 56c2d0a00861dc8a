package read

import "encoding/json"

// general reads the form for data of one's own. All fields that are texts or numbers can be asked for by templates.
//
//	{"question": …, "choices": ["…", …], "answer": 0 | "A" | "the text" | [0, 2]}
//	{"prompt": …, "references": ["…", …]} or {"prompt": …, "answer": "…"}, and {"prompt": …, "head": …, "test": …, "language": "python"} of code
//	{"text": …}
//
// and perhaps an "id" and a "group".
func (c *collector) general(raw []byte) error {
	var row map[string]json.RawMessage
	if err := decode(raw, &row); err != nil {
		return err
	}
	e := Example{Fields: map[string]string{}}
	for name, v := range row {
		var w word
		if len(v) > 0 && v[0] != '[' && v[0] != '{' && json.Unmarshal(v, &w) == nil {
			e.Fields[name] = string(w)
		}
	}
	e.ID, e.Group = e.Fields["id"], e.Fields["group"]
	e.Text, e.Original = e.Fields["text"], e.Fields["text"]
	if v, ok := row["references"]; ok {
		if err := decode(v, &e.References); err != nil {
			return err
		}
	} else if a, ok := e.Fields["answer"]; ok && row["choices"] == nil {
		e.References = []string{a}
	}
	if test, ok := e.Fields["test"]; ok {
		e.Program = &Program{Language: e.Fields["language"], Head: e.Fields["head"], Tail: test}
		if e.Program.Language == "" {
			e.Program.Language = "python"
		}
	}
	if v, ok := row["choices"]; ok {
		if err := decode(v, &e.Choices); err != nil {
			return err
		}
		right, err := answers(row["answer"], e.Choices)
		if err != nil {
			return err
		}
		e.Right = right
	}
	c.letters(&e)
	return c.add(e)
}

// answers finds which choices an answer names: by place from 0, by letter, by their text, or a list of such.
func answers(raw json.RawMessage, choices []string) ([]int, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, bad("choices without an answer")
	}
	if raw[0] == '[' {
		var list []json.RawMessage
		if err := decode(raw, &list); err != nil {
			return nil, err
		}
		if len(list) > maxChoices {
			return nil, bad("%d answers, the limit is %d", len(list), maxChoices)
		}
		var all []int
		for _, one := range list {
			if len(one) > 0 && one[0] == '[' {
				return nil, bad("a list of lists of answers")
			}
			right, err := answers(one, choices)
			if err != nil {
				return nil, err
			}
			all = append(all, right...)
		}
		return all, nil
	}
	var at int
	if json.Unmarshal(raw, &at) == nil {
		return []int{at}, nil
	}
	var s string
	if err := decode(raw, &s); err != nil {
		return nil, err
	}
	for i, choice := range choices {
		if choice == s {
			return []int{i}, nil
		}
	}
	if len(s) == 1 && s[0] >= 'A' && s[0] <= 'Z' {
		return []int{int(s[0] - 'A')}, nil
	}
	return nil, bad("answer %.60q is none of the choices, nor a letter or a place of one", s)
}

// letters adds the choices as fields A, B, …
func (c *collector) letters(e *Example) {
	for i, choice := range e.Choices {
		if name := Letter(i); name != "" {
			if _, taken := e.Fields[name]; !taken {
				e.Fields[name] = choice
			}
		}
	}
}

// Letter is A, B, … for a choice's place; nothing behind Z.
func Letter(i int) string {
	if i > 25 {
		return ""
	}
	return string(rune('A' + i))
}
