package classify

// AUC is auc of whole scores.
func AUC(scores []int, good []bool) float64 {
	var list []scored
	for i, s := range scores {
		list = append(list, scored{float64(s), good[i]})
	}
	return auc(list)
}
