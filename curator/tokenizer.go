package curator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"millrace/event"
	"millrace/trainer/token"
)

// Tokenizer says which tokenizer to make or to take.
type Tokenizer struct {
	// Kind is "bpe", "word", "byte" or "char"; with File it may be left out.
	Kind token.Kind `json:"kind"`
	// VocabSize is for bpe and word: how many ids at most, the special ones included, and the 256 bytes of a bpe.
	VocabSize int `json:"vocab_size,omitempty"`
	// Pattern is for bpe and word: how text is cut (token.Patterns); empty means gpt2.
	Pattern token.Pattern `json:"pattern,omitempty"`
	// Special is for bpe: special tokens to add behind <|endoftext|>. Those of the recipe's chat template come by themselves,
	// behind these. To a tokenizer that is taken they are added behind its last id, unless it has them: a model that knows the
	// tokenizer without them can be trained further, with more rows.
	Special []string `json:"special,omitempty"`
	// MinFrequency is for bpe and word: a pair, or a word, must occur so often to get an id; 0 means 2.
	MinFrequency int64 `json:"min_frequency,omitempty"`
	// TrainBytes is for bpe and word: learn from the first so many bytes of the training split; 0 is all of it.
	TrainBytes int64 `json:"train_bytes,omitempty"`
	// File takes an existing tokenizer instead of making one: a Hugging Face tokenizer.json, one of OpenAI's rank files, or a
	// file of this program.
	File string `json:"file,omitempty"`
	// Digest takes one that is stored, as that of a model which is to be trained further.
	Digest event.Digest `json:"digest,omitempty"`
}

// taken tells whether it is there already.
func (t Tokenizer) taken() bool { return t.File != "" || t.Digest != "" }

// defaultVocabSize suits a corpus of some megabytes, where a recipe without a size is most likely.
const defaultVocabSize = 4096

// learned tells whether text decides what gets an id.
func (t Tokenizer) learned() bool {
	return !t.taken() && (t.Kind == token.KindBPE || t.Kind == token.KindWord || t.Kind == "")
}

func (t Tokenizer) resolve() Tokenizer {
	if !t.taken() {
		t.Kind = cmp.Or(t.Kind, token.KindBPE)
	}
	if t.learned() {
		t.VocabSize = cmp.Or(t.VocabSize, defaultVocabSize)
	}
	return t
}

// check is told how many special tokens come with the chat template.
func (t Tokenizer) check(template int) error {
	if !t.learned() {
		said := t.VocabSize != 0 || t.TrainBytes != 0 || t.Pattern != "" || t.MinFrequency != 0
		switch {
		case t.File != "" && t.Digest != "":
			return errors.New("file and digest exclude each other")
		case t.Digest != "" && !t.Digest.Valid():
			return fmt.Errorf("digest is %q: want sha256: and 64 hexadecimal digits", t.Digest)
		case t.taken() && said:
			return errors.New("file and digest take a finished tokenizer: vocab_size, pattern, min_frequency and train_bytes have no say")
		case t.taken():
			return t.checkSpecial()
		case t.Kind != token.KindByte && t.Kind != token.KindChar:
			return fmt.Errorf("kind is %q: want bpe, word, byte or char", t.Kind)
		case said || t.Special != nil:
			return fmt.Errorf("vocab_size and train_bytes are for bpe and word, as pattern, special and min_frequency are; the text decides the size of %q", t.Kind)
		}
		return nil
	}
	least := token.MinVocabSize + len(t.Special) + template
	if t.Kind == token.KindWord {
		least = 3
	}
	switch {
	case t.VocabSize != 0 && (t.VocabSize < least || t.VocabSize > token.MaxVocabSize):
		return fmt.Errorf("vocab_size is %d: want %d to %d", t.VocabSize, least, token.MaxVocabSize)
	case t.TrainBytes < 0:
		return fmt.Errorf("train_bytes is %d: want 0 for everything, or more", t.TrainBytes)
	case t.MinFrequency < 0:
		return fmt.Errorf("min_frequency is %d: want 0 for 2, or more", t.MinFrequency)
	case t.Special != nil && t.Kind == token.KindWord:
		return errors.New("special is for bpe")
	}
	if t.Pattern != "" {
		if err := t.Pattern.Check(); err != nil {
			return err
		}
	}
	return t.checkSpecial()
}

func (t Tokenizer) checkSpecial() error {
	for i, name := range t.Special {
		if name == "" || len(name) > 256 || name == token.EndOfText || slices.Contains(t.Special[:i], name) {
			return fmt.Errorf("special[%d] is %.80q: want 1 to 256 bytes, each once, %s not among them", i, name, token.EndOfText)
		}
	}
	return nil
}

