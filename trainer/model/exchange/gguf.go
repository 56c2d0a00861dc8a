package exchange

import (
	"encoding/json"
	"fmt"
	"io"
	"math"

	"millrace/trainer/model/gguf"
	"millrace/trainer/model/stored"
)

// configKey carries the whole config.json through a GGUF; other programs pass over it.
const configKey = "millrace.config"

// ropeFreqs is the tensor by which llama.cpp stretches rotations, as Llama 3.1 does.
const ropeFreqs = "rope_freqs.weight"

// fileTypes are llama.cpp's numbers for what a file's matrices are.
var fileTypes = map[stored.DType]uint32{stored.F32: 0, stored.F16: 1, stored.Q8_0: 7, stored.BF16: 32}

// WriteGGUF writes the model for llama.cpp and returns the file's length. Matrices become d, or stay as they are when d is ""; norms, biases and
// positions are F32, as llama.cpp asks. Where the rows of a matrix are no multiple of 32 long, Q8_0 becomes F16 there, as llama.cpp's own
// converter has it. name is what programs show.
func (m *Model) WriteGGUF(w io.Writer, d stored.DType, name string) (int64, error) {
	c, err := parseConfig(m.Config)
	if err != nil {
		return 0, err
	}
	if err := c.expressible(); err != nil {
		return 0, err
	}
	f := gguf.File{}
	set := func(key string, value any) { f.Pairs = append(f.Pairs, gguf.Pair{Key: key, Value: value}) }
	arch := c.ModelType
	set("general.architecture", arch)
	set("general.type", "model")
	set("general.name", name)
	if f.Tensors, err = m.ggufTensors(&c, d); err != nil {
		return 0, err
	}
	kind := d
	if kind == "" {
		kind = f.Tensors[0].DType
	}
	set("general.file_type", fileTypes[kind])
	set("general.quantization_version", uint32(2))
	c.ggufPairs(func(key string, value any) { set(arch+"."+key, value) })
	if err := m.ggufVocabulary(&c, set); err != nil {
		return 0, err
	}
	set(configKey, string(m.Config))
	return f.WriteTo(w)
}

// expressible refuses what llama.cpp computes otherwise.
func (c *config) expressible() error {
	switch {
	case c.ModelType == "gpt2" && c.GPT2Act != "" && c.GPT2Act != "gelu_new" && c.GPT2Act != "gelu_pytorch_tanh":
		return wrong("config.json: activation_function %q: llama.cpp's GPT-2 has gelu_new only", c.GPT2Act)
	case c.ModelType == "llama" && c.LlamaAct != "" && c.LlamaAct != "silu" && c.LlamaAct != "swish":
		return wrong("config.json: hidden_act %q: llama.cpp's Llama has silu only", c.LlamaAct)
	}
	switch c.scaling() {
	case "default", "linear", "llama3", "yarn":
		return nil
	}
	return wrong("config.json: rope_scaling of type %q: llama.cpp's Llama has linear, llama3 and yarn", c.scaling())
}

// ggufPairs are the sizes, by keys without the architecture.
func (c *config) ggufPairs(set func(string, any)) {
	n := func(v int) uint32 { return uint32(v) }
	if c.ModelType == "gpt2" {
		set("block_count", n(c.NLayer))
		set("context_length", n(c.NPositions))
		set("embedding_length", n(c.NEmbd))
		set("feed_forward_length", n(*c.NInner))
		set("attention.head_count", n(c.NHead))
		set("attention.layer_norm_epsilon", float32(*c.LNEps))
		set("vocab_size", n(c.VocabSize))
		return
	}
	set("block_count", n(c.Layers))
	set("context_length", n(c.Context))
	set("embedding_length", n(c.Hidden))
	set("feed_forward_length", n(c.Inner))
	set("attention.head_count", n(c.Heads))
	set("attention.head_count_kv", n(*c.KVHeads))
	set("attention.key_length", n(*c.HeadDim))
	set("attention.value_length", n(*c.HeadDim))
	set("attention.layer_norm_rms_epsilon", float32(*c.RMSEps))
	set("rope.freq_base", float32(*c.Theta))
	set("rope.dimension_count", n(*c.HeadDim))
	set("vocab_size", n(c.VocabSize))
	if kind := c.scaling(); kind == "linear" || kind == "yarn" {
		set("rope.scaling.type", kind)
		set("rope.scaling.factor", float32(c.Scaling.Factor))
		if kind == "yarn" && c.Scaling.Original > 0 {
			set("rope.scaling.original_context_length", uint32(min(c.Scaling.Original, math.MaxUint32)))
		}
	}
}

