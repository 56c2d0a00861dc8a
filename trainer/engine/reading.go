package engine

// Form is how a matrix of weights is kept for reading.
type Form string

// The forms. Sums are float32 in all of them.
const (
	FormF32  Form = "f32"  // as trained
	FormBF16 Form = "bf16" // rounded to bfloat16, nearest even: half the bytes
	FormQ8   Form = "q8_0" // blocks of 32 values along a row, each a signed byte times the block's scale, as GGUF's q8_0: a quarter and a bit
)

// Forms is all of them, the exact one first.
func Forms() []Form { return []Form{FormF32, FormBF16, FormQ8} }

// Weights is a matrix [N,K] that Pack made for Multiply.
type Weights interface {
	// Form is how it is kept: FormF32 where the shape does not allow what was asked for.
	Form() Form
	// Bytes is the memory it has of its own: 0 when it reads what it was packed from.
	Bytes() int64
}

// Past is what one sequence remembers in one layer: the keys and values of its tokens so far. Both are device memory.
type Past struct {
	Keys     []float32 // [Heads.KV, Dim, Capacity]: of each head the transpose
	Values   []float32 // [Heads.KV, Capacity, Dim]
	Capacity int       // tokens there is room for, a multiple of 16
}

// Look is one row of queries: whose it is, and how far it sees.
type Look struct {
	Past   Past
	Length int // tokens that are seen: the row's own position plus one, or all of a text that is there as a whole
	// Offset is where the row's bias begins: a row that sees tokens behind its own has a table that begins with those.
	Offset int
}

// Looking says what rows of queries are made of.
type Looking struct {
	Query, KV, Dim int
	QStride        int     // values from row to row of q
	YStride        int     // and of y
	Scale          float32 // of the scores; 0: 1/√Dim
	// Bias[h·Reach+Look.Offset+d] is added to the score of the token that is d before the last one that the row sees, for query head
	// h: ALiBi's slopes and T5's buckets are such tables. It is on the host and has Reach values a head; nil: nothing.
	Bias  []float32
	Reach int
}

// Reader is what kernels have besides for making text, where few tokens meet all weights: there the memory that is read is what
// costs time, and a network is not compiled but walked.
//
// Guarantee: a row of a result depends on its own row of the input alone, to the bit: not on the number of rows, nor on the
// others. So what a sequence says does not depend on its company in a batch, nor on how its prompt was cut.
type Reader interface {
	Kernels
	// Pack keeps w, [k,n] or transposed [n,k], in a form. FormF32 reads w where it lies: a later change of w is seen. The other
	// forms need k to be a multiple of 32 and are FormF32 where it is not.
	Pack(w []float32, k, n int, transposed bool, form Form) Weights
	// Multiply: y[m,n] = x[m,k]·w + b; b may be nil.
	Multiply(y, x []float32, w Weights, b []float32, m int)
	// Remember puts the key and the value of a token into its place: k and v hold Heads.KV·Dim values each.
	Remember(p Past, at int, k, v []float32, heads, dim int)
	// Copy puts the first n tokens of one past into another.
	Copy(dst, src Past, n, heads, dim int)
	// Attend: y[row] = softmax(scores of the row's query with the keys it sees)·values, head by head; query heads share key
	// heads in equal groups (Ainslie et al. 2023). Row i of q begins at q[i·QStride].
	Attend(y, q []float32, looks []Look, l Looking)
}