// maxTokenizerBytes bounds a tokenizer's file.
const maxTokenizerBytes = 64 << 20

// tokenizer takes or makes the recipe's tokenizer.
func (w *work) tokenizer(ctx context.Context) (token.Tokenizer, error) {
	choice := w.recipe.Tokenizer
	p := Progress{Phase: PhaseTokenizer, Total: w.textBytes(), Unit: "bytes"}
	w.tell(p)
	switch {
	case choice.taken():
		return w.taken(ctx, choice)
	case choice.Kind == token.KindByte:
		return token.NewByte(), nil
	case choice.Kind == token.KindChar:
		return w.charTokenizer(ctx, p)
	}
	var failed error
	var some bool
	texts := func(yield func(string) bool) {
		left := choice.TrainBytes
		for part, err := range w.parts(ctx) {
			if err != nil {
				failed = err
				return
			}
			if part.split != 0 {
				continue
			}
			some = true
			if choice.TrainBytes > 0 {
				if left -= int64(len(part.text)); left < 0 {
					return
				}
			}
			if !yield(part.text) {
				return
			}
		}
	}
	trainer := token.Trainer{VocabSize: choice.VocabSize, Pattern: choice.Pattern, Special: w.recipe.special(), MinPairCount: choice.MinFrequency, Workers: w.Workers,
		Progress: func(t token.TrainProgress) {
			p.Done = t.Bytes
			if t.UniqueWords > 0 {
				p.Done, p.Total, p.Unit = int64(t.Merges), int64(t.WantMerges), "merges"
			}
			w.tell(p)
		}}
	var tok token.Tokenizer
	var err error
	if choice.Kind == token.KindWord {
		tok, err = trainer.TrainWords(ctx, texts)
	} else {
		tok, err = trainer.Train(ctx, texts)
	}
	if failed == nil && ctx.Err() == nil && !some {
		return nil, w.splitEmpty(Train)
	}
	return tok, errors.Join(failed, err)
}

// special are the names of the special tokens that a vocabulary gets besides <|endoftext|>.
func (r Recipe) special() []string {
	names := slices.Clone(r.Tokenizer.Special)
	for _, name := range r.ChatTemplate.Special() {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// taken reads a finished tokenizer, and adds to it what the recipe asks for.
func (w *work) taken(ctx context.Context, choice Tokenizer) (token.Tokenizer, error) {
	name := choice.File + string(choice.Digest)
	data, err := w.tokenizerFile(ctx, choice)
	if err != nil {
		return nil, fmt.Errorf("%w: tokenizer: %w", ErrRecipe, err)
	}
	tok, err := token.Parse(data)
	if err == nil {
		tok, err = token.Extend(tok, choice.Special)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: tokenizer %s: %w", ErrRecipe, name, err)
	}
	if choice.Kind != "" && choice.Kind != tok.Kind() {
		return nil, fmt.Errorf("%w: tokenizer %s is of kind %q, the recipe says %q", ErrRecipe, name, tok.Kind(), choice.Kind)
	}
	return tok, nil
}

// tokenizerFile is the bytes of a finished tokenizer, from the disk or from storage.
func (w *work) tokenizerFile(ctx context.Context, choice Tokenizer) (data []byte, err error) {
	var f io.ReadCloser
	switch {
	case choice.File != "":
		f, err = os.Open(choice.File)
	case w.Blobs == nil:
		return nil, errors.New("there is no storage to take it from by its digest")
	default:
		f, err = w.Blobs(ctx, choice.Digest)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close() // read only: nothing to lose
	if data, err = io.ReadAll(io.LimitReader(f, maxTokenizerBytes+1)); err != nil {
		return nil, err
	}
	if choice.Digest != "" && event.DigestOf(data) != choice.Digest {
		return nil, fmt.Errorf("what is stored under %s is something else", choice.Digest)
	}
	return data, nil
}

// charTokenizer collects the characters of all kept text, held out or not, as nanoGPT does: otherwise held-out text could
// not be encoded.
func (w *work) charTokenizer(ctx context.Context, p Progress) (token.Tokenizer, error) {
	set := map[rune]struct{}{}
	for part, err := range w.parts(ctx) {
		if err != nil {
			return nil, err
		}
		for _, r := range part.text {
			set[r] = struct{}{}
		}
		p.Done += int64(len(part.text))
		w.tell(p)
	}
	chars := make([]rune, 0, len(set))
	for r := range set {
		chars = append(chars, r)
	}
	return token.NewChar(chars)
}
