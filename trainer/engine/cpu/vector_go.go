package cpu

import "math"

// goLevel is the plain Go level: the meaning of every primitive, and the path where there is no assembly.
func goLevel() level {
	return level{
		name: "go", tileRows: 4, panel: 8,
		tile: tileGo, packTransposed: packTransposedGo, packColumns: packColumnsGo,
		gelu: geluGo, geluBackward: geluBackwardGo,
		softmax: softmaxGo, softmaxColumns: softmaxColumnsGo, softmaxColumnsBackward: softmaxColumnsBackwardGo,
		layerNorm: layerNormGo, layerNormBackward: layerNormBackwardGo,
		add: addGo, scale: scaleGo, sumSquares: sumSquaresGo, sumRows: sumRowsGo, adamW: adamWGo,
		relu: reluGo, relu2: relu2Go, silu: siluGo, geluExact: geluExactGo,
		reluBackward: reluBackwardGo, relu2Backward: relu2BackwardGo, siluBackward: siluBackwardGo, geluExactBackward: geluExactBackwardGo,
		softCap: softCapGo, softCapBackward: softCapBackwardGo, mul: mulGo, mix: mixGo, rotate: rotateGo, dropout: dropoutGo,
		rmsNorm: rmsNormGo, rmsNormBackward: rmsNormBackwardGo, lion: lionGo, sgd: sgdGo,
		bf16: bf16Go(),
	}
}

// expGo is e^x in float32: reduction to |r| ≤ ln2/2 and the polynomial of Cephes' expf (Moshier 1989), as in the assembly.
func expGo(x float32) float32 {
	if x != x {
		return x
	}
	x = min(max(x, -87), 88)
	n := float32(math.Floor(float64(x*1.4426950408889634 + 0.5)))
	x -= n * 0.693359375
	x += n * 2.12194440e-4
	p := float32(1.9875691500e-4)
	p = p*x + 1.3981999507e-3
	p = p*x + 8.3334519073e-3
	p = p*x + 4.1665795894e-2
	p = p*x + 1.6666665459e-1
	p = p*x + 5.0000001201e-1
	p = p*x*x + x + 1
	return math.Float32frombits(math.Float32bits(p) + uint32(int32(n))<<23)
}

// sigmoid2uGo is ½(1+tanh u) = 1/(1+e^(-2u)) with GELU's u = √(2/π)(x+0.044715x³).
func sigmoid2uGo(x float32) float32 {
	return 1 / (1 + expGo(x*(-2*geluScale-2*geluScale*geluCube*x*x)))
}

func geluGo(y, x []float32) {
	for i, v := range x {
		y[i] = v * sigmoid2uGo(v)
	}
}

// geluBackwardGo uses d/dx x·s(2u) = s + x·s·(1-s)·2u'.
func geluBackwardGo(dx, dy, x []float32) {
	for i, v := range x {
		s := sigmoid2uGo(v)
		dx[i] = dy[i] * (s + v*(2*geluScale+6*geluScale*geluCube*v*v)*(s-s*s))
	}
}

// softmaxGo sets dst to softmax(scale·src); best is the largest of src and sum is Σe^(scale·(src-best)).
func softmaxGo(dst, src []float32, scale float32) (best, sum float32) {
	best = float32(math.Inf(-1))
	for _, v := range src {
		best = max(best, v)
	}
	for i, v := range src {
		e := expGo((v - best) * scale)
		dst[i] = e
		sum += e
	}
	inverse := 1 / sum
	for i := range src {
		dst[i] *= inverse
	}
	return best, sum
}

// softmaxColumnsGo replaces the first seen rows of every column of a panel of scores, rows of which lie row apart, by softmax(scale·column),
// and the others by zeros; best gets the largest of each and sum Σe^(scale·(column-best)). rows is at least 1, and so is what a column sees.
func softmaxColumnsGo(s []float32, row, rows int, scale float32, seen, best, sum []float32) {
	for c := range best {
		top, total, most := float32(math.Inf(-1)), float32(0), min(rows, int(seen[c]))
		for j := range most {
			top = max(top, s[j*row+c])
		}
		for j := range most {
			e := expGo((s[j*row+c] - top) * scale)
			s[j*row+c] = e
			total += e
		}
		inverse := 1 / total
		for j := range rows {
			if j >= most {
				s[j*row+c] = 0
			}
			s[j*row+c] *= inverse
		}
		best[c], sum[c] = top, total
	}
}

