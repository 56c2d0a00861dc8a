// Package cost is arithmetic about what work costs: before it is done, while it is, and after.
//
// After: facts (device-seconds, joules, bytes) are recorded when they are spent; prices are applied when a cost is read, from a dated
// price book that the user can edit. A run's cost can thus be priced again. Price is one dated line, Book all of them, Spent what a
// run used of one device, Bill the answer, with how much of it is unpriced.
//
// Before: a Shape (an architecture) has Parameters, FLOPs a token and Memory; a Law predicts a loss and sizes a model for a budget, and Fit
// finds one's own law; an Ask becomes an Estimate: device-hours, rent, purchase, energy, team, and when a purchase pays. Figures that
// nobody knows exactly are Ranges.
//
// Nothing here reads a clock, a file or the network.
package cost
