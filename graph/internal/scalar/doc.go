// Package scalar is how GraphQL's leaves look on the wire: Number, Int64, Time, JSON and Base64, and whole lists of numbers that
// are written in one go.
//
// gqlgen writes a list by making one object per element. A chart has a hundred thousand elements, so Numbers and Integers
// are lists that are leaves to gqlgen: they write themselves.
package scalar
