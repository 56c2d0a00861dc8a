package dedup_test

import (
	"math"

	"millrace/curator/dedup"
)

// foundWith is the probability that two documents of similarity s share a band.
func foundWith(s float64) float64 {
	return 1 - math.Pow(1-math.Pow(s, dedup.BandHashes), dedup.Bands)
}

// deviation is the standard deviation of the number of successes in n trials of probability p.
func deviation(p float64, n int) float64 { return math.Sqrt(float64(n) * p * (1 - p)) }
