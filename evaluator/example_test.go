package evaluator_test

import (
	"context"
	"fmt"

	"millrace/evaluator"
	"millrace/trainer/token"
)

func ExampleEvaluator_Score() {
	tok := token.NewByte()
	heldOut := append([]int32{}, 'm', 'i', 'l', 'l', tok.EndOfText())
	// A model that gives every token the probability 1/4.
	m := &toy{context: 8, p: func([]int32, int32) float64 { return 0.25 }}
	s, err := evaluator.ParseSuite([]byte(`{"format": "millrace.suite/1", "name": "mine", "version": 1,
		"tasks": [{"name": "heldout", "kind": "perplexity"}]}`))
	if err != nil {
		panic(err)
	}
	result, err := evaluator.Evaluator{}.Score(context.Background(), m, tok, heldOut, s)
	if err != nil {
		panic(err)
	}
	for _, s := range result.Scores {
		fmt.Printf("%s %.4f\n", s.Metric, float64(s.Value))
	}
	// Output:
	// loss 1.3863
	// perplexity 4.0000
	// bits_per_byte 2.0000
	// byte_perplexity 4.0000
}
