// Package readmodel is the fold of the log: a picture of every fact, in one bbolt file, that can be thrown away and is then
// folded again. GraphQL, the web pages, the tracker and foreign clients' doors read here, and only here.
//
// The types you need: Model (Open, Apply, and the queries), Run and its fellows (what queries return), where.Expr and where.Sort (lists),
// SeriesQuery and PointsQuery (metrics), Watcher (nudges that something changed).
//
// What holds:
//
//   - Apply takes facts in the order of the log. A fact that was applied is ignored, so feeding from anywhere at or before
//     Cursor().Committed+1 gives the same. The cursor is committed in the transaction that holds what it counts: after a crash the
//     file is a true picture of an earlier moment. Nothing in a fact can stop the fold.
//   - Reads see every applied fact at once. What is not committed yet lies in a layer over the file, and series that were written lately
//     lie in memory; commits run beside, every 25-100 ms.
//   - Two models that folded the same log hold the same, whenever they committed, and however often they were opened (Dump is the proof,
//     readmodeltest.Check the test).
//   - Metrics lie in chunks of about 1,024 points with a pyramid of least, greatest and last values above them: a chart reads what it
//     draws, whatever the run's length, and loses no spike. docs/formats/series.md draws the bytes.
//   - A stored chunk that cannot be read is its series' trouble only: it counts as empty, what is new is kept, the series says that it is
//     damaged, and every other one is read and folded as before. Deleting the file heals it: the log has all.
//
// Runs: of every run its head is in memory (record_head.go, some 1.2 KB with its strings), in one piece with those beside it, in the order of creation. The whole record
// is read from the file when somebody asks for it and kept while there is room (2,048 records, 32 MB); what is not committed stays. Conditions
// (package where) are compiled to tests of heads and of columns: one value of every run, such as a path of the configuration, a metric's last value, or the
// cost, made by one pass over the file when first asked for, and kept current by the fold. So a list costs one look at every head, and nothing is
// ordered but the page that is shown. A run whose record cannot be read says so (Run.Damaged); the others are as they were, and facts about
// it are skipped.
//
// Caveats. The first question about a path or a metric reads that of all runs (0.1-0.5 s of 100,000), and the fold waits meanwhile. The file has one process at a time. bbolt files never shrink: deleting a run frees pages for what
// comes later, and a rebuilt file is the small one. What queries return shares memory with the model: read it, do not write it. Keys
// and values are laid out as the table in keys.go says; a change there is a new version and a rebuild, never a migration.
package readmodel
