// Package engine is the seam where speed lives, and the graph that runs on it.
//
// Kernels is the arithmetic of one device. Graph describes a network as a sequence of fused operations (Linear, LayerNorm,
// Attention, …); Build differentiates and compiles it, once for a shape, into a Program, and Program.Run executes a step.
// Parameter is a weight with its gradient: buffers that the caller owns and that outlive every program.
//
// Gorgonia supplies the graph, reverse-mode differentiation and the order of operations; it never sees an element of a tensor,
// and works only while a program is built. Every node is one of our operations. A program plans its memory from what is read
// when, so that a step allocates nothing and holds little more than what its backward pass reads. This package is the only one
// that knows Gorgonia.
//
// Two caveats. A program's memory is its own: what Output returns is overwritten by the next Run. And backward operations
// ADD to parameter gradients: zero them before the first micro-batch of a step.
package engine
