// Package language tells the language of a text without a model of the user's: by its script, and by its most frequent
// trigrams (Cavnar and Trenkle 1994, as Franc and whatlanggo weigh them).
//
// It knows 87 languages and is less sure than fastText's lid.176, which package fasttext reads: docs/curation.md has the
// figures. The profiles of profiles.tsv, the 300 most frequent trigrams of each of 67 languages, the most frequent first,
// are those of whatlanggo, under the licence of profiles.LICENSE; languages that are alone in their script need none.
package language