// softmaxColumnsBackwardGo replaces the first seen rows of every column of a panel of scores s by p = e^(rate·s - lse), its probabilities, and
// those of their gradients d by that of what the scores were before scale: p·(d - Σp·d)·scale; the others by zeros. rows is at least 1.
func softmaxColumnsBackwardGo(s, d []float32, row, rows int, rate, scale float32, seen, lse []float32) {
	for c, l := range lse {
		var inner float32
		most := min(rows, int(seen[c]))
		for j := range most {
			p := expGo(rate*s[j*row+c] - l)
			s[j*row+c] = p
			inner += p * d[j*row+c]
		}
		for j := range rows {
			if j >= most {
				s[j*row+c], d[j*row+c] = 0, 0
				continue
			}
			d[j*row+c] = s[j*row+c] * (d[j*row+c] - inner) * scale
		}
	}
}

// layerNormGo normalises one row; inverse is 1/len(x), bias may be nil.
func layerNormGo(y, x, gain, bias []float32, inverse, eps float32) (mean, rstd float32) {
	var variance float32
	for _, v := range x {
		mean += v
	}
	mean *= inverse
	for _, v := range x {
		variance += (v - mean) * (v - mean)
	}
	rstd = float32(1 / math.Sqrt(float64(variance*inverse+eps)))
	for i, v := range x {
		y[i] = (v - mean) * rstd * gain[i]
	}
	for i, v := range bias {
		y[i] += v
	}
	return mean, rstd
}

// layerNormBackwardGo does one row: with n = (x-mean)·rstd and g = dy·gain, dx = rstd·(g - mean(g) - n·mean(g·n)).
func layerNormBackwardGo(dx, dgain, dbias, dy, x, gain []float32, mean, rstd, inverse float32) {
	var sumG, sumGN float32
	for i, v := range x {
		n := (v - mean) * rstd
		g := dy[i] * gain[i]
		sumG += g
		sumGN += g * n
		dgain[i] += dy[i] * n
		dbias[i] += dy[i]
	}
	sumG *= inverse
	sumGN *= inverse
	for i, v := range x {
		n := (v - mean) * rstd
		dx[i] = rstd * (dy[i]*gain[i] - sumG - n*sumGN)
	}
}

func addGo(dst, a, b []float32) {
	for i := range dst {
		dst[i] = a[i] + b[i]
	}
}

func scaleGo(dst, src []float32, s float32) {
	for i := range dst {
		dst[i] = src[i] * s
	}
}

func sumSquaresGo(x []float32) (sum float64) {
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	return sum
}

// sumRowsGo adds to dst the sum of rows, ld apart, of src.
func sumRowsGo(dst, src []float32, ld, rows int) {
	for j := range dst {
		var sum float32
		for i := range rows {
			sum += src[i*ld+j]
		}
		dst[j] += sum
	}
}

// adamWGo takes β1, 1-β1, β2, 1-β2, the gradient's scale, lr/(1-β1^step), 1/(1-β2^step), ε and lr·decay.
func adamWGo(p, m, v, g []float32, coefficients *[9]float32) {
	beta1, rest1, beta2, rest2 := coefficients[0], coefficients[1], coefficients[2], coefficients[3]
	gradScale, rate, correct2, eps, decay := coefficients[4], coefficients[5], coefficients[6], coefficients[7], coefficients[8]
	for i, w := range p {
		grad := g[i] * gradScale
		m1 := beta1*m[i] + rest1*grad
		v1 := beta2*v[i] + rest2*grad*grad
		m[i], v[i] = m1, v1
		p[i] = w - (rate*m1/(float32(math.Sqrt(float64(correct2*v1)))+eps) + decay*w)
	}
}
