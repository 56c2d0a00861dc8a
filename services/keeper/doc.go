// Package keeper keeps storage and log small, and the past readable: copies of the read model in storage (snapshots), an archive of the log's
// beginning so that the log may forget it, collection of what nothing refers to any more, and the policy of what is deleted when.
//
// The types you need: Archive (reads what the log has forgotten; give it to bus.Remember in every process), Keeper (does everything else,
// beside a tracker), Restore (before a read model is opened), Past (read models of earlier places).
//
// What holds:
//
//   - Bytes first, fact second, deed third. A segment of the archive is durable, read back and compared before log.archived names it, and
//     the log forgets only what a published log.archived names. Killed anywhere, the log and the archive together hold every fact, and the
//     next trim goes on where it was.
//   - A snapshot is a shortcut. It fits one layout of the read model; the archive fits them all, so an upgrade folds anew however far the
//     log was trimmed.
//   - Nothing is deleted unless somebody asked: by hand, or by a retention policy. Garbage is collected on request only, and never what is
//     younger than a grace period (Collect says why that is enough).
package keeper
