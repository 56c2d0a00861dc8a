package curator

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"millrace/curator/attribute"
	"millrace/curator/corpus"
	"millrace/curator/filter"
	"millrace/curator/pack"
	"millrace/event"
	"millrace/trainer/token"
)

// ManifestFormat is the version of the manifest's form.
const ManifestFormat = "millrace.dataset/1"

// The names of the splits.
const (
	Train   = "train"
	HeldOut = "held_out"
)

// Manifest describes a dataset completely. Its canonical JSON (sorted keys, no white space; see testdata/golden) is
// stored like any other bytes, and the digest of that is the dataset's identity. It names every blob of the dataset by
// digest: the tokenizer, and for each shard its ids and its index, whose bytes package pack describes.
type Manifest struct {
	Format string `json:"format"`
	// Recipe has every default written out; RecipeDigest is of its canonical form.
	Recipe       Recipe       `json:"recipe"`
	RecipeDigest event.Digest `json:"recipe_digest"`
	// Source is the digest of what was read, kept or not: the sha256 over all documents in order of source's name, 0, id, 0,
	// sha256 of the text.
	Source    event.Digest  `json:"source"`
	Tokenizer TokenizerBlob `json:"tokenizer"`
	// DType is the type of ids in shards, "uint16" or "uint32".
	DType string `json:"dtype"`
	// Splits are "train", and "held_out" unless the recipe holds nothing out.
	Splits []Split `json:"splits"`
	// Mixture is what each source has in the training split, if the recipe has a mixture.
	Mixture []Mixed `json:"mixture,omitempty"`
	// Dropped says what left the corpus and why, by reason.
	Dropped []Dropped     `json:"dropped"`
	Sources []SourceCount `json:"sources"`
	// Cleaned and Redacted count what was changed in kept documents, by kind (package clean's and privacy's).
	Cleaned  []Change `json:"cleaned,omitempty"`
	Redacted []Change `json:"redacted,omitempty"`
	// Removed is what was there before and was taken out of kept documents, by level, in the order of the levels.
	Removed []Removed `json:"removed,omitempty"`
	// Attributes name the blobs of package attribute, in order, if the recipe wants them.
	Attributes []AttributeBlob `json:"attributes,omitempty"`
	// AttributeIndex names the blobs of the index of those (package attribute's), in order.
	AttributeIndex []IndexBlob `json:"attribute_index,omitempty"`
	// Report says of what kinds the documents are, if the recipe wants to know.
	Report *Report `json:"report,omitempty"`
	// Evaluations is what the recipe's decontaminate compared the documents with.
	Evaluations *Evaluations `json:"evaluations,omitempty"`
	// FilterFiles are the lists and models that the recipe's filters asked, in the recipe's order.
	FilterFiles []filter.UsedFile `json:"filter_files,omitempty"`
	// Flagged is what decontaminate found and was told not to drop, whether it was kept or dropped for another reason.
	Flagged []Dropped `json:"flagged,omitempty"`
	// Fetched names what was read for sources of the web and of models, in their order; the recipe has the digests as their
	// snapshots.
	Fetched []Fetched `json:"fetched,omitempty"`
}

// Change counts one kind of change.
type Change struct {
	Kind      string `json:"kind"`
	Documents int64  `json:"documents"`
	Count     int64  `json:"count"`
}

// AttributeBlob names a blob of attributes.
type AttributeBlob struct {
	Digest    event.Digest `json:"digest"`
	Documents int64        `json:"documents"` // kept or not
	Size      int64        `json:"size"`
}

// IndexBlob names a blob of the index of attributes.
type IndexBlob struct {
	Digest event.Digest `json:"digest"`
	First  string       `json:"first"` // key of the first entry, as 16 hexadecimal digits
	Size   int64        `json:"size"`
}

