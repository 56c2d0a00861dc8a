package model

// TrainingBytes estimates the memory that training on b sequences of t tokens takes: parameters with gradients and two moments,
// and every activation with its gradient.
func (c Config) TrainingBytes(b, t int) float64 {
	perLayer := 36*float64(c.DModel) + float64(c.NHead)*float64(t)
	perToken := float64(c.NLayer)*perLayer + float64(c.VocabSize) + 6*float64(c.DModel)
	return 16*float64(c.Parameters().Total) + 4*float64(b)*float64(t)*perToken
}
