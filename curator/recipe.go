package curator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"

	"millrace/curator/clean"
	"millrace/curator/dedup"
	"millrace/curator/filter"
	"millrace/curator/privacy"
	"millrace/curator/read"
	"millrace/event"
	"millrace/trainer/token"

	"gopkg.in/yaml.v3"
)

// Source says where documents come from.
type Source = read.Source

// Recipe says everything that decides a dataset but the content of its sources. Start from DefaultRecipe, or read one with
// ParseRecipe.
type Recipe struct {
	Name    string   `json:"name"`
	Sources []Source `json:"sources"`
	// Clean mends encodings, line ends and characters before anything else looks at the text; nil leaves it as it is.
	Clean   *clean.Options `json:"clean,omitempty"`
	Filters Filters        `json:"filters"`
	// Privacy takes personal data and secrets out of what the filters keep; nil leaves them.
	Privacy *privacy.Options `json:"privacy,omitempty"`
	// Attributes stores what was measured and decided of every document, for Why and Redecide.
	Attributes bool `json:"attributes,omitempty"`
	// Decontaminate, when set, looks for texts of evaluations in the documents.
	Decontaminate *Decontaminate `json:"decontaminate,omitempty"`
	// Dedup is "exact" (white space aside, the first of equal documents wins), "minhash" (the first of nearly equal ones
	// wins, see dedup.MinHash) or "none".
	Dedup string `json:"dedup"`
	// DedupLines, DedupSentences and DedupSubstrings, when set, take out of documents what an earlier one has, in this order and
	// after whole documents.
	DedupLines      *dedup.Lines      `json:"dedup_lines,omitempty"`
	DedupSentences  *dedup.Sentences  `json:"dedup_sentences,omitempty"`
	DedupSubstrings *dedup.Substrings `json:"dedup_substrings,omitempty"`
	Tokenizer       Tokenizer         `json:"tokenizer"`
	// Mixture takes more of some sources than of others; nil takes every document once.
	Mixture *Mixture `json:"mixture,omitempty"`
	// Report has the manifest say of what kinds the documents are.
	Report bool `json:"report,omitempty"`
	// ChatTemplate, when set, is how conversations are written, and gives every shard a mask: of a conversation the assistant's
	// words count in the loss, of other text everything. Without it a conversation is its contents.
	ChatTemplate token.ChatTemplate `json:"chat_template,omitempty"`
	// PackLength is for a recipe with a chat template: shards are cut into stretches of so many tokens, and no document goes across
	// two of them unless it is longer than one; what is left of a stretch is filled with <|endoftext|> that does not count in the
	// loss. 0 puts documents one behind the other.
	PackLength int64 `json:"pack_length,omitempty"`
	// HeldOut is the fraction that no model is trained on, in steps of 0.0001; 0 makes no held-out split.
	HeldOut float64 `json:"held_out"`
	// HeldOutBy is "document" (by the digest of each, see pack.HeldOut) or "tail" (the end of the text, as nanoGPT does: of
	// N bytes the first ⌊N·(1-HeldOut)⌋, up to the next character, are trained on; right for a corpus of one file).
	HeldOutBy string `json:"held_out_by"`
	// ShardTokens is how long a shard may become.
	ShardTokens int64 `json:"shard_tokens"`
	// LimitBytes ends the corpus before the first document that would make its text longer; files are then taken in an
	// order that Seed decides (read.Listing.Shuffle), not by name. 0 takes everything, by name. Duplicates count: they are
	// found when the corpus has ended.
	LimitBytes int64 `json:"limit_bytes"`
	Seed       int64 `json:"seed"`
}

// Filters judge single documents. Text that is not UTF-8 and documents of nothing but white space are always dropped.
type Filters = filter.Chain

// The values of Dedup and HeldOutBy.
const (
	DedupExact   = "exact"
	DedupMinHash = "minhash"
	DedupNone    = "none"

	ByDocument = "document"
	ByTail     = "tail"
)

// ErrRecipe is wrapped by every error that says a recipe is wrong.
var ErrRecipe = errors.New("recipe")

// DefaultRecipe is what ParseRecipe starts from: exact de-duplication, a BPE of 4,096, 5% held out by document, shards of
// 2²⁴ tokens. It still needs a name and a source.
func DefaultRecipe() Recipe {
	return Recipe{Dedup: DedupExact, Tokenizer: Tokenizer{Kind: token.KindBPE}, HeldOut: 0.05, HeldOutBy: ByDocument, ShardTokens: 1 << 24}
}

// maxRecipeBytes bounds a recipe's file.
const maxRecipeBytes = 1 << 20

