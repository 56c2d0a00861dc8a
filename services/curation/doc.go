// Package curation does curate runs: it takes run.requested of kind curate, lets the curator read, filter and pack, stores what
// comes out, and publishes the dataset once every byte of it is durable. A recipe whose sources have not changed since it made a
// dataset ends in that dataset, and nothing is built twice.
package curation
