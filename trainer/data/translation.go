package data

import (
	"fmt"

	"millrace/trainer/token"
)

// Translation is a text and what becomes of it, as ids: what an encoder reads, and what a decoder writes, which ends with the end of text.
type Translation struct{ Source, Target []int32 }

// ReadTranslations reads JSON Lines of {"source": "…", "target": "…"}. A source without any ids is the end of text alone. A pair of which one
// side has more than most ids is left out, and counted in dropped: neither is cut, since the one would not say the other.
func ReadTranslations(file []byte, t token.Tokenizer, most int) (pairs []Translation, dropped int, err error) {
	err = eachLine(file, func(_ int, line []byte) error {
		var in struct {
			Source *string `json:"source"`
			Target *string `json:"target"`
		}
		if err := object(line, &in); err != nil {
			return err
		}
		if in.Source == nil {
			return fmt.Errorf(`no "source"`)
		}
		if in.Target == nil {
			return fmt.Errorf(`no "target"`)
		}
		source, err := token.Encode(t, *in.Source)
		if err != nil {
			return fmt.Errorf("source: %w", err)
		}
		target, err := token.Encode(t, *in.Target)
		if err != nil {
			return fmt.Errorf("target: %w", err)
		}
		if len(source) == 0 {
			source = []int32{t.EndOfText()}
		}
		if target = append(target, t.EndOfText()); len(source) > most || len(target) > most {
			dropped++
			return nil
		}
		pairs = append(pairs, Translation{source, target})
		return nil
	})
	return pairs, dropped, err
}
