package evaluator

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// ErrTemplate is wrapped by every error of a template.
var ErrTemplate = errors.New("template")

// text is a parsed template's text: parts that stand as they are, and fields of an example.
type text []part

// part is words, or a field when name is not empty.
type part struct {
	words, name string
	at          int // byte offset of the field's braces
}

// parseText reads the whole of the templates' language: everything stands for itself, but {{name}} stands for a field of the example. A
// name is letters, digits, _ and -, with spaces around it if you like; {{"{{"}} stands for two braces.
func parseText(source string) (text, error) {
	var t text
	for at := 0; at < len(source); {
		open := strings.Index(source[at:], "{{")
		if open < 0 {
			return append(t, part{words: source[at:]}), nil
		}
		if open > 0 {
			t = append(t, part{words: source[at : at+open]})
		}
		at += open
		if rest, ok := strings.CutPrefix(source[at:], `{{"{{"}}`); ok {
			t = append(t, part{words: "{{"})
			at = len(source) - len(rest)
			continue
		}
		end := strings.Index(source[at:], "}}")
		if end < 0 {
			return nil, fmt.Errorf("%w: %s: {{ is not closed by }}", ErrTemplate, position(source, at))
		}
		name := strings.Trim(source[at+2:at+end], " ")
		if name == "" || strings.ContainsFunc(name, func(r rune) bool {
			return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-')
		}) {
			return nil, fmt.Errorf("%w: %s: {{%.40s}} names no field: a name is letters, digits, _ and -", ErrTemplate, position(source, at), source[at+2:at+end])
		}
		t = append(t, part{name: name, at: at})
		at += end + 2
	}
	return t, nil
}

// position is where byte at of a text is, for people.
func position(source string, at int) string {
	before := source[:at]
	line := strings.Count(before, "\n") + 1
	return fmt.Sprintf("line %d, column %d", line, utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])+1)
}

// fill puts the fields into a template. It names the field that is missing.
func (t text) fill(field func(name string) (string, bool)) (string, error) {
	var b strings.Builder
	for _, p := range t {
		if p.name == "" {
			b.WriteString(p.words)
			continue
		}
		v, ok := field(p.name)
		if !ok {
			return "", fmt.Errorf("%w: {{%s}} at byte %d: the examples have no such field", ErrTemplate, p.name, p.at)
		}
		b.WriteString(v)
	}
	return b.String(), nil
}

// asks tells whether a template has a field.
func (t text) asks(name string) bool {
	for _, p := range t {
		if p.name == name {
			return true
		}
	}
	return false
}

// template is a Template that was parsed.
type template struct {
	description, prompt, choice text
	delimiter, separator        string
}

func (t Template) parse() (template, error) {
	p := template{delimiter: " ", separator: "\n\n"}
	if t.Delimiter != nil {
		p.delimiter = *t.Delimiter
	}
	if t.Separator != nil {
		p.separator = *t.Separator
	}
	choice := t.Choice
	if choice == "" {
		choice = "{{choice}}"
	}
	for _, f := range []struct {
		name, source string
		into         *text
	}{{"description", t.Description, &p.description}, {"prompt", t.Prompt, &p.prompt}, {"choice", choice, &p.choice}} {
		parsed, err := parseText(f.source)
		if err != nil {
			return template{}, fmt.Errorf("%s: %w", f.name, err)
		}
		*f.into = parsed
	}
	return p, nil
}
