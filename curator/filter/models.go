package filter

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"

	"millrace/curator/blocklist"
	"millrace/curator/classify"
	"millrace/curator/corpus"
	"millrace/curator/fasttext"
	"millrace/curator/language"
	"millrace/curator/measure"
	"millrace/curator/ngram"
)

// ErrFile is wrapped by errors about a file that a filter asks.
var ErrFile = errors.New("cannot use a filter's file")

// UsedFile is a file that was read: what it is for, as File.Key, and what it is.
type UsedFile struct {
	Filter string `json:"filter"`
	Digest string `json:"digest"`
	Size   int64  `json:"size"`
}

// Models are the lists and models that a chain asks. They are read once, and any number of goroutines may ask them.
type Models struct {
	Used []UsedFile

	lists      *blocklist.Lists
	language   predictor
	labels     []string
	unigrams   *unigrams
	classifier func(text string) float64
	perplexity *ngram.Model
}

// predictor tells the most probable label of a text, and how probable it is.
type predictor interface {
	Labels() []string
	Predict(text string) (label int, score float64, ok bool)
}

// Open reads what the chain asks. open is os.Open when nil. Errors name the recipe's key and the file, and wrap ErrFile.
func (c Chain) Open(open func(path string) (io.ReadCloser, error)) (*Models, error) {
	if open == nil {
		open = func(path string) (io.ReadCloser, error) { return os.Open(path) }
	}
	m := &Models{}
	var lists blocklist.Reader
	for _, f := range c.Files() {
		in, err := open(f.Path)
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w: it is read by the worker, on the worker's machine", ErrFile, f.Key, err)
		}
		r := &hashing{in: in, sum: sha256.New()}
		err = m.read(c, f.Key, r, &lists)
		if err == nil {
			_, err = io.Copy(io.Discard, r)
		}
		if err = errors.Join(err, in.Close()); err != nil {
			return nil, fmt.Errorf("%w: %s: %s: %w", ErrFile, f.Key, f.Path, err)
		}
		digest := "sha256:" + hex.EncodeToString(r.sum.Sum(nil))
		if f.Digest != "" && f.Digest != digest {
			return nil, fmt.Errorf("%w: %s: %s has changed: it is %s, the recipe says %s", ErrFile, f.Key, f.Path, digest, f.Digest)
		}
		m.Used = append(m.Used, UsedFile{f.Key, digest, r.n})
	}
	if c.URL != nil {
		m.lists = lists.Lists()
	}
	if c.Language != nil {
		if m.language == nil {
			m.language = language.BuiltIn()
		}
		m.labels = m.language.Labels()
		for _, keep := range c.Language.Keep {
			if !slices.Contains(m.labels, keep) {
				return nil, fmt.Errorf("%w: language.keep: %.40q is no language of the model: it knows %s", ErrFile, keep, some(m.labels))
			}
		}
	}
	return m, nil
}

// some are the first of many names.
func some(names []string) string {
	names = slices.Sorted(slices.Values(names))
	if len(names) > 100 {
		return strings.Join(names[:100], ", ") + fmt.Sprintf(" and %d more", len(names)-100)
	}
	return strings.Join(names, ", ")
}

// hashing is a reader that hashes and counts.
type hashing struct {
	in  io.Reader
	sum interface {
		io.Writer
		Sum([]byte) []byte
	}
	n int64
}

func (h *hashing) Read(p []byte) (int, error) {
	n, err := h.in.Read(p)
	h.sum.Write(p[:n]) // a hash never fails
	h.n += int64(n)
	return n, err
}

// read reads one file.
func (m *Models) read(c Chain, key string, r io.Reader, lists *blocklist.Reader) (err error) {
	if rest, ok := strings.CutPrefix(key, "url."); ok {
		name, _, _ := strings.Cut(rest, "[")
		for kind, l := range c.URL.lists() {
			if l.key == name {
				return lists.Read(blocklist.Kind(kind), r)
			}
		}
	}
	switch key {
	case "language.model":
		m.language, err = fasttext.Read(r)
	case "unigram.frequencies":
		m.unigrams, err = readUnigrams(r)
	case "classifier.model":
		m.classifier, err = readClassifier(r, c.Classifier.Label)
	case "perplexity.model":
		m.perplexity, err = ngram.Read(r, c.Resolve().Words)
	}
	return err
}

// readClassifier reads a model of this program, or of fastText.
func readClassifier(r io.Reader, label string) (func(string) float64, error) {
	in := bufio.NewReaderSize(r, 1<<16)
	begins, err := in.Peek(64)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if !fasttext.IsModel(begins) {
		if !classify.IsModel(begins) {
			return nil, fmt.Errorf("it begins with %.20q: want a file of \"millrace classifier train\", or a fastText model", bytes.TrimSpace(begins))
		}
		if label != "" {
			return nil, fmt.Errorf("label is for fastText models; this one knows good and bad")
		}
		model, err := classify.Read(in)
		if err != nil {
			return nil, err
		}
		return model.Score, nil
	}
	model, err := fasttext.Read(in)
	if err != nil {
		return nil, err
	}
	labels := model.Labels()
	at := slices.Index(labels, strings.TrimPrefix(label, "__label__"))
	if at < 0 {
		return nil, fmt.Errorf("label is %.40q: want the one whose score counts, of %s", label, some(labels))
	}
	return func(text string) float64 {
		score, _ := model.Score(text, at)
		return score
	}, nil
}

// Languages are the languages that the value measure.Language numbers, from 1.
func (m *Models) Languages() []string { return m.labels }

// Language is the language that values are of, by its label; "" for none.
func (m *Models) Language(v *measure.Values) string {
	if at := v[measure.Language]; at > 0 {
		return m.labels[at-1]
	}
	return ""
}

// AskBefore fills in what is asked of a document as it comes to the filters: about its address, language and words.
func (m *Models) AskBefore(v *measure.Values, d corpus.Doc) {
	if m.lists != nil {
		found := m.lists.Ask(d.URL)
		switch {
		case found.Domain:
			v[measure.URLDomain] = 1
		case found.Host:
			v[measure.URLDomain] = 2
		}
		if found.URL {
			v[measure.URLListed] = 1
		}
		v[measure.URLWords], v[measure.URLSoftWords], v[measure.URLSubwords] = found.Words, found.SoftWords, found.Subwords
	}
	if m.language != nil {
		if label, score, ok := m.language.Predict(d.Text); ok {
			v[measure.Language], v[measure.LanguageScore] = int64(label)+1, millionths(score)
		}
	}
	if m.unigrams != nil {
		v[measure.UnigramLoss] = millionths(m.unigrams.loss(d.Text))
	}
}

// AskAfter fills in what is asked of the text that C4 leaves, by the models that take their time.
func (m *Models) AskAfter(v *measure.Values, text string) {
	if m.classifier != nil {
		v[measure.ClassifierScore] = millionths(m.classifier(text))
	}
	if m.perplexity != nil {
		v[measure.Perplexity] = millionths(m.perplexity.Perplexity(text))
	}
}

// millionths is how scores are stored: rounded to the nearest, from 0 to 10¹⁸.
func millionths(x float64) int64 {
	if !(x > 0) {
		return 0
	}
	return int64(math.Round(min(x, 1e12) * 1e6))
}