// ParseRecipe reads YAML or JSON. A key it does not know is an error that names it. Defaults are written out in the
// result, which Check has passed.
func ParseRecipe(data []byte) (Recipe, error) {
	if len(data) > maxRecipeBytes {
		return Recipe{}, fmt.Errorf("%w of %d bytes: the limit is %d", ErrRecipe, len(data), maxRecipeBytes)
	}
	var tree any // through JSON, so that there is one set of names and one kind of strictness; JSON is YAML
	if err := yaml.Unmarshal(data, &tree); err != nil {
		return Recipe{}, fmt.Errorf("%w: %w", ErrRecipe, err)
	}
	plain, err := json.Marshal(tree)
	if err != nil {
		return Recipe{}, fmt.Errorf("%w: keys must be text: %w", ErrRecipe, err)
	}
	if err := checkKeys("", tree, reflect.TypeFor[Recipe]()); err != nil {
		return Recipe{}, fmt.Errorf("%w: %w", ErrRecipe, err)
	}
	d := json.NewDecoder(bytes.NewReader(plain))
	d.DisallowUnknownFields()
	r := DefaultRecipe()
	r.Tokenizer = Tokenizer{}
	if err := d.Decode(&r); err != nil {
		return Recipe{}, fmt.Errorf("%w: %w", ErrRecipe, err)
	}
	if err := r.Check(); err != nil {
		return Recipe{}, err
	}
	return r.Resolve(), nil
}

// Resolve writes the defaults of sources and tokenizer out.
func (r Recipe) Resolve() Recipe {
	sources := make([]Source, len(r.Sources))
	for i, s := range r.Sources {
		sources[i] = s.Resolve()
	}
	r.Sources = sources
	r.Filters = r.Filters.Resolve()
	r.Decontaminate = r.Decontaminate.resolve()
	r.Tokenizer = r.Tokenizer.resolve()
	return r
}

// Check tells all that is wrong with a recipe by itself. Every error wraps ErrRecipe.
func (r Recipe) Check() error {
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("%w: "+format, append([]any{ErrRecipe}, args...)...))
	}
	if r.Name == "" || len(r.Name) > 200 {
		bad("name has %d bytes: want 1 to 200", len(r.Name))
	}
	if len(r.Sources) == 0 {
		bad("sources is empty: name a folder or a jsonl file")
	}
	names := map[string]bool{}
	for i, s := range r.Sources {
		if err := s.Check(); err != nil {
			bad("sources[%d]: %w", i, err)
			continue
		}
		name := s.Resolve().Name
		if names[name] {
			bad("sources[%d]: there is another source %q: give each a name", i, name)
		}
		names[name] = true
	}
	if err := r.Filters.Check(); err != nil {
		bad("filters: %w", err)
	}
	if r.Clean != nil {
		if err := r.Clean.Check(); err != nil {
			bad("clean: %w", err)
		}
	}
	if r.Privacy != nil {
		if err := r.Privacy.Check(); err != nil {
			bad("privacy: %w", err)
		}
	}
	if r.Dedup != DedupExact && r.Dedup != DedupMinHash && r.Dedup != DedupNone {
		bad("dedup is %q: want %q, %q or %q", r.Dedup, DedupExact, DedupMinHash, DedupNone)
	}
	for _, l := range r.levels() {
		if err := l.level.Check(); err != nil {
			bad("%s: %w", l.key, err)
		}
	}
	if err := r.Decontaminate.check(); err != nil {
		bad("decontaminate: %w", err)
	}
	if err := r.Tokenizer.check(len(r.special()) - len(r.Tokenizer.Special)); err != nil {
		bad("tokenizer: %w", err)
	}
	if err := r.checkChat(); err != nil {
		bad("%w", err)
	}
	if err := r.Mixture.check(names); err != nil {
		bad("mixture: %w", err)
	}
	if !(r.HeldOut >= 0 && r.HeldOut <= 0.9) || r.HeldOut > 0 && math.Round(r.HeldOut*10_000) < 1 {
		bad("held_out is %v: want 0, or 0.0001 to 0.9", r.HeldOut)
	}
	if r.HeldOutBy != ByDocument && r.HeldOutBy != ByTail {
		bad("held_out_by is %q: want %q or %q", r.HeldOutBy, ByDocument, ByTail)
	}
	if r.ShardTokens < 1 || r.ShardTokens > 1<<30 {
		bad("shard_tokens is %d: want 1 to 2³⁰", r.ShardTokens)
	}
	if r.LimitBytes < 0 {
		bad("limit_bytes is %d: want 0 for everything, or more", r.LimitBytes)
	}
	return errors.Join(errs...)
}

// JSON is the recipe's canonical form, with every default written out.
func (r Recipe) JSON() []byte { return canonical(r.Resolve()) }

// Digest names the recipe: the sha256 of JSON.
func (r Recipe) Digest() event.Digest { return event.DigestOf(r.JSON()) }

// canonical is v as JSON with sorted keys. v must be of a type without anything JSON cannot say.
func canonical(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err) // a type of this package that cannot be written: a bug
	}
	data, err := event.CanonicalJSON(raw)
	if err != nil {
		panic(err)
	}
	return data
}

// readsUTF16 tells whether whole files in UTF-16 are text.
func (r Recipe) readsUTF16() bool { return r.Clean != nil && r.Clean.Encoding == clean.Detect }
