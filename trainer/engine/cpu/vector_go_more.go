package cpu

import "math"

// sigmoidGo is 1/(1+e^-x).
func sigmoidGo(x float32) float32 { return 1 / (1 + expGo(-x)) }

// normalGo is Φ(x) = ½·erfc(-x/√2), erfc by the Chebyshev fit of Press et al. (Numerical Recipes, erfcc).
func normalGo(x float32) float32 {
	z := float32(math.Abs(float64(x))) * 0.7071067811865476
	t := 1 / (1 + 0.5*z)
	v := float32(0.17087277)
	for _, c := range [...]float32{-0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196, 1.00002368, -1.26551223} {
		v = v*t + c
	}
	tail := 0.5 * t * expGo(v-z*z)
	if x < 0 {
		return tail
	}
	return 1 - tail
}

// tanhGo is Cephes' tanhf (Moshier 1989).
func tanhGo(x float32) float32 {
	size := float32(math.Abs(float64(x)))
	if size < 0.625 {
		s := x * x
		p := float32(-5.70498872745e-3)
		p = p*s + 2.06390887954e-2
		p = p*s - 5.37397155531e-2
		p = p*s + 1.33314422036e-1
		p = p*s - 3.33332819422e-1
		return x + x*s*p
	}
	return float32(math.Copysign(float64(1-2/(expGo(2*size)+1)), float64(x)))
}

func reluGo(y, x []float32) {
	for i, v := range x {
		y[i] = max(v, 0)
	}
}

func reluBackwardGo(dx, x, dy []float32) {
	for i, v := range x {
		switch {
		case v > 0:
			dx[i] = dy[i]
		case v <= 0:
			dx[i] = 0 * dy[i]
		default: // not a number
			dx[i] = v
		}
	}
}

func relu2Go(y, x []float32) {
	for i, v := range x {
		v = max(v, 0)
		y[i] = v * v
	}
}

func relu2BackwardGo(dx, x, dy []float32) {
	for i, v := range x {
		dx[i] = 2 * max(v, 0) * dy[i]
	}
}

func siluGo(y, x []float32) {
	for i, v := range x {
		y[i] = v * sigmoidGo(v)
	}
}

// siluBackwardGo uses d/dx x·s(x) = s + x·s·(1-s).
func siluBackwardGo(dx, x, dy []float32) {
	for i, v := range x {
		s := sigmoidGo(v)
		dx[i] = dy[i] * (s + v*(s-s*s))
	}
}

func geluExactGo(y, x []float32) {
	for i, v := range x {
		y[i] = v * normalGo(v)
	}
}

// geluExactBackwardGo uses d/dx x·Φ(x) = Φ(x) + x·e^(-x²/2)/√(2π).
func geluExactBackwardGo(dx, x, dy []float32) {
	for i, v := range x {
		dx[i] = dy[i] * (normalGo(v) + v*0.3989422804014327*expGo(-0.5*v*v))
	}
}

// softCapGo is engine.Kernels.SoftCap; inverse is 1/limit.
func softCapGo(y, x []float32, limit, inverse float32) {
	for i, v := range x {
		y[i] = limit * tanhGo(v*inverse)
	}
}

func softCapBackwardGo(dx, dy, y []float32, inverse float32) {
	for i, v := range y {
		t := v * inverse
		dx[i] = dy[i] * (1 - t*t)
	}
}

func mulGo(dst, a, b []float32) {
	for i := range dst {
		dst[i] = a[i] * b[i]
	}
}

// mixGo sets dst to alpha·a + beta·b.
func mixGo(dst, a, b []float32, alpha, beta float32) {
	for i := range dst {
		dst[i] = alpha*a[i] + beta*b[i]
	}
}

// rotateGo turns the pairs of low and high by the angles of cos and sin, backwards if sign is -1.
func rotateGo(yLow, yHigh, xLow, xHigh, cos, sin []float32, sign float32) {
	for i, c := range cos {
		low, high, s := xLow[i], xHigh[i], sin[i]*sign
		yLow[i], yHigh[i] = low*c-high*s, high*c+low*s
	}
}

// dropoutGo sets y[i] to x[i]·scale where the hash of the counter, which package random calls Mix, reaches least, else to 0.
// seed is the finished key, counter that of y[0].
func dropoutGo(y, x []float32, seed, counter, least uint64, scale float32) {
	for i, v := range x {
		y[i] = 0
		if finishGo(seed^(counter+uint64(i)))>>11 >= least {
			y[i] = v * scale
		}
	}
}

// finishGo is SplitMix64's finaliser (Steele, Lea & Flood 2014), as package random has it.
func finishGo(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// rmsNormGo normalises one row; inverse is 1/len(x).
func rmsNormGo(y, x, gain []float32, inverse, eps float32) (rstd float32) {
	var square float32
	for _, v := range x {
		square += v * v
	}
	rstd = float32(1 / math.Sqrt(float64(square*inverse+eps)))
	for i, v := range x {
		y[i] = v * rstd * gain[i]
	}
	return rstd
}

// rmsNormBackwardGo does one row: with n = x·rstd and g = dy·gain, dx = rstd·(g - n·mean(g·n)).
func rmsNormBackwardGo(dx, dgain, dy, x, gain []float32, rstd, inverse float32) {
	var inner float32
	for i, v := range x {
		n := v * rstd
		inner += dy[i] * gain[i] * n
		dgain[i] += dy[i] * n
	}
	inner *= inverse
	for i, v := range x {
		dx[i] = rstd * (dy[i]*gain[i] - v*rstd*inner)
	}
}

// lionGo takes β1, 1-β1, β2, 1-β2, the gradient's scale, lr and lr·decay.
func lionGo(p, m, g []float32, coefficients *[7]float32) {
	beta1, rest1, beta2, rest2 := coefficients[0], coefficients[1], coefficients[2], coefficients[3]
	gradScale, rate, decay := coefficients[4], coefficients[5], coefficients[6]
	for i, w := range p {
		grad := g[i] * gradScale
		update := beta1*m[i] + rest1*grad
		switch {
		case update > 0:
			update = 1
		case update < 0:
			update = -1
		}
		m[i] = beta2*m[i] + rest2*grad
		p[i] = w - (rate*update + decay*w)
	}
}

// sgdGo takes the gradient's scale, the decay, the momentum, lr, and how much of gradient and of momentum the update is.
func sgdGo(p, m, g []float32, coefficients *[6]float32) {
	gradScale, decay, momentum := coefficients[0], coefficients[1], coefficients[2]
	rate, ofGrad, ofMomentum := coefficients[3], coefficients[4], coefficients[5]
	for i, w := range p {
		grad := g[i]*gradScale + decay*w
		m[i] = momentum*m[i] + grad
		p[i] = w - rate*(ofGrad*grad+ofMomentum*m[i])
	}
}
