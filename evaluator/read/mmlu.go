package read

import (
	"archive/tar"
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"path"
	"strings"
	"unicode/utf8"
)

// mmlu reads the published archive, one of its files, or rows {question, subject, choices, answer}.
func (c *collector) mmlu(data *bufio.Reader, solved bool) error {
	c.many = true
	if head, _ := data.Peek(262); len(head) == 262 && bytes.Equal(head[257:], []byte("ustar")) {
		return c.mmluArchive(data, solved)
	}
	start, err := firstByte(data)
	if err != nil {
		return err
	}
	if start != '{' && start != '[' {
		return c.mmluTable(data, "")
	}
	return rows(data, func(raw []byte) error {
		var row struct {
			Question string     `json:"question"`
			Subject  string     `json:"subject"`
			Choices  []string   `json:"choices"`
			Answer   jsonAnswer `json:"answer"`
		}
		if err := decode(raw, &row); err != nil {
			return err
		}
		right, err := answers([]byte(row.Answer), row.Choices)
		if err != nil {
			return err
		}
		return c.question(row.Subject, row.Question, row.Choices, right)
	})
}

// jsonAnswer is a JSON value as it is written.
type jsonAnswer []byte

func (a *jsonAnswer) UnmarshalJSON(b []byte) error {
	*a = bytes.Clone(b)
	return nil
}

// mmluArchive reads the files of a split: …/test/<subject>_test.csv, or dev. The others are passed over.
func (c *collector) mmluArchive(data io.Reader, solved bool) error {
	split := "test"
	if solved {
		split = "dev"
	}
	t := tar.NewReader(data)
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			if errors.Is(err, ErrData) {
				return err
			}
			return bad("tar: %w", err)
		}
		base := path.Base(h.Name)
		if path.Base(path.Dir(h.Name)) != split || !strings.HasSuffix(base, "_"+split+".csv") || strings.HasPrefix(base, ".") {
			continue
		}
		if err := c.mmluTable(t, strings.TrimSuffix(base, "_"+split+".csv")); err != nil {
			if errors.Is(err, ErrData) {
				err = bad("%.100s: %w", h.Name, err)
			}
			return err
		}
	}
}

// mmluTable reads rows question, A, B, C, D, letter.
func (c *collector) mmluTable(r io.Reader, subject string) error {
	t := csv.NewReader(r)
	t.FieldsPerRecord, t.ReuseRecord = -1, true
	for {
		row, err := t.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			var syntax *csv.ParseError
			if errors.As(err, &syntax) {
				return bad("%w", err)
			}
			return err
		}
		line, _ := t.FieldPos(0)
		if len(row) < 4 {
			return bad("line %d has %d columns: want question, choices and the letter of the answer", line, len(row))
		}
		for _, cell := range row {
			if !utf8.ValidString(cell) {
				return bad("line %d is not UTF-8", line)
			}
		}
		letter := strip(row[len(row)-1])
		if len(letter) != 1 || letter[0] < 'A' || int(letter[0]-'A') >= len(row)-2 {
			return bad("line %d: answer %.20q is not the letter of one of %d choices", line, letter, len(row)-2)
		}
		choices := append([]string(nil), row[1:len(row)-1]...)
		if err := c.question(subject, row[0], choices, []int{int(letter[0] - 'A')}); err != nil {
			return err
		}
	}
}

func (c *collector) question(subject, question string, choices []string, right []int) error {
	e := Example{Group: subject, Choices: choices, Right: right, Fields: map[string]string{
		"question": strip(question), "subject": strings.ReplaceAll(subject, "_", " "),
	}}
	c.letters(&e)
	return c.add(e)
}
