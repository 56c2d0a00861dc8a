// Package view is the shapes in which GraphQL shows what the read model holds: its records, with the few fields that follow from
// others (tags as a list, seconds until now) as methods. What needs another look into the read model is a resolver of
// package graph; nothing here reads anything.
package view
