package read

import (
	"millrace/curator/corpus"

	"github.com/go-enry/go-enry/v2"
)

// languageProbe is how far a language is looked for, as Linguist does with half as much.
const languageProbe = 64 << 10

// isCode tells whether a language of Linguist's is programmed or marked up in; the others are data and prose.
func isCode(language string) bool {
	t := enry.GetLanguageType(language)
	return t == enry.Programming || t == enry.Markup
}

func extractCode(x *extractor, data []byte, d *corpus.Doc) *corpus.Why {
	if why := binaryData(data); why != nil {
		return why
	}
	name := unpackedName(x.path)
	language := enry.GetLanguage(name, data[:min(len(data), languageProbe)])
	switch {
	case isCode(language):
		d.Code = language
	case x.source.NotCode != Keep:
		return &corpus.Why{Reason: NotCode}
	}
	if enry.IsGenerated(name, data) {
		return &corpus.Why{Reason: Generated}
	}
	d.Text = string(data)
	return nil
}