// first is the key of the blob's first entry.
func (b IndexBlob) first() (attribute.Key, error) {
	raw, err := hex.DecodeString(b.First)
	if err != nil || len(raw) != 8 {
		return 0, fmt.Errorf("first is %.80q: want 16 hexadecimal digits", b.First)
	}
	return attribute.Key(binary.BigEndian.Uint64(raw)), nil
}

// TokenizerBlob names the tokenizer's file.
type TokenizerBlob struct {
	Digest    event.Digest `json:"digest"`
	Kind      token.Kind   `json:"kind"`
	VocabSize int          `json:"vocab_size"`
	EndOfText int32        `json:"end_of_text"`
	Size      int64        `json:"size"`
}

// Split is one part of a dataset. Bytes counts text, so that -Σ log₂ p / Bytes is bits per byte.
type Split struct {
	Name   string `json:"name"`
	Tokens int64  `json:"tokens"` // with the <|endoftext|> after each document
	// LossTokens is how many of them count in the loss, if the recipe has a chat template.
	LossTokens int64   `json:"loss_tokens,omitempty"`
	Documents  int64   `json:"documents"`
	Bytes      int64   `json:"bytes"`
	Shards     []Shard `json:"shards"`
}

// Shard names the blobs of a shard: two, or three if the recipe has a chat template.
type Shard struct {
	Digest     event.Digest `json:"digest"`
	Index      event.Digest `json:"index"`
	Mask       event.Digest `json:"mask,omitempty"`
	Tokens     int64        `json:"tokens"`
	LossTokens int64        `json:"loss_tokens,omitempty"`
	Documents  int64        `json:"documents"`
	Bytes      int64        `json:"bytes"` // of text
	Size       int64        `json:"size"`  // of the blob
}

// Dropped is what left the corpus for one reason; the reasons are declared in read, filter, leak and dedup.
type Dropped struct {
	Reason    string    `json:"reason"`
	Documents int64     `json:"documents"`
	Bytes     int64     `json:"bytes"`
	Examples  []Example `json:"examples"`
}

// Example is a document that was dropped; the reason says what value and limit mean.
type Example struct {
	Source   string  `json:"source"`
	Document string  `json:"document"`
	Value    float64 `json:"value"`
	Limit    float64 `json:"limit"`
	// Repeats is the text that the document repeats, where the reason is about another text.
	Repeats *Repeated `json:"repeats,omitempty"`
}

// Repeated is another document: one that was kept, or one of an evaluation, and then Text is what the two share.
type Repeated struct {
	Source   string `json:"source"`
	Document string `json:"document"`
	Text     string `json:"text,omitempty"`
}

// SourceCount is what one source gave.
type SourceCount struct {
	Name          string `json:"name"`
	Files         int64  `json:"files"` // listed for reading
	Documents     int64  `json:"documents"`
	Bytes         int64  `json:"bytes"`
	KeptDocuments int64  `json:"kept_documents"`
	KeptBytes     int64  `json:"kept_bytes"`
}

// JSON is the manifest's canonical form: the bytes to store.
func (m Manifest) JSON() []byte { return canonical(m) }

// Digest is the dataset's identity: the sha256 of JSON.
func (m Manifest) Digest() event.Digest { return event.DigestOf(m.JSON()) }

// Split finds a split by name.
func (m Manifest) Split(name string) (Split, bool) {
	for _, s := range m.Splits {
		if s.Name == name {
			return s, true
		}
	}
	return Split{}, false
}

// Size is the bytes of all blobs: shards, indexes, the tokenizer, attributes and their index, and what was fetched.
func (m Manifest) Size() int64 {
	n := m.Tokenizer.Size
	for _, fetched := range m.Fetched {
		for _, f := range fetched.Files {
			n += f.Size
		}
	}
	for _, a := range m.Attributes {
		n += a.Size
	}
	for _, x := range m.AttributeIndex {
		n += x.Size
	}
	for _, s := range m.Splits {
		for _, shard := range s.Shards {
			n += shard.Size + 8*shard.Documents
			if shard.Mask != "" {
				n += pack.MaskBytes(shard.Tokens)
			}
		}
	}
	return n
}

