package measure

// Value names one measurement.
type Value uint8

// The measurements. Characters are Unicode code points; words are those of the recipe's splitter. "Lines" end as
// words.Line says, "text lines" and paragraphs at runs of one, or two and more, \n. New values go to the end: the order is
// that of stored attributes.
const (
	Chars             Value = iota
	Words                   // all words
	PlainWords              // words that are not punctuation only
	PlainWordChars          // characters in those
	AlphaWords              // words with a letter
	StopWords               // how many of the stop words occur
	Hashes                  // '#'
	Ellipses                // "..." and "…"
	Lines                   //
	BulletLines             // begin with • or -, white space aside
	EllipsisLines           // end with an ellipsis, white space aside
	Paragraphs              // of the trimmed text
	DupParagraphs           // that were there before
	DupParagraphChars       // characters in those
	TextLines               //
	DupLines                // that were there before
	DupLineChars            // characters in those
	Top2GramChars           // times the most frequent word pair occurs, times its characters and the space between
	Top3GramChars           //
	Top4GramChars           //
	Dup5GramChars           // characters of word 5-grams that were there before, none counted twice
	Dup6GramChars           //
	Dup7GramChars           //
	Dup8GramChars           //
	Dup9GramChars           //
	Dup10GramChars          //
	C4Sentences             // in the lines C4 keeps
	C4LoremLine             // number of the first line with "lorem ipsum", from 1; 0 for none
	C4CurlyLine             // number of the first line with a curly bracket
	KeptChars               // of the text after C4, without \n
	KeptNewlines            // \n
	KeptWords               // words
	KeptLines               // lines between \n that are not blank
	TerminalLines           // of those, ending in a terminal mark
	ShortLines              // of those, of at most Options.ShortLineChars characters
	DupKeptLineChars        // characters in those that were there before
	LongParagraphs          // lines between \n of at least Options.ParagraphChars characters
	BadWords                // occurrences of Options.BadWords

	// What is not counted in the text, but asked of lists and models; package filter fills it in. Scores are in millionths,
	// rounded to the nearest.
	URLDomain       // 1: the address's registered domain is listed; 2: only its host is
	URLListed       // 1: the address is listed
	URLWords        // different listed words in the address
	URLSoftWords    //
	URLSubwords     // places of the address where a listed subword ends
	Language        // number of the language, from 1, in the order of the attributes' header; 0 for none
	LanguageScore   // millionths
	ClassifierScore // millionths
	Perplexity      // millionths
	UnigramLoss     // millionths: minus the mean of ln p of words
	Count           // how many values there are

	// Counted is how many of them, the first, are counted in the text.
	Counted = URLDomain
)

var names = [Count]string{
	"chars", "words", "plain_words", "plain_word_chars", "alpha_words", "stop_words", "hashes", "ellipses", "lines", "bullet_lines",
	"ellipsis_lines", "paragraphs", "dup_paragraphs", "dup_paragraph_chars", "text_lines", "dup_lines", "dup_line_chars",
	"top_2gram_chars", "top_3gram_chars", "top_4gram_chars", "dup_5gram_chars", "dup_6gram_chars", "dup_7gram_chars",
	"dup_8gram_chars", "dup_9gram_chars", "dup_10gram_chars", "c4_sentences", "c4_lorem_line", "c4_curly_line", "kept_chars",
	"kept_newlines", "kept_words", "kept_lines", "terminal_lines", "short_lines", "dup_kept_line_chars", "long_paragraphs", "bad_words",
	"url_domain", "url_listed", "url_words", "url_soft_words", "url_subwords", "language", "language_score", "classifier_score", "perplexity", "unigram_loss",
}

// String is the value's name in stored attributes.
func (v Value) String() string {
	if v < Count {
		return names[v]
	}
	return "unknown"
}

// Values are a document's measurements.
type Values [Count]int64
