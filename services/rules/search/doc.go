// Package search says which configurations a sweep tries, and how far: a grid, random draws, or successive halving. It is pure: what a
// Plan answers follows from the plan and from what has been seen of its trials, so that whoever asks again is told the same.
package search
