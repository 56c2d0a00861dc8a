package read

import (
	"bufio"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"
)

// wholeText is one document.
func (c *collector) wholeText(data *bufio.Reader) error {
	raw, err := io.ReadAll(io.LimitReader(data, maxKept/2))
	if err != nil {
		return err
	}
	if len(raw) == maxKept/2 {
		return bad("a text of %d bytes or more; cut it into documents", maxKept/2)
	}
	if !utf8.Valid(raw) {
		return bad("the text is not UTF-8")
	}
	if len(raw) == 0 {
		return nil
	}
	return c.add(Example{Text: string(raw), Original: string(raw)})
}

// wikitext reads pages: rows {page}, or raw text that is cut before each heading of the first level, " = Title = ". What a model is asked
// is the detokenised page; words and bytes are counted on the page as it was.
func (c *collector) wikitext(data *bufio.Reader) error {
	page := func(s string) error { return c.add(Example{Text: detokenize(s), Original: s}) }
	start, err := firstByte(data)
	if err != nil {
		return err
	}
	if start == '{' || start == '[' {
		return rows(data, func(raw []byte) error {
			var row struct {
				Page string `json:"page"`
			}
			if err := decode(raw, &row); err != nil {
				return err
			}
			if row.Page == "" {
				return bad("no page")
			}
			return page(row.Page)
		})
	}
	var b strings.Builder
	size := 0
	flush := func(end string) error {
		s := strings.TrimSuffix(b.String(), end)
		b.Reset()
		if strip(s) == "" {
			return nil
		}
		return page(s)
	}
	for {
		line, err := data.ReadString('\n')
		if size += len(line); size > maxKept/2 {
			return bad("pages of more than %d bytes together", maxKept/2)
		}
		if !utf8.ValidString(line) {
			return bad("the text is not UTF-8")
		}
		if heading(line) {
			if err := flush("\n"); err != nil {
				return err
			}
		}
		b.WriteString(line)
		if err == io.EOF { //nolint:errorlint // ReadString gives it as it is
			return flush("")
		}
		if err != nil {
			return err
		}
	}
}

// heading tells whether a line is a page's title: " = Title = ", and no " = = Section = = ".
func heading(line string) bool {
	s := strip(line)
	return len(s) > 4 && strings.HasPrefix(s, "= ") && strings.HasSuffix(s, " =") && !strings.HasPrefix(s, "= =")
}

var (
	year       = regexp.MustCompile(`/' [0-9]/`)
	inParens   = regexp.MustCompile(`\([\s\v\x{1c}-\x{1f}\x{85}\p{Z}]*([^\)]*?)[\s\v\x{1c}-\x{1f}\x{85}\p{Z}]*\)`)
	inBrackets = regexp.MustCompile(`\[[\s\v\x{1c}-\x{1f}\x{85}\p{Z}]*([^\]]*?)[\s\v\x{1c}-\x{1f}\x{85}\p{Z}]*\]`)
	inBraces   = regexp.MustCompile(`\{[\s\v\x{1c}-\x{1f}\x{85}\p{Z}]*([^}]*?)[\s\v\x{1c}-\x{1f}\x{85}\p{Z}]*\}`)
	inQuotes   = regexp.MustCompile(`"[\s\v\x{1c}-\x{1f}\x{85}\p{Z}]*([^"]*?)[\s\v\x{1c}-\x{1f}\x{85}\p{Z}]*"`)
	inSingle   = regexp.MustCompile(`'[\s\v\x{1c}-\x{1f}\x{85}\p{Z}]*([^']*?)[\s\v\x{1c}-\x{1f}\x{85}\p{Z}]*'`)
)

// detokenize turns WikiText's tokens into text, step for step as lm-eval's wikitext task does: the order counts.
func detokenize(s string) string {
	step := func(old, by string) { s = strings.ReplaceAll(s, old, by) }
	step("s '", "s'")
	s = year.ReplaceAllString(s, `/'[0-9]/`) // which writes the pattern, there as here
	step(" @-@ ", "-")
	step(" @,@ ", ",")
	step(" @.@ ", ".")
	for _, sign := range []string{":", ";", ".", "!", "?", ","} {
		step(" "+sign+" ", sign+" ")
	}
	s = inParens.ReplaceAllString(s, "($1)")
	s = inBrackets.ReplaceAllString(s, "[$1]")
	s = inBraces.ReplaceAllString(s, "{$1}")
	s = inQuotes.ReplaceAllString(s, `"$1"`)
	s = inSingle.ReplaceAllString(s, "'$1'")
	step("= = = =", "====")
	step("= = =", "===")
	step("= =", "==")
	step(" \u00b0 ", "\u00b0")
	step(" \n", "\n")
	step("\n ", "\n")
	step(" N ", " 1 ")
	step(" 's", "'s")
	return s
}