// ErrManifest is wrapped by every error of ParseManifest.
var ErrManifest = errors.New("manifest")

// maxManifestBytes bounds a manifest: some 200,000 shards.
const maxManifestBytes = 64 << 20

// ParseManifest reads a manifest and checks that it agrees with itself. Unknown keys are errors.
func ParseManifest(data []byte) (Manifest, error) {
	var m Manifest
	if len(data) > maxManifestBytes {
		return m, fmt.Errorf("%w of %d bytes: the limit is %d", ErrManifest, len(data), maxManifestBytes)
	}
	var head struct {
		Format string `json:"format"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return m, fmt.Errorf("%w: %w", ErrManifest, err)
	}
	if head.Format != ManifestFormat {
		return m, fmt.Errorf("%w: format %q: this version reads %q", ErrManifest, head.Format, ManifestFormat)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return m, fmt.Errorf("%w: %w", ErrManifest, err)
	}
	if err := m.check(); err != nil {
		return Manifest{}, fmt.Errorf("%w: %w", ErrManifest, err)
	}
	return m, nil
}

func (m Manifest) check() error {
	if err := m.Recipe.Check(); err != nil {
		return err
	}
	if got := m.Recipe.Digest(); got != m.RecipeDigest {
		return fmt.Errorf("recipe_digest is %.80q, the recipe's is %q", m.RecipeDigest, got)
	}
	files := m.Recipe.Filters.Files()
	if len(files) != len(m.FilterFiles) {
		return fmt.Errorf("%d filter_files: the recipe names %d", len(m.FilterFiles), len(files))
	}
	for i, f := range m.FilterFiles {
		if f.Filter != files[i].Key || !event.Digest(f.Digest).Valid() || f.Size < 0 {
			return fmt.Errorf("filter_files[%d]: %q is %.80q of %d bytes, for the recipe's %q", i, f.Filter, f.Digest, f.Size, files[i].Key)
		}
	}
	if err := m.checkFetched(); err != nil {
		return err
	}
	width := int64(pack.Width(m.DType))
	t := m.Tokenizer
	switch {
	case !m.Source.Valid() || !t.Digest.Valid():
		return fmt.Errorf("source %.80q or tokenizer %.80q is no digest", m.Source, t.Digest)
	case t.Kind != token.KindBPE && t.Kind != token.KindByte && t.Kind != token.KindChar && t.Kind != token.KindWord:
		return fmt.Errorf("tokenizer kind %q", t.Kind)
	case t.VocabSize < 1 || t.VocabSize > maxVocabSize || t.EndOfText < 0 || int(t.EndOfText) >= t.VocabSize || t.Size < 1:
		return fmt.Errorf("tokenizer of %d ids and %d bytes with end_of_text %d", t.VocabSize, t.Size, t.EndOfText)
	case width == 0 || m.DType != pack.DType(t.VocabSize):
		return fmt.Errorf("dtype is %q: a vocabulary of %d has %q", m.DType, t.VocabSize, pack.DType(t.VocabSize))
	case (m.Evaluations != nil) != (m.Recipe.Decontaminate != nil):
		return errors.New("evaluations belong to a recipe that says decontaminate, and the other way round")
	case m.Evaluations != nil && (!m.Evaluations.Digest.Valid() || m.Evaluations.Texts < 1 || m.Evaluations.Short < 0 || m.Evaluations.NGrams < 1):
		return fmt.Errorf("evaluations %+v", *m.Evaluations)
	case (m.Mixture != nil) != (m.Recipe.Mixture != nil) || m.Mixture != nil && len(m.Mixture) != len(m.Recipe.Sources):
		return fmt.Errorf("mixture says of %d sources what became of them: it belongs to a recipe with a mixture, and names each source", len(m.Mixture))
	case (m.Report != nil) != m.Recipe.Report:
		return errors.New("a report belongs to a recipe that wants one, and the other way round")
	case len(m.Splits) < 1 || len(m.Splits) > 2 || m.Splits[0].Name != Train || len(m.Splits) == 2 && m.Splits[1].Name != HeldOut:
		return fmt.Errorf("splits must be %q, or %q and %q", Train, Train, HeldOut)
	}
	for i, a := range m.Attributes {
		if !a.Digest.Valid() || a.Documents < 1 || a.Size < 1 || a.Size > 1<<40 {
			return fmt.Errorf("attributes[%d]: digest %.80q with %d documents in %d bytes", i, a.Digest, a.Documents, a.Size)
		}
	}
	for i, r := range m.Removed {
		wanted := slices.ContainsFunc(m.Recipe.levels(), func(l *repeated) bool { return l.Level == r.Level })
		if !wanted || r.Documents < 1 || r.Bytes < r.Documents || len(r.Examples) > corpus.MaxExamples {
			return fmt.Errorf("removed[%d]: %d bytes of %d documents by %.80q", i, r.Bytes, r.Documents, r.Level)
		}
	}
	var last attribute.Key
	for i, x := range m.AttributeIndex {
		first, err := x.first()
		if err != nil {
			return fmt.Errorf("attribute_index[%d]: %w", i, err)
		}
		if !x.Digest.Valid() || x.Size < 1 || x.Size > 1<<30 || first < last || len(m.Attributes) == 0 {
			return fmt.Errorf("attribute_index[%d]: digest %.80q of %d bytes from %s on, of %d blobs of attributes", i, x.Digest, x.Size, x.First, len(m.Attributes))
		}
		last = first
	}
	for _, s := range m.Splits {
		var sum Split
		for i, shard := range s.Shards {
			if !shard.Digest.Valid() || !shard.Index.Valid() {
				return fmt.Errorf("split %s: shard %d: digest %.80q or index %.80q is no digest", s.Name, i, shard.Digest, shard.Index)
			}
			if masked := m.Recipe.ChatTemplate != ""; masked != (shard.Mask != "") || masked && !shard.Mask.Valid() || shard.LossTokens < 0 || shard.LossTokens > shard.Tokens || !masked && shard.LossTokens != 0 {
				return fmt.Errorf("split %s: shard %d: mask %.80q with %d tokens that count: a mask belongs to a recipe with a chat_template, and the other way round", s.Name, i, shard.Mask, shard.LossTokens)
			}
			if shard.Tokens < 1 || shard.Tokens > 1<<40 || shard.Documents < 1 || shard.Documents > shard.Tokens || shard.Bytes < 0 || shard.Bytes > 1<<50 || shard.Size != shard.Tokens*width {
				return fmt.Errorf("split %s: shard %d: %d tokens, %d documents, %d bytes of text in %d bytes do not fit together", s.Name, i, shard.Tokens, shard.Documents, shard.Bytes, shard.Size)
			}
			sum.Tokens += shard.Tokens
			sum.LossTokens += shard.LossTokens
			sum.Documents += shard.Documents
			sum.Bytes += shard.Bytes
		}
		if len(s.Shards) == 0 || len(s.Shards) > 1<<20 || sum.Tokens != s.Tokens || sum.LossTokens != s.LossTokens || sum.Documents != s.Documents || sum.Bytes != s.Bytes {
			return fmt.Errorf("split %s: %d tokens, %d documents, %d bytes, but its %d shards have %d, %d, %d",
				s.Name, s.Tokens, s.Documents, s.Bytes, len(s.Shards), sum.Tokens, sum.Documents, sum.Bytes)
		}
	}
	return nil
}

// maxVocabSize is every Unicode character and one more: the largest a char tokenizer can be.
const maxVocabSize = 0x110000 + 1
