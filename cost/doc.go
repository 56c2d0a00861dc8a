// Package cost turns what was spent into dollars, by arithmetic.
//
// Facts (device-seconds, joules, bytes) are recorded when they are spent; prices are applied when a cost is read, from a dated
// price book that the user can edit. A run's cost can thus be priced again. The types: Price (one dated line), Book (all of
// them), Spent (what a run used of one device), Bill (the answer, with how much of it is unpriced).
package cost
