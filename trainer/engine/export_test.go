package engine

// Hash is Gorgonia's hash of t's node, and Number the operation's own.
func Hash(t *Tensor) uint32 { return t.op.node.Hashcode() }
func Number(t *Tensor) int  { return t.op.seq }
