package cpu

// Relative is a table looked up once a layer stack: not worth a thread.
func (k *fast) Relative(bias, table []float32, buckets []int32, heads int) {
	reference{}.Relative(bias, table, buckets, heads)
}

func (k *fast) RelativeBackward(dtable, dbias []float32, buckets []int32, heads int) {
	reference{}.RelativeBackward(dtable, dbias, buckets, heads)
}
