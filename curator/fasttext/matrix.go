package fasttext

// matrix is a model's numbers, whole or quantised.
type matrix interface {
	shape() (rows, columns int)
	// add adds row i to sum.
	add(sum []float32, i int)
	// dot is row i times v.
	dot(v []float32, i int) float32
}

func (in *input) matrix(quantised bool) matrix {
	if quantised {
		return in.quantised()
	}
	rows, columns := in.size()
	return &dense{rows, columns, in.floats(rows * columns)}
}

func (in *input) size() (rows, columns int) {
	rows = in.within("rows", in.int64(), 0, maxEntries+maxBuckets)
	columns = in.within("columns", in.int64(), 1, maxDim)
	if in.err == nil && rows*columns > maxNumbers {
		in.fail("a matrix of %d by %d", rows, columns)
	}
	if in.err != nil {
		return 0, 0
	}
	return rows, columns
}

// dense is a matrix of numbers, row after row.
type dense struct {
	rows, columns int
	data          []float32
}

func (m *dense) shape() (int, int) { return m.rows, m.columns }

func (m *dense) add(sum []float32, i int) {
	row := m.data[i*m.columns:][:len(sum)]
	for j, x := range row {
		sum[j] += x
	}
}

func (m *dense) dot(v []float32, i int) float32 {
	row := m.data[i*m.columns:][:len(v)]
	var d float32
	for j, x := range row {
		d += float32(x * v[j])
	}
	return d
}

// product is a product quantiser (Jégou et al. 2011): a row is cut into parts, and of each part the nearest of 256 centroids
// is kept.
type product struct {
	dim, parts, width, last int // last is the width of the last part
	centroids               []float32
}

const centroids = 256

func (in *input) product() product {
	var p product
	p.dim = in.within("dimension of the quantiser", int64(in.int32()), 1, maxDim)
	p.parts = in.within("parts of the quantiser", int64(in.int32()), 1, maxDim)
	p.width = in.within("width of a part", int64(in.int32()), 1, maxDim)
	p.last = in.within("width of the last part", int64(in.int32()), 1, maxDim)
	if in.err == nil && (p.parts-1)*p.width+p.last != p.dim || p.last > p.width {
		in.fail("%d parts of %d, the last of %d, do not make %d", p.parts, p.width, p.last, p.dim)
	}
	if in.err != nil {
		return product{}
	}
	p.centroids = in.floats(p.dim * centroids)
	return p
}

// part is the centroid of a part that code stands for.
func (p *product) part(part int, code byte) []float32 {
	if part == p.parts-1 {
		return p.centroids[part*centroids*p.width+int(code)*p.last:][:p.last]
	}
	return p.centroids[(part*centroids+int(code))*p.width:][:p.width]
}

// quantised is a matrix of codes; with norms, rows were divided by their lengths first.
type quantised struct {
	rows, columns int
	codes         []byte
	product       product
	norms         []byte
	norm          product
}

func (in *input) quantised() matrix {
	withNorms := in.bool()
	m := &quantised{}
	m.rows, m.columns = in.size()
	size := in.within("number of codes", int64(in.int32()), 0, maxNumbers)
	m.codes = in.codes(size)
	m.product = in.product()
	if in.err == nil && (m.product.dim != m.columns || size != m.rows*m.product.parts) {
		in.fail("%d codes of %d dimensions for a matrix of %d by %d", size, m.product.dim, m.rows, m.columns)
	}
	if withNorms {
		m.norms = in.codes(m.rows)
		if m.norm = in.product(); in.err == nil && m.norm.dim != 1 {
			in.fail("norms of %d dimensions", m.norm.dim)
		}
	}
	return m
}

func (m *quantised) shape() (int, int) { return m.rows, m.columns }

func (m *quantised) length(i int) float32 {
	if m.norms == nil {
		return 1
	}
	return m.norm.part(0, m.norms[i])[0]
}

func (m *quantised) add(sum []float32, i int) {
	p, alpha := &m.product, m.length(i)
	for part, code := range m.codes[i*p.parts:][:p.parts] {
		to := sum[part*p.width:]
		for j, x := range p.part(part, code) {
			to[j] += float32(alpha * x)
		}
	}
}

func (m *quantised) dot(v []float32, i int) float32 {
	p := &m.product
	var d float32
	for part, code := range m.codes[i*p.parts:][:p.parts] {
		from := v[part*p.width:]
		for j, x := range p.part(part, code) {
			d += float32(from[j] * x)
		}
	}
	return d * m.length(i)
}
