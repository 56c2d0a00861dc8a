package dedup_test

import (
	"context"
	"fmt"
	"log"

	"millrace/curator/corpus"
	"millrace/curator/dedup"
)

// Whole documents: the first of equal ones stays.
func ExampleExact() {
	s, err := dedup.Exact{}.Search(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	for i, text := range []string{"A mill.", "A race.", " A\nmill. "} {
		if err := s.Add(corpus.New(0, fmt.Sprint("document ", i), text), nil); err != nil {
			log.Fatal(err)
		}
	}
	for v, err := range s.Verdicts() {
		if err != nil {
			log.Fatal(err)
		}
		if v.Of == nil {
			fmt.Println(v.Doc.ID, "stays")
		} else {
			fmt.Println(v.Doc.ID, "repeats", v.Of.ID)
		}
	}
	// Output:
	// document 0 stays
	// document 1 stays
	// document 2 repeats document 0
}

// Pieces of documents: texts are added once, and cut when they are read again, in the same order.
func ExampleRepeats() {
	texts := []string{
		"All rights are reserved, here and there.\nThe mill turns.",
		"The river runs.\nAll rights are reserved, here and there.\nIt runs to the mill.",
	}
	level := dedup.Lines{MinChars: 20}
	s, err := dedup.Repeats{Level: level}.Search(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	for _, text := range texts {
		if err := s.Add(text); err != nil {
			log.Fatal(err)
		}
	}
	for r, err := range s.Removals() {
		if err != nil {
			log.Fatal(err)
		}
		left, why, err := dedup.Cut(level, texts[r.Document], r.Ranges)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("of document %d %q is left %q\n", r.Document, left, why.Reason)
	}
	// Output:
	// of document 1 "The river runs.\nIt runs to the mill." is left ""
}
