package filter

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// URL is FineWeb's filter of addresses (package blocklist): files of lists, and how many soft words an address may have. A
// document without an address is kept. No list comes with this program.
type URL struct {
	Domains      []string `json:"domains,omitempty"`
	URLs         []string `json:"urls,omitempty"`
	Words        []string `json:"words,omitempty"`
	SoftWords    []string `json:"soft_words,omitempty"`
	Subwords     []string `json:"subwords,omitempty"`
	MaxSoftWords int64    `json:"max_soft_words"`
}

// Language keeps documents whose most probable language is one of Keep, any if there are none, and has a score above
// MinScore: at the threshold a document goes, as FineWeb has it.
type Language struct {
	Keep     []string `json:"keep,omitempty"`
	MinScore float64  `json:"min_score"`
	// Model is a fastText model's file, such as lid.176.bin; without it package language tells languages.
	Model string `json:"model,omitempty"`
	// Digest, when set, is what the file's sha256 must be, here and below.
	Digest string `json:"digest,omitempty"`
}

// Classifier keeps documents that a model gives a score of at least MinScore: a file of "millrace classifier train", or a
// supervised fastText model, whose score is that of Label.
type Classifier struct {
	Model    string  `json:"model"`
	Digest   string  `json:"digest,omitempty"`
	Label    string  `json:"label,omitempty"`
	MinScore float64 `json:"min_score"`
}

// Perplexity keeps documents of a perplexity from Min to Max by a model of word n-grams: a file of "millrace ngram train", or
// ARPA, whose words are the chain's.
type Perplexity struct {
	Model  string  `json:"model"`
	Digest string  `json:"digest,omitempty"`
	Min    float64 `json:"min,omitempty"`
	Max    float64 `json:"max,omitempty"`
}

// Unigram is peS2o's filter: the mean of ln p of a document's words, in lower case, must be above MinLogProb. Frequencies is a
// file with a word and its count a line, parted by a tab or a comma.
type Unigram struct {
	Frequencies string  `json:"frequencies"`
	Digest      string  `json:"digest,omitempty"`
	MinLogProb  float64 `json:"min_log_prob"`
}

func (f *URL) UnmarshalJSON(data []byte) error {
	type plain URL
	p := plain{MaxSoftWords: 1}
	err := strict(data, &p)
	*f = URL(p)
	return err
}

func (f *Language) UnmarshalJSON(data []byte) error {
	type plain Language
	p := plain{MinScore: 0.65}
	err := strict(data, &p)
	*f = Language(p)
	return err
}

func (f *Classifier) UnmarshalJSON(data []byte) error {
	type plain Classifier
	p := plain{MinScore: 0.5}
	err := strict(data, &p)
	*f = Classifier(p)
	return err
}

func (f *Unigram) UnmarshalJSON(data []byte) error {
	type plain Unigram
	p := plain{MinLogProb: -10}
	err := strict(data, &p)
	*f = Unigram(p)
	return err
}

// File is a file that a chain's filters ask.
type File struct {
	// Key is where the recipe names it, as "language.model" or "url.domains[0]".
	Key    string
	Path   string
	Digest string // what its sha256 must be; "" for any
}

// Files are the files that the filters ask, in the order of the recipe.
func (c Chain) Files() []File {
	var list []File
	for _, r := range c.files() {
		list = append(list, File{r.key, *r.path, *r.digest})
	}
	return list
}

// fileRef is a file's place in a chain.
type fileRef struct {
	key          string
	path, digest *string
}

func (c Chain) files() (list []fileRef) {
	if u := c.URL; u != nil {
		for _, l := range u.lists() {
			for i := range *l.files {
				list = append(list, fileRef{fmt.Sprintf("url.%s[%d]", l.key, i), &(*l.files)[i], new(string)})
			}
		}
	}
	if f := c.Language; f != nil && f.Model != "" {
		list = append(list, fileRef{"language.model", &f.Model, &f.Digest})
	}
	if f := c.Unigram; f != nil {
		list = append(list, fileRef{"unigram.frequencies", &f.Frequencies, &f.Digest})
	}
	if f := c.Classifier; f != nil {
		list = append(list, fileRef{"classifier.model", &f.Model, &f.Digest})
	}
	if f := c.Perplexity; f != nil {
		list = append(list, fileRef{"perplexity.model", &f.Model, &f.Digest})
	}
	return list
}

// urlList is a list of addresses' filter.
type urlList struct {
	key   string
	files *[]string
}