// ggufTensors are the model's tensors in llama.cpp's names and layout.
func (m *Model) ggufTensors(c *config, d stored.DType) ([]stored.Tensor, error) {
	var all []stored.Tensor
	for _, n := range c.names() {
		t, ok := m.tensor(n.hf)
		if !ok && n.missing && c.Bias != nil && !*c.Bias {
			t, ok = stored.Zeros(stored.F32, n.hf, n.shape...), true
		}
		if !ok {
			return nil, wrong("the model has no %s", n.hf)
		}
		var err error
		if n.turned {
			if t, err = t.Transpose(); err != nil {
				return nil, err
			}
		}
		if n.heads > 0 {
			if t, err = t.Rows(t.Shape[0], toNeighbours(t.Shape[0]/n.heads)); err != nil {
				return nil, err
			}
		}
		to := d
		switch {
		case n.vector:
			to = stored.F32
		case to == stored.Q8_0 && t.Shape[len(t.Shape)-1]%32 != 0:
			to = stored.F16
		}
		if t, err = as(t, to); err != nil {
			return nil, err
		}
		all = append(all, t.Named(n.gguf))
	}
	if c.ModelType == "llama" && c.scaling() == "llama3" {
		factors := llama3Factors(*c.HeadDim, *c.Theta, *c.Scaling)
		all = append(all, stored.Of(factors, ropeFreqs, len(factors)))
	}
	return all, nil
}

// llama3Factors is by how much each pair's rotation is slowed down (Llama 3.1's rule): not at all for short waves, by the factor for waves
// longer than the first training could see, and in between for those between.
func llama3Factors(dim int, theta float64, s ropeConfig) []float32 {
	low, high := s.LowFactor, s.HighFactor
	original := s.Original
	out := make([]float32, dim/2)
	for i := range out {
		wave := 2 * math.Pi * math.Pow(theta, float64(2*i)/float64(dim))
		switch {
		case wave < original/high:
			out[i] = 1
		case wave > original/low:
			out[i] = float32(s.Factor)
		default:
			smooth := (original/wave - low) / (high - low)
			out[i] = float32(1 / ((1-smooth)/s.Factor + smooth))
		}
	}
	return out
}

// openGGUF reads a model of llama.cpp's.
func openGGUF(r io.ReaderAt, size int64) (*Model, error) {
	f, err := gguf.Open(r, size)
	if err != nil {
		return nil, err
	}
	arch, _ := f.Text("general.architecture")
	if arch != "gpt2" && arch != "llama" {
		return nil, wrong(`general.architecture %q: models of "gpt2" and "llama" are read`, arch)
	}
	named := map[string]stored.Tensor{}
	for _, t := range f.Tensors {
		named[t.Name] = t
	}
	m := &Model{From: GGUF, Beside: map[string][]byte{}}
	if m.Config, err = configOf(f, arch, named); err != nil {
		return nil, err
	}
	c, err := parseConfig(m.Config)
	if err != nil {
		return nil, err
	}
	if c.ModelType != arch {
		return nil, wrong("%s is of a %q, the file of a %q", configKey, c.ModelType, arch)
	}
	for _, n := range c.names() {
		t, ok := named[n.gguf]
		if !ok {
			return nil, wrong("the file has no %s", n.gguf)
		}
		delete(named, n.gguf)
		if n.missing && c.Bias != nil && !*c.Bias {
			continue // zeros that other programs ask for
		}
		if t, err = n.fromGGUF(t); err != nil {
			return nil, err
		}
		m.Tensors = append(m.Tensors, t)
	}
	delete(named, ropeFreqs)
	if c.tied() {
		delete(named, "output.weight") // a copy of the embedding, as older converters wrote
	}
	for name := range named {
		return nil, wrong("the file has %s, which a %s of its sizes has not", name, arch)
	}
	m.vocabularyOf(f, &c)
	return m, nil
}

// fromGGUF makes of llama.cpp's tensor transformers'.
func (n name) fromGGUF(t stored.Tensor) (stored.Tensor, error) {
	var err error
	if t.DType == stored.Q8_0 { // exactly: a scale of 11 bits times one of 7
		if t, err = t.As(stored.F32); err != nil {
			return t, err
		}
	}
	if n.turned {
		if t, err = t.Transpose(); err != nil {
			return t, err
		}
	}
	if !sameShape(t.Shape, n.shape) {
		return t, wrong("%s is %v in the file and %v by its keys", n.gguf, t.Shape, n.shape)
	}
	if n.heads > 0 {
		if t, err = t.Rows(t.Shape[0], toHalves(t.Shape[0]/n.heads)); err != nil {
			return t, err
		}
	}
	return t.Named(n.hf), nil
}

