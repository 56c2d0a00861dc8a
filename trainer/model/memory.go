package model

// Memory is bytes by what they are for.
type Memory struct {
	Weights     int64 `json:"weights"`
	Gradients   int64 `json:"gradients,omitempty"`
	Optimizer   int64 `json:"optimizer,omitempty"`   // AdamW's two moments
	Activations int64 `json:"activations,omitempty"` // what the backward pass reads, and the buffers of both passes
	Cache       int64 `json:"cache,omitempty"`       // keys and values of the tokens before
	Total       int64 `json:"total"`
}

// TrainingBytes estimates the memory that training on b sequences of t tokens takes. See TrainingMemory.
func (c Config) TrainingBytes(b, t int) float64 {
	perLayer := 36*float64(c.DModel) + float64(c.NHead)*float64(t)
	perToken := float64(c.NLayer)*perLayer + float64(c.VocabSize) + 6*float64(c.DModel)
	return 16*float64(c.Parameters().Total) + 4*float64(b)*float64(t)*perToken
}
