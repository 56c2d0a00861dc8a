package where

// Mentions tells whether a condition speaks of a field.
func Mentions(e Expr, n Name) bool {
	switch e := e.(type) {
	case And:
		for _, part := range e {
			if Mentions(part, n) {
				return true
			}
		}
	case Or:
		for _, part := range e {
			if Mentions(part, n) {
				return true
			}
		}
	case Not:
		return Mentions(e.Of, n)
	case Compare:
		return e.Field.Name == n
	}
	return false
}
