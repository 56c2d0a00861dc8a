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

// Batcher is a Model that can be asked several things at once, which is faster: texts that begin alike are computed once as far as they
// agree. No answer depends, to the bit, on what else is asked beside it.
type Batcher interface {
	Model
	// ScoreAll is Score of every request.
	ScoreAll(ctx context.Context, requests []Request) ([][]TokenScore, error)
	// GenerateAll is Generate of every prompt, by up to n tokens each, the i-th drawn with samplings[i].
	GenerateAll(ctx context.Context, prompts [][]int32, n int, samplings []Sampling) ([][]int32, error)
}

// Request is what Model.Score takes.
type Request struct {
	Tokens []int32
	From   int
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
	TopP        float64 // draws among the fewest that have this much probability together; 0 among all
	MinP        float64 // leaves out what is less likely than this times the likeliest; 0 nothing
	Seed        uint64
	Stop        []int32 // tokens that end the text
	// StopText are texts that end the text. A TextModel gives them to whoever makes it. A Model may leave them to Done.
	StopText []string
	// Done, when set, is told all tokens so far after each, and ends the text by true: a stop text was said. A model that cannot
	// ask in between may leave it: what it says too much is cut off.
	Done func(tokens []int32) bool
}

// TextModel is a model that is only reachable by text, such as one behind an API.
type TextModel interface {
	// Name is what the model is called in results.
	Name() string
	// Complete continues a prompt by up to n tokens, as the model counts them.
	Complete(ctx context.Context, prompt string, n int, s Sampling) (Completion, error)
}

// TextScorer is a TextModel that also tells probabilities.
type TextScorer interface {
	TextModel
	// Tells asks whether it does: an error that wraps ErrUnable says why not. It is asked before a task that needs them.
	Tells(ctx context.Context) error
	// LogProbs is how likely a continuation is behind a prompt, or without one as the beginning of a text.
	LogProbs(ctx context.Context, prompt, continuation string) (Likelihood, error)
}

// Likelihood is how likely a text is.
type Likelihood struct {
	Sum    float64 // Σ ln p of its tokens
	Tokens int64
	Greedy bool // every one of them was the likeliest
}

// Completion is what a TextModel said.
type Completion struct {
	Text                 string
	PromptTokens, Tokens int64 // as the model counts them
}
