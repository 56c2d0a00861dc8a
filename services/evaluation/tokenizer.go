package evaluation

import (
	"context"
	"fmt"

	"millrace/event"
	"millrace/services/job"
	"millrace/storage/blob"
	"millrace/trainer/token"
)

// tokenizerFile is the tokenizer of a checkpoint that came from elsewhere. One that was trained here has its dataset's.
const tokenizerFile = "tokenizer.json"

// own is the tokenizer that a checkpoint carries, nil when it has none.
func (s *Service) own(ctx context.Context, digest event.Digest) (token.Tokenizer, error) {
	tree, err := s.Blobs.Tree(ctx, blob.Digest(digest))
	if err != nil {
		return nil, fmt.Errorf("evaluation: checkpoint %s: %w", digest.Short(), err)
	}
	ref, ok := tree.File(tokenizerFile)
	if !ok {
		return nil, nil //nolint:nilnil // most have none
	}
	raw, err := s.Blobs.Get(ctx, ref.Digest)
	if err != nil {
		return nil, fmt.Errorf("evaluation: tokenizer of checkpoint %s: %w", digest.Short(), err)
	}
	tok, err := token.Parse(raw)
	if err != nil {
		return nil, job.Fail("bad_checkpoint", "its tokenizer is none that this program has: import it again with --tokenizer FILE", err)
	}
	return tok, nil
}

// retokenize writes a text of one tokenizer with another: what each document says, and which of it counts. A token counts when the one that has
// its first byte does. Special tokens but the end of text stand for nothing and fall away.
func retokenize(ids []int32, counts []bool, from, to token.Tokenizer) ([]int32, []bool, error) {
	var out []int32
	var outCounts []bool
	var text []byte
	var textCounts []bool // of each byte
	flush := func() error {
		before := len(out)
		var err error
		if out, err = to.Append(out, string(text)); err != nil {
			return err
		}
		if counts != nil {
			at := 0
			for _, id := range out[before:] {
				outCounts = append(outCounts, at < len(textCounts) && textCounts[at])
				at += len(to.Bytes(id))
			}
		}
		text, textCounts = text[:0], textCounts[:0]
		return nil
	}
	for i, id := range ids {
		if id != from.EndOfText() {
			b := from.Bytes(id)
			text = append(text, b...)
			if counts != nil {
				for range b {
					textCounts = append(textCounts, counts[i])
				}
			}
			continue
		}
		if err := flush(); err != nil {
			return nil, nil, err
		}
		out = append(out, to.EndOfText())
		if counts != nil {
			outCounts = append(outCounts, counts[i])
		}
	}
	return out, outCounts, flush()
}
