// Package bus is the log: one JetStream stream, "MILLRACE", that holds every fact in one order, on a server inside this process or
// on a NATS cluster elsewhere. It alone imports NATS.
//
// The types you need: Bus, opened by Open with a Config; Publish and PublishOnce, which return when a fact is durable; Follow, which
// reads every fact in order from a place the caller keeps; Work, which gives each fact to one of a Group and keeps giving it until
// somebody has dealt with it.
//
// The caveats that bite. A fact may be published twice when an acknowledgement is lost for longer than the stream's window of two
// minutes, and Work delivers at least once: the keys inside facts make repeats harmless, so readers must go by keys. A fact that this
// version cannot read is skipped by Follow and terminated by Work, loudly (Config.Unreadable). A Publish that fails because its context
// ended may have been stored all the same. Publish reads the slices of an event until it returns; after a cancelled context it may read
// them a moment longer, so do not reuse them.
package bus
