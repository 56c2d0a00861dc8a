package token

import (
	"slices"
	"strings"
)

// Special is a token that stands for no bytes.
type Special struct {
	Name string `json:"name"`
	ID   int32  `json:"id"`
}

// AppendWithSpecial is t.Append, but where text says the name of a special token its id is appended: of two that begin at
// the same place the longer one. Use it for text that you trust, such as a template of your own; in text from elsewhere it
// lets the text decide where a document or an answer ends. Hugging Face's encode does this always, tiktoken's with
// allowed_special="all".
func AppendWithSpecial(t Tokenizer, dst []int32, text string) ([]int32, error) {
	find := newFinder(t.Special())
	from := len(dst)
	for {
		at, n, id := find.next(text)
		var err error
		if dst, err = t.Append(dst, text[:at]); err != nil {
			return dst[:from], err
		}
		if n == 0 {
			return dst, nil
		}
		dst = append(dst, id)
		text = text[at+n:]
	}
}

// finder looks for the names of special tokens.
type finder struct {
	ids     map[string]int32
	first   string // the bytes that names begin with
	lengths []int  // of names, longest first
}

func newFinder(special []Special) finder {
	f := finder{ids: make(map[string]int32, len(special))}
	for _, s := range special {
		f.ids[s.Name] = s.ID
		if strings.IndexByte(f.first, s.Name[0]) < 0 {
			f.first += s.Name[:1]
		}
		f.lengths = append(f.lengths, len(s.Name))
	}
	slices.Sort(f.lengths)
	f.lengths = slices.Compact(f.lengths)
	slices.Reverse(f.lengths)
	return f
}

// next gives the first name in text: where, how long, and its id. Without one at is len(text) and n is 0.
func (f finder) next(text string) (at, n int, id int32) {
	for ; at < len(text); at++ {
		if strings.IndexByte(f.first, text[at]) < 0 {
			continue
		}
		for _, n := range f.lengths {
			if n > len(text)-at {
				continue
			}
			if id, ok := f.ids[text[at:at+n]]; ok {
				return at, n, id
			}
		}
	}
	return len(text), 0, 0
}