func sameShape(a, b []int) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// configOf is the config.json of a GGUF: the one it carries, or one made of its keys.
func configOf(f gguf.File, arch string, named map[string]stored.Tensor) ([]byte, error) {
	if raw, ok := f.Text(configKey); ok {
		return []byte(raw), nil
	}
	var missing error
	whole := func(key string) int {
		n, ok := f.Int(arch + "." + key)
		if !ok && missing == nil {
			missing = wrong("the file has no %s.%s", arch, key)
		}
		return int(max(-1, min(n, math.MaxInt32)))
	}
	number := func(key string, otherwise float64) float64 {
		if x, ok := f.Float(arch + "." + key); ok {
			return shortest(x)
		}
		return otherwise
	}
	vocab := 0
	if t, ok := named["token_embd.weight"]; ok {
		vocab = t.Shape[0]
	}
	out := map[string]any{"model_type": arch, "vocab_size": vocab, "torch_dtype": "float32"}
	if t, ok := named["blk.0.ffn_up.weight"]; ok {
		out["torch_dtype"] = torchName(t.DType)
	}
	_, head := named["output.weight"]
	if arch == "gpt2" {
		out["architectures"] = []string{"GPT2LMHeadModel"}
		out["n_positions"], out["n_embd"] = whole("context_length"), whole("embedding_length")
		out["n_layer"], out["n_head"] = whole("block_count"), whole("attention.head_count")
		out["n_inner"] = nil
		if n, ok := f.Int(arch + ".feed_forward_length"); ok && n != 4*int64(out["n_embd"].(int)) {
			out["n_inner"] = n
		}
		out["activation_function"] = "gelu_new"
		out["layer_norm_epsilon"] = number("attention.layer_norm_epsilon", 1e-5)
		out["tie_word_embeddings"] = true
	} else {
		out["architectures"] = []string{"LlamaForCausalLM"}
		out["max_position_embeddings"], out["hidden_size"] = whole("context_length"), whole("embedding_length")
		out["num_hidden_layers"], out["num_attention_heads"] = whole("block_count"), whole("attention.head_count")
		out["intermediate_size"] = whole("feed_forward_length")
		out["num_key_value_heads"] = out["num_attention_heads"]
		if n, ok := f.Int(arch + ".attention.head_count_kv"); ok {
			out["num_key_value_heads"] = n
		}
		if n, ok := f.Int(arch + ".attention.key_length"); ok {
			out["head_dim"] = n
		}
		out["rms_norm_eps"] = number("attention.layer_norm_rms_epsilon", 1e-6)
		out["rope_theta"] = number("rope.freq_base", 10000)
		out["hidden_act"] = "silu"
		_, biased := named["blk.0.attn_q.bias"]
		_, inMLP := named["blk.0.ffn_up.bias"]
		out["attention_bias"], out["mlp_bias"] = biased, inMLP
		out["tie_word_embeddings"] = !head
		scaling, err := scalingOf(f, out, named)
		if err != nil {
			return nil, err
		}
		out["rope_scaling"] = scaling
	}
	if missing != nil {
		return nil, missing
	}
	raw, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return nil, wrong("%w", err)
	}
	return append(raw, '\n'), nil
}

// scalingOf is the rope_scaling of a foreign Llama.
func scalingOf(f gguf.File, c map[string]any, named map[string]stored.Tensor) (any, error) {
	if t, ok := named[ropeFreqs]; ok {
		has, err := t.Floats()
		if err != nil {
			return nil, err
		}
		for _, factor := range []float64{8, 32} { // of Llama 3.1 and 3.2
			s := ropeConfig{Factor: factor, LowFactor: 1, HighFactor: 4, Original: 8192}
			if close(has, llama3Factors(2*len(has), c["rope_theta"].(float64), s)) {
				return map[string]any{"rope_type": "llama3", "factor": factor, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}, nil
			}
		}
		return nil, wrong("%s is neither Llama 3.1's nor 3.2's: which scaling it is of cannot be told", ropeFreqs)
	}
	kind, ok := f.Text("llama.rope.scaling.type")
	if !ok || kind == "none" {
		return nil, nil
	}
	factor, ok := f.Float("llama.rope.scaling.factor")
	if !ok {
		return nil, wrong("the file has no llama.rope.scaling.factor")
	}
	s := map[string]any{"rope_type": kind, "factor": shortest(factor)}
	if n, ok := f.Int("llama.rope.scaling.original_context_length"); ok {
		s["original_max_position_embeddings"] = n
	}
	return s, nil
}

func close(a, b []float32) bool {
	for i := range a {
		if math.Abs(float64(a[i]-b[i])) > 1e-4*math.Abs(float64(b[i])) {
			return false
		}
	}
	return true
}

// shortest is a float32's number as people write it: 1e-5, not 9.999999747e-06.
func shortest(x float64) float64 {
	if float64(float32(x)) != x || math.IsInf(x, 0) || math.IsNaN(x) {
		return x
	}
	var y float64
	if _, err := fmt.Sscan(fmt.Sprint(float32(x)), &y); err != nil {
		return x
	}
	return y
}

// torchName is what a config.json calls a format.
func torchName(d stored.DType) string {
	switch d {
	case stored.F16:
		return "float16"
	case stored.BF16:
		return "bfloat16"
	}
	return "float32"
}
