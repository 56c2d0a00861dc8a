package evaluator

import "context"

// Model is what an evaluation needs of a language model.
type Model interface {
	// Context is the most tokens the model can see at once, at least 1.
	Context() int
	// Score tells how well each of tokens[from:] was predicted from all tokens before it, or from what else a model of another
	// kind is told by (and then scores are compared with those of its kind only). 1 ≤ from < len(tokens) ≤
	// Context()+1. The result has len(tokens)-from elements and does not depend on earlier calls.
	Score(ctx context.Context, tokens []int32, from int) ([]TokenScore, error)
	// Generate continues a prompt that is not empty by up to n tokens and returns those, without the stop token. It sees
	// the last Context() tokens. The same arguments give the same tokens. The error of a model that continues no texts wraps
	// ErrUnable.
	Generate(ctx context.Context, prompt []int32, n int, s Sampling) ([]int32, error)
}

// TokenScore says how well a token was predicted.
type TokenScore struct {
	LogProb float64 // natural logarithm of its probability
	Greedy  bool    // whether it was the likeliest
}

// Sampling says how the next token is drawn.
type Sampling struct {
	Temperature float64 // 0 takes the likeliest
	TopK        int     // draws among so many of the likeliest; 0 among all
	Seed        uint64
	Stop        []int32 // tokens that end the text
}
