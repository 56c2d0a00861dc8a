// Package corpus is the curator's vocabulary: a document, a step that takes documents and yields documents, and the record
// of those that were dropped.
package corpus

import (
	"crypto/sha256"
	"iter"
	"strings"

	"millrace/trainer/token"
)

// Doc is one text of a corpus. Its text is never changed by a step that only decides.
type Doc struct {
	Text string
	// ID is unique within its source: the path relative to the source's folder with forward slashes, and "#n" for the n-th
	// record (from 1) of a file with many.
	ID string
	// Source is the index of the recipe's source, Ordinal the position among all records that were read, from 0;
	// those that were no documents leave gaps.
	Source  int
	Ordinal int64
	// URL is where the text came from, and License what it is under (an SPDX identifier, or the source's own words), if the
	// source says so.
	URL     string
	License string
	// Code is the programming language of source code, by Linguist's name; "" for other text.
	Code string
	// Chat is the conversation that the document is; nil for plain text. Text is then its contents, parted by blank lines,
	// which is what filters judge and duplicates are found by.
	Chat []token.Message
	// Language is the language that was measured, as its code; "" when none was.
	Language string
	// Digest is the sha256 of Text.
	Digest [sha256.Size]byte
}

// New makes a document and computes its digest.
func New(source int, id, text string) Doc {
	return Doc{Text: text, ID: id, Source: source, Digest: sha256.Sum256([]byte(text))}
}

// Seal computes the digest of the text as it is now.
func (d *Doc) Seal() { d.Digest = sha256.Sum256([]byte(d.Text)) }

// ChatText is the text of a conversation: its contents, parted by blank lines.
func ChatText(messages []token.Message) string {
	contents := make([]string, len(messages))
	for i, m := range messages {
		contents[i] = m.Content
	}
	return strings.Join(contents, "\n\n")
}

// Step takes documents and yields documents, in order. Running it twice over the same documents gives the same result.
type Step func(iter.Seq[Doc]) iter.Seq[Doc]

// Chain is the steps one after another.
func Chain(steps ...Step) Step {
	return func(docs iter.Seq[Doc]) iter.Seq[Doc] {
		for _, step := range steps {
			docs = step(docs)
		}
		return docs
	}
}

// Judge decides about one document by itself. It gives the reason to drop it, or keep = true.
type Judge func(Doc) (why Why, keep bool)

// Why is the reason a document was dropped: its name, and the value that was measured against a limit. What the two
// numbers mean is said where the reason is declared.
type Why struct {
	Reason string
	Value  float64
	Limit  float64
	// Repeats is the text that the document repeats, for reasons that are about another text.
	Repeats *Repeated
}

// Repeated is a document by its source's name and its id, and what the two have in common, where that is short.
type Repeated struct {
	Source   string
	Document string
	Text     string
}

// Sieve is the step that keeps what every judge keeps; dropped, when set, is told of the others, by the first judge that
// refused.
func Sieve(dropped func(Drop), judges ...Judge) Step {
	return func(docs iter.Seq[Doc]) iter.Seq[Doc] {
		return func(yield func(Doc) bool) {
		next:
			for d := range docs {
				for _, judge := range judges {
					if why, keep := judge(d); !keep {
						if dropped != nil {
							dropped(Drop{Why: why, Source: d.Source, ID: d.ID, Bytes: int64(len(d.Text))})
						}
						continue next
					}
				}
				if !yield(d) {
					return
				}
			}
		}
	}
}

// Drop says that a document, or a file that was to hold documents, left the corpus.
type Drop struct {
	Why
	Source int
	ID     string
	Bytes  int64 // of text, or of the file
}
