package dedup

// clusters joins documents that are linked, directly or through others (union-find). The zero document of a cluster is
// its first in corpus order, so the order of the links makes no difference.
type clusters struct {
	before []uint32 // an earlier document of the cluster, or itself
}

func newClusters(documents uint32) *clusters {
	c := &clusters{before: make([]uint32, documents)}
	for i := range c.before {
		c.before[i] = uint32(i)
	}
	return c
}

// first is the first document of d's cluster.
func (c *clusters) first(d uint32) uint32 {
	for c.before[d] != d {
		c.before[d] = c.before[c.before[d]] // halves the path for those who come after
		d = c.before[d]
	}
	return d
}

// link makes one cluster of those of a and b.
func (c *clusters) link(a, b uint32) {
	a, b = c.first(a), c.first(b)
	c.before[max(a, b)] = min(a, b)
}