// lists are in the order of blocklist.Kind.
func (u *URL) lists() []urlList {
	return []urlList{{"domains", &u.Domains}, {"urls", &u.URLs}, {"words", &u.Words}, {"soft_words", &u.SoftWords}, {"subwords", &u.Subwords}}
}

// Asks tells whether lists or models are asked.
func (c Chain) Asks() bool {
	return c.URL != nil || c.Language != nil || c.Unigram != nil || c.Classifier != nil || c.Perplexity != nil
}

// asksAs is MeasuresAs of what is asked: the other chain asks nothing else, and nothing that this one does not. A file is the
// same when it has the same path; whether it has changed is for those to know who have its digest.
func (c Chain) asksAs(o Chain) bool {
	files := map[string]string{}
	for _, f := range c.Files() {
		files[f.Key] = f.Path
	}
	for _, f := range o.Files() {
		if _, ok := files[f.Key]; !ok {
			return false
		}
	}
	if c.URL != nil && o.URL != nil {
		for i, l := range o.URL.lists() {
			if n := len(*l.files); n > 0 && n != len(*c.URL.lists()[i].files) {
				return false
			}
		}
	}
	if o.Language != nil && (c.Language == nil || (c.Language.Model == "") != (o.Language.Model == "")) {
		return false
	}
	return c.Classifier == nil || o.Classifier == nil || c.Classifier.Label == o.Classifier.Label
}

func (c Chain) checkAsked(bad func(format string, args ...any)) {
	for _, f := range c.Files() {
		if f.Path == "" || len(f.Path) > 4096 {
			bad("%s has %d bytes: want the name of a file", f.Key, len(f.Path))
		}
		if hex, ok := strings.CutPrefix(f.Digest, "sha256:"); f.Digest != "" && (!ok || len(hex) != 64 || strings.Trim(hex, "0123456789abcdef") != "") {
			bad("digest of %s is %.80q: want sha256: and 64 hexadecimal digits", f.Key, f.Digest)
		}
	}
	score := func(name string, x float64) {
		if !(x >= 0 && x <= 1) {
			bad("%s is %v: want 0 to 1", name, x)
		}
	}
	if f := c.URL; f != nil {
		if f.MaxSoftWords < 0 {
			bad("url.max_soft_words is %d: want 0 to turn it off, or more", f.MaxSoftWords)
		}
		if len(c.Files()) == 0 || !slices.ContainsFunc(c.Files(), func(f File) bool { return strings.HasPrefix(f.Key, "url.") }) {
			bad("url names no list: none come with this program")
		}
		if slices.ContainsFunc(f.lists(), func(l urlList) bool { return len(*l.files) > 100 }) {
			bad("url: more than 100 files of one list")
		}
	}
	if f := c.Language; f != nil {
		score("language.min_score", f.MinScore)
		if len(f.Keep) > 1000 || slices.Contains(f.Keep, "") {
			bad("language.keep has %d languages, none of which may be empty: want at most 1,000", len(f.Keep))
		}
		if f.Digest != "" && f.Model == "" {
			bad("language.digest is of a model: name it")
		}
	}
	if f := c.Unigram; f != nil && !(f.MinLogProb <= 0 && f.MinLogProb >= -1000) {
		bad("unigram.min_log_prob is %v: want -1,000 to 0, which turns it off", f.MinLogProb)
	}
	if f := c.Classifier; f != nil {
		score("classifier.min_score", f.MinScore)
	}
	if f := c.Perplexity; f != nil {
		if !(f.Min >= 0 && f.Max >= 0 && f.Min <= 1e12 && f.Max <= 1e12) || f.Max > 0 && f.Min > f.Max {
			bad("perplexity: min %v, max %v: want 0 for no bound, or more, and something between", f.Min, f.Max)
		}
	}
}

// Pin is the chain with the digests of its files written out where it has none and digest knows them; lists of addresses have
// no place for theirs.
func (c Chain) Pin(digest func(path string) (string, bool)) Chain {
	raw, err := json.Marshal(c)
	if err != nil {
		panic(err) // a type of this package that cannot be written: a bug
	}
	var out Chain
	if err := json.Unmarshal(raw, &out); err != nil {
		panic(err)
	}
	for _, r := range out.files() {
		if *r.digest == "" {
			if d, ok := digest(*r.path); ok {
				*r.digest = d
			}
		}
	}
	return out
}
