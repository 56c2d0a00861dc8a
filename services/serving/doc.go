// Package serving answers with what models say, in the protocol of OpenAI: chat completions, completions and the list of models,
// so that any client of that talks to what was just trained.
//
// A Source knows models by name; Server answers HTTP. A model is loaded when it is first asked for, and leaves when others need the
// memory and nobody speaks to it. Each loaded model has one goroutine, which writes all its texts at once, a token each at a time
// (continuous batching): a text does not depend, to the bit, on those beside it.
package serving
